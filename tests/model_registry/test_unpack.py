"""Zips of model folders, and those that are made to do harm."""

from __future__ import annotations

import os
import stat
import zipfile

import pytest

from errors import BrokenModel, InvalidRequest
from model_registry import unpack as unpacking
from model_registry.published import Published
from model_registry.unpack import unpack

GOOD = {"cog.yaml": "predict: predict.py:Predictor", "predict.py": "x = 1"}


@pytest.fixture
def target(tmp_path):
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


@pytest.fixture
def zipped(tmp_path):
    """Makes a zip; a name's content may be a `ZipInfo` with its text."""

    def zipped(entries, kind=zipfile.ZIP_DEFLATED):
        path = tmp_path / "model.zip"
        with zipfile.ZipFile(path, "w", kind) as archive:
            for name, content in entries:
                archive.writestr(name, content)
        return path

    return zipped


def link(name, to):
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry, to


def below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("top", ["", "say-main/"])
def test_a_folder_comes_out_whether_it_was_packed_with_its_name_or_not(zipped, target, top):
    script = zipfile.ZipInfo(f"{top}tools/go.sh")
    script.external_attr = (stat.S_IFREG | 0o755) << 16
    entries = [(f"{top}{name}", text) for name, text in GOOD.items()]
    entries += [(f"{top}empty/", ""), (script, "#!"), ("__MACOSX/._x", "")]
    folder = unpack(zipped(entries), target)
    assert (folder / "predict.py").read_text() == "x = 1"
    assert os.access(folder / "tools" / "go.sh", os.X_OK) and (folder / "empty").is_dir()
    assert not os.access(folder / "predict.py", os.X_OK)


@pytest.mark.parametrize(
    "name",
    ["../out.py", "a/../../out.py", "/etc/out.py", "C:/out.py", "..\\out.py", "\\out.py", "./"],
)
def test_a_name_that_leads_out_is_refused_and_nothing_is_written_there(zipped, target, name):
    archive = zipped([*GOOD.items(), (zipfile.ZipInfo("placeholder"), "x")])
    # zipfile itself would put such a name right.
    long = name.ljust(11, "x") if len(name) < 11 and name != "./" else name
    packed = archive.read_bytes()
    if name == "./":
        packed = packed.replace(b"placeholder", b"./././././/")
    else:
        packed = packed.replace(b"placeholder", long[:11].encode())
    archive.write_bytes(packed)
    with pytest.raises(InvalidRequest, match="leads out of its folder|has a file called"):
        unpack(archive, target)
    assert below(target.parent) == ["model.zip", "target"] + [
        f"target/{each}" for each in below(target)
    ]


def test_links_within_are_kept_and_links_out_are_refused_when_pushed(zipped, target, tmp_path):
    inside = [*GOOD.items(), link("latest.py", "predict.py")]
    folder = unpack(zipped(inside), target)
    assert os.readlink(folder / "latest.py") == "predict.py"
    (tmp_path / "second").mkdir()
    outside = unpack(zipped([*GOOD.items(), link("passwd", "/etc/passwd")]), tmp_path / "second")
    with pytest.raises(BrokenModel, match="passwd is a link out of the folder, to /etc/passwd"):
        Published(tmp_path / "data").push(outside, "ada/say")


def test_nothing_is_written_through_a_link(zipped, target, tmp_path):
    (tmp_path / "victim").mkdir()
    entries = [link("deep", str(tmp_path / "victim")), ("deep/x.py", "harm"), *GOOD.items()]
    with pytest.raises(InvalidRequest, match="holds 'deep' twice"):
        unpack(zipped(entries), target)
    assert below(tmp_path / "victim") == []


def test_ten_gigabytes_of_zeros_are_refused_before_one_is_written(zipped, target):
    archive = zipped([("zeros.bin", bytes(100_000)), *GOOD.items()])
    packed = archive.read_bytes()
    announced = (100_000).to_bytes(4, "little")
    assert packed.count(announced) == 2
    # What the table of contents says counts: 4 GiB less one, three times.
    most = (0xFFFFFFFE).to_bytes(4, "little")
    archive.write_bytes(packed.replace(announced, most))
    with pytest.raises(InvalidRequest, match="more than 4.0 GB"):
        unpack(archive, target)
    assert below(target) == []


def test_what_is_unpacked_is_counted_too(zipped, target):
    entries = [(f"{n}.bin", bytes(400_000)) for n in range(4)]
    with pytest.raises(InvalidRequest, match="more than 1.0 MB"):
        unpack(zipped([*GOOD.items(), *entries]), target, most=1_000_000)
    archive = zipped([("zeros.bin", bytes(10_000_000)), *GOOD.items()])
    # It says that it is small.
    packed = archive.read_bytes().replace((10_000_000).to_bytes(4, "little"), b"\x10\0\0\0")
    archive.write_bytes(packed)
    with pytest.raises(InvalidRequest, match="no zip that can be read"):
        unpack(archive, target, most=1_000_000)
    assert sum(path.stat().st_size for path in target.rglob("*")) < 1_000_000


def test_a_zip_never_takes_the_last_of_the_disk(zipped, target, monkeypatch):
    monkeypatch.setattr("model_registry.folder_copy.RESERVE", 1 << 60)
    with pytest.raises(InvalidRequest, match="Make room, or choose another --data"):
        unpack(zipped(GOOD.items()), target)


def test_a_zip_of_too_many_files_is_refused(zipped, target, monkeypatch):
    monkeypatch.setattr(unpacking, "MOST_ENTRIES", 10)
    archive = zipped([*GOOD.items(), *((f"{n}.txt", "") for n in range(9))])
    with pytest.raises(InvalidRequest, match="holds 11 files; at most 10"):
        unpack(archive, target)
    monkeypatch.setattr(unpacking, "_LONGEST_TABLE", 100)
    with pytest.raises(InvalidRequest, match="lists more files"):
        unpack(archive, target)
    assert below(target) == []


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([*GOOD.items(), ("a", "x"), ("a/b", "y")], "has no place beside the others"),
        ([("deep/er/cog.yaml", "x")], "no cog.yaml at its top"),
        ([("a/cog.yaml", "x"), ("b/cog.yaml", "x")], "no cog.yaml at its top"),
        ([*GOOD.items(), ("n" * 300, "x")], "cannot be unpacked"),
        ([*GOOD.items(), link("long", "x" * 5000)], "is a link of 5000 bytes"),
        ([], "no cog.yaml"),
    ],
)
def test_what_is_no_model_is_refused_in_a_sentence(zipped, target, entries, said):
    with pytest.raises(InvalidRequest, match=said):
        unpack(zipped(entries), target)


def test_what_is_no_zip_is_refused_in_a_sentence(zipped, target, tmp_path):
    archive = zipped([*GOOD.items(), ("weights.bin", os.urandom(1000))], zipfile.ZIP_STORED)
    whole = archive.read_bytes()
    for broken in (b"", b"PK", whole[:200], whole[:-10], whole.replace(b"x = 1", b"x = 2")):
        archive.write_bytes(broken)
        with pytest.raises(InvalidRequest, match=r"model\.zip"):
            unpack(archive, target)
    at = whole.index(b"PK\x01\x02") + 8
    archive.write_bytes(whole[:at] + b"\x01" + whole[at + 1 :])
    (tmp_path / "second").mkdir()
    with pytest.raises(InvalidRequest, match="encrypted"):
        unpack(archive, tmp_path / "second")
