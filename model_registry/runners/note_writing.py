"""Lets a language model write notes, bar by bar. No runner: the runner of note music imports it.

A piece is `<start> mood: pace: mode: drums:` and then bars, in C; whoever plays it moves it into
its key. A bar is `bar:` (1 to 4, the first one of four after a `phrase:`), `left:` (bars still to
come), `loud:`, then at each sixteenth `at:` what begins there: `bass:`, `chord:` and `melody:` with
a MIDI pitch, `len:` in sixteenths where a note stops before the next one of its voice, `drum:`;
`next` ends it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

PHRASES = ("ask", "answer", "away", "answer")
"""What follows what, four bars each; the last one is `close`."""
THEME = 2
"""Bars with which every phrase begins but those that lead away: a tune is known by coming back."""
LONGEST_BAR = 96
"""Tokens after which a bar is ended."""
LOUD = (0.42, 0.58, 0.75, 0.92)
ACCENTS = {0: 1.0, 4: 0.95, 8: 0.95, 12: 0.95}
"""How loud a note is on a beat of its bar."""
OFF_BEAT = {"melody": 0.6, "bass": 0.5}
"""Between the beats; 0.4 for what only accompanies."""


@dataclass(frozen=True)
class Note:
    """`at` and `length` in sixteenths of the piece; `loud` from 0 to 1. Drums have no pitch. One
    that is `stopped` is silenced at its end, whatever plays it.
    """

    voice: str
    pitch: int
    at: int
    length: int
    loud: float
    stopped: bool = False


def headers(bars: int) -> Iterator[list[str]]:
    """What each bar begins with: the form of the piece, which the model is told."""
    closing = (bars - 1) % 4 + 1
    for number in range(bars):
        left = bars - 1 - number
        header = [f"bar:{number % 4 + 1}", f"left:{left if left < 4 else 'more'}"]
        if number % 4 == 0:
            name = "close" if left < closing else PHRASES[number // 4 % 4]
            header.insert(0, f"phrase:{name}")
        yield header


class Writer:
    """Lets the model write bar after bar; what a bar may not hold at a place cannot be chosen."""

    def __init__(self, model: Any, tokens: dict[str, int], temperature: float, seed: int) -> None:
        import torch

        self._model, self._tokens, self._temperature = model, tokens, temperature
        self._names = {number: name for name, number in tokens.items()}
        self._generator = torch.Generator().manual_seed(seed)
        self._context = int(model.config.max_position_embeddings)
        self._grammar = Grammar(tokens)

    def bars(self, prefix: list[str], count: int) -> Iterator[list[Note]]:
        """The notes of each bar."""
        self._prefix = self._numbers(prefix)
        self._phrases: list[list[int]] = []
        self._cache: Any = None
        self._pending: list[int] = []
        theme: list[list[str]] = []
        for number, header in enumerate(headers(count)):
            if header[0].startswith("phrase:"):
                comes_back = header[0] != "phrase:away" and number + 4 <= count
            place = number % 4
            again = theme[place] if comes_back and place < len(theme) else None
            written = self._bar(header, again)
            if number < min(THEME, count - 1):
                theme.append(written)
            yield notes_of(number, written)

    def _bar(self, header: list[str], again: list[str] | None) -> list[str]:
        """The names of the tokens that follow a bar's header: those given, or what the model
        writes.
        """
        given = self._numbers(header)
        if header[0].startswith("phrase:"):
            self._phrases.append([])
        unread = self._with_room(given)
        self._phrases[-1] += given
        if again is not None:
            self._pending = [*unread, *self._numbers(again)]
            self._phrases[-1] += self._numbers(again)
            return again
        written: list[str] = []
        self._grammar.begin()
        while not written or written[-1] != "next":
            logits = self._read(unread)
            allowed = self._grammar.allowed() if len(written) < LONGEST_BAR - 1 else ["next"]
            token = self._choose(logits, self._numbers(allowed))
            written.append(self._names[token])
            self._grammar.add(written[-1])
            self._phrases[-1].append(token)
            unread = [token]
        self._pending = unread  # not read yet: the model reads what it goes on from
        return written

    def _with_room(self, given: list[int]) -> list[int]:
        """What the model must read before it goes on. The oldest phrases are forgotten, when
        another bar would not fit.
        """
        from transformers import DynamicCache

        used = len(self._prefix) + sum(map(len, self._phrases)) + len(given)
        if self._cache is not None and used + LONGEST_BAR < self._context:
            return [*self._pending, *given]
        room = self._context * 2 // 3 - len(self._prefix)
        while len(self._phrases) > 1 and sum(map(len, self._phrases)) > room:
            self._phrases.pop(0)
        self._cache = DynamicCache(config=self._model.config)
        return [*self._prefix, *(token for each in self._phrases for token in each), *given]

    def _read(self, tokens: list[int]) -> Any:
        import torch

        with torch.no_grad():
            part = torch.tensor([tokens], device=self._model.device)
            output = self._model(
                part, past_key_values=self._cache, use_cache=True, logits_to_keep=1
            )
        return output.logits[0, -1].float().cpu()

    def _choose(self, logits: Any, allowed: list[int]) -> int:
        import torch

        likely = logits[allowed]
        if self._temperature < 1e-3:
            return allowed[int(likely.argmax())]
        likely = torch.softmax(likely / self._temperature, -1)
        # A note that is hardly ever right is left out: one wrong note is heard in a whole tune.
        likely[likely < 0.02 * likely.max()] = 0
        return allowed[int(torch.multinomial(likely, 1, generator=self._generator))]

    def _numbers(self, names: list[str]) -> list[int]:
        return [self._tokens[name] for name in names]


class Grammar:
    """Which events may follow inside a bar. It knows nothing of harmony."""

    VOICES = ("bass", "chord", "melody", "drum")

    def __init__(self, tokens: dict[str, int]) -> None:
        kinds: dict[str, list[str]] = {}
        for name in tokens:
            kinds.setdefault(name.partition(":")[0], []).append(name)
        for kind in ("loud", "at", "len", *self.VOICES):
            kinds.setdefault(kind, []).sort(key=lambda name: (len(name), name))
        self._kinds = kinds

    def begin(self) -> None:
        self._last, self._at, self._here = "", -1, set[str]()

    def add(self, name: str) -> None:
        self._last = name
        if name.startswith("at:"):
            self._at, self._here = int(name[3:]), set()
        self._here.add(name)

    def allowed(self) -> list[str]:
        kind = self._last.partition(":")[0]
        if not kind:
            return self._kinds["loud"]
        later = [name for name in self._kinds["at"] if int(name[3:]) > self._at]
        if kind == "loud":
            return later
        if kind == "at":
            return [name for voice in self.VOICES for name in self._kinds[voice]]
        voice = kind if kind in self.VOICES else self._voice_before()
        more = [
            name
            for each in self.VOICES[self.VOICES.index(voice) + 1 :]
            for name in self._kinds[each]
        ]
        if kind in ("chord", "drum"):  # of these, several at once
            more += [name for name in self._kinds[kind] if name not in self._here]
        if kind in self.VOICES[:3]:
            more += self._kinds["len"]
        return [*more, *later, "next"]

    def _voice_before(self) -> str:
        """The voice whose note a `len:` has ended."""
        here = {name.partition(":")[0] for name in self._here}
        return next(voice for voice in reversed(self.VOICES) if voice in here)


def notes_of(number: int, written: list[str]) -> list[Note]:
    """The notes of one bar from its events. A note lasts until the next one of its voice."""
    found: list[Note] = []
    at, loud = 0, LOUD[1]
    for name in written:
        kind, _, value = name.partition(":")
        if kind == "loud":
            loud = LOUD[int(value) - 1]
        elif kind == "at":
            at = int(value)
        elif kind == "len":  # of all notes of that voice that begin here
            here = (found[-1].voice, found[-1].at)
            found = [
                replace(each, length=int(value), stopped=True)
                if (each.voice, each.at) == here
                else each
                for each in found
            ]
        elif kind == "drum":
            found.append(Note(value, 0, at, 1, loud, stopped=True))
        elif kind != "next":
            found.append(Note(kind, int(value), at, 16, loud))
    return [_placed(each, found, 16 * number) for each in found]


def _placed(given: Note, notes: list[Note], first: int) -> Note:
    """The note in its piece, with the accent of its place in the bar."""
    following = [each.at for each in notes if each.voice == given.voice and each.at > given.at]
    return replace(
        given,
        at=first + given.at,
        length=min([given.length, 16 - given.at, *(at - given.at for at in following)]),
        loud=given.loud * ACCENTS.get(given.at, OFF_BEAT.get(given.voice, 0.4)),
    )
