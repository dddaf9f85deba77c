"""Speech from text with SpeechT5, in the voice that a vector of numbers stands for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from pretrained import on_device, pretrained, quiet
from sentences import sentences
from sound_making import FORMATS, SoundMaking
from speaking import Counting, forget_lengths, refuse_nothing

from cog import BasePredictor, Input, InvalidInput, Path


class SpeechT5(BasePredictor):
    def setup(self, weights: str, precision: str = "", parts: dict[str, str] | None = None) -> None:
        """The part `vocoder` is a folder with the HiFi-GAN that turns its spectra into sound."""
        from transformers import AutoTokenizer

        quiet()
        forget_lengths()
        self.model = pretrained("SpeechT5ForTextToSpeech", weights, precision).float()
        folder = (parts or {})["vocoder"]
        self.vocoder = pretrained("SpeechT5HifiGan", folder).float()
        self.tokenizer = AutoTokenizer.from_pretrained(weights)
        self.numbers = int(self.model.config.speaker_embedding_dim)
        self.reads = int(self.model.config.max_text_positions)

    def predict(
        self,
        text: str = Input(description="What to say, in the language of the model."),
        voice: Path | None = Input(
            default=None,
            description="The voice: its vector (x-vector) as a file of numbers, .npy or JSON, such "
            "as those of CMU ARCTIC. Without one a voice is drawn by the seed: it is nobody's, and "
            "may be a poor one.",
        ),
        output_format: str = Input(
            default="wav", choices=list(FORMATS), description="Of the file."
        ),
        seed: int | None = Input(
            default=None, description="The same seed speaks alike; unset or -1, random."
        ),
    ) -> Path:
        """The text as speech, one sentence after the other."""
        refuse_nothing(text)
        making = SoundMaking(seed)
        vector = self._drawn(making) if voice is None else self._read(FilePath(voice))
        rate = int(self.vocoder.config.sampling_rate)
        pieces = self._said(text, vector)
        file: Path | None = making.file_of(pieces, rate, output_format, "speech")
        if file is None:
            raise InvalidInput("Nothing in the text can be spoken by this voice: use its letters.")
        return file

    def _said(self, text: str, vector: Any) -> Iterator[Any]:
        import torch

        told = Counting()
        hook = self.model.speecht5.decoder.wrapped_decoder.register_forward_hook(
            lambda *_: told.put(None)
        )
        try:
            for each in sentences(text):
                read = self.tokenizer(each.strip(), return_tensors="pt")
                if not each.strip() or read["input_ids"].shape[-1] < 2:  # its end, and no letter
                    continue
                if read["input_ids"].shape[-1] > self.reads:
                    raise InvalidInput(
                        f"A sentence has {read['input_ids'].shape[-1]} letters; this model reads "
                        f"{self.reads} at once. Write shorter ones."
                    )
                with torch.inference_mode():
                    wave = self.model.generate_speech(
                        on_device(read, self.model)["input_ids"],
                        vector.to(self.model.device),
                        vocoder=self.vocoder,
                    )
                yield wave.float().cpu().numpy()
        finally:
            hook.remove()

    def _drawn(self, making: SoundMaking) -> Any:
        import torch

        print("No voice is given: one is drawn by the seed.")
        drawn = torch.randn(1, self.numbers, generator=making.generator())
        return torch.nn.functional.normalize(drawn)

    def _read(self, file: FilePath) -> Any:
        import numpy
        import torch

        try:
            if file.read_bytes()[:6] == b"\x93NUMPY":
                held = numpy.load(file, allow_pickle=False)
            else:
                held = numpy.array(json.loads(file.read_text()))
            numbers = held.astype(numpy.float32).reshape(-1)
        except (ValueError, TypeError, UnicodeDecodeError):
            raise InvalidInput(
                "voice is no file of numbers: it must be .npy, or JSON such as [0.1, -0.2, …]."
            ) from None
        if len(numbers) != self.numbers or not numpy.isfinite(numbers).all():
            raise InvalidInput(
                f"voice has {len(numbers)} numbers; this model takes a vector of {self.numbers}."
            )
        return torch.from_numpy(numbers)[None]
