"""What the driver says of GPUs, told by one that is made up."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from workers.devices import GIB, find_devices, free_now
from workers.floor import Occupant
from workers.memory import others


@pytest.fixture
def driver(monkeypatch):
    """Two cards of 24 GiB, of which something else holds 1 GiB each."""
    free = {"GPU-a": 23 * GIB, "GPU-b": 23 * GIB}
    made_up = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: len(free),
        nvmlDeviceGetHandleByIndex=lambda index: [*free][index],
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(free=free[handle]),
        nvmlDeviceGetName=lambda handle: "NVIDIA RTX 4090",
        nvmlDeviceGetUUID=lambda handle: handle,
    )
    monkeypatch.setitem(sys.modules, "pynvml", made_up)
    return free


def test_gpus_come_with_what_is_free_on_them_and_children_see_only_theirs(driver):
    first, second, _, cpu = find_devices(4)
    assert (first.name, first.hardware) == ("cuda:0", "NVIDIA RTX 4090")
    assert first.memory == 22 * GIB + GIB // 2
    assert second.environment["CUDA_VISIBLE_DEVICES"] == "GPU-b"
    assert cpu.environment["CUDA_VISIBLE_DEVICES"] == ""


def test_equal_cards_are_a_device_together_too_that_has_as_much_of_each(driver):
    driver["GPU-b"] -= GIB
    *_, both, _ = find_devices(4)
    assert (both.name, both.hardware) == ("cuda:0+1", "2 × NVIDIA RTX 4090")
    assert both.parts == both.cards == ("cuda:0", "cuda:1")
    assert both.memory == 2 * (21 * GIB + GIB // 2)
    assert both.environment["CUDA_VISIBLE_DEVICES"] == "GPU-a,GPU-b"


@pytest.mark.parametrize(
    ("cards", "sets"),
    [
        ("A", []),
        ("AB", []),
        ("ABA", ["0+2"]),
        ("AAA", ["0+1", "0+1+2"]),
        ("AAAABB", ["0+1", "2+3", "0+1+2+3", "4+5"]),
        ("AAAAAA", ["0+1", "2+3", "4+5", "0+1+2+3", "0+1+2+3+4+5"]),
    ],
)
def test_neighbours_of_one_kind_are_joined_by_twos_and_fours_and_all(driver, cards, sets):
    driver.clear()
    driver.update({f"GPU-{n}-{kind}": 23 * GIB for n, kind in enumerate(cards)})
    sys.modules["pynvml"].nvmlDeviceGetName = lambda handle: f"NVIDIA {handle[-1]}"
    found = find_devices(4)
    assert [each.name for each in found if each.parts] == [f"cuda:{name}" for name in sets]
    assert [each.name for each in found if not each.parts][:-1] == [
        f"cuda:{number}" for number in range(len(cards))
    ]


def test_what_other_programs_take_meanwhile_is_room_that_is_gone(driver):
    devices = find_devices(4)
    ours = [Occupant("i", "a", "cuda:0", 10 * GIB, free_slots=1)]
    driver["GPU-a"] -= 10 * GIB
    assert others(devices, ours, free_now(devices)) == []
    driver["GPU-a"] -= 6 * GIB
    (theirs,) = others(devices, ours, free_now(devices))
    assert theirs.device == "cuda:0" and theirs.memory == 6 * GIB and not theirs.evictable


def test_a_model_that_takes_less_than_planned_is_no_other_program(driver):
    devices = find_devices(4)
    driver["GPU-a"] -= 4 * GIB
    assert others(devices, [Occupant("i", "a", "cuda:0", 10 * GIB)], free_now(devices)) == []


def test_a_driver_that_falls_silent_changes_nothing(driver):
    devices = find_devices(4)
    assert [*free_now(devices)] == ["cuda:0", "cuda:1"], "a set is told of its cards"
    driver.clear()
    assert free_now(devices) == {} and others(devices, [], {}) == []
