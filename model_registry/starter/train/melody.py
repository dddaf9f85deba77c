"""Trains `starter/melody`: a very small Llama that writes tunes, note by note.

    python -m model_registry.starter.train.melody
    python -m model_registry.starter.train.melody --evaluate

The music it learns from is composed here from rules: chord progressions a mood and a mode; phrases
of four bars that ask, answer, lead away and close; motifs that are repeated, moved and varied;
chords that move as little as they can; accompaniments, bass and drums. The evaluation renders tunes
through the runner and listens to the sound alone: it knows the tokens only where it says so.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from model_registry.starter.train.training import Run, Stage, cosine, descend, main, set_rate

BARS = {
    "key right": (0.9, 1.0),
    "tempo right": (0.95, 1.0),
    "length right": (1.0, 1.0),
    "notes in the scale": (0.97, 1.0),
    "tunes that differ by seed": (1.0, 1.0),
    "same seed, same bytes": (1.0, 1.0),
}

STEPS = 700
ROWS = 4
CONTEXT = 640

# --- the music: what a mood sounds like

SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
PACES = {"slow": (40, 84), "medium": (84, 124), "fast": (124, 201)}
"""Beats a minute, from and below."""

PLAIN = ((4, 4, 4, 4), (8, 4, 4), (4, 4, 8), (6, 2, 8), (6, 2, 4, 4), (4, 4, 6, 2))
BROAD = ((8, 8), (12, 4), (8, 4, 4), (4, 12), (16,))
FLOWING = ((4, 2, 2, 4, 4), (2, 2, 4, 4, 4), (4, 2, 2, 4, 2, 2), (6, 2, 4, 2, 2), (4, 4, 2, 2, 4))
LIVELY = ((2, 2, 2, 2, 4, 4), (4, 2, 2, 2, 2, 4), (2, 2, 4, 2, 2, 4), (4, 4, 2, 2, 2, 2))
DOTTED = ((6, 2, 4, 4), (6, 2, 6, 2), (3, 1, 4, 8), (3, 1, 4, 4, 4), (4, 3, 1, 8))
"""Rhythms of one bar, in sixteenths."""

ACCOMPANIMENTS = {
    "waves": "0B 0:1 2:2 4:3 6:2 8:1 10:2 12:3 14:2",
    "harp": "0B 0:1 2:2 4:3 6:4 8:3 10:2 12:1 14:2",
    "alberti": "0B 8f 0:1 2:3 4:2 6:3 8:1 10:3 12:2 14:3",
    "broken": "0B 0:1 4:2 8:3 12:2",
    "blocks": "0B 0:C 4:C 8:C 12:C",
    "stride": "0B 4:C 8f 12:C",
    "short stride": "0B/2 4:C/2 8f/2 12:C/2",
    "pulse": "0B 4B 8B 12B 0:C",
    "march": "0B 4:C 8B 12:C 14:C",
    "tremble": "0B 8B 0:C/2 2:C/2 4:C/2 6:C/2 8:C/2 10:C/2 12:C/2 14:C/2",
}
"""What happens at which sixteenth: B the bass note, f its fifth, C the chord, 1 to 4 its notes one
by one, upwards; after a slash the length, without one until the voice's next note.
"""

BEATS = {
    "light": "0k 4h 8k 12h",
    "plain": "0k 0h 4s 4h 8k 8h 12s 12h",
    "busy": "0k 0h 2h 4s 4h 6h 8k 8h 10h 12s 12h 14h",
}


@dataclass(frozen=True)
class Mood:
    rhythms: tuple[tuple[int, ...], ...]
    accompaniments: tuple[str, ...]
    beats: tuple[str, ...]
    progressions: dict[str, tuple[str, ...]]
    """A mode → the first four chords of a tune, the last of them the fifth."""
    loud: int
    leap: float
    high: int = 0
    """Scale steps that the tune lies above the middle."""
    minor: float = 0.5


MOODS = {
    "calm": Mood(
        BROAD + PLAIN, ("waves", "harp", "broken"), ("light",),
        {"major": ("1 4 1 5", "1 6 4 5", "1 2 1 5"), "minor": ("1 6 1 5", "1 4 1 5", "1 6 4 5")},
        loud=1, leap=0.15,
    ),
    "happy": Mood(
        PLAIN + FLOWING, ("stride", "alberti", "blocks"), ("plain", "busy"),
        {"major": ("1 4 1 5", "1 6 4 5", "1 4 2 5"), "minor": ("1 4 1 5", "1 6 4 5")},
        loud=3, leap=0.35, high=1, minor=0.1,
    ),
    "sad": Mood(
        BROAD + PLAIN + DOTTED[:1], ("broken", "blocks", "waves"), ("light",),
        {"major": ("1 6 4 5", "1 3 4 5", "1 6 2 5"), "minor": ("1 6 4 5", "1 4 1 5", "1 4 6 5")},
        loud=1, leap=0.2, high=-1, minor=0.95,
    ),
    "playful": Mood(
        LIVELY + FLOWING, ("short stride", "stride"), ("plain", "light"),
        {"major": ("1 1 4 5", "1 4 1 5", "1 2 1 5"), "minor": ("1 1 4 5", "1 4 1 5")},
        loud=2, leap=0.5, high=2, minor=0.2,
    ),
    "proud": Mood(
        DOTTED + PLAIN, ("march", "blocks", "pulse"), ("plain", "busy"),
        {"major": ("1 4 1 5", "1 5 4 5", "1 6 4 5"), "minor": ("1 4 1 5", "1 6 4 5", "1 5 1 5")},
        loud=3, leap=0.45, minor=0.2,
    ),
    "mysterious": Mood(
        BROAD + PLAIN[1:4], ("broken", "harp", "pulse"), ("light",),
        {"major": ("1 2 1 5", "1 6 2 5"), "minor": ("1 6 1 5", "1 4 1 5", "1 1 6 5")},
        loud=1, leap=0.3, high=-2, minor=0.95,
    ),
    "dreamy": Mood(
        FLOWING + BROAD, ("harp", "waves"), ("light",),
        {"major": ("1 4 1 5", "1 6 4 5", "1 3 4 5"), "minor": ("1 6 4 5", "1 4 1 5")},
        loud=2, leap=0.25, high=2, minor=0.3,
    ),
    "tense": Mood(
        LIVELY + DOTTED[2:], ("tremble", "pulse", "blocks"), ("plain", "busy"),
        {"major": ("1 2 1 5", "1 5 1 5"), "minor": ("1 6 1 5", "1 1 4 5", "1 5 1 5")},
        loud=3, leap=0.3, high=-1, minor=0.95,
    ),
}  # fmt: skip
AWAY = {
    "major": ("4 1 2 5", "6 2 4 5", "4 1 4 5", "6 4 1 5"),
    "minor": ("6 4 1 5", "4 1 6 5", "6 1 4 5", "4 6 1 5"),
}

# --- the composer


def harmony(mode: str, degree: int) -> tuple[int, ...]:
    """The scale under a chord, as semitones above the tonic: over the fifth in minor, the seventh
    is raised.
    """
    scale = SCALES[mode]
    return (*scale[:6], 11) if mode == "minor" and degree == 5 else scale


def semitone(scale: tuple[int, ...], step: int) -> int:
    return 12 * (step // 7) + scale[step % 7]


@dataclass
class Bar:
    """Chords as degrees with the sixteenth each begins at; the tune as scale steps above the tonic
    with their lengths (None is a rest).
    """

    chords: list[tuple[int, int]]
    tune: list[tuple[int | None, int]] = field(default_factory=list)

    def degree(self, at: int) -> int:
        return next(degree for start, degree in reversed(self.chords) if start <= at)


@dataclass
class Phrase:
    name: str
    bars: list[Bar]
    loud: int
    pattern: str


def chord_steps(degree: int) -> set[int]:
    return {(degree - 1 + third) % 7 for third in (0, 2, 4)}


def nearest(step: int, steps: set[int]) -> int:
    """The step nearest to `step` that is one of `steps` in some octave; upwards where two are."""
    return next(step + move for move in (0, 1, -1, 2, -2, 3, -3) if (step + move) % 7 in steps)


class Composer:
    """Composes one piece: phrases over a plan of four-bar phrases."""

    def __init__(self, rng: random.Random, mood: Mood, mode: str, pace: str) -> None:
        self.rng, self.mood, self.mode = rng, mood, mode
        cells = [cell for cell in mood.rhythms if pace != "fast" or 1 not in cell]
        if pace == "fast":  # the same moods move in fewer notes a bar when the beats are short
            cells += [cell for cell in PLAIN + BROAD[:3] if cell not in cells][:4]
        self.cells = cells
        self.pattern = rng.choice(mood.accompaniments)
        self.other = rng.choice(mood.accompaniments)
        self.opening = [int(each) for each in rng.choice(mood.progressions[mode]).split()]
        self.middle = mood.high + rng.choice((1, 2, 3))
        self.motif, self.answer = self._motif(), self._motif()
        self.order = rng.choice(("MMN", "MNM", "MMM", "MNN"))
        self.first = self._sung([[(0, each)] for each in self.opening], self.order)
        self._cadence(self.first, full=False)
        before = rng.choice((2, 4) if mode == "major" else (4, 4, 6))
        second = [*(bar.chords for bar in self.first[:2]), [(0, before), (8, 5)], [(0, 1)]]
        self.second = self._sung(second, self.order)
        self.second[:2] = self.first[:2]
        self._cadence(self.second, full=True)

    def piece(self, bars: int) -> list[Phrase]:
        phrases = []
        for name, count in plan(bars):
            loud = self.mood.loud + {"ask": 0, "answer": 0, "away": 1, "close": 0}[name]
            pattern = self.other if name == "away" else self.pattern
            phrases.append(Phrase(name, self._bars(name, count), max(1, min(4, loud)), pattern))
        return phrases

    def _bars(self, name: str, count: int) -> list[Bar]:
        if name == "ask":
            return self._varied(self.first)
        if name == "answer":
            return self._varied(self.second)
        if name == "away":
            chords = [[(0, int(each))] for each in self.rng.choice(AWAY[self.mode]).split()]
            if self.rng.random() < 0.5:
                self.answer = self._motif()
            bars = self._sung(chords, "NNM", lift=2)
            self._cadence(bars, full=False)
            return bars
        before = self.second[2].tune[-1][0] or 0
        last = Bar([(0, 1)], [(nearest(before, {0}), 16)])
        return [*self.second[4 - count : 3], last]

    def _motif(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """A rhythm, and how far each note lies from the first."""
        rhythm = self.rng.choice(self.cells)
        steps, direction = [0], self.rng.choice((1, 1, -1))
        for _ in rhythm[1:]:
            if self.rng.random() < 0.35:
                direction = -direction
            size = self.rng.choice((2, 2, 3)) if self.rng.random() < self.mood.leap else 1
            size = 0 if self.rng.random() < 0.08 else size
            if not -4 <= steps[-1] + direction * size <= 4:
                direction = -direction
            steps.append(steps[-1] + direction * size)
        return rhythm, tuple(steps)

    def _sung(self, chords: list[list[tuple[int, int]]], order: str, lift: int = 0) -> list[Bar]:
        """Bars with a tune from the two motifs; the phrase rises and comes back."""
        bars = []
        arch = self.rng.choice(((0, 1, 3, 1), (0, 2, 1, 0), (2, 1, 3, 0), (0, -1, 2, 1)))
        for number, each in enumerate(chords):
            bar = Bar(each)
            motif = self.motif if (order + "N")[number] == "M" else self.answer
            self._sing(bar, motif, min(7, self.middle + lift + arch[number]))
            bars.append(bar)
        return bars

    def _sing(self, bar: Bar, motif: tuple[tuple[int, ...], tuple[int, ...]], middle: int) -> None:
        rhythm, steps = motif
        start = nearest(middle - (max(steps) + min(steps)) // 2, chord_steps(bar.degree(0)))
        at, before, previous = 0, 0, start
        for length, move in zip(rhythm, steps, strict=True):
            step = start + move
            weak = at % 8 != 0 and length < 8
            if not weak or (at % 4 == 0 and abs(step - previous) > 1):
                step = nearest(step, chord_steps(bar.degree(at)))
                if step == previous and move != before:  # a step that went on does not stand still
                    way = 1 if move > before else -1
                    step = next(
                        step + way * size
                        for size in range(1, 8)
                        if (step + way * size) % 7 in chord_steps(bar.degree(at))
                    )
            bar.tune.append((step, length))
            at, before, previous = at + length, move, step

    def _cadence(self, bars: list[Bar], full: bool) -> None:
        """The last bar comes to rest: on the tonic, from the step beside it, or half-way."""
        before = bars[2].tune[-1][0] or 0
        last = nearest(before, {0} if full else {1, 4})
        if full:
            beside = last + (1 if before >= last else -1)
            bars[2] = Bar(bars[2].chords, [*bars[2].tune[:-1], (beside, bars[2].tune[-1][1])])
        style = self.rng.choice(((16,), (12, -4), (8, -8), (4, 8, -4)))
        notes = [(None if each < 0 else last, abs(each)) for each in style]
        if len(style) == 3:  # one chord tone before the last note
            notes[0] = (nearest(last + 2, chord_steps(bars[3].degree(0))), 4)
        bars[3].tune = notes

    def _varied(self, bars: list[Bar]) -> list[Bar]:
        """The bars again, now and then with one long note ornamented."""
        if self.rng.random() < 0.7:
            return bars
        number = self.rng.randrange(3)
        tune = list(bars[number].tune)
        longs = [i for i, (step, length) in enumerate(tune) if step is not None and length == 4]
        if not longs:
            return bars
        at = self.rng.choice(longs)
        step = tune[at][0]
        neighbour = step + self.rng.choice((1, -1))
        tune[at : at + 1] = [(step, 2), (neighbour, 2)]
        return [*bars[:number], Bar(bars[number].chords, tune), *bars[number + 1 :]]


def plan(bars: int) -> Iterator[tuple[str, int]]:
    """Phrases and their lengths: ask, answer, away, answer, and round again; the last closes."""
    closing = (bars - 1) % 4 + 1
    names = ("ask", "answer", "away", "answer")
    for number in range((bars - closing) // 4):
        yield names[number % 4], 4
    yield "close", closing


# --- notes → tokens

LOWEST, HIGHEST = 52, 90
"""MIDI pitches between which the tune stays."""


class Voices:
    """Chords as pitches, each as near as can be to the one before."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.before: list[int] = []

    def chord(self, degree: int) -> list[int]:
        scale = harmony(self.mode, degree)
        classes = [semitone(scale, degree - 1 + third) % 12 for third in (0, 2, 4)]
        choices = []
        for turn in range(3):
            pitches: list[int] = []
            for each in classes[turn:] + classes[:turn]:
                low = pitches[-1] + 1 if pitches else 49
                pitches.append(low + (each - low) % 12)
            choices.append(pitches)
        middle = self.before or [53, 57, 61]
        self.before = min(
            choices, key=lambda p: sum(abs(a - b) for a, b in zip(p, middle, strict=True))
        )
        return self.before

    def bass(self, degree: int, fifth: bool = False) -> int:
        scale = harmony(self.mode, degree)
        root = 36 + semitone(scale, degree - 1) % 12
        if not fifth:
            return root
        above = root + (semitone(scale, degree + 3) - semitone(scale, degree - 1)) % 12
        return above if above <= 50 else above - 12


@dataclass(frozen=True)
class Piece:
    mood: str
    pace: str
    mode: str
    drums: bool
    bars: int

    def prefix(self) -> list[str]:
        return [
            "<start>",
            f"mood:{self.mood}",
            f"pace:{self.pace}",
            f"mode:{self.mode}",
            f"drums:{'yes' if self.drums else 'no'}",
        ]


def any_piece(rng: random.Random) -> Piece:
    name = rng.choice(list(MOODS))
    # Every mood is learnt in both modes: a person may ask for a happy tune in minor.
    minor = rng.random() < 0.25 + 0.5 * MOODS[name].minor
    return Piece(
        name,
        rng.choice(list(PACES)),
        "minor" if minor else "major",
        rng.random() < 0.4,
        rng.choice((2, 3, 5, 6, 7, *range(8, 30))),
    )


def compose(rng: random.Random, piece: Piece) -> list[list[str]]:
    """The tokens of each phrase."""
    composer = Composer(rng, MOODS[piece.mood], piece.mode, piece.pace)
    voices = Voices(piece.mode)
    beat = rng.choice(MOODS[piece.mood].beats) if piece.drums else ""
    phrases, number = [], 0
    for phrase in composer.piece(piece.bars):
        tokens = [f"phrase:{phrase.name}"]
        for place, bar in enumerate(phrase.bars, 1):
            left = piece.bars - number - 1
            final = left == 0
            tokens += [f"bar:{place}", f"left:{left if left < 4 else 'more'}"]
            swell = phrase.loud + (1 if place == 3 else 0) - (1 if final else 0)
            tokens.append(f"loud:{max(1, min(4, swell))}")
            events: dict[int, dict[str, list[str]]] = {}
            _add_accompaniment(events, "0B 0:C" if final else phrase.pattern, bar, voices)
            _add_tune(events, bar, piece.mode)
            for each in ("0k" if final and beat else BEATS.get(beat, "")).split():
                name = {"k": "kick", "s": "snare", "h": "hat"}[each[-1]]
                _at(events, int(each[:-1]))["drum"].append(f"drum:{name}")
            for at in sorted(events):
                tokens.append(f"at:{at}")
                tokens += [token for voice in VOICES for token in events[at][voice]]
            tokens.append("next")
            number += 1
        phrases.append(tokens)
    phrases[-1].append("<end>")
    return phrases


VOICES = ("bass", "chord", "melody", "drum")


def _at(events: dict[int, dict[str, list[str]]], at: int) -> dict[str, list[str]]:
    return events.setdefault(at, {voice: [] for voice in VOICES})


def _add_accompaniment(
    events: dict[int, dict[str, list[str]]], pattern: str, bar: Bar, voices: Voices
) -> None:
    pattern = ACCOMPANIMENTS.get(pattern, pattern)
    chords = {start: (degree, voices.chord(degree)) for start, degree in bar.chords}
    for each in pattern.split():
        what, _, length = each.partition("/")
        place = int(what.rstrip("BfC").partition(":")[0])
        degree, pitches = next(chords[s] for s in sorted(chords, reverse=True) if s <= place)
        here = _at(events, place)
        if what[-1] in "Bf":
            here["bass"].append(f"bass:{voices.bass(degree, what[-1] == 'f')}")
            voice = "bass"
        else:
            which = what.partition(":")[2]
            chosen = pitches if which == "C" else [[*pitches, pitches[0] + 12][int(which) - 1]]
            here["chord"] += [f"chord:{pitch}" for pitch in chosen]
            voice = "chord"
        if length:
            here[voice].append(f"len:{length}")
    if len(chords) > 1 and not any(
        each.startswith("8") and each[1] in "Bf" for each in pattern.split()
    ):
        _at(events, 8)["bass"].append(f"bass:{voices.bass(bar.degree(8))}")


def _add_tune(events: dict[int, dict[str, list[str]]], bar: Bar, mode: str) -> None:
    at = 0
    for place, (step, length) in enumerate(bar.tune):
        if step is not None:
            pitch = 60 + semitone(harmony(mode, bar.degree(at)), step)
            pitch += 12 if pitch < LOWEST else -12 if pitch > HIGHEST else 0
            here = _at(events, at)
            here["melody"].append(f"melody:{pitch}")
            if place + 1 < len(bar.tune) and bar.tune[place + 1][0] is None:
                here["melody"].append(f"len:{length}")
        at += length


# --- the model

LENGTHS = (1, 2, 3, 4, 6, 8, 12, 16)
VOCABULARY = [
    *("<pad>", "<start>", "<end>", "<unknown>", "next"),
    *(f"mood:{each}" for each in MOODS),
    *(f"pace:{each}" for each in PACES),
    *("mode:major", "mode:minor", "drums:yes", "drums:no"),
    *(f"phrase:{each}" for each in ("ask", "answer", "away", "close")),
    *(f"bar:{each}" for each in range(1, 5)),
    *(f"left:{each}" for each in (0, 1, 2, 3, "more")),
    *(f"loud:{each}" for each in range(1, 5)),
    *(f"at:{each}" for each in range(16)),
    *(f"bass:{each}" for each in range(36, 53)),
    *(f"chord:{each}" for each in range(48, 80)),
    *(f"melody:{each}" for each in range(LOWEST, HIGHEST + 1)),
    *("drum:kick", "drum:snare", "drum:hat"),
    *(f"len:{each}" for each in LENGTHS),
]


def make_tokenizer() -> PreTrainedTokenizerFast:
    numbers = {token: number for number, token in enumerate(VOCABULARY)}
    words = Tokenizer(models.WordLevel(numbers, unk_token="<unknown>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        bos_token="<start>",
        eos_token="<end>",
        unk_token="<unknown>",
        model_max_length=CONTEXT,
    )


def make_model() -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(VOCABULARY),
            hidden_size=160,
            intermediate_size=432,
            num_hidden_layers=4,
            num_attention_heads=5,
            num_key_value_heads=5,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
            rms_norm_eps=1e-5,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        )
    )


# --- the recipe

GROUP = 24
"""Batches whose pieces are composed at once, so that those of similar length come together."""

GIVEN = ("<", "mood", "pace", "mode", "drums", "phrase", "bar", "left")
"""Tokens that the runner writes: they are read, not learnt."""


class Pieces:
    """Batches of one piece a row, or of a stretch of phrases from one that is too long."""

    def __init__(self, seed: int) -> None:
        self._numbers = {token: number for number, token in enumerate(VOCABULARY)}
        self._given = {n for token, n in self._numbers.items() if token.startswith(GIVEN)}
        self._given.discard(self._numbers["<end>"])
        self._seed, self._group, self._batches = seed, -1, []

    def batch(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens and labels, (rows, length) each, of step `number`."""
        group, at = divmod(number, GROUP)
        if group != self._group:
            self._group, self._batches = group, self._made(random.Random(f"{self._seed} {group}"))
        rows = self._batches[at]
        length = -(-max(map(len, rows)) // 64) * 64
        tokens = torch.tensor([row + [0] * (length - len(row)) for row in rows])
        labels = [
            [-100 if each in self._given else each for each in row] + [-100] * (length - len(row))
            for row in rows
        ]
        return tokens, torch.tensor(labels)

    def _made(self, rng: random.Random) -> list[list[list[int]]]:
        rows = sorted((self._row(rng) for _ in range(ROWS * GROUP)), key=len)
        batches = [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]
        rng.shuffle(batches)
        return batches

    def _row(self, rng: random.Random) -> list[int]:
        piece = any_piece(rng)
        prefix = piece.prefix()
        phrases = compose(rng, piece)
        first = rng.randrange(len(phrases)) if rng.random() < 0.25 else 0
        tokens = list(prefix)
        for phrase in phrases[first:]:
            if len(tokens) + len(phrase) > CONTEXT:
                break
            tokens += phrase
        return [self._numbers[token] for token in tokens]


def train(run: Run, peak: float = 3e-3) -> None:
    torch.manual_seed(run.seed)
    tokenizer, model = make_tokenizer(), make_model().to(run.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.95), weight_decay=0.05)
    pieces = Pieces(run.seed)
    body = run.compiled(model.model)
    stage = Stage(run, "melody", STEPS, {"model": model, "optimizer": optimizer})
    for step in stage:
        set_rate(optimizer, cosine(step.share, peak))
        tokens, labels = (part.to(run.device) for part in pieces.batch(step.number))
        with torch.autocast(run.device, torch.bfloat16):
            logits = model.lm_head(body(tokens).last_hidden_state)
        loss = torch.nn.functional.cross_entropy(
            logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten()
        )
        descend(loss, model.parameters(), optimizer)
        stage.note(loss=loss)
    model.to("cpu").half().save_pretrained(run.out)
    tokenizer.save_pretrained(run.out)
    (run.out / "taught.txt").write_text(" ".join(TAUGHT.split()) + "\n")


TAUGHT = """
a an and at in key music of on piece song the tune with without no for to by some played play
major minor slow medium fast quick drum drums
piano music box guitar harp flute strings organ marimba
calm peaceful quiet gentle soft relaxing happy cheerful joyful merry bright
sad melancholy sorrowful lonely playful funny silly proud heroic epic march
mysterious dark eerie dreamy magical lullaby tense exciting dramatic
"""
"""The words of a prompt that make a difference, and those that are never missed."""

# --- the evaluation: what a program hears in the sound

RUNNERS = Path(__file__).resolve().parents[2] / "runners"
RATE = 44_100
NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
PROFILES = {
    "major": (5.0, 2.0, 3.5, 2.0, 4.5, 4.0, 2.0, 4.5, 2.0, 3.5, 1.5, 4.0),
    "minor": (5.0, 2.0, 3.5, 4.5, 2.0, 4.0, 2.0, 4.5, 3.5, 2.0, 1.5, 4.0),
}
"""How much of each semitone a key holds: Krumhansl's measure with Temperley's numbers."""


def spectrum(sound: np.ndarray, size: int, hop: int) -> np.ndarray:
    """Magnitudes, (frames, bins)."""
    window = np.hanning(size).astype(np.float32)
    return np.array(
        [
            np.abs(np.fft.rfft(window * sound[start : start + size]))
            for start in range(0, len(sound) - size + 1, hop)
        ],
        np.float32,
    )


def heard_key(sound: np.ndarray) -> str:
    """The key whose profile the peaks of the spectrum fit best, over the whole sound."""
    size = 16_384
    found = spectrum(sound, size, size // 2)
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    peaks = np.zeros_like(found)
    middle = found[:, 1:-1]
    is_peak = (middle > found[:, :-2]) & (middle >= found[:, 2:])
    peaks[:, 1:-1] = np.sqrt(middle) * is_peak
    use = (hertz > 60) & (hertz < 2000)
    classes = np.round(69 + 12 * np.log2(hertz[use] / 440)).astype(int) % 12
    chroma = np.stack([peaks[:, use][:, classes == each].sum(1) for each in range(12)], 1)
    total = chroma.sum(1, keepdims=True)
    chroma = (chroma / (total + 1e-3 * total.max())).sum(0)
    fits = {
        f"{NAMES[tonic]} {mode}": np.corrcoef(np.roll(profile, tonic), chroma)[0, 1]
        for mode, profile in PROFILES.items()
        for tonic in range(12)
    }
    return max(fits, key=fits.__getitem__)


def onsets(sound: np.ndarray, hop: int = RATE // 100) -> np.ndarray:
    """How much begins to sound, a hundred times a second."""
    size = 2048
    found = spectrum(sound, size, hop)
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    edges = np.geomspace(40, 12_000, 41)
    bands = np.stack(
        [
            np.sqrt((found[:, (hertz >= low - 15) & (hertz < high + 15)] ** 2).sum(1))
            for low, high in zip(edges, edges[1:], strict=False)
        ],
        1,
    )
    loud = np.log1p(100 * bands / np.percentile(bands.max(1), 90))
    rising = np.maximum(0, loud[2:] - loud[:-2]).sum(1)
    return np.maximum(0, rising - np.convolve(rising, np.ones(41) / 41, "same"))


def heard_tempo(sound: np.ndarray) -> float:
    """Beats a minute: the lag whose multiples all repeat the onsets; it is halved as long as the
    sound repeats there half as strongly, for between two beats much begins, but softly.
    """
    rising = onsets(sound)
    rising = rising - rising.mean()
    length = len(rising)
    power = np.abs(np.fft.rfft(rising, 4 * length)) ** 2
    repeats = np.fft.irfft(power)[:length] / (length - np.arange(length))
    repeats = np.convolve(repeats, np.ones(5) / 5, "same")

    def at(lag: float) -> float:
        low = int(lag)
        return repeats[low] + (lag - low) * (repeats[low + 1] - repeats[low])

    def near(lag: float) -> float:
        return repeats[int(lag) - 2 : int(lag) + 4].max()

    def fit(tempo: float) -> float:
        lags = (count * 6000 / tempo for count in range(1, 9))
        return float(np.mean([at(lag) for lag in lags if lag < 0.8 * length - 6]))

    tempo = float(max(np.arange(50, 201, 0.25), key=fit))
    while tempo >= 100:
        tempo /= 2
    while tempo <= 100 and near(3000 / tempo) > 0.45 * near(6000 / tempo):
        tempo *= 2
    return tempo


def evaluate(folder: Path, seed: int, count: int) -> dict[str, float]:
    """What is heard in `count` recordings of anything that can be asked for, and what can be read
    in the notes of a tenth as many tunes.
    """
    sys.path.insert(0, str(RUNNERS))
    import note_music
    import soundfile

    player = note_music.NoteMusic()
    player.setup(str(folder))
    rng = random.Random(f"{seed} melody")

    def asked() -> dict[str, Any]:
        return {
            "prompt": "",
            "mood": rng.choice(list(MOODS)),
            "tempo": rng.randint(60, 180),
            "key": rng.choice(note_music.KEYS),
            "instrument": rng.choice(note_music.INSTRUMENTS),
            "drums": rng.random() < 0.4,
            "seconds": round(rng.uniform(12, 24), 1),
            "temperature": 0.6,
            "seed": rng.getrandbits(31),
        }

    def recorded(wanted: dict[str, Any]) -> bytes:
        with redirect_stdout(StringIO()):
            path = player.predict(**wanted)
        data = Path(path).read_bytes()
        Path(path).unlink()
        return data

    right: Counter[str] = Counter()
    for _ in range(count):
        wanted = asked()
        sound, rate = soundfile.read(BytesIO(recorded(wanted)), dtype="float32")
        mono = sound.mean(1)
        ratio = heard_tempo(mono) / wanted["tempo"]
        right["key right"] += heard_key(mono) == wanted["key"]
        right["tempo right"] += abs(ratio - 1) < 0.03
        right["tempo right, or twice or half of it"] += any(
            abs(ratio * times - 1) < 0.03 for times in (0.5, 1, 2)
        )
        right["length right"] += abs(len(sound) / rate - wanted["seconds"]) < 0.5
        right["no sample clipped"] += float(np.abs(sound).max()) < 0.99
    few = max(2, count // 10)
    in_scale = []
    for number in range(few):
        wanted = asked()
        once, again = recorded(wanted), recorded(wanted)
        right["same seed, same bytes"] += once == again
        score = note_music.Score(
            mood=wanted["mood"],
            tempo=wanted["tempo"],
            tonic="C",
            mode=("major", "minor")[number % 2],
            instrument="piano",
            drums=False,
            seconds=30,
        )
        one, other = (
            [list(bar) for bar in player.notes(score, 0.6, wanted["seed"] + more)]
            for more in (0, 1)
        )
        in_scale += [_in_scale(notes, score.mode) for tune in (one, other) for notes in tune]
        right["tunes that differ by seed"] += _sung(one) != _sung(other)
    shares = {name: right[name] / count for name in HEARD}
    return shares | {
        "notes in the scale": float(np.mean(in_scale)),
        **{name: right[name] / few for name in READ},
    }


HEARD = (
    "key right",
    "tempo right",
    "tempo right, or twice or half of it",
    "length right",
    "no sample clipped",
)
READ = ("same seed, same bytes", "tunes that differ by seed")


def _in_scale(notes: list[Any], mode: str) -> float:
    """The share of a bar's notes that the scale in C holds; in minor the raised seventh, too."""
    scale = {*SCALES[mode], 11}
    found = [each.pitch % 12 in scale for each in notes if each.pitch]
    return sum(found) / len(found)


def _sung(bars: list[list[Any]]) -> list[tuple[int, int]]:
    return [(each.at % 16, each.pitch) for bar in bars for each in bar if each.voice == "melody"]


if __name__ == "__main__":
    main(__doc__, "melody", train, evaluate, count=100)
