"""What a sentence asks of a piece of music: its mood, key, tempo and instrument. No runner: runners
that write music import it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TONICS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
"""From C upwards, a semitone each."""
KEYS = tuple(f"{tonic} {mode}" for mode in ("major", "minor") for tonic in TONICS)
_OTHER_NAMES = {"C#": "Db", "D#": "Eb", "Gb": "F#", "G#": "Ab", "A#": "Bb"}
_OTHER_NAMES |= {"Cb": "B", "Fb": "E", "E#": "F", "B#": "C"}

MOOD_WORDS = {
    "calm": "calm peaceful quiet gentle soft relaxing",
    "happy": "happy cheerful joyful merry bright",
    "sad": "sad melancholy sorrowful lonely",
    "playful": "playful funny silly",
    "proud": "proud heroic epic march",
    "mysterious": "mysterious dark eerie",
    "dreamy": "dreamy magical lullaby",
    "tense": "tense exciting dramatic",
}
PACE_WORDS = {"slow": (60, 80), "medium": (90, 116), "fast": (130, 160), "quick": (130, 160)}
MOOD_TEMPI = {
    "calm": (64, 88), "happy": (104, 136), "sad": (60, 84), "playful": (108, 144),
    "proud": (92, 120), "mysterious": (64, 92), "dreamy": (68, 96), "tense": (112, 152),
}  # fmt: skip
"""Beats a minute, from and to."""

_TONIC = r"(?P<tonic>[a-g])[\s-]*(?P<sign>sharp|flat|[#♯b♭])?"
_IN_A_MODE = re.compile(
    r"\b(?:in )?a (?P<mode>major|minor) (?=key|mode|mood|tune|song|piece)", re.I
)
_KEY = re.compile(rf"\b{_TONIC}[\s-]*(?P<mode>major|minor)\b", re.I)
_SHORT_KEY = re.compile(r"\b(?P<tonic>[A-G])(?P<sign>[#♯b♭])?(?P<mode>m)\b")
_TONIC_ALONE = re.compile(
    r"\b(?:in|key of) (?P<tonic>[A-G])[\s-]?(?P<sign>sharp\b|flat\b|[#♯b♭])?(?P<mode>)(?![\w'])"
)
_MODE = re.compile(r"\b(?P<mode>major|minor)\b", re.I)
_TEMPO = re.compile(r"(\d{2,3})\s*(?:bpm|beats?(?: (?:per|a) minute)?)\b", re.I)


@dataclass(frozen=True)
class Wishes:
    """What was found, None where nothing was; `rest` is the prompt without the key and the tempo,
    which are no words.
    """

    mood: str | None
    tonic: str | None
    mode: str | None
    tempo: int | None
    pace: str | None
    instrument: str | None
    drums: bool | None
    rest: str


def read(prompt: str, instruments: tuple[str, ...]) -> Wishes:
    """Reads a prompt; of two words for one thing the first counts."""
    rest = prompt
    tempo = tonic = mode = None
    if found := _TEMPO.search(rest):
        tempo, rest = int(found[1]), _without(rest, found)
    for form in (_IN_A_MODE, _KEY, _SHORT_KEY, _TONIC_ALONE, _MODE):
        if found := form.search(rest):
            tonic, mode = _tonic(found), _mode(found["mode"])
            rest = _without(rest, found)
            break
    lower = rest.lower()
    words = re.findall(r"[a-z]+", lower)
    moods = {word: mood for mood, each in MOOD_WORDS.items() for word in each.split()}
    named = [(lower.find(name), name) for name in instruments if _names(lower, name)]
    return Wishes(
        mood=next((moods[word] for word in words if word in moods), None),
        tonic=tonic,
        mode=mode,
        tempo=tempo,
        pace=next((word for word in words if word in PACE_WORDS), None),
        instrument=min(named)[1] if named else None,
        drums=None
        if not {"drum", "drums"} & {*words}
        else not _names(lower, "(no|without) drums?"),
        rest=rest,
    )


def parts_of(key: str) -> tuple[str, str]:
    """The tonic and the mode of a key like "Eb minor"."""
    tonic, _, mode = key.partition(" ")
    return tonic, mode


def _names(text: str, pattern: str) -> bool:
    return re.search(rf"\b{pattern}\b", text) is not None


def _without(text: str, found: re.Match[str]) -> str:
    return f"{text[: found.start()]} {text[found.end() :]}"


def _tonic(found: re.Match[str]) -> str | None:
    if "tonic" not in found.re.groupindex:
        return None
    sign = {"sharp": "#", "♯": "#", "flat": "b", "♭": "b"}.get(
        (found["sign"] or "").lower(), (found["sign"] or "").lower()
    )
    name = found["tonic"].upper() + sign
    return _OTHER_NAMES.get(name, name)


def _mode(word: str) -> str | None:
    return {"major": "major", "minor": "minor", "m": "minor"}.get(word.lower())
