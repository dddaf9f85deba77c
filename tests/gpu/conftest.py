"""What needs a GPU: skipped, with the reason, where there is none or too small a one."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import itertools
import json
import shutil
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from model_registry.catalog import Catalog
from settings import PoolSettings
from workers import messages
from workers.devices import find_devices, free_now
from workers.job import Job
from workers.pool import WorkerPool

ROOT = Path(__file__).resolve().parents[2]


def alone(*arguments: str) -> str:
    """What `true_size` prints, in a process of its own."""
    command = [sys.executable, "-m", "tests.gpu.true_size", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="session")
def gpu():
    gpus = [device for device in find_devices(1) if device.gpu]
    if not gpus:
        pytest.skip("this machine has no GPU that NVIDIA's driver knows of")
    return gpus[0]


@pytest.fixture(scope="session")
def checkpoint(gpu, tmp_path_factory):
    """Writes a checkpoint of the true size once; all are gone after the last test."""
    folder = tmp_path_factory.mktemp("checkpoints")

    def write(name: str, memory: int, disk: int) -> Path:
        if (folder / name).exists():
            return folder / name
        if gpu.memory < memory:
            pytest.skip(f"{gpu.hardware} has {gpu.memory / 1e9:.0f} GB, not {memory / 1e9:.0f}")
        free = shutil.disk_usage(folder).free
        if free < disk:
            pytest.skip(f"{folder} has {free / 1e9:.0f} GB free, not {disk / 1e9:.0f}")
        alone("write", name, str(folder / name))
        return folder / name

    yield write
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def flux(checkpoint, tmp_path):
    folder = checkpoint("flux", memory=36_000_000_000, disk=36_000_000_000)
    return true_size("black-forest-labs/flux-schnell", folder, tmp_path)


@pytest.fixture
def llama(checkpoint, tmp_path):
    folder = checkpoint("llama", memory=20_000_000_000, disk=18_000_000_000)
    return true_size("meta/llama-3.1-8b-instruct", folder, tmp_path)


@pytest.fixture
def sdxl(checkpoint, tmp_path):
    folder = checkpoint("sdxl", memory=18_000_000_000, disk=8_000_000_000)
    return true_size("stability-ai/sdxl", folder, tmp_path)


def true_size(name: str, folder: Path, work: Path):
    """A model's version of the catalogue, on the weights in `folder`."""
    version = Catalog.load([], work / "described").find(name).latest
    options = {
        key: value for key, value in version.code.options.items() if key not in ("variant", "parts")
    }
    code = dataclasses.replace(version.code, weights=str(folder), options=options)
    digest = hashlib.sha256(str(folder).encode()).hexdigest()
    return dataclasses.replace(version, id=digest, code=code, weights=())


@pytest.fixture
def say(capsys):
    """Prints a figure, past what pytest keeps to itself."""

    def said(text: str) -> None:
        with capsys.disabled():
            print(f"\n  {text}", flush=True)

    return said


@pytest.fixture
def measured(gpu, tmp_path, say):
    """Runs a version on its checkpoint, bare and through the pool; prints and gives the quickest
    seconds and the peak bytes of both.
    """

    async def measure(version, inputs: dict, rounds: int = 3):
        folder = Path(version.code.weights)
        bare = json.loads(alone("run", folder.name, str(folder), str(rounds)).splitlines()[-1])
        base = min(bare["seconds"]), bare["peak"]
        async with pooled([gpu], tmp_path) as pool:
            first = await pool.run(version, inputs)
            ours = min([await pool.run(version, inputs) for _ in range(rounds)])
            peak, at = pool.peaks[-1], pool.precisions()
        say(
            f"{folder.name} on {gpu.hardware}: bare {base[0]:.2f} s, {base[1] / 1e9:.1f} GB; "
            f"through the pool {ours:.2f} s ({ours / base[0] - 1:+.1%}), {peak / 1e9:.1f} GB, "
            f"at {', '.join(at)}; the first, with loading, {first:.1f} s (bare {bare['first']:.1f})"
        )
        return base, (ours, peak)

    return measure


class Pooled:
    """A pool that tells how long its runs take, and at which precision and peak."""

    def __init__(self, devices, work: Path) -> None:
        self.devices = devices
        self.peaks: list[int] = []
        self.logs: list[str] = []
        self.texts: list[str] = []
        """What each has written, in the order of their ends."""
        self._pieces: dict[str, str] = {}
        self.pool = WorkerPool(PoolSettings(spares=0), devices, work / "pool")
        self.pool.events = self._heard
        self._work = work
        self._numbers = itertools.count()
        self._ends: dict[str, asyncio.Future] = {}

    async def run(self, version, inputs: dict) -> float:
        """Seconds from handing it over until its end."""
        name = f"run-{next(self._numbers)}"
        self._ends[name] = asyncio.get_running_loop().create_future()
        began = asyncio.get_running_loop().time()
        self.pool.submit(Job(name, version, inputs, self._work / name))
        end = await self._ends[name]
        assert isinstance(end, messages.Succeeded), (end, "".join(self.logs)[-3000:])
        return asyncio.get_running_loop().time() - began

    def precisions(self) -> list[str]:
        """What is loaded now, and how."""
        return [each.precision or "its only precision" for each in self.pool._instances.values()]

    def free(self) -> int:
        """Bytes of the first device that the driver calls free for models."""
        return free_now(self.devices)[self.devices[0].name]

    def _heard(self, events) -> None:
        for event in events:
            if isinstance(event, messages.Metric) and event.name == "peak_memory":
                self.peaks.append(event.value)
            if isinstance(event, messages.Log):
                self.logs.append(event.text)
            if isinstance(event, messages.OutputPieces):
                written = self._pieces.get(event.prediction_id, "")
                self._pieces[event.prediction_id] = written + "".join(map(str, event.values))
            if isinstance(event, messages.TERMINAL):
                self.texts.append(self._pieces.pop(event.prediction_id, ""))
                self._ends[event.prediction_id].set_result(event)


@asynccontextmanager
async def pooled(devices, work: Path):
    pool = Pooled(devices, work)
    await pool.pool.start()
    try:
        yield pool
    finally:
        await pool.pool.stop()
