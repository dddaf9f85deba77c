"""Text from speech: the Whisper family, in CTranslate2's form, through faster-whisper."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path as FilePath

from listening import Listener, Segment

from cog import BasePredictor, Input, InvalidInput, Path

LANGUAGES = (
    "af", "am", "ar", "as", "az", "ba", "be", "bg", "bn", "bo", "br", "bs", "ca", "cs", "cy",
    "da", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fo", "fr", "gl", "gu", "ha", "haw",
    "he", "hi", "hr", "ht", "hu", "hy", "id", "is", "it", "ja", "jw", "ka", "kk", "km", "kn",
    "ko", "la", "lb", "ln", "lo", "lt", "lv", "mg", "mi", "mk", "ml", "mn", "mr", "ms", "mt",
    "my", "ne", "nl", "nn", "no", "oc", "pa", "pl", "ps", "pt", "ro", "ru", "sa", "sd", "si",
    "sk", "sl", "sn", "so", "sq", "sr", "su", "sv", "sw", "ta", "te", "tg", "th", "tk", "tl",
    "tr", "tt", "uk", "ur", "uz", "vi", "yi", "yo", "yue", "zh",
)  # fmt: skip
SMALL = 200_000_000
"""Bytes of weights below which the processor computes in full precision, on one thread."""


class SpeechToText(BasePredictor):
    def setup(self, weights: str) -> None:
        """`weights` is a folder (or a repository's id) with a converted Whisper."""
        import ctranslate2
        from faster_whisper import BatchedInferencePipeline, WhisperModel

        cuda = ctranslate2.get_cuda_device_count() > 0
        model = FilePath(weights) / "model.bin"
        small = model.is_file() and model.stat().st_size < SMALL
        self.whisper = WhisperModel(
            weights,
            device="cuda" if cuda else "cpu",
            compute_type="float16" if cuda else "float32" if small else "int8",
            cpu_threads=1 if small else 0,
        )
        self.batched = BatchedInferencePipeline(self.whisper)

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
        cut_at: str = Input(
            default="timestamps",
            choices=["timestamps", "pauses"],
            description="Where a segment ends: where the model says, or at each pause. What is "
            "between two pauses is understood by itself, on a GPU several at a time.",
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

        at_pauses = cut_at == "pauses"
        if at_pauses and not vad_filter:
            raise InvalidInput("To cut at pauses, they must be looked for: turn vad_filter on.")
        seed = secrets.randbits(31) if seed is None else seed % 2**31
        print(f"Using seed: {seed}")
        ctranslate2.set_random_seed(seed)
        listener = Listener(
            self.batched,
            vad_filter,
            at_pauses,
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
