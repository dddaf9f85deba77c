"""A model larger than one card: what is decided about sets of them, on figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from model_registry.spec import Rung
from workers.devices import GIB, Device
from workers.floor import Occupant
from workers.job import Job
from workers.job_queue import JobQueue
from workers.memory import others
from workers.scheduler import (
    MAX_OVERTAKEN,
    Feed,
    Group,
    Launch,
    Refuse,
    decide,
    may_spread,
    refusal,
)

GPU_0 = Device("cuda:0", "Tesla T4", 16 * GIB, 64)
GPU_1 = Device("cuda:1", "Tesla T4", 16 * GIB, 64)
PAIR = Device("cuda:0+1", "2 × Tesla T4", 32 * GIB, 64, parts=("cuda:0", "cuda:1"))
CARDS = (GPU_0, GPU_1, PAIR)
LADDER = (Rung("bf16", 80 * GIB), Rung("4bit", 25 * GIB), Rung("offload", 6 * GIB))
OVER_TWO = 27 * GIB
"""What 25 GiB are taken to be over two cards: 8 % more."""


def large(**more):
    told = {"version": "large", "owner": "", "oldest": 1, "gpu": True, "spreads": True}
    return Group(**{**told, "ladder": LADDER, **more})


def small(memory, **more):
    return Group(version="small", owner="", oldest=2, gpu=True, memory=memory * GIB, **more)


def on(id, memory, device=GPU_0, **more):
    return Occupant(id, id, device.name, memory * GIB, parts=device.parts, **more)


def test_what_fits_no_card_at_its_best_takes_two_before_it_is_offloaded():
    assert decide([large()], [], CARDS, {}) == Launch("large", PAIR.name, OVER_TWO, (), "4bit")


def test_a_lower_precision_on_one_card_comes_before_two():
    ladder = (Rung("bf16", 28 * GIB), Rung("4bit", 9 * GIB), Rung("offload", 5 * GIB))
    decision = decide([large(ladder=ladder)], [], CARDS, {})
    assert decision == Launch("large", "cuda:0", 9 * GIB, (), "4bit")


def test_two_cards_come_before_four():
    gpus = [Device(f"cuda:{number}", "Tesla T4", 16 * GIB, 64) for number in range(4)]
    names = tuple(gpu.name for gpu in gpus)
    first, last = (
        Device(f"pair {names[at]}", "2 × Tesla T4", 32 * GIB, 64, parts=names[at : at + 2])
        for at in (0, 2)
    )
    four = Device("four", "4 × Tesla T4", 64 * GIB, 64, parts=names)
    devices = [*gpus, first, last, four]
    fp8 = large(ladder=(Rung("fp8", 45 * GIB), LADDER[1]))
    busy = Occupant("b", "b", "cuda:1", 8 * GIB, busy=True)
    assert decide([fp8], [busy], devices, {}).device == last.name
    alone = large(ladder=(Rung("fp8", 45 * GIB), LADDER[2]))
    assert decide([alone], [], devices, {}).device == four.name


def test_what_is_not_spread_never_takes_a_set():
    decision = decide([large(spreads=False)], [], CARDS, {})
    assert decision == Launch("large", "cuda:0", 6 * GIB, (), "offload")


def test_an_idle_instance_leaves_from_each_card_and_no_other():
    there = [
        on("old", 10, used=1.0),
        on("older", 3, used=0.5, pinned=True),
        on("beside", 10, GPU_1, used=2.0),
    ]
    decision = decide([large(ladder=(Rung("4bit", 24 * GIB),))], there, CARDS, {})
    assert decision == Launch("large", PAIR.name, PAIR.takes(24 * GIB), ("old", "beside"), "4bit")


def test_a_card_that_has_room_loses_nobody():
    there = [on("old", 2, used=0.0), on("newer", 10, GPU_1, used=1.0)]
    decision = decide([large()], there, CARDS, {})
    assert isinstance(decision, Launch) and decision.evict == ("newer",)


def test_one_card_that_works_keeps_the_set_from_being_taken():
    there = [on("works", 10, busy=True), on("idle", 10, GPU_1)]
    decision = decide([large(ladder=LADDER[:2])], there, CARDS, {})
    assert decision is None


def test_what_is_spread_leaves_both_cards_for_one_that_needs_the_room():
    there = [on("spread", 26, PAIR)]
    assert decide([small(6)], there, CARDS, {}).evict == ("spread",)
    assert decide([small(2)], there, CARDS, {}).evict == ()
    works = [on("spread", 26, PAIR, busy=True)]
    assert decide([small(6)], works, CARDS, {}) is None
    assert decide([small(3)], works, CARDS, {}) == Launch("small", "cuda:0", 3 * GIB)


def test_no_more_are_loaded_at_once_than_a_card_takes_sets_among_them():
    loading = [on("a", 1, PAIR, loading=True), on("b", 1, GPU_1, loading=True)]
    assert decide([small(1)], loading, CARDS, {}) == Launch("small", "cuda:0", GIB)
    assert decide([large(ladder=LADDER[:2])], loading, CARDS, {}) is None


def test_sets_are_no_places_for_further_copies():
    there = [on("a", 2, busy=True), on("b", 2, GPU_1, busy=True)]
    own = [Occupant(o.id, "small", o.device, o.memory, busy=True) for o in there]
    assert decide([small(2)], own, CARDS, {}) is None


def test_what_is_not_offloaded_while_a_set_is_just_being_left():
    going = on("going", 20, PAIR, leaving=True)
    assert decide([large()], [going], CARDS, {}) is None


def test_what_did_not_fit_on_a_set_is_offloaded():
    too_large = frozenset({("4bit", PAIR.name)})
    decision = decide([large(too_large=too_large)], [], CARDS, {})
    assert decision == Launch("large", "cuda:0", 6 * GIB, (), "offload")


def test_a_set_is_left_to_try_where_one_card_was_too_small():
    ladder = (Rung("4bit", 10 * GIB),)
    assert may_spread(large(ladder=ladder), GPU_0, CARDS)
    assert not may_spread(large(ladder=ladder), PAIR, CARDS)
    assert not may_spread(large(ladder=ladder, spreads=False), GPU_0, CARDS)
    assert not may_spread(large(ladder=ladder), GPU_0, CARDS[:2])


def test_what_no_set_can_hold_is_refused_with_what_it_takes_of_one_and_of_all():
    group = large(ladder=(Rung("bf16", 80 * GIB), Rung("4bit", 40 * GIB)))
    decision = decide([group], [], CARDS, {})
    assert isinstance(decision, Refuse) and decision.reason == refusal(group, CARDS)
    assert decision.reason.startswith(
        "It needs at least 42.9 GB of memory (at 4bit), or 46.4 GB over 2 cards (at 4bit); "
        "Tesla T4 has 17.2 GB, Tesla T4 has 17.2 GB. It does not fit here"
    )


def test_other_programs_are_told_from_what_is_spread_card_by_card():
    spread = [on("spread", 24, PAIR)]
    free = {"cuda:0": 4 * GIB, "cuda:1": 4 * GIB}
    assert others(CARDS, spread, free) == []
    (theirs,) = others(CARDS, spread, {**free, "cuda:1": GIB})
    assert theirs.device == "cuda:1" and theirs.memory == 3 * GIB


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9)), min_size=1, max_size=8),
    st.integers(1, 4),
)
def test_one_that_needs_a_whole_set_gets_it_however_many_small_ones_come(stream, a_turn):
    """Small ones come without end, `a_turn` each turn, and take the turns that the stream says."""
    versions = {name: SimpleNamespace(id=name) for name in ("large", *"abc")}
    queue = JobQueue()
    there = {"kept": on("kept", 2, pinned=True)}
    ends: dict[str, int] = {}
    younger = started = 0

    def group(version):
        if version.id == "large":
            return large(ladder=(Rung("4bit", 24 * GIB),))
        return Group(version.id, "", 0, gpu=True, memory=9 * GIB)

    def arrive(name):
        nonlocal started
        started += 1
        queue.add(Job(f"{name}{started}", versions[name], {}, Path()))

    for turn in range(1000):
        for number in range(a_turn):
            arrive(stream[(turn + number) % len(stream)][0])
        if turn == 3:
            arrive("large")
        for id in [each for each, end in ends.items() if end <= turn]:
            del ends[id]
            there[id] = replace(there[id], busy=False, loading=False, free_slots=1)
        waits = queue.waiting_for("large")
        while decision := decide(queue.groups(group), list(there.values()), CARDS, {}):
            if isinstance(decision, Launch):
                assert "kept" not in decision.evict
                for id in decision.evict:
                    assert id not in ends
                    del there[id]
                if decision.version == "large":
                    assert younger <= MAX_OVERTAKEN
                    return  # it has its room
                id = f"{decision.version} of turn {turn} on {decision.device}"
                there[id] = Occupant(id, decision.version, decision.device, decision.memory)
                there[id] = replace(there[id], loading=True)
                ends[id] = turn + 1
            else:
                assert isinstance(decision, Feed)
                fed = queue.next(decision.version, decision.owner, decision.below)
                younger += bool(waits) and fed.order > waits[0].order
                there[decision.instance] = replace(
                    there[decision.instance], busy=True, free_slots=0
                )
                ends[decision.instance] = turn + stream[fed.order % len(stream)][1]
            for card in CARDS[:2]:
                held = sum(o.share for o in there.values() if card.name in o.cards)
                assert held <= card.memory
    raise AssertionError("it waits for ever")
