"""Music from language models that write notes: any folder that transformers loads as a causal
language model over the events of `note_writing`, played by instruments of our own.
"""

from __future__ import annotations

import random
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from instruments import ENSEMBLES, LOUDNESS, PLACES, RATE, VOICES, Mix, drum, note
from music_prompt import KEYS, MOOD_TEMPI, PACE_WORDS, TONICS, parts_of, read
from note_writing import Note, Writer
from taught import tell_unknown

from cog import BasePredictor, Input, InvalidInput, Path, current_scope

INSTRUMENTS = tuple(ENSEMBLES)
TEMPO = (50, 200)
COLOURS = {"melody": "#d6452b", "chord": "#5b7fa6", "bass": "#2f3b4c"}


@dataclass(frozen=True)
class Score:
    """What a piece shall be: all that is decided before the first note."""

    mood: str
    tempo: int
    tonic: str
    mode: str
    instrument: str
    drums: bool
    seconds: float

    @property
    def beat(self) -> float:
        """Seconds of one beat; four make a bar."""
        return 60 / self.tempo

    @property
    def pace(self) -> str:
        return "slow" if self.tempo < 84 else "medium" if self.tempo < 124 else "fast"

    @property
    def moved(self) -> int:
        """Semitones from C, in which pieces are written, to the tonic, up or down."""
        above: int = TONICS.index(self.tonic)
        return above if above < 7 else above - 12

    @property
    def bars(self) -> int:
        """Whole bars, the last of them one chord that has two beats at least to fade."""
        before = self.seconds - max(2 * self.beat, 1.5)
        return 1 + max(0, int(before / (4 * self.beat)))

    def prefix(self) -> list[str]:
        return [
            "<start>",
            f"mood:{self.mood}",
            f"pace:{self.pace}",
            f"mode:{self.mode}",
            f"drums:{'yes' if self.drums else 'no'}",
        ]


class NoteMusic(BasePredictor):
    def setup(self, weights: str) -> None:
        """`weights` is a folder with a model and its tokenizer, whose tokens are events."""
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        self.weights = weights
        self.model = AutoModelForCausalLM.from_pretrained(weights, dtype=torch.float32).eval()
        self.model.to("cuda" if torch.cuda.is_available() else "cpu")
        if not torch.cuda.is_available():
            torch.set_num_threads(1)  # one token at a time: more threads only wait for each other
        self.tokens = AutoTokenizer.from_pretrained(weights).get_vocab()
        self.moods = sorted(name[5:] for name in self.tokens if name.startswith("mood:"))

    def predict(
        self,
        prompt: str = Input(
            default="",
            description="What to play: a mood, an instrument, a key, a tempo. What the inputs "
            "below say counts more.",
        ),
        mood: str | None = Input(default=None, description="Unset: as the prompt says, or any."),
        tempo: int | None = Input(
            default=None, ge=TEMPO[0], le=TEMPO[1], description="Beats a minute."
        ),
        key: str | None = Input(default=None, choices=list(KEYS), description="Tonic and mode."),
        instrument: str | None = Input(
            default=None, choices=list(INSTRUMENTS), description="Who plays."
        ),
        drums: bool | None = Input(default=None, description="Soft drums below it."),
        seconds: float = Input(default=20, ge=5, le=120, description="How long it lasts."),
        temperature: float = Input(
            default=0.6,
            ge=0,
            le=2,
            description="0 always takes the likeliest note; more is wilder.",
        ),
        seed: int | None = Input(
            default=None, description="The same seed gives the same music; unset, a random one."
        ),
    ) -> Path:
        """Composes and plays: a stereo WAV file of so many seconds."""
        seed = secrets.randbits(32) if seed is None else seed
        print(f"Using seed: {seed}")
        rng = random.Random(seed)
        score = self._score(rng, prompt, mood, tempo, key, instrument, drums, seconds)
        print(
            f"Playing: {score.mood}, {score.tonic} {score.mode}, {score.tempo} beats a minute, "
            f"{score.instrument}{' and drums' if score.drums else ''}, {score.seconds:g} seconds."
        )
        sound, count = self._played(score, temperature, rng)
        current_scope().record_metric("audio_seconds", round(len(sound) / RATE, 3))
        current_scope().record_metric("note_count", count)
        return _written(sound)

    def notes(self, score: Score, temperature: float, seed: int) -> Iterator[list[Note]]:
        """The notes of each bar, as the model writes them."""
        writer = Writer(self.model, self.tokens, temperature, seed)
        yield from writer.bars(score.prefix(), score.bars)

    def _score(
        self,
        rng: random.Random,
        prompt: str,
        mood: str | None,
        tempo: int | None,
        wanted: str | None,
        instrument: str | None,
        drums: bool | None,
        seconds: float,
    ) -> Score:
        """What the inputs say, then what the prompt says, then chance."""
        wishes = read(prompt, INSTRUMENTS)
        tell_unknown(wishes.rest, self.weights)
        named = wishes.mood if wishes.mood in self.moods else None
        mood = mood or named or rng.choice(self.moods)
        if mood not in self.moods:
            raise InvalidInput(f"mood is {mood!r}; this model knows {', '.join(self.moods)}.")
        usual = PACE_WORDS[wishes.pace] if wishes.pace else MOOD_TEMPI.get(mood, (76, 132))
        tempo = tempo or wishes.tempo or rng.randint(*usual)
        if not TEMPO[0] <= tempo <= TEMPO[1]:
            raise InvalidInput(
                f"The prompt asks for {tempo} beats a minute; {TEMPO[0]} to {TEMPO[1]} are allowed."
            )
        tonic, mode = wishes.tonic, wishes.mode
        if wanted:
            tonic, mode = parts_of(wanted)
        grave = mood in ("sad", "mysterious", "tense")
        mode = mode or ("minor" if rng.random() < (0.9 if grave else 0.1) else "major")
        return Score(
            mood=mood,
            tempo=tempo,
            tonic=tonic or rng.choice(TONICS),
            mode=mode,
            instrument=instrument or wishes.instrument or "piano",
            drums=bool(wishes.drums if drums is None else drums),
            seconds=seconds,
        )

    def _played(self, score: Score, temperature: float, rng: random.Random) -> tuple[Any, int]:
        """The sound, and of how many notes it is made."""
        mix, count, roll = Mix(score.seconds), 0, _Roll(score.bars)
        for number, notes in enumerate(self.notes(score, temperature, rng.getrandbits(48))):
            for each in notes:
                _play(mix, each, score, rng)
            count += len(notes)
            roll.add(notes)
            done = score.seconds * (number + 1) / score.bars
            current_scope().progress(round(done, 2), score.seconds, unit="second")
            if current_scope().wants_preview():
                current_scope().preview(roll.picture())
        return mix.finish(), count


def _play(mix: Mix, each: Note, score: Score, rng: random.Random) -> None:
    """Adds one note to the mix, a few milliseconds and a little off, as players are."""
    step = score.beat / 4
    at = each.at * step + rng.uniform(0, 0.006)
    loud = each.loud * rng.uniform(0.95, 1.05)
    if each.voice in LOUDNESS:
        mix.add(drum(each.voice), at, LOUDNESS[each.voice] * loud, PLACES[each.voice])
        return
    ensemble = ENSEMBLES[score.instrument]
    name, level = ensemble.part(each.voice)
    seconds = each.length * step
    if each.voice == "chord" and not each.stopped:
        # Strings go on sounding until the bar ends; pipes are let go, to be heard again.
        rings = VOICES[name].rings
        seconds = (16 - each.at % 16) * step if rings else 0.85 * seconds
    left = score.seconds - each.at * step
    if left < 0.05:
        return
    if each.at >= 16 * (score.bars - 1) and each.at % 16 + each.length == 16:
        seconds = left  # the last chord is held, however long that is
    if each.voice == "chord":
        at += ensemble.strummed * rng.random()
    sound = note(name, each.pitch + score.moved, round(seconds, 3), round(loud, 1))
    mix.add(sound, at, level * loud, PLACES[each.voice])


class _Roll:
    """The notes so far as a picture: time to the right, pitch upwards."""

    SIZE = (512, 192)

    def __init__(self, bars: int) -> None:
        self._steps, self._notes = 16 * bars, list[Note]()

    def add(self, notes: list[Note]) -> None:
        self._notes += [each for each in notes if each.voice in COLOURS]

    def picture(self) -> Any:
        from PIL import Image, ImageDraw

        picture = Image.new("RGB", self.SIZE, "#f6f3ec")
        pen = ImageDraw.Draw(picture)
        width, height = self.SIZE[0] / self._steps, self.SIZE[1] / 66
        for each in self._notes:
            top = self.SIZE[1] - (each.pitch - 30) * height
            left = each.at * width
            right = max(left + 1, (each.at + each.length) * width - 1)
            pen.rectangle((left, top, right, top + height), fill=COLOURS[each.voice])
        return picture


def _written(sound: Any) -> Path:
    import soundfile

    path = FilePath(tempfile.mkdtemp()) / "music.wav"
    soundfile.write(path, sound, RATE, subtype="PCM_16")
    return Path(path)
