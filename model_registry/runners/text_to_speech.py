"""Speech from text with espeak-ng: about a hundred languages, at once, and no weights."""

from __future__ import annotations

import ctypes
import tempfile
import wave
from array import array
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from sentences import groups

from cog import BasePredictor, Input, InvalidInput, Path, current_scope

LANGUAGES = {
    "Afrikaans": "af", "Arabic": "ar", "Bengali": "bn", "Bulgarian": "bg", "Catalan": "ca",
    "Chinese (Cantonese)": "yue", "Chinese (Mandarin)": "cmn", "Croatian": "hr", "Czech": "cs",
    "Danish": "da", "Dutch": "nl", "English (America)": "en-us", "English (Britain)": "en",
    "English (Caribbean)": "en-029", "English (Scotland)": "en-gb-scotland", "Esperanto": "eo",
    "Estonian": "et", "Finnish": "fi", "French": "fr", "German": "de", "Greek": "el",
    "Hebrew": "he", "Hindi": "hi", "Hungarian": "hu", "Icelandic": "is", "Indonesian": "id",
    "Irish": "ga", "Italian": "it", "Japanese": "ja", "Korean": "ko", "Latin": "la",
    "Latvian": "lv", "Lithuanian": "lt", "Norwegian": "nb", "Persian": "fa", "Polish": "pl",
    "Portuguese (Brazil)": "pt-br", "Portuguese (Portugal)": "pt", "Romanian": "ro",
    "Russian": "ru", "Serbian": "sr", "Slovak": "sk", "Slovenian": "sl",
    "Spanish (Latin America)": "es-419", "Spanish (Spain)": "es", "Swahili": "sw",
    "Swedish": "sv", "Tamil": "ta", "Telugu": "te", "Turkish": "tr", "Ukrainian": "uk",
    "Urdu": "ur", "Vietnamese": "vi", "Welsh": "cy",
}  # fmt: skip
VOICES = {
    "plain": "", "deep": "+m3", "young man": "+m7", "woman": "+f2", "bright woman": "+f4",
    "whisper": "+whisper", "croaky": "+croak", "robot": "+UniRobot",
}  # fmt: skip

# Names and numbers of espeak-ng's C interface.
_SYNCHRONOUS, _NO_EXIT_ON_ERROR = 2, 0x8000
_RATE, _PITCH = 1, 3
_UTF8 = 1
_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)
CHUNK = 1000
"""Milliseconds of sound that espeak-ng hands over at once: how soon a cancel is heard."""
LONGEST_PATH = 140
"""espeak-ng copies the path of its data into 160 bytes and appends to it there."""
SILENCE = 64
"""The loudest sample, of 32768, of what nobody would hear."""


class TextToSpeech(BasePredictor):
    def setup(self) -> None:
        import espeakng_loader

        self.espeak = ctypes.CDLL(espeakng_loader.get_library_path())
        data = _short_path(FilePath(espeakng_loader.get_data_path()))
        self.sample_rate = self.espeak.espeak_Initialize(
            _SYNCHRONOUS, CHUNK, bytes(data), _NO_EXIT_ON_ERROR
        )
        if self.sample_rate <= 0:
            raise RuntimeError(f"espeak-ng cannot read its data in {data}.")

    def predict(
        self,
        text: str = Input(description="What to say."),
        language: str = Input(
            default="English (America)",
            choices=list(LANGUAGES),
            description="The language that the text is written in.",
        ),
        voice: str = Input(default="plain", choices=list(VOICES), description="Who says it."),
        speed: int = Input(default=160, ge=80, le=450, description="Words per minute."),
        pitch: int = Input(default=50, ge=0, le=99, description="From deep to high."),
        join: bool = Input(
            default=False,
            description="One file of the whole text, at the end, instead of one for every few "
            "sentences as soon as they are spoken.",
        ),
    ) -> Iterator[Path]:
        """The text as speech: WAV files with one channel, to be played one after another."""
        if not text.strip():
            raise InvalidInput("The text is empty. Write what should be said.")
        name = LANGUAGES[language] + VOICES[voice]
        if self.espeak.espeak_SetVoiceByName(name.encode()) != 0:
            raise RuntimeError(f"espeak-ng has no voice {name!r}.")
        self.espeak.espeak_SetParameter(_RATE, speed, 0)
        self.espeak.espeak_SetParameter(_PITCH, pitch, 0)
        parts = groups(text.replace("\0", " "))
        whole: array[int] = array("h")
        spoken = 0
        for number, samples in enumerate(self._parts(parts), 1):
            if join:
                whole += samples
                if number < len(parts):
                    continue
                samples = whole
            if max(map(abs, samples), default=0) < SILENCE:
                continue
            spoken += len(samples)
            current_scope().record_metric("audio_seconds", round(spoken / self.sample_rate, 3))
            yield self._written(samples, f"-{number:02}" if len(parts) > 1 and not join else "")
        if not spoken:
            raise InvalidInput(
                f"Nothing in the text can be spoken in {language}. Write some words."
            )

    def _parts(self, parts: list[list[str]]) -> Iterator[array[int]]:
        """The sound of each group of sentences; tells how many are done."""
        done, total = 0, sum(map(len, parts))
        for sentences in parts:
            yield self._speak("".join(sentences), done, total)
            done += len(sentences)
            current_scope().progress(done, total, unit="sentence")

    def _speak(self, text: str, done: int, total: int) -> array[int]:
        """The sound of a text, before which `done` of `total` sentences were spoken."""
        samples: array[int] = array("h")
        raised: list[BaseException] = []

        def received(wave: Any, count: int, events: Any) -> int:
            # Nothing raised here would get through the C code: it is kept, and espeak told to stop.
            try:
                if count:
                    samples.frombytes(ctypes.string_at(wave, count * samples.itemsize))
                    current_scope().progress(done, total, unit="sentence")
            except BaseException as error:
                raised.append(error)
            return 1 if raised else 0

        callback = _CALLBACK(received)
        self.espeak.espeak_SetSynthCallback(callback)
        encoded = text.encode()
        self.espeak.espeak_Synth(encoded, len(encoded) + 1, 0, 0, 0, _UTF8, None, None)
        if raised:
            raise raised[0]
        return samples

    def _written(self, samples: array[int], number: str) -> Path:
        path = FilePath(tempfile.mkdtemp()) / f"speech{number}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(samples.itemsize)
            file.setframerate(self.sample_rate)
            file.writeframes(samples.tobytes())
        return Path(path)


def _short_path(data: FilePath) -> FilePath:
    """The folder itself, or a link to it where its path is too long for espeak-ng."""
    if len(bytes(data)) <= LONGEST_PATH:
        return data
    link = FilePath(tempfile.mkdtemp()) / data.name
    if len(bytes(link)) > LONGEST_PATH:
        link = FilePath(tempfile.mkdtemp(dir="/tmp")) / data.name
    link.symlink_to(data, target_is_directory=True)
    return link
