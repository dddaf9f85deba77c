"""The program that models fetch their weights with."""

from __future__ import annotations

import io
import tarfile
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cog import pget


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format, *values): ...


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder, and the address at which it is served."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"weights")
    with tarfile.open(folder / "weights.tar", "w") as tar:
        tar.add(folder / "weights.bin", "inside/weights.bin")
    with zipfile.ZipFile(folder / "weights.zip", "w") as zipped:
        zipped.writestr("inside/weights.bin", b"weights")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "options",
    [[], ["-f"], ["--log-level", "warn", "-f"], ["-c", "8", "--max-conn-per-host", "100"], ["-vf"]],
)
def test_a_file_is_put_where_it_is_wanted(served, tmp_path, options):
    place = tmp_path / "deep" / "there.bin"
    assert pget.main([*options, f"{served[1]}/weights.bin", str(place)]) == 0
    assert place.read_bytes() == b"weights"
    assert [each.name for each in place.parent.iterdir()] == ["there.bin"]


@pytest.mark.parametrize("archive", ["weights.tar", "weights.zip"])
@pytest.mark.parametrize("order", ["-x {} {}", "{} {} -x", "-xf {} {}"])
def test_an_archive_is_unpacked_into_a_folder(served, tmp_path, archive, order):
    place = tmp_path / "there"
    assert pget.main(order.format(f"{served[1]}/{archive}", place).split()) == 0
    assert (place / "inside" / "weights.bin").read_bytes() == b"weights"


def test_what_is_there_is_replaced_only_by_force(served, tmp_path, capsys):
    place = tmp_path / "there.bin"
    place.write_bytes(b"mine")
    arguments = [f"{served[1]}/weights.bin", str(place)]
    assert pget.main(arguments) == 1
    assert "is there already; -f replaces it" in capsys.readouterr().err
    assert place.read_bytes() == b"mine"
    assert pget.main(["-f", *arguments]) == 0
    assert place.read_bytes() == b"weights"


def test_an_archive_joins_what_its_folder_holds(served, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine").write_bytes(b"mine")
    assert pget.main(["-xf", f"{served[1]}/weights.tar", str(tmp_path / "there")]) == 0
    assert {each.name for each in (tmp_path / "there").iterdir()} == {"inside", "mine"}


def test_a_manifest_names_many(served, tmp_path, monkeypatch):
    lines = "\n".join(f"{served[1]}/weights.bin {tmp_path / name}" for name in ("one", "two"))
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    assert pget.main(["multifile", "-", "-f"]) == 0
    assert [(tmp_path / name).read_bytes() for name in ("one", "two")] == [b"weights"] * 2
    (tmp_path / "manifest").write_text("lonely\n")
    assert pget.main(["multifile", str(tmp_path / "manifest")]) == 1


def test_what_cannot_be_fetched_is_named_and_leaves_nothing(served, tmp_path, capsys):
    place = tmp_path / "out" / "there"
    assert pget.main([f"{served[1]}/absent.bin", str(place)]) == 1
    assert "absent.bin could not be fetched to" in capsys.readouterr().err
    assert pget.main(["-x", f"{served[1]}/weights.bin", str(place)]) == 1
    assert list(place.parent.iterdir()) == []


def test_an_archive_writes_nothing_outside_of_its_folder(served, tmp_path):
    with tarfile.open(served[0] / "bad.tar", "w") as tar:
        tar.add(served[0] / "weights.bin", "../../escaped.bin")
    assert pget.main(["-x", f"{served[1]}/bad.tar", str(tmp_path / "out" / "there")]) == 1
    assert not list(tmp_path.rglob("escaped.bin"))


def test_offline_it_says_what_to_put_where(served, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert pget.main([f"{served[1]}/weights.bin", str(tmp_path / "there")]) == 1
    said = capsys.readouterr().err
    assert "--offline" in said and f"weights.bin holds at {tmp_path / 'there'}" in said
