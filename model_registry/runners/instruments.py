"""Notes → sound, by adding up partials: instruments, a stereo mix with reverb. No runner: runners
that write notes import it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

RATE = 44_100
"""Samples a second."""

Sound = Any
"""A numpy array of float32: (samples,) for a note, (samples, 2) for a mix."""


@dataclass(frozen=True)
class Struck:
    """Strings, bars and bells: every partial sounds at once and dies away, high ones first."""

    ratios: tuple[float, ...]
    levels: tuple[float, ...]
    lasts: float
    """Seconds in which middle C falls to a third."""
    fades: float
    """How much sooner each further partial is gone."""
    attack: float = 0.003
    damped: float = 0.12
    """Seconds that it takes to fall silent after its end."""
    detuned: float = 0.0
    """Cents between the two strings of a note; 0 for one string."""
    knock: float = 0.0
    """Loudness of the blow itself."""
    rings = True


@dataclass(frozen=True)
class Blown:
    """Winds, pipes and bows: the note stays until it ends."""

    levels: tuple[float, ...]
    attack: float
    damped: float
    vibrato: float = 0.0
    """Cents to either side."""
    voices: tuple[float, ...] = (0.0,)
    """Players, each this many cents off."""
    breath: float = 0.0
    bite: float = 0.0
    """How much louder a note begins than it goes on."""
    ratios: tuple[float, ...] = ()
    rings = False


def _string(count: int, stiff: float, plucked: float, dull: float) -> dict[str, Any]:
    """Partials of a string: stiffness sharpens them, and none has a node where it is plucked."""
    numbers = range(1, count + 1)
    return {
        "ratios": tuple(n * math.sqrt(1 + stiff * n * n) for n in numbers),
        "levels": tuple(abs(math.sin(math.pi * n * plucked)) / n**dull for n in numbers),
    }


VOICES: dict[str, Struck | Blown] = {
    "piano": Struck(
        **_string(14, 0.0004, 0.12, 1.15), lasts=1.3, fades=0.28, detuned=1.6, knock=0.05
    ),
    "guitar": Struck(
        **_string(14, 0.0001, 0.21, 1.25), lasts=0.9, fades=0.3, attack=0.002, knock=0.03
    ),
    "harp": Struck(**_string(10, 0.0001, 0.4, 1.5), lasts=1.2, fades=0.5, damped=0.5, attack=0.004),
    "pizzicato": Struck(**_string(8, 0.0001, 0.3, 1.4), lasts=0.45, fades=0.5, damped=0.08),
    "music box": Struck(
        ratios=(1, 2, 3.01, 5.4, 8.9), levels=(1, 0.12, 0.22, 0.13, 0.05),
        lasts=1.1, fades=0.55, attack=0.001, damped=0.7, knock=0.02,
    ),
    "marimba": Struck(
        ratios=(1, 3.98, 9.9), levels=(1, 0.3, 0.07), lasts=0.42, fades=1.6, damped=0.3, knock=0.05
    ),
    "flute": Blown(
        levels=(1, 0.34, 0.13, 0.05, 0.02), attack=0.04, damped=0.09, vibrato=9, breath=0.025,
        bite=0.3,
    ),
    "strings": Blown(
        levels=tuple(1 / n**1.35 * math.exp(-n / 9) for n in range(1, 15)),
        attack=0.045, damped=0.18, vibrato=6, voices=(-7, 0, 6), bite=0.7,
    ),
    "organ": Blown(
        levels=(0.5, 0.9, 0.28, 0.5, 0.16, 0.12), ratios=(0.5, 1, 1.5, 2, 3, 4),
        attack=0.012, damped=0.06, voices=(-1.5, 1.5), bite=0.5,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Ensemble:
    """Who plays the tune, the chords and the bass, and how loud the three are."""

    melody: str
    chord: str
    bass: str
    levels: tuple[float, float, float] = (1.0, 0.33, 0.5)
    strummed: float = 0.0
    """Seconds over which the notes of a chord are spread."""

    def part(self, voice: str) -> tuple[str, float]:
        """Who plays the melody, the chords or the bass, and how loud."""
        parts = {"melody": self.melody, "chord": self.chord, "bass": self.bass}
        return parts[voice], self.levels[("melody", "chord", "bass").index(voice)]


ENSEMBLES = {
    "piano": Ensemble("piano", "piano", "piano"),
    "music box": Ensemble("music box", "music box", "harp", (1.0, 0.34, 0.55), 0.015),
    "guitar": Ensemble("guitar", "guitar", "guitar", strummed=0.03),
    "harp": Ensemble("harp", "harp", "harp", strummed=0.03),
    "flute": Ensemble("flute", "harp", "pizzicato", (1.0, 0.26, 0.45), 0.02),
    "strings": Ensemble("strings", "pizzicato", "pizzicato", (1.0, 0.38, 0.5), 0.015),
    "organ": Ensemble("organ", "organ", "organ", (0.8, 0.34, 0.5)),
    "marimba": Ensemble("marimba", "marimba", "pizzicato", (1.0, 0.38, 0.55)),
}
PLACES = {"melody": 0.12, "chord": -0.28, "bass": 0.0, "kick": 0.0, "snare": 0.1, "hat": 0.35}
"""From left (-1) to right (1)."""
LOUDNESS = {"kick": 0.7, "snare": 0.32, "hat": 0.14}


def frequency(pitch: float) -> float:
    """Hertz of a MIDI pitch: 69 is the A of 440."""
    return float(440 * 2 ** ((pitch - 69) / 12))


@lru_cache(maxsize=128)
def note(name: str, pitch: int, seconds: float, loud: float) -> Sound:
    """One note of a voice, its dying away included. Softer notes are darker, too."""
    voice = VOICES[name]
    if isinstance(voice, Struck):
        return _struck(voice, pitch, seconds, loud)
    return _blown(voice, pitch, seconds, loud)


def _partials(voice: Struck | Blown, pitch: float, loud: float) -> list[tuple[float, float, int]]:
    """Frequency, level and number of each partial that can be heard."""
    base = frequency(pitch)
    ratios = voice.ratios or range(1, len(voice.levels) + 1)
    soft = 0.35 * (1 - loud)
    found = [
        (base * ratio, level * math.exp(-soft * n), n)
        for n, (ratio, level) in enumerate(zip(ratios, voice.levels, strict=True))
        if base * ratio < 12_000
    ]
    power = math.sqrt(sum(level**2 for _, level, _ in found)) or 1.0
    return [(hertz, level / power, n) for hertz, level, n in found]


def _struck(voice: Struck, pitch: int, seconds: float, loud: float) -> Sound:
    lasts = voice.lasts * math.sqrt(261.6 / frequency(pitch))
    whole = min(seconds + voice.damped, 6 * lasts, 8.0)
    time = np.arange(round(whole * RATE), dtype=np.float32) / RATE
    sound = np.zeros_like(time)
    strings = (-voice.detuned / 2, voice.detuned / 2) if voice.detuned else (0.0,)
    for cents in strings:
        for hertz, level, n in _partials(voice, pitch + cents / 100, loud):
            # What falls below a thousandth is not worth computing.
            length = min(len(time), round(7 * lasts / (1 + voice.fades * n) * RATE))
            dying = np.exp(time[:length] * (-(1 + voice.fades * n) / lasts))
            sound[:length] += level * dying * np.sin(2 * math.pi * hertz * time[:length])
    sound *= 1.8 / len(strings)
    if voice.knock:
        count = min(len(time), round(0.03 * RATE))
        noise: Sound = np.random.default_rng(pitch).standard_normal(count)
        noise = np.convolve(noise, np.hanning(24) / 12, "same").astype(np.float32)
        sound[:count] += voice.knock * noise * np.linspace(1, 0, count, dtype=np.float32) ** 2
    return _enveloped(sound, voice.attack, seconds, voice.damped)


def _blown(voice: Blown, pitch: int, seconds: float, loud: float) -> Sound:
    whole = seconds + voice.damped
    time = np.arange(round(whole * RATE), dtype=np.float32) / RATE
    sound = np.zeros_like(time)
    for number, cents in enumerate(voice.voices):
        # Vibrato sets in after the note does.
        depth = voice.vibrato / 1200 * math.log(2) * np.clip((time - 0.25) / 0.4, 0, 1)
        rate = 5.2 + 0.3 * number
        phase = time - depth * np.cos(2 * math.pi * rate * time + number) / (2 * math.pi * rate)
        for hertz, level, n in _partials(voice, pitch + cents / 100, loud):
            sound += level * np.sin(2 * math.pi * hertz * phase + 2.4 * number * (n + 1))
    sound /= math.sqrt(len(voice.voices))
    if voice.breath:
        noise = np.random.default_rng(pitch).standard_normal(len(time)).astype(np.float32)
        sound += voice.breath * np.convolve(noise, np.hanning(12) / 6, "same")
    sound *= 0.8 * (1 + voice.bite * np.exp(-time / 0.07))
    return _enveloped(sound, voice.attack, seconds, voice.damped)


def _enveloped(sound: Sound, attack: float, seconds: float, damped: float) -> Sound:
    count = min(len(sound), max(2, round(attack * RATE)))
    sound[:count] *= np.sin(np.linspace(0, math.pi / 2, count, dtype=np.float32)) ** 2
    start = round(seconds * RATE)
    if start < len(sound):
        after = np.arange(len(sound) - start, dtype=np.float32) / max(1, round(damped * RATE))
        sound[start:] *= np.cos(math.pi / 2 * np.clip(after, 0, 1)) ** 2
    end = min(len(sound), 400)
    sound[-end:] *= np.linspace(1, 0, end, dtype=np.float32)
    return sound.astype(np.float32)


@lru_cache(maxsize=8)
def drum(name: str) -> Sound:
    """One stroke, soft as with brushes."""
    time = np.arange(round(0.3 * RATE), dtype=np.float32) / RATE
    noise = np.random.default_rng(len(name)).standard_normal(len(time)).astype(np.float32)
    if name == "kick":
        sweep = 48 * time + 70 * 0.035 * (1 - np.exp(-time / 0.035))
        return (np.sin(2 * math.pi * sweep) * np.exp(-time / 0.09)).astype(np.float32)
    bright = np.diff(noise, prepend=noise[:1])
    if name == "snare":
        body = 0.5 * np.sin(2 * math.pi * 190 * time) * np.exp(-time / 0.05)
        return ((0.5 * bright + 0.3 * noise) * np.exp(-time / 0.07) + body).astype(np.float32)
    return (np.diff(bright, prepend=bright[:1]) * np.exp(-time / 0.03)).astype(np.float32)


class Mix:
    """A stereo recording of `seconds`; what would sound on after its end is faded out."""

    def __init__(self, seconds: float) -> None:
        self.sound = np.zeros((round(seconds * RATE), 2), np.float32)

    def add(self, sound: Sound, at: float, level: float, place: float) -> None:
        """Puts a sound in at a second; `place` is from left (-1) to right (1)."""
        start = max(0, round(at * RATE))
        sound = sound[: max(0, len(self.sound) - start)]
        angle = (place + 1) * math.pi / 4
        for side, share in enumerate((math.cos(angle), math.sin(angle))):
            self.sound[start : start + len(sound), side] += np.float32(level * share) * sound

    def finish(self, wet: float = 0.2, fade: float = 1.5) -> Sound:
        """The recording in a room, faded out at the end, as loud as can be without clipping."""
        self._reverberate(wet)
        count = min(len(self.sound) // 3, round(fade * RATE))
        falling = np.cos(np.linspace(0, math.pi / 2, count, dtype=np.float32))
        self.sound[len(self.sound) - count :] *= falling[:, None]
        self.sound *= 0.89 / max(1e-6, float(np.abs(self.sound).max()))
        return self.sound

    def _reverberate(self, wet: float) -> None:
        """Convolves with a room that is noise dying away: block by block, so that the memory and
        each single call stay small.
        """
        size = 1 << 16
        room = np.fft.rfft(_room(size), 2 * size, axis=0)
        before = np.zeros((size, 2))
        for start in range(0, len(self.sound), size):
            dry = self.sound[start : start + size].copy()
            heard = np.fft.irfft(np.fft.rfft(dry, 2 * size, axis=0) * room, axis=0)
            heard[:size] += before
            before = heard[size:]
            self.sound[start : start + size] += (wet * heard[: len(dry)]).astype(np.float32)


@lru_cache(maxsize=1)
def _room(size: int) -> Sound:
    """An impulse response of at most `size` samples, whose high tones die first."""
    noise = np.random.default_rng(7).standard_normal((size, 2))
    time = np.arange(size) / RATE
    dull = np.stack([np.convolve(side, np.hanning(64) / 32, "same") for side in noise.T], 1)
    early = np.clip(1 - time / 0.25, 0, 1)[:, None]
    room = (early * 0.4 * noise + (1 - early) * dull) * np.exp(-time / 0.3)[:, None]
    room[: round(0.012 * RATE)] = 0
    return room / np.sqrt((room**2).sum(0))
