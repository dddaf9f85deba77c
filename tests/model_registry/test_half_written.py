"""Files that a kill meets on their way: the next start finds none of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from model_registry import half_written

ROOT = Path(__file__).resolve().parents[2]

WRITERS = {
    "a listing": """
from model_registry.hub_cache import HubCache
from model_registry.listing import Listing
from model_registry.shelf import Shelf
Shelf(data, HubCache(data / "cache")).keep(Listing("somebody/something", "0" * 40, ()))
""",
    "a pin": """
from model_registry.ledger import Ledger
Ledger(data / "pins.json").settle("somebody/something", "0" * 40)
""",
    "fingerprints": """
from model_registry.fingerprint import Fingerprints
Fingerprints(data / "fingerprints.json").save()
""",
    "a description": """
from model_registry.catalog import Catalog
folder = data / "models" / "echo"
folder.mkdir(parents=True)
(folder / "cog.yaml").write_text("predict: predict.py:run")
(folder / "predict.py").write_text("def run(text: str) -> str:\\n    return text")
Catalog.load([data / "models"], data, specs=data)
""",
    "LoRA weights": """
from model_registry.half_written import beside
(data / "huggingface" / "lora").mkdir(parents=True)
fresh = beside(data / "huggingface" / "lora" / "0123.safetensors")
fresh.write_text("half")
fresh.with_name(fresh.name + ".inner").write_text("half of what is in it")
os.replace(fresh, fresh)
""",
    "a model of the Hub": """
folder = data / "hub_models" / "somebody" / f".{os.getpid()}"
folder.mkdir(parents=True)
(folder / "something.yaml").write_text("half")
os.replace(folder, folder)
""",
}
KILLED = """
import os, signal, sys
from pathlib import Path
data = Path(sys.argv[1])
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""


def sweep(data):
    half_written.sweep(half_written.places(data, data / "huggingface"))


def files(data):
    """All but the models, and the locks, which stay."""
    found = (path for path in data.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {path for path in found if "models" not in path.parts}


@pytest.mark.parametrize("writer", WRITERS)
def test_what_is_killed_just_before_it_puts_a_file_in_its_place_leaves_nothing(tmp_path, writer):
    program = [sys.executable, "-c", KILLED + WRITERS[writer], str(tmp_path)]
    assert subprocess.run(program, cwd=ROOT).returncode == -9
    assert files(tmp_path)
    sweep(tmp_path)
    assert not files(tmp_path) and not list(tmp_path.glob("hub_models/*/*"))


def test_what_a_living_process_writes_stays_and_so_does_what_is_whole(tmp_path):
    fresh, whole = half_written.beside(tmp_path / "pins.json"), tmp_path / "consents.json"
    fresh.touch()
    half_written.put(whole, "{}")
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"pins.json.{os.getpid()}", whole.name}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_what_a_full_disk_refuses_is_not_left_there(tmp_path):
    half_written.put(tmp_path / "pins.json", "before")
    half_written.beside(tmp_path / "pins.json").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        half_written.put(tmp_path / "pins.json", "after")
    assert [path.name for path in tmp_path.iterdir()] == ["pins.json"]
    assert (tmp_path / "pins.json").read_text() == "before"
