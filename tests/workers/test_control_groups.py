"""The memory of a container, a service and a cluster's job, in both ways of Linux."""

from __future__ import annotations

import pytest

from workers import control_groups
from workers.devices import find_devices, machine_memory

LIMIT = 800_000_000
SERVICE = "0::/system.slice/atelier.service\n"
JOB = "9:name=systemd:/\n4:cpu,memory:/slurm/job_7/step_0\n0::/init.scope\n"
CONTAINER = "3:memory:/docker/5f1c\n"
NO_LIMIT_OF_OLD = 9223372036854771712


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Writes which groups this process is in, and files that hold limits."""

    def write(own, limits):
        (tmp_path / "own").write_text(own)
        for name, limit in limits.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(f"{limit}\n")

    monkeypatch.setattr(control_groups, "OWN", tmp_path / "own")
    monkeypatch.setattr(control_groups, "MOUNTED", tmp_path)
    return write


@pytest.mark.parametrize(
    ("own", "limits"),
    [
        ("0::/\n", {"memory.max": LIMIT}),
        (SERVICE, {"system.slice/atelier.service/memory.max": LIMIT}),
        (
            SERVICE,
            {"system.slice/memory.max": LIMIT, "system.slice/atelier.service/memory.max": "max"},
        ),
        (
            JOB,
            {
                "memory/memory.limit_in_bytes": NO_LIMIT_OF_OLD,
                "memory/slurm/job_7/memory.limit_in_bytes": LIMIT,
                "memory/slurm/job_7/step_0/memory.limit_in_bytes": NO_LIMIT_OF_OLD,
            },
        ),
        (CONTAINER, {"memory/memory.limit_in_bytes": LIMIT}),
    ],
    ids=["container", "service", "slice", "job", "old container"],
)
def test_models_may_hold_what_the_group_around_them_may(groups, own, limits):
    groups(own, limits)
    assert machine_memory() == LIMIT
    assert find_devices(1)[-1].memory == LIMIT * 0.8


def test_a_group_without_a_limit_has_the_machine(groups):
    usual = machine_memory()
    groups(SERVICE + JOB, {"memory.max": "max", "memory/memory.limit_in_bytes": NO_LIMIT_OF_OLD})
    assert machine_memory() == usual
