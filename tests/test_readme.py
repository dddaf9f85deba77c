"""The README is held to what it says: options, endpoints, examples."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from settings import parse
from tests.test_app import output_of, running

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
CLIENT, PREDICTOR = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_front_matter_is_what_a_space_needs():
    front = yaml.safe_load(README.split("---")[1])
    assert front["sdk"] == "gradio" and front["app_file"] == "app.py"
    pinned = re.search(r"^gradio==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert front["sdk_version"] == pinned[1]
    settings = parse([], {"SPACE_ID": "someone/atelier"})
    assert (settings.host, settings.port) == ("0.0.0.0", 7860)


def test_every_option_is_in_the_readme_with_its_variable():
    shown = subprocess.run(
        [sys.executable, "app.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    options = set(re.findall(r"(--[a-z-]+)", shown.stdout)) - {"--help"}
    assert len(options) > 8
    for option in options:
        variable = "ATELIER_" + option.strip("-").replace("-", "_").upper()
        assert f"| `{option}` | `{variable}` |" in README


def test_every_variable_does_what_its_option_does(tmp_path):
    rows = re.findall(r"\| `(--[a-z-]+)` \| `(ATELIER_\w+)` \|", README)
    for option, variable in rows:
        flag = option in ("--share", "--offline", "--allow-private-webhooks")
        value = {
            "--port": "8123",
            "--trusted-proxies": "10.0.0.5",
            "--public-url": "https://models.lan",
        }.get(option, "1" if flag else "5")
        assert parse([option] if flag else [option, value], {}) == parse([], {variable: value})


def test_every_endpoint_is_in_the_readme():
    listed = re.findall(r"`([A-Z]+) (/[^`]*)`", README)
    for file, below in (("app.py", "/v1"), ("openai/routes.py", "/openai/v1")):
        text = (ROOT / "api" / file).read_text()
        for path, methods in re.findall(r'"(/[^"]+)": \{(.*?)\}', text, re.DOTALL):
            for method in re.findall(r'"([A-Z]+)"', methods):
                wanted = re.sub(r"\{[^}]*\}", "{}", below + path)
                found = [m for m, p in listed if re.sub(r"\{[^}]*\}", "{}", p) == wanted]
                assert method in found, f"{method} {wanted}"


def test_the_client_example_runs_as_it_stands(tmp_path):
    with running(tmp_path, "--spares", "1") as (_, address):
        done = subprocess.run(
            [sys.executable, "-c", CLIENT],
            cwd=tmp_path,
            env={**os.environ, "REPLICATE_BASE_URL": address, "REPLICATE_API_TOKEN": "any"},
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stderr
        assert "succeeded http" in done.stdout
        assert (tmp_path / "circle.png").read_bytes()[1:4] == b"PNG"


def test_the_model_example_runs_as_it_stands(tmp_path):
    folder = tmp_path / "models" / "shout"
    folder.mkdir(parents=True)
    (config,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (folder / "cog.yaml").write_text(config)
    (folder / "predict.py").write_text(PREDICTOR)
    with running(tmp_path, "--models", str(tmp_path / "models")) as (_, address):
        assert output_of(address, "shout", text="quiet") == "QUIET!"
