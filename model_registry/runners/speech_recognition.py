"""Text from speech by models of transformers: those that write (Whisper, Moonshine, Speech2Text),
those that spell what they hear (wav2vec 2.0, HuBERT, WavLM and others with CTC), and those that do
so word for word (Parakeet's transducers).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypedDict

from pretrained import on_device, pretrained, trusting
from recording import Recording

from cog import BasePredictor, Input, InvalidInput, Path, current_scope

STRETCH = 60
"""Seconds of sound that are decoded at once: bounds the memory, however long the file is."""
LONGEST = 28
"""Seconds that are listened to at once; Whisper hears no more than 30."""


_CLASSES = {
    "CTC": "AutoModelForCTC", "TDT": "AutoModelForTDT", "RNNT": "AutoModelForRNNT",
}  # fmt: skip
"""By the ending of a class's name; all others write."""


class Segment(TypedDict):
    """What is said, and from when to when, in seconds."""

    start: float
    end: float
    text: str


class SpeechRecognition(BasePredictor):
    def setup(self, weights: str, precision: str = "", trust_code: bool = False) -> None:
        """`weights` is a folder with a model, its feature extractor and its tokenizer."""
        from transformers import AutoConfig, AutoFeatureExtractor, AutoTokenizer

        trust = trusting(trust_code)
        config = AutoConfig.from_pretrained(weights, **trust)
        named = "".join(config.architectures or ())
        ending = next((each for each in _CLASSES if named.endswith(each)), "")
        self.spells = ending == "CTC"
        # Here each letter that is given stands for itself: none is said twice by being held.
        self.reading = {"group_tokens": False} if ending in ("TDT", "RNNT") else {}
        kind = _CLASSES.get(ending, "AutoModelForSpeechSeq2Seq")
        self.model = pretrained(kind, weights, precision, trust_code)
        self.hears = AutoFeatureExtractor.from_pretrained(weights, **trust)
        self.tokenizer = AutoTokenizer.from_pretrained(weights, **trust)
        settings = getattr(self.model, "generation_config", None)
        known = getattr(settings, "lang_to_id", None) or {}
        self.languages = sorted(each.strip("<|>") for each in known)

    def predict(
        self,
        audio: Path = Input(
            description="Speech: a recording of any format, or the microphone.", accept="audio/*"
        ),
        language: str = Input(
            default="",
            description="What is spoken, such as en; empty: the model listens for it. Only for "
            "models that know several.",
        ),
        translate: bool = Input(
            default=False,
            description="Write in English what is said in another language. Only for models that "
            "know several.",
        ),
    ) -> Iterator[Segment]:
        """What is said, piece by piece, as it is understood."""
        spoken = self._spoken(language, translate)
        rate = int(self.hears.sampling_rate)
        scope = current_scope()
        begun = 0
        with Recording(audio, rate, STRETCH) as recording:
            for sound in _pieces(recording, rate):
                start, begun = begun / rate, begun + len(sound)
                if text := self._understood(sound, rate, spoken):
                    end = round(begun / rate, 3)
                    yield {"start": round(start, 3), "end": end, "text": text}
                scope.progress(round(begun / rate, 2), recording.seconds, "second")
        scope.record_metric("audio_seconds", round(begun / rate, 3))

    def _spoken(self, language: str, translate: bool) -> dict[str, Any]:
        """What `generate` has to know of the languages."""
        if not self.languages:
            if language or translate:
                raise InvalidInput(
                    "This model understands what it was taught, and no choice of languages. Leave "
                    "language empty and translate off."
                )
            return {}
        if language and language not in self.languages:
            raise InvalidInput(
                f"language is {language!r}; this model knows {', '.join(self.languages)}."
            )
        task = "translate" if translate else "transcribe"
        return {"task": task, **({"language": language} if language else {})}

    def _understood(self, sound: Any, rate: int, spoken: dict[str, Any]) -> str:
        import torch

        # A breath is too short for the first layers: they need a few samples.
        if len(sound) < rate // 10:
            import numpy

            sound = numpy.pad(sound, (0, rate // 10 - len(sound)))
        inputs = self.hears(sound, sampling_rate=rate, return_tensors="pt")
        with torch.no_grad():
            given = on_device(inputs, self.model)
            if self.spells:
                tokens = self.model(**given).logits[0].argmax(-1)
            else:
                made = self.model.generate(**given, **spoken)
                tokens = getattr(made, "sequences", made)[0]
        text: str = self.tokenizer.decode(tokens, skip_special_tokens=True, **self.reading)
        return text.strip()


def _pieces(recording: Recording, rate: int) -> Iterator[Any]:
    """All of a recording in pieces short enough to be heard, cut where it is quiet."""
    import numpy

    waiting = numpy.zeros(0, numpy.float32)
    for part, _ in recording.parts():
        waiting = numpy.concatenate([waiting, part])
        while len(waiting) > LONGEST * rate:
            cut = _quietest(waiting, LONGEST * rate * 3 // 4, LONGEST * rate, rate // 20)
            yield waiting[:cut]
            waiting = waiting[cut:]
    if len(waiting):
        yield waiting


def _quietest(sound: Any, first: int, last: int, size: int) -> int:
    """Where to cut between two samples, so that a word is rarely cut in two."""
    import numpy

    moments = [float(numpy.square(sound[at : at + size]).sum()) for at in range(first, last, size)]
    return first + size * moments.index(min(moments)) + size // 2
