"""Which queued prediction starts where next, and what must leave first. Pure: no clock, no process,
nothing is changed here.

The rules, in order:

1. A warm instance with a free slot takes a prediction of its version: of the owner who has least
   running, then the oldest.
2. Else the oldest that needs an instance gets one: beside what runs if it fits, else in place of
   idle instances, least recently used first.
3. A prediction that waits for room is overtaken by at most MAX_OVERTAKEN younger ones; from then on
   only older ones start, so that what
   holds the room falls idle.
4. What can never fit is refused, with what it needs and what there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from workers.devices import GIB, Device

MAX_OVERTAKEN = 32
ASSUMED_MEMORY = {False: 1 * GIB, True: 8 * GIB}
"""What an instance is taken to need, on CPU and on a GPU, as long as neither its spec nor an
earlier run has said.
"""


@dataclass(frozen=True)
class Group:
    """The waiting predictions of one version and one owner. `oldest` is the place of the first in
    the whole queue's order.
    """

    version: str
    owner: str
    oldest: int
    count: int = 1
    overtaken: int = 0
    memory: int | None = None
    gpu: bool = False


@dataclass(frozen=True)
class Occupant:
    """An instance as the scheduler sees it. `used` orders by last use; a leaving one only takes
    room.
    """

    id: str
    version: str
    device: str
    memory: int
    free_slots: int = 0
    busy: bool = False
    loading: bool = False
    leaving: bool = False
    pinned: bool = False
    used: float = 0.0

    @property
    def evictable(self) -> bool:
        return not (self.busy or self.loading or self.leaving or self.pinned)


@dataclass(frozen=True)
class Feed:
    version: str
    owner: str
    instance: str


@dataclass(frozen=True)
class Launch:
    version: str
    device: str
    memory: int
    evict: tuple[str, ...] = ()


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
) -> Decision | None:
    """The next thing to do, None when all that waits has to wait on. `running` counts running
    predictions per owner.
    """
    by_age = sorted(groups, key=lambda group: group.oldest)
    barrier = next(
        (g.oldest for g in by_age if g.overtaken >= MAX_OVERTAKEN and not _served(g, occupants)),
        None,
    )
    allowed = [group for group in by_age if barrier is None or group.oldest <= barrier]

    for group in sorted(allowed, key=lambda group: (running.get(group.owner, 0), group.oldest)):
        warm = [
            o
            for o in occupants
            if o.version == group.version and o.free_slots > 0 and not o.leaving
        ]
        if warm:
            return Feed(group.version, group.owner, max(warm, key=lambda o: o.free_slots).id)

    for group in allowed:
        decision = _place(group, occupants, devices)
        if decision is not None:
            return decision
    return None


def _served(group: Group, occupants: Sequence[Occupant]) -> bool:
    return any(o.version == group.version and not o.leaving for o in occupants)


def _place(
    group: Group, occupants: Sequence[Occupant], devices: Sequence[Device]
) -> Decision | None:
    candidates = [d for d in devices if d.gpu] if group.gpu else [d for d in devices if not d.gpu]
    candidates = candidates or list(devices)
    own = [o for o in occupants if o.version == group.version and not o.leaving]
    if any(o.loading for o in own) or len(own) >= len(candidates):
        return None

    refusals = []
    choices: list[tuple[int, float, Launch]] = []
    for device in candidates:
        need = (
            group.memory
            if group.memory is not None
            else min(ASSUMED_MEMORY[device.gpu], device.memory)
        )
        if need > device.memory:
            refusals.append(f"{device.hardware} has {_gigabytes(device.memory)}")
            continue
        there = [o for o in occupants if o.device == device.name]
        evict = _make_room(device, need, there)
        # A second instance of a version is worth free room, never another model's place.
        if evict is None or (own and evict):
            continue
        free = device.memory - sum(o.memory for o in there)
        launch = Launch(group.version, device.name, need, tuple(o.id for o in evict))
        choices.append((len(evict), -free, launch))
    if choices:
        return min(choices, key=lambda choice: choice[:2])[2]
    if len(refusals) == len(candidates):
        need_text = _gigabytes(group.memory or 0)
        return Refuse(
            group.version,
            f"It needs {need_text} of memory; {', '.join(refusals)}. It can never fit here.",
        )
    return None


def _make_room(device: Device, need: int, there: Sequence[Occupant]) -> list[Occupant] | None:
    """The idle instances that have to leave `device` for `need` bytes; None if even that is not
    enough.
    """
    if sum(o.loading for o in there) >= device.max_loading:
        return None
    memory = sum(o.memory for o in there)
    count = len(there)
    evict: list[Occupant] = []
    for occupant in sorted((o for o in there if o.evictable), key=lambda o: o.used):
        if memory + need <= device.memory and count < device.max_instances:
            break
        evict.append(occupant)
        memory -= occupant.memory
        count -= 1
    return evict if memory + need <= device.memory and count < device.max_instances else None


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
