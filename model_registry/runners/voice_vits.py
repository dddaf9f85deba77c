"""Speech from text with VITS, MMS among them: one voice, one language, quick also without a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pretrained import on_device, pretrained, quiet
from sentences import groups
from sound_making import FORMATS, SoundMaking
from speaking import forget_lengths, refuse_nothing

from cog import BasePredictor, Input, InvalidInput, Path, current_scope


class Vits(BasePredictor):
    def setup(self, weights: str, precision: str = "") -> None:
        from transformers import AutoTokenizer

        quiet()
        forget_lengths()
        self.model = pretrained("VitsModel", weights, precision).float()
        self.tokenizer = AutoTokenizer.from_pretrained(weights)
        if self.tokenizer.is_uroman:
            raise ValueError(
                "These weights read a romanised alphabet: the package uroman would be needed."
            )

    def predict(
        self,
        text: str = Input(description="What to say, in the language of the model."),
        speed: float = Input(default=1, ge=0.25, le=4, description="1 is as people speak."),
        variation: float = Input(
            default=0.667, ge=0, le=1.5, description="How lively the voice is; 0 is monotonous."
        ),
        output_format: str = Input(
            default="wav", choices=list(FORMATS), description="Of the file."
        ),
        seed: int | None = Input(
            default=None, description="The same seed speaks alike; unset or -1, random."
        ),
    ) -> Path:
        """The text as speech, a few sentences after the other."""
        refuse_nothing(text)
        making = SoundMaking(seed)
        self.model.speaking_rate, self.model.noise_scale = speed, variation
        rate = self.model.config.sampling_rate
        file: Path | None = making.file_of(self._said(text), rate, output_format, "speech")
        if file is None:
            raise InvalidInput("Nothing in the text can be spoken by this voice: use its letters.")
        return file

    def _said(self, text: str) -> Iterator[Any]:
        import torch

        parts = ["".join(each) for each in groups(text)]
        for number, part in enumerate(parts, 1):
            read = on_device(self.tokenizer(part, return_tensors="pt"), self.model)
            # Between all letters are blanks; what has only those has no letter that is known.
            if read["input_ids"].shape[-1] > 1:
                with torch.inference_mode():
                    yield self.model(**read).waveform[0].float().cpu().numpy()
            current_scope().progress(number, len(parts), unit="part")
