from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import numpy
import pytest

from errors import CannotBuild
from workers import messages
from workers.environments import Environments

ROOT = Path(__file__).resolve().parents[2]
UV = shutil.which(
    "uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
)


def wheel(folder, name, version, requires=(), source=""):
    """A wheel of one module."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    files = {
        f"{name}.py": f"version = {version!r}\n{source}",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{info}/RECORD,,"]
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        lines.append(f"{path},sha256={digest.decode()},{len(text.encode())}")
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        for path, text in {**files, f"{info}/RECORD": "\n".join(lines) + "\n"}.items():
            file.writestr(path, text)


@pytest.fixture
def shelf(tmp_path):
    """Requirements' lines that find wheels in a folder and nowhere else, and the folder."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    return ["--no-index", f"--find-links {folder}"], folder


@pytest.fixture
async def environments(tmp_path):
    made = Environments(tmp_path / "environments")
    made._uv = None
    yield made
    await made.stop()


def said_by(python, code):
    """What the interpreter prints, as the child would start it."""
    done = subprocess.run(
        [str(python), "-c", code], capture_output=True, text=True, check=True, cwd="/"
    )
    return done.stdout.strip()


def installer(tmp_path, script):
    """A program in uv's place."""
    path = tmp_path / "installer"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    "uv",
    [
        pytest.param(None, id="pip"),
        pytest.param(
            UV, id="uv", marks=pytest.mark.skipif(not UV, reason="requirements-dev.txt has uv")
        ),
    ],
)
async def test_what_the_app_satisfies_is_not_installed_again_and_the_rest_hides_it(
    environments, shelf, uv
):
    options, folder = shelf
    environments._uv = uv
    wheel(folder, "tinyvoice", "1.0", ["numpy>=1", "msgspec", "semantic_version==99.0"])
    wheel(folder, "semantic_version", "99.0")
    packages = [*options, "tinyvoice"]
    assert environments.python_for(packages) is None
    lines = []
    python = await environments.build(packages, lines.append)
    assert python == environments.python_for(packages)
    code = "import tinyvoice, semantic_version, numpy, msgspec; print(semantic_version.version); "
    theirs, ours = said_by(python, code + "print(numpy.__file__)").splitlines()
    assert theirs == "99.0" and ours == numpy.__file__
    own = python.parent.parent / "lib"
    assert {each.name.partition("-")[0] for each in own.rglob("*.dist-info")} == {
        "tinyvoice",
        "semantic_version",
    }
    seen = said_by(
        python,
        "from importlib.metadata import version as v; print(v('semantic-version'), v('torch'))",
    )
    assert seen.startswith("99.0 2.")
    assert "tinyvoice" in lines[0] and "was built in" in lines[-1]
    assert not any("ninstall" in line or str(own) in line for line in lines)
    assert not version("semantic-version").startswith("99"), "the app has its own still"


async def test_builders_at_once_share_one_build_and_all_hear_of_it(environments, shelf, tmp_path):
    options, folder = shelf
    wheel(folder, "tinyvoice", "1.0")
    environments._uv = installer(tmp_path, f"echo run >> {tmp_path}/runs; echo Installing")
    packages = [*options, "tinyvoice"]
    heard = [[], [], []]
    first, *others = await asyncio.gather(
        *(environments.build(packages, lines.append) for lines in heard)
    )
    assert all(python == first for python in others)
    assert (tmp_path / "runs").read_text() == "run\n"
    assert all("Installing" in lines for lines in heard)
    again = []
    assert await environments.build(packages, again.append) == first and again == []


async def test_a_failed_build_names_the_requirement_and_can_be_tried_again(
    environments, shelf, tmp_path
):
    options, folder = shelf
    wheel(folder, "tinyvoice", "1.0")
    packages = [*options, "tinyvoice==1.0", "tinymusic==2.0"]
    with pytest.raises(CannotBuild) as caught:
        await environments.build(packages, lambda line: None)
    first, *details = str(caught.value).splitlines()
    assert "tinymusic==2.0 could not be installed" in first and "tinyvoice" not in first
    assert any("No matching distribution" in line for line in details)
    assert environments.python_for(packages) is None
    assert not any(each.is_dir() for each in environments._folder.iterdir())
    environments._uv = installer(tmp_path, "true")
    assert (await environments.build(packages, lambda line: None)).exists()


async def test_a_build_that_is_ended_leaves_nothing(environments, shelf, tmp_path):
    working = asyncio.Event()
    environments._uv = installer(
        tmp_path, f"echo $$ > {tmp_path}/pid; echo working; exec sleep 600"
    )

    def said(line):
        if line == "working":
            working.set()

    packages = [*shelf[0], "tinyvoice"]
    waiting = asyncio.create_task(environments.build(packages, said))
    await working.wait()
    await environments.stop()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert environments.python_for(packages) is None
    assert not any(each.is_dir() for each in environments._folder.iterdir())
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_who_no_longer_waits_does_not_end_the_others_build(environments, shelf, tmp_path):
    go_on = tmp_path / "go-on"
    os.mkfifo(go_on)
    environments._uv = installer(tmp_path, f"echo working; cat {go_on}")
    working = asyncio.Event()
    packages = [*shelf[0], "tinyvoice"]
    gone = asyncio.create_task(environments.build(packages, lambda line: working.set()))
    stays = asyncio.create_task(environments.build(packages, lambda line: None))
    await working.wait()
    gone.cancel()
    await asyncio.to_thread(go_on.write_text, "on\n")
    assert (await stays).exists() and gone.cancelled()


async def test_what_a_killed_process_has_begun_is_built_anew(environments, shelf, tmp_path):
    packages = [*shelf[0], "tinyvoice"]
    slow = installer(tmp_path, "touch half; while echo working; do sleep 0.02; done")
    code = (
        "import asyncio; from pathlib import Path; from workers.environments import Environments;"
        f"made = Environments(Path({str(environments._folder)!r}), uv={slow!r});"
        f"asyncio.run(made.build({packages!r}, lambda line: print(line, flush=True)))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as builder:
        assert builder.stdout is not None
        while builder.stdout.readline() != "working\n":
            pass
        builder.send_signal(signal.SIGKILL)
    assert environments.python_for(packages) is None
    environments._uv = installer(tmp_path, "test ! -e half || exit 1")
    assert (await environments.build(packages, lambda line: None)).exists()


async def test_only_what_is_asked_for_stays(environments, shelf, tmp_path):
    environments._uv = installer(tmp_path, "true")
    kept, unused = [*shelf[0], "tinyvoice"], [*shelf[0], "tinymusic"]
    for packages in (kept, unused):
        await environments.build(packages, lambda line: None)
    (environments._folder / "half-built").mkdir()
    assert environments.remove_unused([kept]) == 2
    assert environments.python_for(kept) and environments.python_for(unused) is None
    assert environments.remove_unused([kept]) == 0


async def test_offline_asks_no_network_and_says_so(environments, tmp_path):
    program = installer(tmp_path, 'echo "$@"; echo error: tinyvoice was not found; exit 1')
    offline = Environments(environments._folder, offline=True, uv=program)
    with pytest.raises(CannotBuild, match="tinyvoice could not be installed.*--offline") as caught:
        await offline.build(["tinyvoice"], lambda line: None)
    assert "--offline" in str(caught.value).splitlines()[1]
    offline._uv = None
    assert "--no-index" in offline._command("python")


async def test_a_full_disk_or_a_file_in_the_way_is_said(environments, shelf):
    environments._folder.write_text("no folder")
    with pytest.raises(CannotBuild, match="could not be built"):
        await environments.build([*shelf[0], "tinyvoice"], lambda line: None)


SAYS_ITS_VERSION = """
    import tinyvoice
    class Predictor(BasePredictor):
        def predict(self) -> str:
            import numpy
            return f"{tinyvoice.version} {numpy.__file__}"
"""


async def test_models_with_conflicting_packages_run_side_by_side(pool, shelf):
    options, folder = shelf
    for number in ("1.0", "2.0"):
        wheel(folder, "tinyvoice", number)
    runs = {
        number: pool.run(
            pool.model(SAYS_ITS_VERSION, packages=(*options, f"tinyvoice=={number}"), heavy=True)
        )
        for number in ("1.0", "2.0")
    }
    for number, prediction in runs.items():
        assert isinstance(await pool.end(prediction), messages.Succeeded)
        assert pool.output(prediction) == f"{number} {numpy.__file__}"
        waited = [e.activity for e in pool.events[prediction] if isinstance(e, messages.Waiting)]
        assert any(f"tinyvoice=={number}" in activity for activity in waited)
        assert f"tinyvoice=={number}" in pool.logs(prediction)
        assert "was built in" in pool.logs(prediction)


async def test_a_model_whose_packages_cannot_be_had_fails_and_the_others_run(pool, shelf):
    options, _ = shelf
    fails = pool.run(pool.model(SAYS_ITS_VERSION, packages=(*options, "tinymusic==1.0")))
    source = """
        class Predictor(BasePredictor):
            def predict(self) -> str:
                return "fine"
    """
    other = pool.run(pool.model(source))
    failed = await pool.end(fails)
    assert isinstance(failed, messages.Failed)
    assert "tinymusic==1.0 could not be installed" in failed.reason
    assert "No matching distribution" in pool.logs(fails)
    await pool.end(other)
    assert pool.output(other) == "fine"


async def test_a_pool_that_is_stopped_ends_a_build(make_pool, shelf, tmp_path):
    pool = await make_pool()
    pool.pool._environments._uv = installer(tmp_path, "echo working; exec sleep 600")
    prediction = pool.run(pool.model(SAYS_ITS_VERSION, packages=(*shelf[0], "tinyvoice")))
    while "working" not in pool.logs(prediction):
        pool._changed.clear()
        await asyncio.wait_for(pool._changed.wait(), 60)
    await pool.pool.stop()
