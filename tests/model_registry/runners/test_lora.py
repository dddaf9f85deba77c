"""LoRA weights by the Hub's name, by address and as a file, on FLUX and Stable Diffusion XL."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from safetensors.numpy import load_file, save_file

from cog import InvalidInput
from cog.addresses import PUBLIC_ONLY
from tests.hub_stand_in import Repository, hub
from tests.model_registry.runners.conftest import REGISTRY
from tests.model_registry.runners.drawn_models import PROMPT, SMALL, DrawnModels
from tests.tiny import image as tiny

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NAME = "pytorch_lora_weights.safetensors"
MODELS = {"flux-dev": tiny.FLUX_LORA, "sdxl": tiny.SDXL_LORA}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return DrawnModels(tmp_path_factory.mktemp("drawn"))


@pytest.fixture
def weights(tmp_path):
    """Writes the LoRA weights made for a model; gives the file."""

    def write(name):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        MODELS[name](folder)
        return folder / NAME

    return write


def run(model, name, **inputs):
    (path,) = model.run(prompt=PROMPT, seed=1, **SMALL[name], **inputs)
    return path.read_bytes()


@pytest.mark.parametrize("name", MODELS)
def test_lora_weights_change_the_picture_by_their_scale_for_that_run_only(drawn, weights, name):
    model, file = drawn(name), str(weights(name))
    plain = run(model, name)
    full = run(model, name, lora_file=file, lora_scale=1)
    half = run(model, name, lora_file=file, lora_scale=0.5)
    assert run(model, name, lora_file=file, lora_scale=1) == full
    assert len({plain, full, half}) == 3
    assert run(model, name) == plain


@pytest.mark.parametrize(("name", "other"), [("flux-dev", "sdxl"), ("sdxl", "flux-dev")])
def test_weights_for_another_architecture_are_refused_and_leave_no_trace(
    drawn, weights, name, other
):
    model = drawn(name)
    plain = run(model, name)
    with pytest.raises(InvalidInput, match="made for another architecture"):
        run(model, name, lora_file=str(weights(other)))
    assert run(model, name) == plain


def wider(name, tensor):
    return tensor.repeat(2, axis=int("lora_A" in name))


def narrower(name, tensor):
    """Only in what goes in: diffusers fills that up with zeros, for FLUX."""
    return tensor[:, :-4].copy() if "lora_A" in name else tensor


@pytest.mark.parametrize("changed", [wider, narrower])
@pytest.mark.parametrize("name", MODELS)
def test_layers_of_another_width_are_refused_and_leave_no_trace(drawn, weights, name, changed):
    model, file = drawn(name), weights(name)
    plain = run(model, name)
    save_file({key: changed(key, each) for key, each in load_file(file).items()}, file)
    with pytest.raises(InvalidInput, match="made for another architecture"):
        run(model, name, lora_file=str(file))
    assert run(model, name) == plain


def test_a_file_of_another_form_is_refused_unread(drawn, tmp_path):
    (tmp_path / "lora.pt").write_bytes(b"\x80\x04pickle")
    with pytest.raises(InvalidInput, match="no file of safetensors"):
        run(drawn("flux-dev"), "flux-dev", lora_file=str(tmp_path / "lora.pt"))


def test_weights_come_by_address_once_and_equal_the_file(drawn, weights, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "home"))
    file = weights("flux-dev")
    model, uploaded = drawn("flux-dev"), run(drawn("flux-dev"), "flux-dev", lora_file=str(file))
    with hub({"someone/lora": file.parent}) as stand_in:
        address = f"{stand_in.address}/someone/lora/resolve/main/{NAME}"
        assert run(model, "flux-dev", lora_weights=address) == uploaded
        asked = len(stand_in.requests)
        run(model, "flux-dev")
        assert run(model, "flux-dev", lora_weights=address) == uploaded
        assert len(stand_in.requests) == asked
        with pytest.raises(InvalidInput, match="answered 404"):
            run(model, "flux-dev", lora_weights=f"{stand_in.address}/nothing.safetensors")


def test_further_weights_add_to_the_first_each_by_its_scale(drawn, weights, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "home"))
    file = weights("flux-dev")
    model = drawn("flux-dev-lora")
    plain = run(model, "flux-dev")
    with hub({"someone/lora": file.parent}) as stand_in:
        extra = {"extra_lora": f"{stand_in.address}/someone/lora/resolve/main/{NAME}"}
        both = run(model, "flux-dev", lora_file=str(file), **extra)
        weak = run(model, "flux-dev", lora_file=str(file), **extra, extra_lora_scale=0.1)
        alone = run(model, "flux-dev", **extra)
    assert alone == run(model, "flux-dev", lora_file=str(file))
    assert len({plain, both, weak, alone}) == 4
    assert run(model, "flux-dev") == plain


def test_weights_by_name_and_as_a_file_at_once_are_refused(drawn, weights):
    with pytest.raises(InvalidInput, match="not both"):
        file = str(weights("flux-dev"))
        run(drawn("flux-dev"), "flux-dev", lora_weights="someone/lora", lora_file=file)


FETCH = """
import os
import sys
import lora_files
from cog import InvalidInput

tokens = lora_files.Tokens(hub=os.environ.get("GIVEN"))
for reference in sys.argv[1:]:
    try:
        print("got", lora_files.fetched(reference, tokens).name)
    except InvalidInput as refused:
        print("refused", refused)
"""


def fetch(references, home, environment):
    """What becomes of references in a process that takes the stand-in for the Hub, and that, like a
    child, finds nothing of ours but `cog`.
    """
    alone = home.parent / "path"
    if not alone.exists():
        alone.mkdir()
        (alone / "cog").symlink_to(REGISTRY.parent / "cog")
    done = subprocess.run(
        [sys.executable, "-c", FETCH, *references],
        cwd=REGISTRY / "runners",
        env={
            **os.environ,
            **environment,
            "HF_HOME": str(home),
            "PYTHONPATH": str(alone),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if not line.startswith("LoRA: ")]


@pytest.mark.heavy
def test_names_of_the_hub_are_fetched_or_refused_with_what_to_do(weights, tmp_path):
    one = weights("flux-dev")
    several = weights("sdxl").rename(tmp_path / "sdxl" / "a.safetensors").parent
    (several / "b.safetensors").write_bytes(one.read_bytes())
    (several / "broken.safetensors").write_bytes(b"not this")
    with hub({"someone/one": one.parent, "someone/several": several}) as stand_in:
        environment = stand_in.environment()
        found = fetch(
            [
                "someone/one",
                f"https://huggingface.co/someone/one/blob/main/{NAME}",
                f"https://huggingface.co/someone/one/resolve/main/{NAME}?download=true",
                "https://huggingface.co/someone/one/tree/main",
                "huggingface.co/someone/several/b.safetensors",
                "someone/several",
                "someone/several/c.safetensors",
                "someone/several/broken.safetensors",
                "someone/none",
                "a nice style",
                "../x",
            ],
            tmp_path / "home",
            environment,
        )
        stand_in.repositories["someone/gated"] = Repository(one.parent, token="hf_given")
        for given, told in ({}, "give your token as hf_api_token"), ({"GIVEN": "hf_given"}, "got"):
            (line,) = fetch(["someone/gated"], tmp_path / "home", {**environment, **given})
            assert told in line
    assert found[:5] == [f"got {NAME}"] * 4 + ["got b.safetensors"]
    wanted = [
        "has 3 .safetensors files; name the one you mean",
        "has no file c.safetensors",
        "is no file of safetensors",
        "has no repository someone/none",
        "names no LoRA weights",
        "names no repository of the Hub",
    ]
    assert [reason in line for reason, line in zip(wanted, found[5:], strict=True)] == [True] * 6
    # The Hub is gone: what was fetched is still there, and the rest is refused.
    later = ["someone/one", "someone/several/a.safetensors"]
    found = fetch(later, tmp_path / "home", {**environment, "HF_HUB_OFFLINE": "1"})
    assert found[0] == f"got {NAME}" and "cannot be fetched" in found[1]
    found = fetch(later[1:], tmp_path / "home", environment)
    assert "cannot be fetched" in found[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"])
def test_no_address_inside_is_fetched_where_that_is_not_allowed(tmp_path, host):
    references = [f"http://{host}:9/a.safetensors"]
    (said,) = fetch(references, tmp_path / "home", {PUBLIC_ONLY: "1"})
    assert said.startswith("refused") and "--allow-private-webhooks" in said
    (said,) = fetch(references, tmp_path / "home", {PUBLIC_ONLY: ""})
    assert "cannot be fetched" in said


class Civitai(BaseHTTPRequestHandler):
    """Gives a file to those who have the token."""

    content = b""
    asked: list[str] = []

    def do_GET(self):
        self.asked.append(self.path)
        allowed = self.headers["Authorization"] == "Bearer of-a-test"
        self.send_response(200 if allowed else 401)
        self.end_headers()
        if allowed:
            self.wfile.write(self.content)

    def log_message(self, *_):
        pass


@pytest.fixture
def civitai(drawn, weights, monkeypatch):
    """A place of its kind, whose files are tars."""
    drawn("flux-dev-lora")  # which imports what is told of it
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(weights("flux-dev"), "output/lora.safetensors")
    monkeypatch.setattr(Civitai, "content", packed.getvalue())
    monkeypatch.setattr(Civitai, "asked", [])
    with HTTPServer(("127.0.0.1", 0), Civitai) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr("lora_files.CIVITAI", f"http://127.0.0.1:{server.server_address[1]}")
        yield Civitai
        server.shutdown()


def test_civitai_takes_a_token_which_no_other_may_use_and_tars_are_opened(
    drawn, weights, civitai, tmp_path, monkeypatch
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "home"))
    model, token = drawn("flux-dev-lora"), {"civitai_api_token": "of-a-test"}
    uploaded = run(model, "flux-dev", lora_file=str(weights("flux-dev")))
    named = {"lora_weights": "civitai.com/models/12/a-style"}
    assert run(model, "flux-dev", **named, **token) == uploaded
    assert civitai.asked == ["/api/download/models/12?type=Model&format=SafeTensor"]
    with pytest.raises(InvalidInput, match="401.* give it as civitai_api_token"):
        run(model, "flux-dev", **named)
    page = {"lora_weights": "https://civitai.com/models/12?modelVersionId=34"}
    assert run(model, "flux-dev", **page, **token) == uploaded
    assert civitai.asked[-1] == "/api/download/models/34?type=Model&format=SafeTensor"


def test_the_same_weights_as_further_ones_are_used_once(drawn, weights, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "home"))
    model = drawn("flux-dev-lora")
    with hub({"someone/lora": weights("flux-dev").parent}) as stand_in:
        address = f"{stand_in.address}/someone/lora/resolve/main/{NAME}"
        once = run(model, "flux-dev", lora_weights=address)
        assert run(model, "flux-dev", lora_weights=address, extra_lora=address) == once


class Elsewhere(BaseHTTPRequestHandler):
    """Sends who asks on to a file of this machine's own."""

    to = ""

    def do_GET(self):
        self.send_response(302)
        self.send_header("Location", self.to)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_no_redirect_leads_inside(drawn, weights, tmp_path, monkeypatch):
    model, file = drawn("flux-dev"), weights("flux-dev")
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(PUBLIC_ONLY, "1")
    monkeypatch.setattr("lora_files.is_public", lambda address: str(address) == "127.0.0.2")
    with hub({"someone/lora": file.parent}) as stand_in:
        monkeypatch.setattr(Elsewhere, "to", f"{stand_in.address}/someone/lora/resolve/main/{NAME}")
        with HTTPServer(("127.0.0.2", 0), Elsewhere) as server:
            threading.Thread(target=server.handle_request, daemon=True).start()
            with pytest.raises(
                InvalidInput, match=r"127\.0\.0\.1 is at .*--allow-private-webhooks"
            ):
                address = f"http://127.0.0.2:{server.server_address[1]}/{NAME}"
                run(model, "flux-dev", lora_weights=address)
        assert stand_in.requests == []
