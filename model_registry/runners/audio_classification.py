"""What is heard in a recording, of the things a model knows: any model of transformers that sorts
sounds (AST, wav2vec 2.0, HuBERT, Whisper).
"""

from __future__ import annotations

from typing import Any

from labels import Label, names_of, ranked, scores_of
from pretrained import beside, on_device, pretrained
from recording import Recording

from cog import BasePredictor, Input, Path, current_scope

PIECE = 10
"""Seconds that are heard at once: what models of sounds were taught with."""


class AudioClassification(BasePredictor):
    def setup(self, weights: str, precision: str = "", trust_code: bool = False) -> None:
        """`weights` is a folder with a model and its feature extractor."""
        self.model = pretrained("AutoModelForAudioClassification", weights, precision, trust_code)
        self.hears = beside("AutoFeatureExtractor", weights, trust_code)
        self.names = names_of(self.model)

    def predict(
        self,
        audio: Path = Input(description="A recording of any format.", accept="audio/*"),
        top_k: int = Input(
            default=5, ge=1, le=1000, description="How many things to name, the surest first."
        ),
    ) -> list[Label]:
        """What is heard, the surest first: of a long recording the mean over its pieces."""
        import numpy

        rate = int(self.hears.sampling_rate)
        total = numpy.zeros(len(self.names))
        heard = 0
        with Recording(audio, rate, PIECE) as recording:
            for sound, _ in recording.parts():
                # The last piece may be too short to tell anything.
                if len(sound) < rate // 10 and heard:
                    continue
                total += self._scores(sound, rate) * max(len(sound), 1)
                heard += max(len(sound), 1)
                current_scope().progress(round(heard / rate, 2), recording.seconds, "second")
        found: list[Label] = ranked(self.names, (total / heard).tolist(), top_k)
        return found

    def _scores(self, sound: Any, rate: int) -> Any:
        import numpy
        import torch

        if len(sound) < rate // 10:
            sound = numpy.pad(sound, (0, rate // 10 - len(sound)))
        inputs = self.hears(sound, sampling_rate=rate, return_tensors="pt")
        with torch.no_grad():
            seen = self.model(**on_device(inputs, self.model)).logits[0].float()
        return scores_of(self.model, seen).cpu().numpy()
