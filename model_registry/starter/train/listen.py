"""Trains `starter/listen`: a very small Whisper that writes down some ninety spoken words.

    python -m model_registry.starter.train.listen
    python -m model_registry.starter.train.listen --evaluate

Speech comes from espeak-ng as training goes, with the place of each word and sound in it, so that
the encoder is taught frame by frame (stage `hear`, whose word accuracy on voices that were kept
back is the ceiling, and is measured) before the decoder learns to write (stage `write`), with two
heads of its attention led to the word being written. Most steps see only as much of the 30 second
window as is spoken, and a few sampled places that stand for the empty rest; the last ones
(`window`) see all of it. The result is converted for CTranslate2; `--evaluate` runs faster-whisper.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import math
import random
import shutil
import tempfile
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import espeakng_loader
import numpy as np
import torch
import torch.nn.functional as F
from faster_whisper.feature_extractor import FeatureExtractor
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    WhisperConfig,
    WhisperForConditionalGeneration,
)

from cog.loading import load
from model_registry.starter.train.training import Run, Stage, cosine, descend, main, set_rate

BARS = {"word_error_rate": (0.0, 0.1), "words_in_time": (0.8, 1.0), "noise_unheard": (0.9, 1.0)}

# --- what is said

DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
NUMBERS = [*DIGITS[1:], "ten", "eleven", "twelve", "twenty", "thirty"]
COLOURS = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"]
DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
ROOMS = ["kitchen", "bedroom", "bathroom", "garden", "garage"]
THINGS = ["light", "lamp", "door", "window", "music", "radio", "television", "heating", "fan"]
COMMANDS = [
    "turn on the light", "turn off the light", "play the music", "stop the music",
    "open the door", "close the door", "lock the window", "go left", "go right", "go up",
    "go down", "yes", "no", "please", "thank you", "hello", "goodbye", "good morning",
    "good evening", "good night", "what time is it", "how is the weather", "louder", "quieter",
    "start", "stop", "wait", "help", "yes please", "no thank you", "call my mother",
    "call my father", "call the doctor",
]  # fmt: skip
BETWEEN = {"set", "a", "timer", "for", "minutes", "seconds", "make", "it", "warmer", "colder", "in"}
WORDS = sorted(
    {word for each in COMMANDS for word in each.split()}
    | {*DIGITS, *NUMBERS, *COLOURS, *DAYS, *ROOMS, *THINGS, *BETWEEN}
)
CONFUSED = {"for", "a"}
"""Sounds like another word, or like nothing: never said without its phrase."""


def phrase(rng: random.Random, longest: int) -> list[str]:
    """The words of something to say, at most `longest` of them."""
    pick = rng.choice
    while True:
        kind = rng.random()
        if kind < 0.28:
            words = [pick(DIGITS) for _ in range(rng.randint(1, min(10, longest)))]
        elif kind < 0.38:
            words = [pick(COLOURS) for _ in range(rng.randint(1, min(6, longest)))]
        elif kind < 0.44:
            words = [pick(DAYS) for _ in range(rng.randint(1, min(4, longest)))]
        elif kind < 0.62:
            words = pick(COMMANDS).split()
        elif kind < 0.8:
            words = sentence(rng).split()
        else:
            spoken = [word for word in WORDS if word not in CONFUSED]
            words = [pick(spoken) for _ in range(rng.randint(1, min(7, longest)))]
        if len(words) <= longest:
            return words


def sentence(rng: random.Random) -> str:
    pick = rng.choice
    switch = f"turn {pick(['on', 'off'])} the"
    return pick([
        f"{switch} {pick(COLOURS)} {pick(['light', 'lamp'])}",
        f"{switch} {pick(THINGS)} in the {pick(ROOMS)}",
        f"{pick(['open', 'close', 'lock'])} the {pick(['', pick(COLOURS)])} "
        f"{pick(['door', 'window', 'garage'])}",
        f"{pick(['open', 'close'])} the {pick(['door', 'window'])} on {pick(DAYS)}",
        f"set a timer for {pick(NUMBERS)} {pick(['minutes', 'seconds'])}",
        f"play the {pick(['music', 'radio'])} in the {pick(ROOMS)}",
        f"make it {pick(['warmer', 'colder', 'louder', 'quieter'])} in the {pick(ROOMS)}",
        f"make the {pick(['light', 'lamp'])} {pick(COLOURS)}",
    ])  # fmt: skip


# --- who says it, and when each word and sound comes

ACCENTS = (
    "en-us", "en", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-gb-x-gbclan", "en-029",
    "en-us-nyc",
)  # fmt: skip
HELD_BACK = ("m7", "f4", "linda", "Andy", "steph2", "ed", "Gene", "belinda", "max", "Michael")
"""Variants of the voice that training never hears."""
ODD = (
    "whisper", "whisperf", "Demonic", "croak", "fast", "Tweaky", "AnxiousAndy", "grandma", "Nguyen",
    "UniRobot", "anikaRobot", *(f"robosoft{n}" for n in ("", *range(2, 9))),
)  # fmt: skip
"""Hardly like speech: left out."""
FINE = 0.02
"""Seconds between two places of the encoder, and two timestamps."""
RATE = 16_000


class _Number(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("text", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int), ("identifier", ctypes.c_uint), ("character", ctypes.c_int),
        ("length", ctypes.c_int), ("milliseconds", ctypes.c_int), ("sample", ctypes.c_int),
        ("user", ctypes.c_void_p), ("what", _Number),
    ]  # fmt: skip


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))
_WORD, _PHONEME = 1, 7


@dataclass(frozen=True)
class Said:
    """Sound, samples at `Speaker.rate`; in `words` and `sounds`: (what, first sample, last)."""

    wave: np.ndarray
    words: list[tuple[str, int, int]]
    sounds: list[tuple[str, int, int]]


class Speaker:
    """espeak-ng, which tells when each word and each of its sounds begins."""

    def __init__(self) -> None:
        # A copy of its own: the library's settings are the process's, and others may use it too.
        with tempfile.TemporaryDirectory() as folder:
            copy = shutil.copy(espeakng_loader.get_library_path(), folder)
            self._library = ctypes.CDLL(copy)
        data = espeakng_loader.get_data_path()
        self.rate = self._library.espeak_Initialize(2, 2000, str(data).encode(), 0x8001)
        self._waves: list[bytes] = []
        self._events: list[tuple[int, int, int, str]] = []
        self._callback = _CALLBACK(self._received)
        self._library.espeak_SetSynthCallback(self._callback)
        every = {path.name for path in (Path(data) / "voices" / "!v").iterdir()}
        self.variants = sorted(every - {*HELD_BACK, *ODD})

    def _received(self, wave: int, count: int, events: ctypes.Array) -> int:
        if count:
            self._waves.append(ctypes.string_at(wave, 2 * count))
        number = 0
        while (event := events[number]).type:
            if event.type in (_WORD, _PHONEME):
                sound = event.what.text.decode() if event.type == _PHONEME else ""
                self._events.append((event.type, event.sample, event.character, sound))
            number += 1
        return 0

    def say(self, words: Sequence[str], voice: str, speed: int, pitch: int, span: int) -> Said:
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise ValueError(f"espeak-ng has no voice {voice!r}.")
        for parameter, value in ((1, speed), (3, pitch), (4, span)):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._waves.clear()
        self._events.clear()
        text = " ".join(words).encode()
        self._library.espeak_Synth(text, len(text) + 1, 0, 0, 0, 1, None, None)
        wave = np.frombuffer(b"".join(self._waves), np.int16).astype(np.float32) / 32768
        sounds = [(what, at) for kind, at, _, what in self._events if kind == _PHONEME]
        ends = [at for _, at in sounds[1:]] + [len(wave)]
        whole = [(what, at, end) for (what, at), end in zip(sounds, ends, strict=True)]
        return Said(wave, self._placed(words, whole, len(wave)), whole)

    def _placed(
        self, words: Sequence[str], sounds: list[tuple[str, int, int]], length: int
    ) -> list[tuple[str, int, int]]:
        """Where each word is. espeak-ng says some pairs as one ("on the"): those are shared out."""
        known = {character: at for kind, at, character, _ in self._events if kind == _WORD}
        stop = max((end for what, _, end in sounds if not what.startswith("_")), default=length)
        characters = np.cumsum([1] + [len(word) + 1 for word in words])
        fixed = [(int(c), known[int(c)]) for c in characters[:-1] if int(c) in known]
        fixed.append((int(characters[-1]), stop))
        places = np.interp(characters, *zip(*fixed, strict=True))
        return [(word, int(places[i]), int(places[i + 1])) for i, word in enumerate(words)]


@cache
def speaker() -> Speaker:
    return Speaker()


@dataclass
class Sample:
    """A few phrases with pauses between them, or (with no phrases) a sound that is no speech."""

    wave: np.ndarray
    words: list[list[tuple[str, float, float]]]
    """For each phrase its words, with their times in seconds."""
    sounds: list[tuple[str, float, float]]


def spoken(rng: random.Random, count: int, variants: Sequence[str]) -> Sample:
    """A sample of about `count` words in one voice."""
    rate = speaker().rate
    voice = rng.choice(ACCENTS) + "+" + rng.choice(variants)
    pitch, span = rng.randint(15, 85), rng.randint(20, 80)
    waves, words, sounds = [_quiet(rng.random() ** 2 * 0.8)], [], []
    left, at = count, len(waves[0])
    while left > 0:
        part = phrase(rng, left)
        said = speaker().say(part, voice, rng.randint(115, 205), pitch, span)
        words.append([(w, (at + a) / rate, (at + b) / rate) for w, a, b in said.words])
        sounds += [(s, (at + a) / rate, (at + b) / rate) for s, a, b in said.sounds]
        left -= len(part)
        # espeak-ng ends each phrase with silence of its own.
        longest = 0.8 if left <= 0 or rng.random() < 0.8 else 3
        pause = _quiet(rng.random() ** (2 if left <= 0 else 1) * longest)
        waves += [said.wave, pause]
        at += len(said.wave) + len(pause)
    return Sample(np.concatenate(waves), words, sounds)


def _quiet(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * speaker().rate), np.float32)


def unspoken(rng: random.Random) -> Sample:
    """Silence, noise, a hum or music: to be answered with nothing."""
    rate = speaker().rate
    numbers = np.random.default_rng(rng.getrandbits(32))
    time = np.arange(int(rng.uniform(0.4, 6) * rate)) / rate
    kind = rng.random()
    if kind < 0.15:
        wave = np.zeros(len(time))
    elif kind < 0.45:
        wave = np.array(_coloured(numbers, len(time)))
        if rng.random() < 0.5:  # in gusts
            wave *= 1 + np.sin(2 * np.pi * rng.uniform(0.3, 6) * time + rng.uniform(0, 6))
    elif kind < 0.6:
        base = rng.uniform(40, 800)
        wave = sum(rng.random() * np.sin(2 * np.pi * base * n * time) for n in range(1, 8))
    else:
        wave = _music(rng, numbers, time)
    level = 10 ** rng.uniform(-4, -0.3)
    wave = wave / max(1e-9, float(np.abs(wave).max())) * level
    return Sample(wave.astype(np.float32), [], [])


def _music(rng: random.Random, numbers: np.random.Generator, time: np.ndarray) -> np.ndarray:
    wave, rate, at = np.zeros(len(time)), speaker().rate, 0
    scale = [rng.uniform(100, 400) * 2 ** (n / 12) for n in (0, 2, 4, 5, 7, 9, 11, 12, 16, 19)]
    beat, decay = rng.uniform(0.12, 0.6), rng.uniform(0.5, 12)
    loudness = [rng.random() / n for n in range(1, 7)]
    while at < len(time):
        note = time[: min(len(time) - at, int(beat * rate * rng.choice([1, 1, 2, 4])))]
        for pitch in rng.sample(scale, rng.choice([1, 1, 2, 3])):
            wobble = 0.003 * np.sin(2 * np.pi * 5 * note) if decay < 3 else 0
            tones = [a * np.sin(2 * np.pi * n * pitch * (note + wobble / 10))
                     for n, a in enumerate(loudness, 1)]  # fmt: skip
            wave[at : at + len(note)] += sum(tones) * np.exp(-decay * note)
        if rng.random() < 0.3:
            wave[at : at + len(note)] += numbers.standard_normal(len(note)) * np.exp(-40 * note)
        at += len(note)
    return wave


def _coloured(numbers: np.random.Generator, length: int) -> np.ndarray:
    """Noise whose loudness falls with its frequency: not at all, or as much as in rain or wind."""
    size = 2 ** math.ceil(math.log2(length + 1))
    spectrum = np.fft.rfft(numbers.standard_normal(size).astype(np.float32))
    spectrum *= np.maximum(np.arange(len(spectrum)), 20) ** -numbers.choice([0.0, 0.5, 1.0])
    noise = np.fft.irfft(spectrum)[:length]
    return noise / noise.std()


# --- what is heard

FRAMES = 3000
"""Of the spectrogram, in Whisper's window of 30 seconds; the encoder has half as many places."""
PLACES = FRAMES // 2
EMPTY = 32
"""Places sampled from the rest of the window, each of which stands for its share of it."""


def sounding(samples: Sequence[Sample], device: str, varied: bool) -> tuple[Tensor, Tensor]:
    """Log-mel spectrograms as faster-whisper makes them, and how many frames each one fills.

    `varied`: as other rooms, microphones, throats and noises would have it.
    """
    rate = speaker().rate
    unit = math.gcd(rate, RATE)
    longest = max(len(each.wave) for each in samples) + rate // 3
    blocks = 20 * math.ceil(longest / (rate // unit) / 20)
    waves = torch.zeros(len(samples), blocks * rate // unit)
    for row, each in zip(waves, samples, strict=True):
        row[: len(each.wave)] = torch.from_numpy(each.wave)
    waves = waves.to(device)
    lengths = torch.tensor([len(each.wave) * RATE // rate for each in samples], device=device)
    size = blocks * RATE // unit
    spectra = torch.fft.rfft(waves)
    if varied:
        spectra = spectra * _rooms(waves)
        spectra = spectra + _noise(waves, lengths, spectra.shape[1])
    waves = torch.fft.irfft(spectra[:, : size // 2 + 1], size) * (RATE / rate)
    waves = waves * (torch.arange(size, device=device) < lengths[:, None])
    if varied:
        waves = waves * 10 ** (torch.rand(len(waves), 1, device=device) * -1.2)
    mel = _log_mel(waves)
    if varied:
        mel = _coloured_mel(mel)
    filled = lengths // 160 + 1
    inside = torch.arange(mel.shape[2], device=device) < filled[:, None]
    outside = ~inside[:, None]
    loudest = mel.masked_fill(outside, -10.0).amax((1, 2), keepdim=True)
    if varied:  # the loudest moment may be elsewhere in the recording
        loudest = loudest + torch.rand_like(loudest).sub(0.5).clamp(min=0) * 3
    mel = (torch.maximum(mel, loudest - 8) + 4) / 4
    if varied:
        mel = _masked(mel)
    mel = mel.masked_fill(outside, 0.0)
    longest = int(filled.max())
    # Few different lengths: what is prepared for one is used again.
    return F.pad(mel, (0, 32))[:, :, : math.ceil(longest / 32) * 32], filled


def _rooms(waves: Tensor) -> Tensor:
    """Spectra to multiply by: an echo that fades, for some."""
    length = speaker().rate // 4
    time = torch.arange(length, device=waves.device) / speaker().rate
    count = len(waves)
    fading = torch.exp(-time / (0.01 + 0.06 * torch.rand(count, 1, device=waves.device)))
    echo = torch.randn(count, length, device=waves.device) * fading
    echo = echo / echo.norm(dim=1, keepdim=True) * torch.rand(count, 1, device=waves.device) * 0.7
    echo = echo * (torch.rand(count, 1, device=waves.device) < 0.3)
    echo[:, 0] += 1
    return torch.fft.rfft(echo, waves.shape[1])


def _noise(waves: Tensor, lengths: Tensor, size: int) -> Tensor:
    """Spectra of noise, hissing or rumbling, of 5 to 45 dB less than the speech; for some none."""
    count, device = len(waves), waves.device
    loudness = ((waves**2).sum(1) / lengths).sqrt()[:, None]
    decibels = 5 + 40 * torch.rand(count, 1, device=device)
    loudness = loudness * 10 ** (-decibels / 20) * (torch.rand(count, 1, device=device) > 0.25)
    falling = torch.linspace(0.01, 1, size, device=device) ** -torch.rand(count, 1, device=device)
    falling = falling / (falling**2).mean(1, keepdim=True).sqrt()
    spread = (waves.shape[1] / 2) ** 0.5
    noise = torch.randn(count, size, 2, device=device) * (falling * loudness * spread)[:, :, None]
    return torch.view_as_complex(noise)


@cache
def _filters(device: str) -> tuple[Tensor, Tensor]:
    bank = FeatureExtractor().mel_filters
    return torch.from_numpy(bank).to(device), torch.hann_window(400, device=device)


def _log_mel(waves: Tensor) -> Tensor:
    bank, window = _filters(str(waves.device))
    spectra = torch.stft(F.pad(waves, (0, 160)), 400, 160, 400, window, return_complex=True)
    power = torch.view_as_real(spectra[..., :-1]).square().sum(-1)
    return torch.log10((bank @ power).clamp(min=1e-10))


def _coloured_mel(mel: Tensor) -> Tensor:
    """Throats: the bands moved up or down. Microphones: some bands louder than others."""
    count, bands, _ = mel.shape
    device = mel.device
    place = torch.arange(bands, device=device) * (0.9 + 0.2 * torch.rand(count, 1, device=device))
    place = place.clamp(0, bands - 1.001)
    below, part = place.long(), (place - place.long())[:, :, None]
    rows = torch.arange(count, device=device)[:, None]
    mel = mel[rows, below] * (1 - part) + mel[rows, below + 1] * part
    angle = torch.arange(bands, device=device) / bands * math.pi
    curve = sum(
        torch.randn(count, 1, device=device) * 0.3 / n * torch.cos(n * angle) for n in range(1, 4)
    )
    return mel + curve[:, :, None]


def _masked(mel: Tensor) -> Tensor:
    """A few bands or moments left out, for half of them."""
    count, bands, frames = mel.shape
    device = mel.device

    def strip(size: int, widest: int) -> Tensor:
        start = (torch.rand(count, 1, device=device) * size).long()
        width = (torch.rand(count, 1, device=device) * 2 * widest - widest).long()
        at = torch.arange(size, device=device)
        return (at >= start) & (at < start + width)

    hidden = strip(bands, 10)[:, :, None] | strip(frames, 12)[:, None]
    return mel.masked_fill(hidden, 0.0)


# --- what is written

SPECIAL = ("<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>",
           "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>")  # fmt: skip


def words_tokenizer() -> Tokenizer:
    """Byte-level, in which each word of the vocabulary, after a space, is one token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(
        [" " + word for word in WORDS],
        trainers.BpeTrainer(vocab_size=4000, initial_alphabet=letters, show_progress=False),
    )
    tokenizer.add_special_tokens(list(SPECIAL))
    times = [AddedToken(f"<|{i * FINE:.2f}|>", normalized=False) for i in range(PLACES + 1)]
    tokenizer.add_tokens(times)
    return tokenizer


class Writing:
    """Samples → what the decoder reads and should write, and where it should look meanwhile."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        number = tokenizer.token_to_id
        self.end, self.start, self.previous = (
            number(SPECIAL[0]),
            number(SPECIAL[1]),
            number(SPECIAL[6]),
        )
        self.no_speech, self.no_times = number(SPECIAL[7]), number(SPECIAL[8])
        self.size = tokenizer.get_vocab_size()
        self.words = {word: tokenizer.encode(" " + word).ids for word in WORDS}
        assert all(len(ids) == 1 for ids in self.words.values())

    def time(self, seconds: float) -> int:
        return self.no_times + 1 + round(seconds / FINE)

    def line(self, sample: Sample, rng: random.Random) -> tuple[list[int], list[int], list]:
        """Tokens; those to be predicted (-100: not asked); where in seconds each one is heard."""
        if not sample.words:
            tokens = rng.choice([
                [self.start, self.no_speech, self.end],
                [self.start, self.no_times, self.end],
                [self.start, self.time(0), self.end],
            ])  # fmt: skip
            first = -100 if tokens[1] == self.no_times else self.no_speech
            last = -100 if tokens[1] == self.no_speech else self.end
            return tokens[:-1], [first, last], [None, None]
        timed = rng.random() < 0.6
        tokens: list[int] = [] if timed else [self.no_times]
        looks: list[tuple[float, float] | None] = [] if timed else [None]
        for part in sample.words:
            begin, end = part[0][1], part[-1][2]
            spans = [(a, b) for _, a, b in part]
            ids = [self.words[word][0] for word, _, _ in part]
            if timed:
                ids = [self.time(begin), *ids, self.time(end)]
                spans = [(begin - 0.04, begin + 0.06), *spans, (end - 0.06, end + 0.04)]
            tokens += ids
            looks += spans
        tokens.append(self.end)
        last = sample.words[-1][-1][2]
        looks.append((last, last + 0.3))
        before: list[int] = []
        if rng.random() < 0.1:
            said = [self.words[rng.choice(WORDS)][0] for _ in range(rng.randint(1, 8))]
            before = [self.previous, *said]
        asked = [tokens[0] if timed else -100, *tokens[1:]]
        skipped = len(before)
        return (
            [*before, self.start, *tokens[:-1]],
            [-100] * skipped + asked,
            [None] * skipped + looks,
        )

    def batch(
        self, samples: Sequence[Sample], places: int, rng: random.Random, device: str
    ) -> tuple:
        """(read, to be written, 1 where each token is heard and its row is to look)."""
        lines = [self.line(each, rng) for each in samples]
        length = max(len(line[0]) for line in lines)
        read = torch.full((len(lines), length), self.end)
        asked = torch.full((len(lines), length), -100)
        look = torch.zeros(len(lines), length, places)
        for row, (tokens, targets, spans) in enumerate(lines):
            read[row, : len(tokens)] = torch.tensor(tokens)
            asked[row, : len(targets)] = torch.tensor(targets)
            for at, span in enumerate(spans):
                if span is not None:
                    first, last = round(span[0] / FINE), round(span[1] / FINE)
                    look[row, at, max(0, first) : max(last, first + 1)] = 1
        return read.to(device), asked.to(device), look.to(device)


@cache
def sound_numbers() -> dict[str, int]:
    """espeak-ng's name of a sound → its number; 0 is silence."""
    names = {
        sound
        for accent in ACCENTS
        for word in [*WORDS, *COMMANDS]
        for sound, _, _ in speaker().say(word.split(), accent, 160, 50, 50).sounds
    }
    plain = sorted({_plain(name) for name in names} - {""})
    return {name: number for number, name in enumerate(plain, 1)}


def _plain(sound: str) -> str:
    """Without the marks of stress and silence."""
    return sound.strip("_:;|") if sound.startswith("_") else sound.lstrip("',%=")


def frame_labels(samples: Sequence[Sample], places: int, device: str) -> tuple[Tensor, ...]:
    """For each place of the encoder: which sound, which word, and how many words have begun."""
    sounds, words, begun = (torch.zeros(len(samples), places, dtype=torch.long) for _ in range(3))
    for row, each in enumerate(samples):
        for sound, first, last in each.sounds:
            number = sound_numbers().get(_plain(sound), 0)
            sounds[row, round(first / FINE) : round(last / FINE)] = number
        for number, (word, first, last) in enumerate((w for p in each.words for w in p), 1):
            words[row, round(first / FINE) : round(last / FINE)] = 1 + WORDS.index(word)
            begun[row, round(first / FINE) :] = number
    return sounds.to(device), words.to(device), begun.clamp(max=COUNTED - 1).to(device)


# --- the model

WIDTH, HEADS, ENCODER, DECODER = 160, 4, 4, 2
LOOKING = ((1, 0), (1, 1))
"""Layer and head of the decoder's attention that are led to the word being written."""
COUNTED = 24


NEARBY = ((-5, -2, 2, 5), (-8, -3, 3, 8), (-12, -4, 4, 12), (-16, -5, 5, 16))
"""Each layer of the encoder, each head: how many places away it listens before it has learned."""


def untrained(writing: Writing) -> WhisperForConditionalGeneration:
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=writing.size,
            num_mel_bins=80,
            d_model=WIDTH,
            encoder_layers=ENCODER,
            decoder_layers=DECODER,
            encoder_attention_heads=HEADS,
            decoder_attention_heads=HEADS,
            encoder_ffn_dim=4 * WIDTH,
            decoder_ffn_dim=4 * WIDTH,
            max_source_positions=PLACES,
            max_target_positions=448,
            pad_token_id=writing.end,
            bos_token_id=writing.end,
            eos_token_id=writing.end,
            decoder_start_token_id=writing.start,
            suppress_tokens=None,
            begin_suppress_tokens=None,
        )
    )
    prepare(model.model)
    return model


@torch.no_grad()
def prepare(model: nn.Module) -> None:
    """Starts from weights with which it learns sooner than from those of transformers."""
    for convolution in (model.encoder.conv1, model.encoder.conv2):
        nn.init.kaiming_normal_(convolution.weight)
    for part in (*model.encoder.layers.modules(), *model.decoder.layers.modules()):
        if isinstance(part, nn.Linear):
            scale = 1 if part.in_features == WIDTH else 0.5
            nn.init.normal_(part.weight, std=scale * part.in_features**-0.5)
    size = WIDTH // HEADS
    for layer, places in zip(model.encoder.layers, NEARBY, strict=True):
        for head, away in enumerate(places):
            rows = slice(head * size, (head + 1) * size)
            asking, asked = _nearby(away, size)
            layer.self_attn.q_proj.weight[rows] = asking + 0.01 * torch.randn(size, WIDTH)
            layer.self_attn.k_proj.weight[rows] = asked + 0.01 * torch.randn(size, WIDTH)


def _nearby(away: int, size: int) -> tuple[Tensor, Tensor]:
    """Weights of query and key by which each place attends to the one so many places away.

    Whisper's positions are sines and cosines of falling frequency: turned by as many places, the
    fastest of them match those of just that place.
    """
    half, waves = WIDTH // 2, size // 2
    turns = torch.exp(-math.log(10_000) / (half - 1) * torch.arange(waves)) * away
    asking, asked = torch.zeros(size, WIDTH), torch.zeros(size, WIDTH)
    sine, cosine_ = torch.arange(waves), torch.arange(waves) + half
    asked[sine, sine] = asked[sine + waves, cosine_] = 1.5
    asking[sine, sine] = asking[sine + waves, cosine_] = 1.5 * torch.cos(turns)
    asking[sine, cosine_] = 1.5 * torch.sin(turns)
    asking[sine + waves, sine] = -1.5 * torch.sin(turns)
    return asking, asked


class Teaching(nn.Module):
    """The model, and the three heads on its encoder that only training needs."""

    def __init__(self, model: WhisperForConditionalGeneration) -> None:
        super().__init__()
        self.model = model
        self.sounds = nn.Linear(WIDTH, 1 + len(sound_numbers()))
        self.words = nn.Linear(WIDTH, 1 + len(WORDS))
        self.begun = nn.Linear(WIDTH, COUNTED)

    def heard(self, mel: Tensor, whole: bool) -> tuple[Tensor, Tensor | None]:
        """The encoder's output, and what is added to attention to each of its places."""
        encoder = self.model.model.encoder
        places = encoder.embed_positions.weight
        if whole:
            mel = F.pad(mel, (0, FRAMES - mel.shape[2]))
        hidden = F.gelu(encoder.conv2(F.gelu(encoder.conv1(mel)))).transpose(1, 2)
        filled, bias = hidden.shape[1], None
        hidden = hidden + places[:filled]
        if not whole:
            nothing = F.gelu(encoder.conv2(F.gelu(encoder.conv1(mel.new_zeros(1, 80, 16)))))
            sampled = torch.randint(filled, PLACES, (EMPTY,), device=mel.device)
            empty = nothing[:, :, 4] + places[sampled]
            hidden = torch.cat([hidden, empty.expand(len(mel), -1, -1)], 1)
            bias = hidden.new_zeros(filled + EMPTY)
            bias[filled:] = math.log((PLACES - filled) / EMPTY)
        for layer in encoder.layers:
            given = layer.self_attn_layer_norm(hidden)
            hidden = hidden + attend(layer.self_attn, given, given, bias)
            hidden = hidden + _forward(layer, hidden)
        return encoder.layer_norm(hidden), bias

    def written(self, read: Tensor, heard: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
        """Logits, and the attention of the heads that are led."""
        decoder = self.model.model.decoder
        length = read.shape[1]
        hidden = decoder.embed_tokens(read) + decoder.embed_positions.weight[:length]
        future = torch.full((length, length), -1e4, device=read.device).triu(1)
        led = []
        for number, layer in enumerate(decoder.layers):
            given = layer.self_attn_layer_norm(hidden)
            hidden = hidden + attend(layer.self_attn, given, given, future)
            given = layer.encoder_attn_layer_norm(hidden)
            heads = [head for at, head in LOOKING if at == number]
            added, looks = looking(layer.encoder_attn, given, heard, bias)
            led += [looks[:, head] for head in heads]
            hidden = hidden + added
            hidden = hidden + _forward(layer, hidden)
        return self.model.proj_out(decoder.layer_norm(hidden)), torch.stack(led, 1)


def _split(hidden: Tensor) -> Tensor:
    return hidden.unflatten(-1, (HEADS, -1)).transpose(1, 2)


def attend(attention: nn.Module, asking: Tensor, asked: Tensor, bias: Tensor | None) -> Tensor:
    query = _split(attention.q_proj(asking)).flatten(0, 1) * (WIDTH // HEADS) ** -0.5
    key = _split(attention.k_proj(asked)).flatten(0, 1)
    value = _split(attention.v_proj(asked)).flatten(0, 1)
    added = query.new_zeros(key.shape[1]) if bias is None else bias.to(query.dtype)
    # On a processor this is twice as fast as scaled_dot_product_attention, backward and all.
    scores = torch.baddbmm(added.reshape(1, -1, key.shape[1]), query, key.transpose(1, 2))
    looks = torch.softmax(scores, -1, dtype=query.dtype)
    mixed = torch.bmm(looks, value).unflatten(0, (len(asking), HEADS))
    return attention.out_proj(mixed.transpose(1, 2).flatten(2))


def looking(
    attention: nn.Module, asking: Tensor, asked: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor]:
    """As `attend`, with the attention itself."""
    query, key = _split(attention.q_proj(asking)), _split(attention.k_proj(asked))
    scores = (query @ key.transpose(2, 3)).float() * query.shape[-1] ** -0.5
    looks = torch.softmax(scores if bias is None else scores + bias, -1)
    mixed = looks.to(query.dtype) @ _split(attention.v_proj(asked))
    return attention.out_proj(mixed.transpose(1, 2).flatten(2)), looks


def _forward(layer: nn.Module, hidden: Tensor) -> Tensor:
    return layer.fc2(F.gelu(layer.fc1(layer.final_layer_norm(hidden))))


# --- training

HEAR, WRITE, WINDOW = 1500, 2400, 100
SECONDS = 30.0
"""Of sound in a batch, about; twice as much once the decoder learns."""
MOST_WORDS = 14


def samples_of(rng: random.Random, seconds: float, variants: Sequence[str]) -> list[Sample]:
    """Samples of about the same number of words: so few places of the batch stay empty."""
    words = rng.randint(1, MOST_WORDS)
    count = max(1, round(seconds / (0.9 + 0.42 * words)))
    return [
        unspoken(rng) if rng.random() < 0.04 else spoken(rng, words, variants) for _ in range(count)
    ]


def train(run: Run) -> None:
    tokenizer = words_tokenizer()
    writing = Writing(tokenizer)
    torch.manual_seed(run.seed)
    teaching = Teaching(untrained(writing)).to(run.device)
    parameters = [each for each in teaching.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(parameters, 1e-3, betas=(0.9, 0.98), weight_decay=0.01)
    parts = {"teaching": teaching, "optimizer": optimizer}
    print(f"{sum(each.numel() for each in teaching.model.parameters()) / 1e6:.2f} M parameters")

    stage = Stage(run, "hear", HEAR, parts)
    for step in stage:
        set_rate(optimizer, cosine(step.share, 1.2e-3, warm=0.03, floor=0.8))
        descend(lesson(run, stage, step.rng, teaching, None), parameters, optimizer)
    ceiling(run, teaching)
    stage = Stage(run, "write", WRITE, parts)
    for step in stage:
        set_rate(optimizer, cosine(step.share, 1.2e-3, floor=0.03))
        descend(lesson(run, stage, step.rng, teaching, writing), parameters, optimizer)
    ceiling(run, teaching)
    ship(run.work, run.out, teaching.model, tokenizer, writing)
    stage = Stage(run, "window", WINDOW, parts)
    for step in stage:
        set_rate(optimizer, cosine(step.share, 1e-4, floor=0.1))
        loss = lesson(run, stage, step.rng, teaching, writing, whole=True)
        descend(loss, parameters, optimizer)
    ship(run.work, run.out, teaching.model, tokenizer, writing)


def lesson(
    run: Run,
    stage: Stage,
    rng: random.Random,
    teaching: Teaching,
    writing: Writing | None,
    whole: bool = False,
) -> Tensor:
    """The loss of one step; without `writing` the decoder is left alone."""
    seconds = SECONDS if whole or writing is None else 2 * SECONDS
    samples = samples_of(rng, seconds, speaker().variants)
    # Clean speech is learned sooner; the rest of the way most of it is not.
    varied = rng.random() < (0.25 if writing is None else 0.7)
    mel, _ = sounding(samples, run.device, varied)
    places = mel.shape[2] // 2
    sounds, words, begun = frame_labels(samples, places, run.device)
    with torch.autocast(run.device, torch.bfloat16):
        heard, bias = teaching.heard(mel, whole)
        spoken = heard[:, :places]
        by_sound, by_word = teaching.sounds(spoken), teaching.words(spoken)
        by_count = teaching.begun(spoken)
        if writing is not None:
            read, asked, look = writing.batch(samples, places, rng, run.device)
            logits, looks = teaching.written(read, heard, bias)
    of_sound, of_word = _cross(by_sound, sounds), _cross(by_word, words)
    loss = of_sound + of_word + 0.3 * _cross(by_count, begun)
    stage.note(sound=of_sound.detach(), word=of_word.detach())
    if writing is None:
        return loss
    # How much of each led head's attention is where the token is heard.
    on = (looks[:, :, :, :places] * look[:, None]).sum(-1).clamp(min=1e-4)
    told = look.any(-1)[:, None].expand_as(on)
    led = -(on.log() * told).sum() / told.sum().clamp(min=1)
    text = _cross(logits, asked)
    right = (logits.argmax(-1) == asked)[(asked >= 0) & (asked < writing.end)].float().mean()
    stage.note(text=text.detach(), led=led.detach(), right=right.nan_to_num(1.0))
    return text + 0.3 * led + 0.3 * loss


def _cross(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=-100)


@torch.no_grad()
def ceiling(run: Run, teaching: Teaching) -> None:
    """Prints how many of the places of words are heard as that word, in voices kept back."""
    rng = random.Random(f"{run.seed} ceiling")
    samples = [spoken(rng, rng.randint(1, 8), HELD_BACK) for _ in range(60)]
    torch.manual_seed(run.seed)
    mel, _ = sounding(samples, run.device, varied=False)
    _, words, _ = frame_labels(samples, mel.shape[2] // 2, run.device)
    heard, _ = teaching.heard(mel, whole=False)
    guess = teaching.words(heard[:, : words.shape[1]]).argmax(-1)
    right = (guess == words)[words > 0].float().mean()
    print(f"Ceiling: {right:.1%} of the places of words are heard right.", flush=True)


# --- what ships


def ship(
    work: Path,
    out: Path,
    model: WhisperForConditionalGeneration,
    tokenizer: Tokenizer,
    writing: Writing,
) -> None:
    """Writes the folder as faster-whisper wants it."""
    from ctranslate2.converters import TransformersConverter

    whole = work / "transformers"
    shutil.rmtree(whole, ignore_errors=True)
    model.generation_config = GenerationConfig(
        bos_token_id=writing.end,
        eos_token_id=writing.end,
        pad_token_id=writing.end,
        decoder_start_token_id=writing.start,
        max_length=448,
        begin_suppress_tokens=[],
        suppress_tokens=[],
        is_multilingual=False,
        no_timestamps_token_id=writing.no_times,
        alignment_heads=[list(each) for each in LOOKING],
    )
    model.save_pretrained(whole)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=SPECIAL[0],
        eos_token=SPECIAL[0],
        pad_token=SPECIAL[0],
        unk_token=SPECIAL[0],
        additional_special_tokens=list(SPECIAL[1:]),
        model_max_length=448,
    ).save_pretrained(whole)
    features = {
        "chunk_length": 30,
        "feature_extractor_type": "WhisperFeatureExtractor",
        "feature_size": 80,
        "hop_length": 160,
        "n_fft": 400,
        "n_samples": 480_000,
        "nb_max_frames": FRAMES,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": False,
        "sampling_rate": RATE,
    }
    (whole / "preprocessor_config.json").write_text(json.dumps(features, indent=1) + "\n")
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made"
        TransformersConverter(
            str(whole), copy_files=["tokenizer.json", "preprocessor_config.json"]
        ).convert(str(made), quantization="float16")
        out.mkdir(parents=True, exist_ok=True)
        for each in made.iterdir():
            shutil.copy(each, out / each.name)


# --- how well it listens

RUNNERS = Path(__file__).resolve().parents[2] / "runners"
SETTINGS = {"word_timestamps": True, "cut_at": "pauses", "chunk_length": 8}
"""What the spec sets otherwise than the runner."""


def evaluate(folder: Path, seed: int, count: int) -> dict[str, float]:
    """Figures for voices that training never heard, as the app's runner hears them."""
    runner = load(str(RUNNERS), "speech_to_text.py:SpeechToText")
    runner.setup(str(folder))
    rng = random.Random(f"{seed} evaluate")
    wrong = wrong_in_noise = total = in_time = timed = unheard = 0
    for number in range(count):
        sample = spoken(rng, rng.randint(1, 10), HELD_BACK)
        said = [word for part in sample.words for word in part]
        written = listened(runner, sample.wave)
        errors = distance(said, written)
        wrong += errors
        total += len(said)
        if errors:
            print(" ".join(w for w, _, _ in said), "→", " ".join(w for w, _, _ in written))
        else:
            timed += len(said)
            in_time += sum(
                abs(a - c) <= 0.2 and abs(b - d) <= 0.2
                for (_, a, b), (_, c, d) in zip(said, written, strict=True)
            )
        numbers = np.random.default_rng([seed, number])
        noise = numbers.standard_normal(len(sample.wave)) * sample.wave.std() * 0.18
        wrong_in_noise += distance(said, listened(runner, sample.wave + noise))
        unheard += not listened(runner, unspoken(rng).wave)
    return {
        "word_error_rate": wrong / total,
        "word_error_rate_in_noise": wrong_in_noise / total,
        "words_in_time": in_time / max(1, timed),
        "noise_unheard": unheard / count,
    }


def listened(runner: Any, sound: np.ndarray) -> list[tuple[str, float, float]]:
    """The words that the runner writes down, and their times."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, speaker().rate, 0, "NONE", ""))
            file.writeframes((np.clip(sound, -1, 1) * 32767).astype(np.int16).tobytes())
        with contextlib.redirect_stdout(io.StringIO()):
            segments = list(runner.call(**runner.arguments({"audio": str(path), **SETTINGS})))
    return [
        (word["word"].strip(), word["start"], word["end"])
        for segment in segments
        for word in segment["words"]
    ]


def distance(said: Sequence[tuple], written: Sequence[tuple]) -> int:
    """How many words have to be changed, added or taken away."""
    row = list(range(len(written) + 1))
    for i, (word, _, _) in enumerate(said, 1):
        above, row[0] = row[0], i
        for j, (other, _, _) in enumerate(written, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (word != other))
    return row[-1]


if __name__ == "__main__":
    main(__doc__, "listen", train, evaluate, count=120)
