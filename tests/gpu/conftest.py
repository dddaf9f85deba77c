"""What needs a GPU: skipped, with the reason, where there is none or too small a one."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from model_registry.catalog import Catalog
from settings import PoolSettings
from workers import messages
from workers.devices import find_devices
from workers.instance import Job
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


@pytest.fixture
def checkpoint(gpu, tmp_path):
    """Writes a checkpoint of the true size; gone after the test."""

    def write(name: str, memory: int, disk: int) -> Path:
        if gpu.memory < memory:
            pytest.skip(f"{gpu.hardware} has {gpu.memory / 1e9:.0f} GB, not {memory / 1e9:.0f}")
        free = shutil.disk_usage(tmp_path).free
        if free < disk:
            pytest.skip(f"{tmp_path} has {free / 1e9:.0f} GB free, not {disk / 1e9:.0f}")
        alone("write", name, str(tmp_path / name))
        return tmp_path / name

    yield write
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def measured(gpu, tmp_path, capsys):
    """Runs a catalogue's model on a checkpoint, bare and through the pool; prints and gives the
    quickest seconds and the peak bytes of both.
    """

    async def measure(name: str, model: str, folder: Path, inputs: dict, rounds: int = 3):
        bare = json.loads(alone("run", name, str(folder), str(rounds)).splitlines()[-1])
        version = Catalog.load([], tmp_path / "described").find(model).latest
        ours = await through_the_pool(version, folder, inputs, rounds, [gpu], tmp_path)
        base = min(bare["seconds"]), bare["peak"]
        with capsys.disabled():
            print(
                f"\n{model} on {gpu.hardware}: bare {base[0]:.2f} s, {base[1] / 1e9:.1f} GB; "
                f"through the pool {ours[0]:.2f} s ({ours[0] / base[0] - 1:+.1%}), "
                f"{ours[1] / 1e9:.1f} GB, at {ours[2]}"
            )
        return base, ours

    return measure


async def through_the_pool(version, folder, inputs, rounds, devices, work):
    """The quickest of some warm runs in seconds, the most memory in bytes, and the precision."""
    digest = hashlib.sha256(str(folder).encode()).hexdigest()
    code = dataclasses.replace(version.code, weights=str(folder))
    version = dataclasses.replace(version, id=digest, code=code, weights=())
    pool = WorkerPool(PoolSettings(spares=0), devices, work / "pool")
    ends, peaks, seconds = asyncio.Queue(), [], []

    def heard(events):
        for event in events:
            if isinstance(event, messages.Metric) and event.name == "peak_memory":
                peaks.append(event.value)
            if isinstance(event, messages.TERMINAL):
                ends.put_nowait(event)

    pool.events = heard
    await pool.start()
    try:
        for number in range(rounds + 1):  # the first one loads, and compiles what is compiled
            began = asyncio.get_running_loop().time()
            pool.submit(Job(f"run-{number}", version, inputs, work / f"out-{number}"))
            end = await ends.get()
            assert isinstance(end, messages.Succeeded), end
            seconds.append(asyncio.get_running_loop().time() - began)
        (instance,) = pool._instances.values()
        return min(seconds[1:]), max(peaks[1:]), instance.precision or "its only precision"
    finally:
        await pool.stop()
