"""Which queued prediction starts where next, and what must leave first. Pure: no clock, no process,
nothing is changed here.

The rules, in order:

1. A warm instance with a free slot takes a prediction of its version: of the owner who has least
   running, then the oldest.
2. Else the oldest that needs an instance gets one, at the best precision of its ladder that has
   room: beside what runs if it fits, else in place of idle instances, least recently used first.
   Only where neither makes room comes the next lower precision; where none has room on one card,
   what can be spread comes over sets of them, the smallest first; and what is offloaded last.
3. A prediction that waits for room is overtaken by at most MAX_OVERTAKEN younger ones; from then on
   only older ones start, so that what
   holds the room falls idle.
4. What can never fit is refused, with what it needs and what there is.
5. When nothing that waits can be helped, versions that are to be kept loaded are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from model_registry.spec import Rung
from workers.devices import GIB, Device
from workers.floor import Floor, Occupant

OFFLOAD = "offload"
"""The rung at which most weights stay in the machine's own memory: one card is enough for it."""
MAX_OVERTAKEN = 32
ASSUMED_MEMORY = {False: 1 * GIB, True: 8 * GIB}
"""What an instance is taken to need, on CPU and on a GPU, as long as neither its spec nor an
earlier run has said.
"""


@dataclass(frozen=True)
class Group:
    """The waiting predictions of one version and one owner. `oldest` is the place of the first in
    the whole queue's order.

    `memory` and, for a GPU, the `ladder` are estimates; `measured` holds what instances really
    took, by precision and device. `too_large` are the precisions that did not fit on a device.
    With `below`, only precisions lower than that one will do. `most` is how many instances there
    may be where that is more than one for each device. One that `spreads` may be placed on a set of
    cards.
    """

    version: str
    owner: str
    oldest: int
    count: int = 1
    overtaken: int = 0
    memory: int | None = None
    gpu: bool = False
    ladder: tuple[Rung, ...] = ()
    measured: Mapping[tuple[str, str], int] = field(default_factory=dict)
    too_large: Set[tuple[str, str]] = frozenset()
    below: str = ""
    most: int = 1
    spreads: bool = False

    def takes(self, precision: str) -> bool:
        """Whether an instance at this precision will do."""
        names = [rung.precision for rung in self.ladder]
        refused = names[: names.index(self.below) + 1] if self.below in names else ()
        return precision not in refused

    def precisions(self, device: Device) -> list[str]:
        """What an instance may be loaded at on `device`, best first."""
        names = [rung.precision for rung in self.ladder] if device.gpu and self.ladder else [""]
        if device.parts:
            names = [name for name in names if self.spreads and name not in ("", OFFLOAD)]
        return [p for p in names if self.takes(p) and (p, device.name) not in self.too_large]

    def need(self, precision: str, device: Device) -> int:
        """Bytes that an instance takes at this precision on `device`."""
        known = self.measured.get((precision, device.name))
        if known is not None:
            return known
        if precision:
            return device.takes(next(r.memory for r in self.ladder if r.precision == precision))
        if self.memory is not None:
            return self.memory
        return min(ASSUMED_MEMORY[device.gpu], device.memory)


@dataclass(frozen=True)
class Kept:
    """A version of which `fewest` instances are to be loaded whether anybody waits for them or
    not. The group says what an instance takes; nobody waits in it.
    """

    group: Group
    fewest: int


@dataclass(frozen=True)
class Feed:
    version: str
    owner: str
    instance: str
    below: str = ""


@dataclass(frozen=True)
class Launch:
    version: str
    device: str
    memory: int
    evict: tuple[str, ...] = ()
    precision: str = ""


@dataclass(frozen=True)
class Refuse:
    version: str
    reason: str


Decision = Feed | Launch | Refuse


def decide(
    groups: Iterable[Group],
    occupants: Sequence[Occupant],
    devices: Sequence[Device],
    running: Mapping[str, int],
    kept: Iterable[Kept] = (),
) -> Decision | None:
    """The next thing to do, None when all that waits has to wait on. `running` counts running
    predictions per owner. What is kept is never refused: it is launched when it has room.
    """
    by_age = sorted(groups, key=lambda group: group.oldest)
    barrier = next(
        (g.oldest for g in by_age if g.overtaken >= MAX_OVERTAKEN and not _serving(g, occupants)),
        None,
    )
    allowed = [group for group in by_age if barrier is None or group.oldest <= barrier]

    for group in sorted(allowed, key=lambda group: (running.get(group.owner, 0), group.oldest)):
        warm = [o for o in _serving(group, occupants) if o.free_slots > 0]
        if warm:
            emptiest = max(warm, key=lambda o: o.free_slots)
            return Feed(group.version, group.owner, emptiest.id, group.below)

    for group in allowed:
        decision = _place(group, occupants, devices)
        if decision is not None:
            return decision
    for each in kept:
        if len(_serving(each.group, occupants)) < each.fewest:
            decision = _place(each.group, occupants, devices)
            if isinstance(decision, Launch):
                return decision
    return None


def _serving(group: Group, occupants: Sequence[Occupant]) -> list[Occupant]:
    """The instances that run, or will run, what the group waits for."""
    return [
        o
        for o in occupants
        if o.version == group.version and not o.leaving and group.takes(o.precision)
    ]


def refusal(group: Group, devices: Sequence[Device]) -> str:
    """Why an instance would fit on none of the devices, were they empty; "" where it would."""
    candidates = _candidates(group, devices)
    for device in candidates:
        for precision in group.precisions(device):
            if group.need(precision, device) <= device.memory:
                return ""
    return _refusal(group, candidates)


def may_spread(group: Group, device: Device, devices: Sequence[Device]) -> bool:
    """Whether an instance may be tried on a set of more cards than `device` has."""
    return any(
        group.need(precision, wider) <= wider.memory
        for wider in _candidates(group, devices)
        if len(wider.cards) > len(device.cards)
        for precision in group.precisions(wider)
    )


def _candidates(group: Group, devices: Sequence[Device]) -> Sequence[Device]:
    """The devices of the kind that it wants, or all where there is none of them."""
    usable = [d for d in devices if group.spreads or not d.parts]
    return [d for d in usable if d.gpu == group.gpu] or usable


def _place(
    group: Group, occupants: Sequence[Occupant], devices: Sequence[Device]
) -> Decision | None:
    candidates = _candidates(group, devices)
    own = _serving(group, occupants)
    floor = Floor(candidates, occupants)
    if any(o.loading for o in own) or len(own) >= max(len(floor.cards), group.most):
        return None

    can_fit = False
    for precision, width in _from_best(group, candidates):
        # A second instance of a version is no worse than the first.
        if own and all(o.precision != precision for o in own):
            continue
        fitting = [
            d
            for d in candidates
            if len(d.cards) == width
            and precision in group.precisions(d)
            and group.need(precision, d) <= d.memory
        ]
        can_fit = can_fit or bool(fitting)
        launches = [
            launch
            for device in fitting
            # It is worth free room, never another model's place.
            if (launch := _launch(group, precision, device, floor)) and not (own and launch.evict)
        ]
        if launches:
            free = {device.name: floor.free(device) for device in fitting}
            return min(launches, key=lambda launch: (len(launch.evict), -free[launch.device]))
        # Nothing is loaded at less than the best only because a process needs a moment to go.
        staying = Floor(candidates, [o for o in occupants if o.busy or not o.leaving])
        if any(_launch(group, precision, device, staying) for device in fitting):
            return None
    return None if can_fit or own else Refuse(group.version, _refusal(group, candidates))


def _launch(group: Group, precision: str, device: Device, floor: Floor) -> Launch | None:
    need = group.need(precision, device)
    evict = floor.make_room(device, need)
    if evict is None:
        return None
    return Launch(group.version, device.name, need, tuple(o.id for o in evict), precision)


def _from_best(group: Group, devices: Sequence[Device]) -> list[tuple[str, int]]:
    """At which precision and over how many cards to try it, in turn."""
    order = ["", *(rung.precision for rung in group.ladder)]
    last = order.index(OFFLOAD) if OFFLOAD in order else len(order)
    widths = sorted({1, *(len(device.cards) for device in devices)})
    before = [(precision, width) for width in widths for precision in order[:last]]
    return [*before, *((precision, 1) for precision in order[last:])]


def _refusal(group: Group, devices: Sequence[Device]) -> str:
    cards, sets = ([d for d in devices if bool(d.parts) is many] for many in (False, True))
    there = ", ".join(f"{device.hardware} has {gigabytes(device.memory)}" for device in cards)
    largest = max(sets, key=lambda device: device.memory, default=None)
    alone, together = _least(group, cards), _least(group, [largest] if largest else [])
    if not alone and not together:
        return f"It ran out of memory wherever it was tried: {there}."
    needs = []
    if alone:
        need, precision = alone
        least = f"at least {gigabytes(need)} of memory (at {precision})" if precision else ""
        needs.append(least or f"{gigabytes(need)} of memory")
    if together and largest:
        need, precision = together
        needs.append(f"{gigabytes(need)} over {len(largest.parts)} cards (at {precision})")
    return (
        f"It needs {', or '.join(needs)}; {there}. It does not fit here: "
        "choose a smaller model, or a larger machine."
    )


def _least(group: Group, devices: Sequence[Device]) -> tuple[int, str] | None:
    """What it needs at its smallest, and the precision of that."""
    needs = [(group.need(p, device), p) for device in devices for p in group.precisions(device)]
    return min(needs, default=None)


def relieve(
    occupants: Iterable[Occupant], sizes: Mapping[str, int], most: int
) -> tuple[list[str], str]:
    """Who has to leave when instances hold more than `most` together: idle ones, and the largest
    ("" for none) where that is not enough. `sizes` is what each of them holds.
    """
    held, idle = dict(sizes), []
    over = sum(held.values()) - most
    for occupant in sorted(occupants, key=lambda o: o.used):
        if over > 0 and occupant.evictable and occupant.id in held:
            over -= held.pop(occupant.id)
            idle.append(occupant.id)
    return idle, max(held, key=lambda id: held[id], default="") if over > 0 else ""


def gigabytes(size: int) -> str:
    """A size as people read it."""
    return f"{size / 1e9:.1f} GB"
