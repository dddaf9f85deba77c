"""What starts where, and what leaves first: decided on plain data."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from workers.devices import GIB, Device
from workers.scheduler import (
    MAX_OVERTAKEN,
    Feed,
    Group,
    Launch,
    Occupant,
    Refuse,
    decide,
)

CPU = Device("cpu", "cpu", 8 * GIB, max_instances=4)
GPU_0 = Device("cuda:0", "Tesla T4", 16 * GIB, max_instances=64)
GPU_1 = Device("cuda:1", "Tesla T4", 16 * GIB, max_instances=64)


def group(version="a", owner="", oldest=1, memory=GIB, **more):
    return Group(version=version, owner=owner, oldest=oldest, memory=memory, **more)


def occupant(id, version="a", device="cpu", memory=GIB, **more):
    return Occupant(id=id, version=version, device=device, memory=memory, **more)


def test_a_warm_instance_is_fed_before_a_new_one_is_launched():
    warm = occupant("i", "b", free_slots=1)
    assert decide([group("a", oldest=1), group("b", oldest=2)], [warm], [CPU], {}) == Feed(
        "b", "", "i"
    )


def test_the_owner_with_least_running_goes_first():
    warm = occupant("i", free_slots=1)
    waiting = [group(owner="busy", oldest=1), group(owner="idle", oldest=2)]
    assert decide(waiting, [warm], [CPU], {"busy": 3}) == Feed("a", "idle", "i")


def test_a_version_without_an_instance_gets_one_beside_what_runs():
    running = occupant("i", "b", busy=True)
    assert decide([group("a")], [running], [CPU], {}) == Launch("a", "cpu", GIB)


def test_idle_instances_make_room_least_recently_used_first():
    idle = [occupant(n, n, memory=3 * GIB, used=used) for n, used in (("new", 9), ("old", 1))]
    decision = decide([group("a", memory=4 * GIB)], idle, [CPU], {})
    assert decision == Launch("a", "cpu", 4 * GIB, ("old",))


def test_busy_loading_and_pinned_instances_are_never_evicted():
    there = [
        occupant("busy", "b", memory=3 * GIB, busy=True),
        occupant("loading", "c", memory=3 * GIB, loading=True),
        occupant("pinned", "d", memory=2 * GIB, pinned=True),
    ]
    assert decide([group("a", memory=4 * GIB)], there, [CPU], {}) is None


def test_what_can_never_fit_is_refused_with_both_figures():
    decision = decide([group("a", memory=100 * GIB)], [], [CPU], {})
    assert isinstance(decision, Refuse)
    assert "107.4 GB" in decision.reason and "8.6 GB" in decision.reason


def test_a_gpu_model_goes_to_the_emptiest_gpu_and_another_copy_to_the_next():
    wanting = group("a", gpu=True, memory=10 * GIB)
    other = occupant("o", "b", "cuda:0", 2 * GIB, busy=True)
    first = decide([wanting], [other], [GPU_0, GPU_1, CPU], {})
    assert first == Launch("a", "cuda:1", 10 * GIB)
    busy = occupant("a1", "a", "cuda:1", 10 * GIB, busy=True)
    assert decide([wanting], [other, busy], [GPU_0, GPU_1, CPU], {}) == Launch(
        "a", "cuda:0", 10 * GIB
    )


def test_a_gpu_model_runs_on_the_cpu_where_there_is_no_gpu():
    assert decide([group(gpu=True)], [], [CPU], {}) == Launch("a", "cpu", GIB)


def test_a_second_copy_never_costs_another_model_its_place():
    wanting = group("a", gpu=True, memory=10 * GIB)
    there = [
        occupant("a1", "a", "cuda:0", 10 * GIB, busy=True),
        occupant("b1", "b", "cuda:1", 10 * GIB),
    ]
    assert decide([wanting], there, [GPU_0, GPU_1, CPU], {}) is None


def test_overtaking_is_bounded_so_that_the_oldest_gets_its_room():
    small_warm = occupant("i", "small", memory=5 * GIB, free_slots=1)
    patient = group("big", oldest=1, memory=6 * GIB, overtaken=MAX_OVERTAKEN - 1)
    young = group("small", oldest=2)
    assert decide([patient, young], [small_warm], [CPU], {}) == Feed("small", "", "i")
    patient = group("big", oldest=1, memory=6 * GIB, overtaken=MAX_OVERTAKEN)
    assert decide([patient, young], [small_warm], [CPU], {}) == Launch(
        "big", "cpu", 6 * GIB, ("i",)
    )


names = st.sampled_from("abc")
occupants = st.lists(
    st.builds(
        Occupant,
        id=st.uuids().map(str),
        version=names,
        device=st.sampled_from(["cpu", "cuda:0"]),
        memory=st.integers(0, 4).map(lambda n: n * GIB),
        free_slots=st.integers(0, 2),
        busy=st.booleans(),
        loading=st.booleans(),
        leaving=st.booleans(),
        used=st.floats(0, 10),
    ),
    max_size=5,
)
groups = st.lists(
    st.builds(
        Group,
        version=names,
        owner=st.sampled_from(["", "x"]),
        oldest=st.integers(1, 100),
        overtaken=st.integers(0, 40),
        memory=st.none() | st.integers(0, 20).map(lambda n: n * GIB),
        gpu=st.booleans(),
    ),
    max_size=4,
)


@settings(max_examples=300)
@given(groups, occupants)
def test_no_decision_ever_overfills_a_device_or_evicts_what_works(waiting, there):
    devices = [GPU_0, CPU]
    decision = decide(waiting, there, devices, {})
    if isinstance(decision, Feed):
        (fed,) = [o for o in there if o.id == decision.instance]
        assert fed.free_slots > 0 and fed.version == decision.version and not fed.leaving
    if isinstance(decision, Launch):
        device = next(d for d in devices if d.name == decision.device)
        evicted = [o for o in there if o.id in decision.evict]
        assert all(o.evictable and o.device == device.name for o in evicted)
        stays = [o for o in there if o.device == device.name and o not in evicted]
        assert sum(o.memory for o in stays) + decision.memory <= device.memory
        assert len(stays) < device.max_instances
