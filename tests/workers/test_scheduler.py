"""What starts where, and what leaves first: decided on plain data."""

from __future__ import annotations

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from model_registry.spec import Rung
from workers.devices import GIB, Device
from workers.floor import Occupant
from workers.scheduler import (
    MAX_OVERTAKEN,
    Feed,
    Group,
    Kept,
    Launch,
    Refuse,
    decide,
    relieve,
)

CPU = Device("cpu", "cpu", 8 * GIB, max_instances=4)
GPU_0 = Device("cuda:0", "Tesla T4", 16 * GIB, max_instances=64)
GPU_1 = Device("cuda:1", "Tesla T4", 16 * GIB, max_instances=64)


def card(number, size):
    return Device(f"cuda:{number}", "Tesla T4", size * GIB, max_instances=64)


def set_of(*cards):
    name = "cuda:" + "+".join(card.name[-1] for card in cards)
    least = min(card.memory for card in cards)
    parts = tuple(card.name for card in cards)
    return Device(name, f"{len(cards)} × Tesla T4", len(cards) * least, 64, parts=parts)


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


def test_when_memory_is_short_the_oldest_idle_ones_leave_and_then_the_largest():
    there = [
        occupant("newer", used=9),
        occupant("older", used=1),
        occupant("small", busy=True),
        occupant("large", busy=True),
        occupant("elsewhere", used=0),
    ]
    sizes = {"newer": 2, "older": 2, "small": 3, "large": 4}
    assert relieve(there, sizes, 11) == ([], "")
    assert relieve(there, sizes, 10) == (["older"], "")
    assert relieve(there, sizes, 7) == (["older", "newer"], "")
    assert relieve(there, sizes, 6) == (["older", "newer"], "large")


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


LADDER = (Rung("bf16", 14 * GIB), Rung("fp8", 8 * GIB), Rung("4bit", 5 * GIB))


def test_what_is_kept_is_loaded_when_nobody_waits_and_never_before_those_who_do():
    kept = [Kept(group("kept", most=2), 2)]
    assert decide([], [], [CPU], {}, kept) == Launch("kept", "cpu", GIB)
    assert decide([group("a")], [], [CPU], {}, kept) == Launch("a", "cpu", GIB)
    first = occupant("i", "kept", free_slots=1, pinned=True)
    assert decide([], [first], [CPU], {}, kept) == Launch("kept", "cpu", GIB)
    second = occupant("j", "kept", free_slots=1, pinned=True)
    assert decide([], [first, second], [CPU], {}, kept) is None


def test_what_is_kept_makes_idle_instances_leave_but_is_never_refused():
    idle = [occupant(str(number), "b", memory=4 * GIB) for number in range(2)]
    kept = [Kept(group("kept", memory=4 * GIB), 1)]
    assert decide([], idle, [CPU], {}, kept) == Launch("kept", "cpu", 4 * GIB, ("0",))
    assert decide([], [], [CPU], {}, [Kept(group("kept", memory=99 * GIB), 1)]) is None


def test_a_version_may_have_more_instances_than_devices_where_that_was_asked_for():
    busy = occupant("i", busy=True)
    assert decide([group()], [busy], [CPU], {}) is None
    assert decide([group(most=2)], [busy], [CPU], {}) == Launch("a", "cpu", GIB)
    both = [busy, occupant("j", busy=True)]
    assert decide([group(most=2)], both, [CPU], {}) is None


def laddered(**more):
    return group("a", gpu=True, ladder=LADDER, **more)


def on_gpu(id, memory, device="cuda:0", **more):
    return occupant(id, more.pop("version", id), device, memory * GIB, **more)


def test_the_best_precision_is_taken_where_it_fits():
    assert decide([laddered()], [], [GPU_0, CPU], {}) == Launch(
        "a", "cuda:0", 14 * GIB, precision="bf16"
    )


def test_idle_instances_leave_before_precision_is_given_up():
    assert decide([laddered()], [on_gpu("idle", 6)], [GPU_0], {}) == Launch(
        "a", "cuda:0", 14 * GIB, ("idle",), "bf16"
    )


def test_beside_what_works_the_next_precision_that_fits_is_taken():
    for size, expected in ((6, "fp8"), (9, "4bit")):
        decision = decide([laddered()], [on_gpu("works", size, busy=True)], [GPU_0], {})
        assert isinstance(decision, Launch) and decision.precision == expected
        assert not decision.evict


def test_another_gpu_with_room_for_the_best_is_preferred_to_less_on_the_first():
    works = on_gpu("works", 6, busy=True)
    decision = decide([laddered()], [works], [GPU_0, GPU_1], {})
    assert decision == Launch("a", "cuda:1", 14 * GIB, precision="bf16")


def test_what_fits_at_no_precision_now_waits():
    assert decide([laddered()], [on_gpu("works", 12, busy=True)], [GPU_0], {}) is None


def test_precision_is_not_given_up_for_a_process_that_is_just_going():
    going = on_gpu("going", 6, leaving=True)
    assert decide([laddered()], [going], [GPU_0], {}) is None
    ending = on_gpu("ending", 6, leaving=True, busy=True)  # what runs there may take an hour
    decision = decide([laddered()], [ending], [GPU_0], {})
    assert isinstance(decision, Launch) and decision.precision == "fp8"


def test_a_ladder_that_can_never_fit_is_refused_with_its_lowest_rung():
    small = Device("cuda:0", "NVIDIA T400", 4 * GIB, max_instances=64)
    decision = decide([laddered()], [], [small, CPU], {})
    assert isinstance(decision, Refuse)
    assert "at least 5.4 GB of memory (at 4bit); NVIDIA T400 has 4.3 GB" in decision.reason


def test_what_did_not_fit_on_a_device_is_not_tried_there_again():
    too_large = frozenset({("bf16", "cuda:0")})
    decision = decide([laddered(too_large=too_large)], [], [GPU_0], {})
    assert isinstance(decision, Launch) and decision.precision == "fp8"
    decision = decide([laddered(too_large=too_large)], [], [GPU_0, GPU_1], {})
    assert decision == Launch("a", "cuda:1", 14 * GIB, precision="bf16")


def test_what_was_measured_replaces_the_estimate():
    measured = {("bf16", "cuda:0"): 15 * GIB, ("fp8", "cuda:0"): 11 * GIB}
    decision = decide([laddered(measured=measured)], [], [GPU_0], {})
    assert decision == Launch("a", "cuda:0", 15 * GIB, precision="bf16")
    works = on_gpu("works", 6, busy=True)
    decision = decide([laddered(measured=measured)], [works], [GPU_0], {})
    assert decision == Launch("a", "cuda:0", 5 * GIB, precision="4bit")


def test_a_warm_instance_at_a_lower_precision_is_used_as_it_is():
    warm = on_gpu("i", 5, version="a", precision="4bit", free_slots=1)
    assert decide([laddered()], [warm], [GPU_0], {}) == Feed("a", "", "i")


def test_what_ran_out_of_memory_goes_only_to_lower_precisions():
    warm = on_gpu("i", 14, version="a", precision="bf16", free_slots=1)
    starved = laddered(below="bf16")
    decision = decide([starved], [warm], [GPU_0, GPU_1], {})
    assert decision == Launch("a", "cuda:1", 8 * GIB, precision="fp8")
    lower = on_gpu("j", 5, "cuda:1", version="a", precision="4bit", free_slots=1)
    assert decide([starved], [warm, lower], [GPU_0, GPU_1], {}) == Feed("a", "", "j", "bf16")


def test_a_second_copy_is_no_worse_than_the_first():
    first = on_gpu("a1", 14, version="a", precision="bf16", busy=True)
    works = on_gpu("b1", 6, "cuda:1", version="b", busy=True)
    assert decide([laddered()], [first, works], [GPU_0, GPU_1], {}) is None


def test_a_ladder_is_of_gpus_and_a_cpu_takes_what_the_spec_says_of_it():
    assert decide([laddered(memory=3 * GIB)], [], [CPU], {}) == Launch("a", "cpu", 3 * GIB)


GPUS = (GPU_0, GPU_1, card(2, 16), card(3, 12))
SETS = (set_of(*GPUS[:2]), set_of(*GPUS[2:]), set_of(*GPUS))
DEVICES = (*GPUS, *SETS, CPU)
RUNGS = ("bf16", "fp8", "4bit", "offload")
names = st.sampled_from("abc")
sizes = st.integers(0, 60).map(lambda n: n * GIB)
STATES = st.sampled_from(
    [(), (), (), (), ("busy",), ("loading",), ("leaving",), ("busy", "leaving"), ("pinned",)]
)
places = st.tuples(st.sampled_from(RUNGS), st.sampled_from([d.name for d in DEVICES if d.gpu]))
ladders = st.lists(sizes, min_size=4, max_size=4).map(
    lambda sizes: tuple(map(Rung, RUNGS, sorted(sizes, reverse=True)))
)
occupants = st.lists(
    st.builds(
        lambda on, states, **more: Occupant(
            device=on.name, parts=on.parts, **more, **dict.fromkeys(states, True)
        ),
        on=st.sampled_from(DEVICES),
        states=STATES,
        id=st.uuids().map(str),
        version=names | st.sampled_from("defg"),
        memory=st.integers(0, 20).map(lambda n: n * GIB),
        precision=st.sampled_from(["", *RUNGS]),
        free_slots=st.sampled_from([0, 0, 0, 1, 2]),
        used=st.floats(0, 10),
    ),
    max_size=8,
)
groups = st.lists(
    st.builds(
        Group,
        version=names,
        owner=st.sampled_from(["", "x"]),
        oldest=st.integers(1, 100),
        overtaken=st.integers(0, 40),
        memory=st.none() | sizes,
        gpu=st.sampled_from([True, True, True, False]),
        ladder=ladders | ladders | ladders | st.just(()),
        measured=st.dictionaries(places, sizes, max_size=2),
        too_large=st.frozensets(places, max_size=3),
        below=st.sampled_from(["", "bf16", "fp8"]),
        spreads=st.booleans(),
    ),
    max_size=4,
)

large = st.lists(st.integers(17, 60).map(lambda n: n * GIB), min_size=4, max_size=4).map(
    lambda sizes: tuple(map(Rung, RUNGS, sorted(sizes, reverse=True)))
)
spreading = st.builds(
    Group,
    version=names,
    owner=st.just(""),
    oldest=st.just(1),
    gpu=st.just(True),
    ladder=large,
    below=st.sampled_from(["", "", "", "bf16"]),
    spreads=st.just(True),
).map(lambda group: [group])


@settings(max_examples=200, deadline=None)
@given(groups | spreading, occupants)
def test_no_decision_ever_overfills_a_card_or_evicts_what_works(waiting, there):
    decision = decide(waiting, there, DEVICES, {})
    if isinstance(decision, Feed):
        (fed,) = [o for o in there if o.id == decision.instance]
        assert fed.free_slots > 0 and fed.version == decision.version and not fed.leaving
    if isinstance(decision, Launch):
        device = next(d for d in DEVICES if d.name == decision.device)
        evicted = [o for o in there if o.id in decision.evict]
        assert all(o.evictable and {*o.cards} & {*device.cards} for o in evicted)
        assert not any(o.busy or o.loading or o.leaving or o.pinned for o in evicted)
        for card in device.cards:
            stays = [o for o in there if card in o.cards and o not in evicted]
            limits = next(d for d in DEVICES if d.name == card)
            share = decision.memory / len(device.cards)
            assert sum(o.memory / len(o.cards) for o in stays) + share <= limits.memory
            assert len(stays) < limits.max_instances
            assert sum(o.loading for o in stays) < limits.max_loading


@settings(max_examples=200, deadline=None)
@given(groups | spreading, occupants)
def test_a_launch_is_at_a_precision_that_some_group_takes_there(waiting, there):
    decision = decide(waiting, there, DEVICES, {})
    if isinstance(decision, Launch):
        device = next(d for d in DEVICES if d.name == decision.device)
        takers = [
            group
            for group in waiting
            if group.version == decision.version
            and group.takes(decision.precision)
            and decision.precision in group.precisions(device)
            and decision.memory == group.need(decision.precision, device)
        ]
        assert takers
        if device.parts:
            assert any(group.spreads for group in takers) and decision.precision != "offload"


def _rank(precision, device):
    """How late a placement is tried, of those on GPUs."""
    return precision == "offload", len(device.cards), RUNGS.index(precision)


@settings(max_examples=200, deadline=None)
@given(groups | spreading, occupants)
def test_no_precision_and_no_single_card_is_given_up_that_has_room(waiting, there):
    decision = decide(waiting, there, DEVICES, {})
    if not isinstance(decision, Launch) or not decision.precision:
        return
    groups = [g for g in waiting if g.version == decision.version and g.gpu and g.ladder]
    # A second copy is held to its first's precision.
    if len(groups) != 1 or any(o.version == decision.version for o in there):
        return
    (group,) = groups
    taken = next(d for d in DEVICES if d.name == decision.device)
    for device in DEVICES[:-1]:
        for precision in group.precisions(device):
            if _rank(precision, device) < _rank(decision.precision, taken):
                assert _is_full(device, group.need(precision, device), there)


def _is_full(device, need, there):
    """Whether some card has no room for its share, whoever may leave has left."""
    for card in device.cards:
        here = [o for o in there if card in o.cards]
        kept = sum(o.memory / len(o.cards) for o in here if not o.evictable)
        if sum(o.loading for o in here) >= 2:
            return True
        if kept + need / len(device.cards) > next(d for d in GPUS if d.name == card).memory:
            return True
    return False


@settings(max_examples=200, deadline=None)
@given(groups)
def test_on_an_empty_machine_nothing_waits(waiting):
    decision = decide(waiting, [], DEVICES, {})
    assert not waiting or isinstance(decision, Launch | Refuse)


@settings(max_examples=200, deadline=None)
@given(groups, occupants)
def test_sets_mean_nothing_to_what_is_not_spread(waiting, there):
    waiting = [dataclasses.replace(group, spreads=False) for group in waiting]
    alone = [device for device in DEVICES if not device.parts]
    assert decide(waiting, there, DEVICES, {}) == decide(waiting, there, alone, {})
