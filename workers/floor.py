"""Who is where, card by card, and who has to leave for somebody new. Pure, as the scheduler is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from workers.devices import Device


@dataclass(frozen=True)
class Occupant:
    """An instance as the scheduler sees it. Where its device is a set, `parts` are the cards of it,
    each of which holds as much. `used` orders by last use; a leaving one only takes room, and gives
    it back in a moment if nothing runs in it any more.
    """

    id: str
    version: str
    device: str
    memory: int
    precision: str = ""
    free_slots: int = 0
    busy: bool = False
    loading: bool = False
    leaving: bool = False
    pinned: bool = False
    used: float = 0.0
    parts: tuple[str, ...] = ()

    @property
    def cards(self) -> tuple[str, ...]:
        """The names of those that it is on."""
        return self.parts or (self.device,)

    @property
    def share(self) -> int:
        """The bytes that it takes of each."""
        return -(-self.memory // len(self.cards))

    @property
    def evictable(self) -> bool:
        return not (self.busy or self.loading or self.leaving or self.pinned)


class Floor:
    """Who is where among `devices`, card by card: one that is on several takes room of each."""

    def __init__(self, devices: Iterable[Device], occupants: Iterable[Occupant]) -> None:
        self.cards = {device.name: device for device in devices if not device.parts}
        self._there: dict[str, list[Occupant]] = {name: [] for name in self.cards}
        for occupant in occupants:
            for card in occupant.cards:
                if card in self._there:
                    self._there[card].append(occupant)

    def free(self, device: Device) -> int:
        """What is left of that card of a device which has least."""
        return min(
            self.cards[card].memory - sum(o.share for o in self._there[card])
            for card in device.cards
        )

    def make_room(self, device: Device, need: int) -> list[Occupant] | None:
        """The idle instances that have to leave for `need` bytes on `device`, in equal shares on
        all of its cards; None if even that is not enough.
        """
        there = {card: self._there[card] for card in device.cards}
        if any(
            sum(o.loading for o in here) >= self.cards[card].max_loading
            for card, here in there.items()
        ):
            return None
        share = -(-need // len(there))
        memory = {card: sum(o.share for o in here) for card, here in there.items()}
        count = {card: len(here) for card, here in there.items()}

        def full() -> set[str]:
            return {
                card
                for card in there
                if memory[card] + share > self.cards[card].memory
                or count[card] >= self.cards[card].max_instances
            }

        idle = dict.fromkeys(o for here in there.values() for o in here if o.evictable)
        evict: list[Occupant] = []
        for occupant in sorted(idle, key=lambda o: o.used):
            if full().isdisjoint(occupant.cards):
                continue
            evict.append(occupant)
            for card in there.keys() & {*occupant.cards}:
                memory[card] -= occupant.share
                count[card] -= 1
        return None if full() else evict
