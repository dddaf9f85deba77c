"""Text from speech: the Whisper family, in CTranslate2's form, through faster-whisper."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from html import escape
from itertools import pairwise
from pathlib import Path as FilePath
from typing import Any, TypedDict

from recording import Recording

from cog import BasePredictor, Input, InvalidInput, Path, current_scope

LANGUAGES = (
    "af", "am", "ar", "as", "az", "ba", "be", "bg", "bn", "bo", "br", "bs", "ca", "cs", "cy",
    "da", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fo", "fr", "gl", "gu", "ha", "haw",
    "he", "hi", "hr", "ht", "hu", "hy", "id", "is", "it", "ja", "jw", "ka", "kk", "km", "kn",
    "ko", "la", "lb", "ln", "lo", "lt", "lv", "mg", "mi", "mk", "ml", "mn", "mr", "ms", "mt",
    "my", "ne", "nl", "nn", "no", "oc", "pa", "pl", "ps", "pt", "ro", "ru", "sa", "sd", "si",
    "sk", "sl", "sn", "so", "sq", "sr", "su", "sv", "sw", "ta", "te", "tg", "th", "tk", "tl",
    "tr", "tt", "uk", "ur", "uz", "vi", "yi", "yo", "yue", "zh",
)  # fmt: skip
RATE = 16_000
"""Samples a second, of what Whisper hears."""
STRETCH = 120
"""Seconds of sound that are held at once: bounds the memory, however long the file is."""
PAUSE = 160
"""Milliseconds of silence at which speech may be cut."""
EDGE = 1
"""Seconds before the end of a stretch in which what is said may not have ended."""
SMALL = 200_000_000
"""Bytes of weights below which the processor computes in full precision, on one thread."""


class Word(TypedDict):
    """One word, and when it is said, in seconds."""

    start: float
    end: float
    word: str


class _Said(TypedDict):
    start: float
    end: float
    text: str


class Segment(_Said, total=False):
    """A few words that belong together, and when they are said, in seconds.

    It has `words` if they were asked for; the last one brings the `subtitles`, if they were.
    """

    words: list[Word]
    subtitles: Path


class SpeechToText(BasePredictor):
    def setup(self, weights: str) -> None:
        """`weights` is a folder (or a repository's id) with a converted Whisper."""
        import ctranslate2
        from faster_whisper import WhisperModel

        cuda = ctranslate2.get_cuda_device_count() > 0
        model = FilePath(weights) / "model.bin"
        small = model.is_file() and model.stat().st_size < SMALL
        self.whisper = WhisperModel(
            weights,
            device="cuda" if cuda else "cpu",
            compute_type="float16" if cuda else "float32" if small else "int8",
            cpu_threads=1 if small else 0,
        )

    def predict(
        self,
        audio: Path = Input(description="Speech: a recording of any format, or the microphone."),
        transcription: str = Input(
            default="plain text",
            choices=["plain text", "srt", "vtt"],
            description="Subtitles to make besides, as a file: SRT or WebVTT.",
        ),
        translate: bool = Input(
            default=False, description="Write in English what is said in another language."
        ),
        language: str = Input(
            default="auto",
            choices=["auto", *LANGUAGES],
            description="What is spoken; auto listens for it.",
        ),
        word_timestamps: bool = Input(
            default=False, description="Give the time of each word as well."
        ),
        vad_filter: bool = Input(
            default=True, description="Skip what is no speech: silence, noise, music."
        ),
        initial_prompt: str | None = Input(
            default=None, description="Text that might come before: names and a style to follow."
        ),
        condition_on_previous_text: bool = Input(
            default=True,
            description="Go on from what was written before; off, it repeats itself less.",
        ),
        beam_size: int = Input(
            default=5, ge=1, le=20, description="Wordings that are weighed against each other."
        ),
        patience: float = Input(
            default=1, ge=0.1, le=5, description="How long to go on looking for a better wording."
        ),
        temperature: float = Input(
            default=0, ge=0, le=1, description="0 always writes what is likeliest; more is freer."
        ),
        temperature_increment_on_fallback: float = Input(
            default=0.2,
            ge=0,
            le=1,
            description="How much freer to try again where a threshold below is missed; 0: not.",
        ),
        compression_ratio_threshold: float = Input(
            default=2.4, ge=0, description="Try again a text that repeats itself more than this."
        ),
        logprob_threshold: float = Input(
            default=-1, le=0, description="Try again a text that is less likely than this."
        ),
        no_speech_threshold: float = Input(
            default=0.6,
            ge=0,
            le=1,
            description="Write nothing where this likely nobody speaks, and the text is unlikely.",
        ),
        suppress_tokens: str = Input(
            default="-1",
            description="Numbers of tokens never to write, with commas between; -1: most symbols.",
        ),
        chunk_length: int = Input(
            default=30, ge=2, le=30, description="The most seconds to listen to at once."
        ),
        seed: int | None = Input(
            default=None, description="The same seed tries again in the same way; unset, random."
        ),
    ) -> Iterator[Segment]:
        """What is said in a recording, segment by segment, as it is understood."""
        import ctranslate2

        seed = secrets.randbits(31) if seed is None else seed % 2**31
        print(f"Using seed: {seed}")
        ctranslate2.set_random_seed(seed)
        listener = _Listener(
            self.whisper,
            vad_filter,
            chunk_length,
            condition_on_previous_text,
            language=self._language(language, translate),
            task="translate" if translate else "transcribe",
            word_timestamps=word_timestamps,
            initial_prompt=initial_prompt or None,
            beam_size=beam_size,
            patience=patience,
            temperature=_temperatures(temperature, temperature_increment_on_fallback),
            compression_ratio_threshold=compression_ratio_threshold,
            log_prob_threshold=logprob_threshold,
            no_speech_threshold=no_speech_threshold,
            suppress_tokens=_numbers(suppress_tokens),
        )
        last = None
        lines: list[Segment] = []
        for segment in listener.segments(audio):
            if last is not None:
                yield last
            last = segment
            if transcription != "plain text":
                lines.append(segment)
        if last is None:
            print("Nobody was heard speaking.")
            return
        if lines:
            last["subtitles"] = _written(lines, transcription)
        yield last

    def _language(self, asked: str, translate: bool) -> str | None:
        known = self.whisper.supported_languages
        if len(known) == 1 and (asked not in ("auto", known[0]) or translate):
            raise InvalidInput(
                f"This model understands English only. Leave language at auto or {known[0]}, and "
                "translate off."
            )
        if asked not in ("auto", *known):
            raise InvalidInput(
                f"This model does not understand {asked!r}. Choose auto or one of "
                f"{', '.join(known)}."
            )
        return None if asked == "auto" else asked


class _Listener:
    """Listens to a recording stretch by stretch, with one set of `options` for faster-whisper."""

    def __init__(
        self, whisper: Any, skip: bool, longest: int, remember: bool, **options: Any
    ) -> None:
        self._whisper = whisper
        self._skip = skip
        self._longest = longest
        self._remember = remember
        self._options = options
        self._language: str | None = options.pop("language")

    def segments(self, path: FilePath) -> Iterator[Segment]:
        import numpy as np

        scope = current_scope()
        waiting = np.zeros(0, np.float32)
        begun = 0  # of what is waiting, in samples
        with Recording(path, RATE, STRETCH) as recording:
            for part, ended in recording.parts():
                waiting = np.concatenate([waiting, part])
                clips, used = self._clips(waiting, ended)
                for segment in self._heard(waiting[:used], clips, begun / RATE):
                    scope.progress(round(segment["end"], 2), recording.seconds, "second")
                    yield segment
                begun, waiting = begun + used, waiting[used:]
                scope.progress(round(begun / RATE, 2), recording.seconds, "second")
        scope.record_metric("audio_seconds", round(begun / RATE, 3))

    def _clips(self, sound: Any, ended: bool) -> tuple[list[tuple[float, float]], int]:
        """What to listen to at once, each from and to a second; how many samples that uses up.

        Unless the recording has `ended`, speech that may go on is left for the next time.
        """
        if not self._skip:
            used = len(sound) if ended else _quietest(sound, len(sound) - 5 * RATE, len(sound))
            return self._windows(sound, used), used
        clips = self._spoken(sound)
        if ended or not clips or clips[-1][1] < len(sound) / RATE - EDGE:
            return clips, len(sound)
        going_on = round(clips[-1][0] * RATE)
        return (clips[:-1], going_on) if going_on else (clips, len(sound))

    def _windows(self, sound: Any, used: int) -> list[tuple[float, float]]:
        """All of it: as a whole where Whisper may go on by its own timestamps, else in pieces."""
        ends = [0]
        while self._longest < 30 and used - ends[-1] > self._longest * RATE:
            furthest = ends[-1] + self._longest * RATE
            ends.append(_quietest(sound, furthest - self._longest * RATE // 4, furthest))
        ends.append(used)
        return [(a / RATE, b / RATE) for a, b in pairwise(ends) if b > a]

    def _spoken(self, sound: Any) -> list[tuple[float, float]]:
        """Where somebody speaks; what is near enough to fit is listened to together."""
        from faster_whisper.vad import VadOptions, get_speech_timestamps

        options = VadOptions(max_speech_duration_s=self._longest, min_silence_duration_ms=PAUSE)
        clips: list[tuple[float, float]] = []
        for found in get_speech_timestamps(sound, options, RATE):
            begin, end = found["start"] / RATE, found["end"] / RATE
            if clips and end - clips[-1][0] <= self._longest:
                clips[-1] = (clips[-1][0], end)
            else:
                clips.append((begin, end))
        return clips

    def _heard(
        self, sound: Any, clips: list[tuple[float, float]], offset: float
    ) -> Iterator[Segment]:
        if not clips:
            return
        heard, about = self._whisper.transcribe(
            sound,
            language=self._language,
            clip_timestamps=[second for clip in clips for second in clip],
            condition_on_previous_text=self._remember,
            **self._options,
        )
        if self._language is None:
            self._language = about.language
            print(f"Language: {about.language} ({about.language_probability:.0%} sure)")
            current_scope().record_metric("language", about.language)
        tokens: list[int] = []
        for each in heard:
            tokens += each.tokens
            yield _segment(each, offset)
        if self._remember and tokens:
            # Of the tokens, those that are text come first; the end of the text comes after them.
            end = self._whisper.hf_tokenizer.token_to_id("<|endoftext|>")
            self._options["initial_prompt"] = [token for token in tokens if token < end]


def _quietest(sound: Any, first: int, last: int) -> int:
    """Where to cut between two samples, so that a word is rarely cut in two."""
    import numpy as np

    size = RATE // 20
    moments = [float(np.square(sound[at : at + size]).sum()) for at in range(first, last, size)]
    return first + size * moments.index(min(moments)) + size // 2


def _segment(heard: Any, offset: float) -> Segment:
    start, end = round(offset + heard.start, 3), round(offset + heard.end, 3)
    segment: Segment = {"start": start, "end": end, "text": heard.text.strip()}
    if heard.words is not None:
        segment["words"] = [
            {
                "start": round(offset + each.start, 3),
                "end": round(offset + each.end, 3),
                "word": each.word,
            }
            for each in heard.words
        ]
    return segment


def _temperatures(first: float, step: float) -> list[float]:
    if step < 0.01:
        return [first]
    return [first + step * number for number in range(int((1 - first) / step + 1e-6) + 1)]


def _numbers(text: str) -> list[int]:
    try:
        return [int(each) for each in text.split(",") if each.strip()]
    except ValueError:
        raise InvalidInput(
            f"suppress_tokens is {text!r}. Write whole numbers with commas between them, or -1."
        ) from None


def _written(segments: list[Segment], kind: str) -> Path:
    """The segments as a file of subtitles."""
    comma = "," if kind == "srt" else "."
    blocks = ["WEBVTT"] if kind == "vtt" else []
    for number, each in enumerate(segments, 1):
        text = escape(each["text"], quote=False) if kind == "vtt" else each["text"]
        times = f"{_clock(each['start'], comma)} --> {_clock(each['end'], comma)}"
        blocks.append(f"{number}\n{times}\n{text}")
    path = FilePath(tempfile.mkdtemp()) / f"transcript.{kind}"
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    return Path(path)


def _clock(seconds: float, comma: str) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{comma}{thousandths:03}"
