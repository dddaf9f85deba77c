"""Text from speech: the Whisper family, in CTranslate2's form, through faster-whisper."""

from __future__ import annotations

from collections.abc import Iterator

import subtitles
from listening import Listener, Segment
from spoken_languages import CODES
from whisper_model import Whisper, beams, temperatures

from cog import BasePredictor, Input, InvalidInput, Path


class SpeechToText(BasePredictor):
    def setup(self, weights: str, precision: str = "") -> None:
        """`weights` is a folder (or a repository's id) with a converted Whisper."""
        self.whisper = Whisper(weights, precision)

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
            choices=["auto", *CODES],
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
        at_pauses = cut_at == "pauses"
        if at_pauses and not vad_filter:
            raise InvalidInput("To cut at pauses, they must be looked for: turn vad_filter on.")
        self.whisper.plant(seed)
        listener = Listener(
            self.whisper.batched,
            vad_filter,
            at_pauses,
            chunk_length,
            condition_on_previous_text,
            language=self.whisper.language(language, translate),
            task="translate" if translate else "transcribe",
            word_timestamps=word_timestamps,
            initial_prompt=initial_prompt or None,
            **beams(beam_size, patience),
            temperature=temperatures(temperature, temperature_increment_on_fallback),
            compression_ratio_threshold=compression_ratio_threshold,
            log_prob_threshold=logprob_threshold,
            no_speech_threshold=no_speech_threshold,
            suppress_tokens=self.whisper.tokens(suppress_tokens),
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
            last["subtitles"] = subtitles.written(
                subtitles.text(lines, transcription), transcription
            )
        yield last
