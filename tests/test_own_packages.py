"""A model folder that names packages: its form before they are installed and after, its runs, and
another beside it that wants others.
"""

from __future__ import annotations

import textwrap

import pytest

import app
from model_registry.catalog import Catalog
from predictions.prediction import Status
from settings import PoolSettings, Settings
from tests.workers.test_environments import wheel

PREDICT = """
    import tinyvoice
    import numpy
    from cog import BasePredictor, Input

    class Predictor(BasePredictor):
        def predict(
            self,
            text: str,
            voice: str = Input(default="low", choices=["low", "high"]),
            loudness: int = Input(default=tinyvoice.LOUDNESS, ge=1),
        ) -> str:
            numpy.zeros(1)
            return f"{text} {voice} {loudness} {tinyvoice.version}"
"""


@pytest.fixture
def folders(tmp_path):
    """Two models of one source, each with a wheel of its own version beside it."""
    for name, number in (("older", "1.0"), ("newer", "2.0")):
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        wheel(folder / "wheels", "tinyvoice", number, ["numpy>=1"], f"LOUDNESS = {number[0]}0\n")
        (folder / "cog.yaml").write_text(
            "predict: predict.py:Predictor\nbuild: {python_requirements: requirements.txt}\n"
        )
        requirements = f"--no-index\n--find-links wheels\nnumpy\ntinyvoice=={number}\n"
        (folder / "requirements.txt").write_text(requirements)
        (folder / "predict.py").write_text(textwrap.dedent(PREDICT))
    return tmp_path / "models"


@pytest.fixture
async def service(tmp_path, folders):
    settings = Settings(
        data=tmp_path / "data", models=(folders,), offline=True, pool=PoolSettings(spares=0)
    )
    settings.data.mkdir()
    made = app.build_service(settings, _catalog(settings, tmp_path))
    await made.start()
    yield made
    await made.stop()


def _catalog(settings, tmp_path):
    from workers.environments import Environments

    environments = Environments(settings.data / "environments", settings.offline)
    return Catalog.load(
        settings.models, settings.data, tmp_path / "no-specs", python_for=environments.python_for
    )


async def ended(service, model, **inputs):
    prediction = await service.create(model, inputs)
    return await service.wait(prediction.id, 100)


async def test_two_that_want_conflicting_packages_run_side_by_side(service, tmp_path, folders):
    before = service.catalog.find("local/older")
    assert before.latest.input_schema["required"] == ["text"]
    assert "default" not in before.latest.input_schema["properties"]["loudness"]
    assert "installed with its first run" in before.warnings[0]
    assert "tinyvoice==1.0" in before.warnings[0]

    older = await service.create("local/older", {"text": "hi"})
    newer = await service.create("local/newer", {"text": "hi", "voice": "high"})
    older, newer = [await service.wait(each.id, 100) for each in (older, newer)]
    assert (older.status, older.output) == (Status.SUCCEEDED, "hi low 10 1.0"), older
    assert newer.output == "hi high 20 2.0"
    assert "tinyvoice==1.0" in older.logs and "was built in" in older.logs

    # What an import says is known from now on, of the same version.
    again = await service.catalog.fresh("local/older")
    assert again.id == before.latest.id and not again.provisional
    assert again.created_at == before.latest.created_at
    assert again.input_schema["properties"]["loudness"]["default"] == 10
    assert service.catalog.find("local/older").warnings == ()

    # And is after a restart.
    later = _catalog(Settings(data=tmp_path / "data", models=(folders,)), tmp_path)
    assert later.find("local/older").latest == again


async def test_packages_that_cannot_be_had_fail_the_run_by_name_and_not_the_form(service, folders):
    (folders / "older" / "requirements.txt").write_text("--no-index\ntinyvoice==3.0\n")
    failed = await ended(service, "local/older", text="hi")
    assert failed.status is Status.FAILED
    assert "tinyvoice==3.0 could not be installed" in failed.error
    assert "No matching distribution" in failed.logs or "not found" in failed.logs
    assert (await ended(service, "local/newer", text="hi")).output == "hi low 20 2.0"


async def test_a_model_that_its_packages_do_not_satisfy_says_so_and_keeps_its_form(
    service, folders
):
    predict = folders / "older" / "predict.py"
    predict.write_text("import absent\n" + predict.read_text())
    failed = await ended(service, "local/older", text="hi")
    assert "No module named 'absent'" in failed.error
    version = await service.catalog.fresh("local/older")
    assert version.input_schema["required"] == ["text"]
    (warning,) = service.catalog.find("local/older").warnings
    assert "own environment: predict.py, line 1: ModuleNotFoundError" in warning


WHEEL = "wheels/tinyvoice-1.0-py3-none-any.whl"


async def test_a_wheel_that_was_replaced_under_its_name_is_installed_anew(service, folders):
    folder = folders / "older"
    (folder / "requirements.txt").write_text(f"--no-index\n{WHEEL}\n")
    first = await ended(service, "local/older", text="x")
    assert first.output == "x low 10 1.0", first.error
    wheel(folder / "wheels", "tinyvoice", "1.0", ["numpy>=1"], "LOUDNESS = 77\n")
    service.catalog._folders._clock = lambda: float("inf")
    later = await ended(service, "local/older", text="x")
    assert later.output == "x low 77 1.0" and later.version != first.version


INSTALLS = """
    import importlib.util, subprocess, sys

    for pip, name in ([sys.executable, "-m", "pip"], "late"), (["pip"], "later"):
        packages = [f"wheels/{name}-1.0-py3-none-any.whl", *OPTIONS]
        subprocess.run([*pip, "install", "-q", *packages])

    def run(text: str = "") -> list[bool]:
        return [importlib.util.find_spec(name) is not None for name in ("late", "later")]
"""


@pytest.mark.heavy
async def test_what_a_model_installs_itself_goes_into_its_own_environment_and_never_the_apps(
    service, tmp_path, folders
):
    # Behind the app's packages nothing could be tried; a failure must not stay there.
    elsewhere = tmp_path / "prefix"
    for name, options in (("older", []), ("newer", ["--prefix", str(elsewhere)])):
        for each in ("late", "later"):
            wheel(folders / name / "wheels", each, "1.0")
        predict = f"OPTIONS = {options!r}\n{textwrap.dedent(INSTALLS)}"
        (folders / name / "predict.py").write_text(predict)
    build = "\nbuild: {python_requirements: requirements.txt}\n"
    (folders / "older" / "cog.yaml").write_text(f"run: predict.py:run{build}")
    (folders / "newer" / "cog.yaml").write_text("run: predict.py:run\n")
    without = await ended(service, "local/newer")
    assert without.output == [False, False], without.error
    assert not elsewhere.exists()
    assert (await ended(service, "local/older")).output == [True, True]
