"""A model's document, asked from a child process and remembered."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time

import pytest

from errors import BrokenModel
from model_registry import describer as describer_module
from model_registry import description
from model_registry.describer import Describer
from model_registry.description import Descriptions, describe
from model_registry.spec import Code
from tests.processes import is_alive

ECHO = "def run(text: str) -> str: ..."


def code(folder, **more):
    return Code(str(folder), "predict.py:run", **more)


def test_a_model_is_described_by_its_own_process(write):
    document = describe(code(write(predict=ECHO)), "local/one")
    assert document["components"]["schemas"]["Input"]["required"] == ["text"]


@pytest.mark.parametrize(
    ("predict", "said"),
    [
        ("raise ValueError('no weights')", "predict.py, line 1: ValueError: no weights"),
        ("import os\nos._exit(1)", "ended its process (exit code 1)"),
        ("import os\nos._exit(0)", "ended its process (exit code 0)"),
        ("import os\nprint('noise')\nos.abort()", "ended its process (exit code -6)"),
        ("def run(text) -> str: ...", "'text' has no type"),
    ],
)
def test_a_model_that_cannot_be_described_says_why(write, predict, said):
    with pytest.raises(BrokenModel) as caught:
        describe(code(write(predict=predict)), "local/one")
    assert said in caught.value.reason


@pytest.fixture
def describer():
    with Describer() as held:
        yield held


def test_one_child_describes_all_and_each_in_a_process_of_its_own(write, tmp_path, describer):
    predict = f"""
    import builtins, psutil
    assert not hasattr(builtins, "was_here")
    builtins.was_here = True
    open({str(tmp_path / "pids")!r}, "a").write(f"{{psutil.Process().parent().ppid()}} ")
    def run(text: str) -> str: ...
    """
    for _ in range(2):
        describe(code(write(predict=predict)), "local/one", describer=describer)
    first, second = (tmp_path / "pids").read_text().split()
    assert first == second
    assert is_alive(int(first))


def test_a_child_that_nobody_holds_any_more_ends(write, tmp_path):
    predict = f"""
    import psutil
    open({str(tmp_path / "pid")!r}, "w").write(str(psutil.Process().parent().ppid()))
    def run(text: str) -> str: ...
    """
    describe(code(write(predict=predict)), "local/one")
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_what_cannot_be_remembered_is_described_all_the_same(write, tmp_path):
    folder = tmp_path / "described"
    descriptions = Descriptions(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("in the way")
    assert descriptions.of("a" * 64, code(write(predict=ECHO)), "local/one", None)


def test_an_import_without_end_ends_with_who_asked_for_it(write, tmp_path):
    began = tmp_path / "began"
    endless = f"import os, time\nopen({str(began)!r}, 'w').write(f'{{os.getpid()}}\\n')\n"
    folder = write(predict=f"{endless}while True:\n    time.sleep(100)\n")
    asking = (
        "from model_registry.describer import Describer\n"
        f"with Describer() as held:\n    held.ask([{str(folder)!r}, 'predict.py:run'], 1e6, set())"
    )
    with subprocess.Popen([sys.executable, "-c", asking], cwd=describer_module.ROOT) as process:
        while not (began.exists() and began.read_text().endswith("\n")):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    with contextlib.suppress(ProcessLookupError):
        while True:
            os.kill(int(began.read_text()), 0)
            time.sleep(0.01)


def test_a_model_that_kills_who_describes_it_harms_no_other(write, describer):
    parent = "import os, psutil\nos.kill(psutil.Process().parent()"
    with pytest.raises(BrokenModel, match=r"ended its process \(exit code -9\)"):
        predict = f"{parent}.pid, 9)\n{ECHO}"
        describe(code(write(predict=predict)), "local/one", describer=describer)
    predict = f"{parent}.ppid(), 9)\n{ECHO}"
    describe(code(write(predict=predict)), "local/one", describer=describer)
    describe(code(write(predict=ECHO)), "local/one", describer=describer)


def test_an_import_that_hangs_is_killed_with_what_it_has_started(write, tmp_path):
    predict = f"""
    import os, subprocess, time
    child = subprocess.Popen(["sleep", "1000"])
    open({str(tmp_path / "pids")!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
    time.sleep(1000)
    """
    with pytest.raises(BrokenModel, match=r"predict.py, line 5: it was not imported within 3 s"):
        describe(code(write(predict=predict)), "local/one", timeout=3)
    for process in map(int, (tmp_path / "pids").read_text().split()):
        while is_alive(process):
            time.sleep(0.01)


def test_an_import_that_hangs_is_tried_once_until_its_code_has_changed(write, data, tmp_path):
    hangs = f"import time\nopen({str(tmp_path / 'count')!r}, 'a').write('x')\ntime.sleep(1000)"
    folder = write(predict=hangs)
    for _ in range(2):  # the second one is a later start of the app
        descriptions = Descriptions(data / "described", timeout=3)
        with pytest.raises(BrokenModel, match="not imported within 3 s. It is tried again once"):
            descriptions.of("a" * 64, code(folder), "local/one", None)
    assert (tmp_path / "count").read_text() == "x"
    with pytest.raises(BrokenModel):
        descriptions.known.of("a" * 64, code(folder), "local/one", None)
    (folder / "predict.py").write_text(ECHO)
    assert descriptions.of("b" * 64, code(folder), "local/one", None)


def test_an_import_that_takes_too_long_is_read_instead(write, data):
    folder = write(predict=f"import time\n{ECHO}\ntime.sleep(1000)")
    for _ in range(2):  # the second one is a later start of the app
        descriptions = Descriptions(data / "described", timeout=1)
        found = descriptions.of_folder("a" * 64, code(folder), "local/one", None)
        assert found.document == describe(code(folder), "local/one", from_source=True)
        assert "it was not imported within 1 s" in found.warning
        assert not found.provisional
        descriptions.known.of_folder("a" * 64, code(folder), "local/one", None)


def test_an_import_that_takes_too_long_and_cannot_be_read_is_refused(write, data):
    folder = write(predict="import time\nrun = time.sleep(1000)")
    with pytest.raises(BrokenModel, match="line 2: it was not imported within 1 s"):
        Descriptions(data / "described", timeout=1).of_folder(
            "a" * 64, code(folder), "local/one", None
        )


def test_nothing_in_the_working_directory_is_imported(write, tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise RuntimeError('the wrong json')")
    monkeypatch.chdir(tmp_path)
    assert describe(code(write(predict=ECHO)), "local/one")["openapi"] == "3.0.2"


def test_a_models_own_modules_win_over_ours(write):
    folder = write(
        predict="import errors, settings\ndef run(text: str = errors.MINE) -> str: ...",
        **{"errors.py": "MINE = 'mine'", "settings.py": ""},
    )
    document = describe(code(folder), "local/one")
    properties = document["components"]["schemas"]["Input"]["properties"]
    assert properties["text"]["default"] == "mine"


def test_a_description_is_made_once_per_version(write, data, tmp_path):
    counting = f"open({str(tmp_path / 'count')!r}, 'a').write('x')\n" + ECHO
    folder = write(predict=counting)
    for _ in range(2):  # the second one is a later start of the app
        descriptions = Descriptions(data / "described")
        first = descriptions.of("a" * 64, code(folder), "local/one", None)
        assert descriptions.of("a" * 64, code(folder), "local/one", None) == first
    assert (tmp_path / "count").read_text() == "x"
    descriptions.of("b" * 64, code(folder), "local/one", None)
    assert (tmp_path / "count").read_text() == "xx"


def test_a_new_cog_of_ours_describes_again_but_keeps_the_date(write, data, monkeypatch):
    folder = write(predict=ECHO)
    descriptions = Descriptions(data / "described")
    first = descriptions.of("a" * 64, code(folder), "local/one", None)
    (folder / "predict.py").write_text("def run(n: int) -> str: ...")
    monkeypatch.setattr(description, "_own_code", lambda: "another")
    later = descriptions.of("a" * 64, code(folder), "local/one", None)
    assert later[0] != first[0]
    assert later[1] == first[1]


def test_a_damaged_memory_is_made_anew(write, data):
    folder = write(predict=ECHO)
    descriptions = Descriptions(data / "described")
    first = descriptions.of("a" * 64, code(folder), "local/one", None)
    (kept,) = os.listdir(data / "described")
    (data / "described" / kept).write_text("{")
    assert descriptions.of("a" * 64, code(folder), "local/one", None)[0] == first[0]
