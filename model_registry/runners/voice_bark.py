"""Speech from text with Bark: voices that also laugh, sigh and sing, in thirteen languages."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path as FilePath
from typing import Any

from pretrained import on_device, pretrained, quiet
from sound_making import SoundMaking
from speaking import Counting, fell_silent, refuse_nothing, warm

from cog import BaseModel, BasePredictor, Input, InvalidInput, Path

HISTORY = {"semantic_prompt": 1, "coarse_prompt": 2, "fine_prompt": 2}
"""What a voice is made of, and how many dimensions each has."""
LANGUAGES = ("de", "en", "es", "fr", "hi", "it", "ja", "ko", "pl", "pt", "ru", "tr", "zh")
VOICES = ["announcer", *(f"{each}_speaker_{number}" for each in LANGUAGES for number in range(10))]


class ModelOutput(BaseModel):
    audio_out: Path
    prompt_npz: Path | None = None


class Bark(BasePredictor):
    def setup(self, weights: str, precision: str = "") -> None:
        from transformers import AutoTokenizer

        quiet()
        self.model = pretrained("BarkModel", weights, precision)
        self.tokenizer = AutoTokenizer.from_pretrained(weights)
        self.folder = FilePath(weights)
        listed = self.folder / "speaker_embeddings_path.json"
        self.voices = json.loads(listed.read_text()) if listed.is_file() else {}

    def predict(
        self,
        prompt: str = Input(
            default="Hello, my name is Suno. And, uh — and I like pizza. [laughs] But I also have "
            "other interests such as playing tic tac toe.",
            description="Input prompt",
        ),
        history_prompt: str | None = Input(
            default=None,
            choices=VOICES,
            description="history choice for audio cloning, choose from the list",
        ),
        custom_history_prompt: Path | None = Input(
            default=None,
            description="Provide your own .npz file with history choice for audio cloning, this "
            "will override the previous history_prompt setting",
        ),
        text_temp: float = Input(
            default=0.7,
            ge=0,
            le=2,
            description="generation temperature (1.0 more diverse, 0.0 more conservative)",
        ),
        waveform_temp: float = Input(
            default=0.7,
            ge=0,
            le=2,
            description="generation temperature (1.0 more diverse, 0.0 more conservative)",
        ),
        output_full: bool = Input(
            default=False,
            description="return full generation as a .npz file to be used as a history prompt",
        ),
        seed: int | None = Input(
            default=None, description="The same seed speaks alike; unset or -1, random."
        ),
    ) -> ModelOutput:
        """About 13 seconds at most: what a prompt says beyond that is not spoken."""
        import numpy as np
        import torch
        from transformers.models.bark.processing_bark import BarkProcessor

        refuse_nothing(prompt)
        voice = self._voice(history_prompt, custom_history_prompt)
        count = len(self.tokenizer(prompt, add_special_tokens=False).input_ids)
        if count > 256:
            print(f"The prompt has {count} tokens; the first 256 are read.")
        making = SoundMaking(seed)
        read = BarkProcessor(self.tokenizer)(prompt, voice_preset=voice)
        history = read.pop("history_prompt", None)
        given = on_device(read, self.model)
        if history is not None:
            given["history_prompt"] = {
                name: each.to(self.model.device) for name, each in history.items()
            }
        with torch.inference_mode():
            parts = self._spoken(given, text_temp, waveform_temp)
            if not parts["fine_prompt"].shape[-1]:
                raise fell_silent("Bark")
            wave = self.model.codec_decode(parts["fine_prompt"])[0]
        rate = self.model.generation_config.sample_rate
        spoken = making.file(wave.float().cpu().numpy(), rate, "wav", "speech")
        if not output_full:
            return ModelOutput(**{"audio_out": spoken})
        file = FilePath(spoken).with_name("prompt.npz")
        codes = parts["coarse_prompt"].reshape(-1, 2).T % self._books()
        np.savez(
            file,
            semantic_prompt=parts["semantic_prompt"][0].cpu().numpy(),
            coarse_prompt=codes.cpu().numpy(),
            fine_prompt=parts["fine_prompt"][0].cpu().numpy(),
        )
        return ModelOutput(**{"audio_out": spoken, "prompt_npz": Path(file)})

    def _books(self) -> int:
        return int(self.model.generation_config.codebook_size)

    def _spoken(self, given: dict[str, Any], text_temp: float, wave_temp: float) -> dict[str, Any]:
        """From text to meaning, to rough sound, to fine sound, in tokens."""
        from transformers.models.bark import generation_configuration_bark as forms

        config = self.model.generation_config
        meaning = forms.BarkSemanticGenerationConfig(**config.semantic_config)
        coarse = forms.BarkCoarseGenerationConfig(**config.coarse_acoustics_config)
        fine = forms.BarkFineGenerationConfig(**config.fine_acoustics_config)
        history = given.get("history_prompt")
        told = [Counting()]
        said = self.model.semantic.generate(
            given["input_ids"],
            attention_mask=given["attention_mask"],
            history_prompt=history,
            semantic_generation_config=meaning,
            stopping_criteria=told,
            **warm(text_temp),
        )
        rough = self.model.coarse_acoustics.generate(
            said,
            history_prompt=history,
            semantic_generation_config=meaning,
            coarse_generation_config=coarse,
            codebook_size=self._books(),
            stopping_criteria=told,
            **warm(wave_temp),
        )
        whole = self.model.fine_acoustics.generate(
            rough,
            history_prompt=history,
            semantic_generation_config=meaning,
            coarse_generation_config=coarse,
            fine_generation_config=fine,
            codebook_size=self._books(),
            temperature=wave_temp or None,
        )
        return {
            "semantic_prompt": said,
            "coarse_prompt": rough - meaning.semantic_vocab_size,
            "fine_prompt": whole,
        }

    def _voice(self, name: str | None, file: Path | None) -> dict[str, Any] | None:
        import numpy as np

        if file is not None:
            return _history(file)
        if name is None:
            return None
        known = self.voices.get(name) or self.voices.get(f"v2/{name}")
        if known is None:
            there = ", ".join(sorted(each for each in self.voices if each != "repo_or_path"))
            raise InvalidInput(f"This Bark has no voice {name!r}. It has: {there or 'none'}.")
        # Never `allow_pickle`: the files are anybody's.
        return {part: np.load(self.folder / known[part]) for part in HISTORY}


def _history(file: Path) -> dict[str, Any]:
    """A voice of Bark from somebody's file."""
    import numpy as np

    try:
        with np.load(file, allow_pickle=False) as archive:
            voice = {part: archive[part] for part in HISTORY}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidInput(
            "custom_history_prompt is no voice of Bark: it must be an .npz file with "
            f"{', '.join(HISTORY)}."
        ) from error
    for part, dimensions in HISTORY.items():
        if voice[part].ndim != dimensions or voice[part].dtype.kind not in "iu":
            raise InvalidInput(
                f"custom_history_prompt: {part} must have {dimensions} dimension"
                f"{'s' if dimensions > 1 else ''} of whole numbers."
            )
    return voice
