"""Output files of every form, brought into the prediction's folder; progress that is worth its
messages.
"""

from __future__ import annotations

import io

import pytest

from workers import messages
from workers.reports import OutputFiles, Sink


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def files(tmp_path, work):
    return OutputFiles(tmp_path / "outputs", work)


def test_a_file_that_is_named_twice_is_one_file(files, work):
    (work / "a.txt").write_text("once")
    first, second = files.save(work / "a.txt"), files.save(str(work / "a.txt"))
    assert first == second and first.read_text() == "once"


def test_a_file_that_is_made_again_under_its_name_is_another(files, work):
    (work / "frame.txt").write_text("0")
    first = files.save(work / "frame.txt")
    (work / "frame.txt").write_text("1")
    second = files.save(work / "frame.txt")
    assert [first.read_text(), second.read_text()] == ["0", "1"]


def test_files_of_one_name_that_is_as_long_as_can_be_are_kept_apart(files, work):
    name = "ä" * 125 + ".txt"
    for number in range(3):
        (work / str(number)).mkdir()
        (work / str(number) / name).write_text(str(number))
    found = [files.save(work / str(number) / name) for number in range(3)]
    assert [each.read_text() for each in found] == ["0", "1", "2"]


def test_an_opened_file_is_written_out_from_its_beginning(files, tmp_path):
    (tmp_path / "opened.txt").write_text("opened")
    written = io.BytesIO()
    written.write(b"bytes")
    with (tmp_path / "opened.txt").open() as opened:
        opened.read(3)
        found = [files.save(each) for each in (written, io.StringIO("tëxt"), opened)]
    assert [each.read_text(encoding="utf-8") for each in found] == ["bytes", "tëxt", "opened"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a\nb\r\x01.txt", "ab.txt"), ("日本語 #?.txt", "日本語 #?.txt"), ("\n", "output")],
)
def test_a_name_loses_what_no_address_can_carry(files, work, name, expected):
    (work / name).write_text("x")
    assert files.save(work / name).name == expected


@pytest.mark.parametrize(("name", "reason"), [("none.txt", "does not exist"), (".", "is a folder")])
def test_what_is_no_file_is_refused_with_the_reason(files, work, name, reason):
    with pytest.raises(FileNotFoundError, match=reason):
        files.save(work / name)


def test_what_ends_halfway_leaves_no_half_of_a_file(files, work, tmp_path):
    class EndsHalfway(io.BytesIO):
        def read(self, *size):
            if self.tell():
                raise OSError("gone")
            return super().read(2)

    with pytest.raises(OSError, match="gone"):
        files.save(EndsHalfway(b"four"))
    assert [*(tmp_path / "outputs").iterdir(), *work.iterdir()] == []


class Sent(list):
    """What would go to the parent."""

    send = list.append


def test_of_quick_steps_a_few_are_told_and_the_last_one_always():
    sent = Sent()
    sink = Sink(sent, "one")
    for step in range(1000):
        sink.progress(step + 1, 1000, "step")
    assert sent[0] == messages.Progress("one", 1, 1000, "step")
    assert sent[-1] == messages.Progress("one", 1000, 1000, "step")
    assert len(sent) < 100
