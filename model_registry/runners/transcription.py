"""Whisper as Replicate's `openai/whisper` answers: one object, of the whole recording."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import subtitles
from listening import Listener, Segment
from spoken_languages import CODES, NAMES, TITLES
from whisper_model import Whisper, beams, temperatures

from cog import BaseModel, BasePredictor, Input, InvalidInput, Path, current_scope

SIZES = ("tiny", "base", "small", "medium", "large-v2", "large-v3", "large-v3-turbo")
AT_ONCE = 32
"""Pieces of at most 30 seconds that may be understood together."""


class Output(BaseModel):
    """Replicate's fields, and `vtt_file`. `detected_language` is a name in English. A segment has
    what Whisper says of it: `id`, `seek`, `start`, `end`, `text`, `tokens`, `temperature`,
    `avg_logprob`, `compression_ratio`, `no_speech_prob`, and `words` if they were asked for.
    """

    detected_language: str
    transcription: str
    segments: list[dict[str, Any]]
    translation: str | None = None
    txt_file: Path | None = None
    srt_file: Path | None = None
    vtt_file: Path | None = None


class Transcription(BasePredictor):
    def setup(self, weights: str, precision: str = "", size: str = "") -> None:
        """`weights` is a folder with a converted Whisper of the named `size`."""
        self.whisper = Whisper(weights, precision)
        self.size = size

    def predict(
        self,
        audio: Path = Input(description="Audio file"),
        model: str | None = Input(
            default=None,
            choices=list(SIZES),
            description="Which size answers. Each is a model of its own here, and a run by this "
            "model's name is one of that model.",
        ),
        transcription: str = Input(
            default="plain text",
            choices=["plain text", *subtitles.KINDS],
            description="Choose the format for the transcription",
        ),
        translate: bool = Input(
            default=False, description="Translate the text to English when set to True"
        ),
        language: str = Input(
            default="auto",
            choices=["auto", *sorted(CODES), *TITLES],
            description="Language spoken in the audio, specify 'auto' for automatic language "
            "detection",
        ),
        temperature: float = Input(
            default=0, ge=0, le=1, description="Temperature to use for sampling"
        ),
        patience: float | None = Input(
            default=None,
            ge=0.1,
            le=5,
            description="Patience of the beam search; unset, 1: plain beam search",
        ),
        suppress_tokens: str = Input(
            default="-1",
            description="Comma-separated list of token ids to suppress during sampling; '-1' "
            "suppresses most special characters except common punctuation",
        ),
        initial_prompt: str | None = Input(
            default=None, description="Text to provide as a prompt for the first window"
        ),
        condition_on_previous_text: bool = Input(
            default=True,
            description="Provide the previous output as a prompt for the next window; disabling "
            "may make the text inconsistent, but it gets stuck in a loop less easily",
        ),
        temperature_increment_on_fallback: float | None = Input(
            default=0.2,
            ge=0,
            le=1,
            description="Temperature to add where decoding fails one of the thresholds below",
        ),
        compression_ratio_threshold: float = Input(
            default=2.4,
            description="Decoding has failed if the gzip compression ratio is higher than this",
        ),
        logprob_threshold: float = Input(
            default=-1,
            description="Decoding has failed if the average log probability is lower than this",
        ),
        no_speech_threshold: float = Input(
            default=0.6,
            description="A segment is silence if the probability of no speech is higher than this "
            "and decoding has failed due to logprob_threshold",
        ),
        word_timestamps: bool = Input(
            default=False, description="Give the time of each word as well"
        ),
        vad_filter: bool = Input(
            default=True, description="Skip what is no speech: silence, noise, music"
        ),
        beam_size: int = Input(
            default=5, ge=1, le=20, description="Wordings that are weighed against each other"
        ),
        batch_size: int = Input(
            default=1,
            ge=1,
            le=AT_ONCE,
            description="Pieces of speech to understand together: several times as fast on a GPU, "
            "each by itself. Needs vad_filter",
        ),
        seed: int | None = Input(
            default=None, description="The same seed tries again in the same way; unset, random"
        ),
    ) -> Output:
        """Writes down a recording of any length, and what it means in English if asked.

        Each segment is in the log as soon as it is understood.
        """
        began = time.monotonic()
        self._refuse(model, batch_size, vad_filter)
        self.whisper.plant(seed)
        spoken = self.whisper.language(language, translate)
        options = {
            "word_timestamps": word_timestamps,
            "initial_prompt": initial_prompt or None,
            **beams(beam_size, patience),
            "temperature": temperatures(temperature, temperature_increment_on_fallback or 0),
            "compression_ratio_threshold": compression_ratio_threshold,
            "log_prob_threshold": logprob_threshold,
            "no_speech_threshold": no_speech_threshold,
            "suppress_tokens": self.whisper.tokens(suppress_tokens),
        }

        common = (
            self.whisper.batched,
            vad_filter,
            False,
            30,
            condition_on_previous_text,
            batch_size,
        )
        listener = Listener(*common, language=spoken, task="transcribe", **options)
        segments = _all(listener.heard(audio, 0, 1 + translate))
        if not segments:
            print("Nobody was heard speaking.")
        translation = None
        if translate:
            spoken = listener.language
            translator = Listener(*common, language=spoken, task="translate", **options)
            translation = _text(_all(translator.heard(audio, 1, 2)))
        spent = time.monotonic() - began
        if listener.seconds:
            current_scope().record_metric("real_time_factor", round(spent / listener.seconds, 3))
        return _output(transcription, segments, translation, listener.language)

    def _refuse(self, size: str | None, at_once: int, skip: bool) -> None:
        if size is not None and size != self.size:
            raise InvalidInput(
                f"These are the weights of {self.size}, not {size}. Ask for the model by its name "
                "alone: a version or a deployment has one kind of weights."
            )
        if at_once == 1:
            return
        if not skip:
            raise InvalidInput(
                f"batch_size is {at_once}: pieces between pauses are understood together, and "
                "pauses must be looked for. Turn vad_filter on, or set batch_size to 1."
            )
        print(
            f"Understanding {at_once} pieces together: each by itself, without what was said "
            "before, and no second try at a higher temperature."
        )


def _all(heard: Iterator[tuple[Segment, Any]]) -> list[dict[str, Any]]:
    return [_told(number, *each) for number, each in enumerate(heard)]


def _told(number: int, segment: Segment, details: Any) -> dict[str, Any]:
    """One segment as Whisper describes it; it goes to the log at once."""
    start, end = segment["start"], segment["end"]
    print(f"[{subtitles.clock(start)} --> {subtitles.clock(end)}] {segment['text']}")
    told = {
        "id": number,
        "seek": details.seek,
        "start": start,
        "end": end,
        "text": details.text,
        "tokens": list(details.tokens),
        "temperature": details.temperature or 0.0,
        "avg_logprob": float(details.avg_logprob),
        "compression_ratio": float(details.compression_ratio),
        "no_speech_prob": float(details.no_speech_prob),
    }
    if "words" in segment:
        chances = [float(each.probability) for each in details.words]
        told["words"] = [
            {**word, "probability": chance}
            for word, chance in zip(segment["words"], chances, strict=True)
        ]
    return told


def _text(segments: list[dict[str, Any]]) -> str:
    return "".join(each["text"] for each in segments)


def _output(
    kind: str, segments: list[dict[str, Any]], translation: str | None, language: str | None
) -> Output:
    plain = kind == "plain text"
    text = _text(segments) if plain else subtitles.text(segments, kind)
    extension = "txt" if plain else kind
    fields = {
        "detected_language": NAMES[language] if language else "unknown",
        "transcription": text,
        "segments": segments,
        "translation": translation,
        f"{extension}_file": subtitles.written(text.strip() + "\n", extension),
    }
    return Output(**fields)
