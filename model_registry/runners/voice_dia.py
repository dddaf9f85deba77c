"""Dialogues of two speakers with Dia, with laughter and other noises between."""

from __future__ import annotations

from typing import Any

from pretrained import on_device, pretrained, quiet
from recording import sample
from sound_making import SoundMaking
from speaking import Counting, fell_silent, refuse_nothing, warm

from cog import BasePredictor, Input, InvalidInput, Path


class Dia(BasePredictor):
    def setup(self, weights: str, precision: str = "", parts: dict[str, str] | None = None) -> None:
        """The part `codec` is a folder with the DAC that turns its tokens into sound."""
        from transformers import AutoFeatureExtractor, AutoTokenizer, DacModel, DiaProcessor

        quiet()
        self.model = pretrained("DiaForConditionalGeneration", weights, precision)
        codec = DacModel.from_pretrained((parts or {})["codec"]).to(self.model.device).eval()
        self.processor = DiaProcessor(
            AutoFeatureExtractor.from_pretrained(weights),
            AutoTokenizer.from_pretrained(weights),
            codec,
        )
        self.rate = codec.config.sampling_rate

    def predict(
        self,
        text: str = Input(
            description="Input text for dialogue generation. Use [S1], [S2] to indicate different "
            "speakers and (description) in parentheses for non-verbal cues e.g., (laughs).",
        ),
        audio_prompt: Path | None = Input(
            default=None,
            description="Optional audio file for voice cloning. The model will attempt to mimic "
            "this voice style.",
        ),
        audio_prompt_text: str | None = Input(
            default=None, description="What is said in the audio prompt, with [S1] and [S2]."
        ),
        max_new_tokens: int = Input(
            default=3072,
            ge=500,
            le=4096,
            description="Controls the length of generated audio (86 tokens ≈ 1 second of audio).",
        ),
        max_audio_prompt_seconds: int = Input(
            default=10,
            ge=1,
            le=120,
            description="Longer voice samples will be truncated to this length.",
        ),
        cfg_scale: float = Input(
            default=3, ge=1, le=5, description="How closely the audio follows your text."
        ),
        temperature: float = Input(
            default=1.3, ge=0.1, le=2, description="Higher values increase variety."
        ),
        top_p: float = Input(
            default=0.95, ge=0.1, le=1, description="Lower values leave out what is unusual."
        ),
        cfg_filter_top_k: int = Input(
            default=35, ge=10, le=100, description="Higher values allow more diverse sounds."
        ),
        speed_factor: float = Input(
            default=0.94,
            ge=0.5,
            le=1.5,
            description="Adjusts playback speed; values below 1.0 slow down the audio.",
        ),
        seed: int | None = Input(
            default=None, description="Random seed for reproducible results; unset, random."
        ),
    ) -> Path:
        """The dialogue as sound, without the prompt."""
        import numpy as np
        import torch

        refuse_nothing(text)
        if (audio_prompt is None) != (not audio_prompt_text):
            raise InvalidInput(
                "audio_prompt and audio_prompt_text belong together: give what is said in the "
                "recording, or neither."
            )
        making = SoundMaking(seed)
        heard = {}
        if audio_prompt is not None:
            text = f"{audio_prompt_text} {text}"
            voice = sample(audio_prompt, self.rate, max_audio_prompt_seconds, 1, "audio_prompt")
            heard = {"audio": voice[0], "sampling_rate": self.rate}
        most = self.model.config.encoder_config.max_position_embeddings
        if (count := len(text.encode())) > most:
            raise InvalidInput(
                f"The text has {count} bytes, the prompt's included; Dia reads {most}. Shorten it."
            )
        read = on_device(
            self.processor(text=[text], text_kwargs={"padding": False}, **heard), self.model
        )
        length = self.processor.get_audio_prompt_len(read["decoder_attention_mask"])
        with torch.inference_mode():
            tokens = self.model.generate(
                **read,
                max_new_tokens=max_new_tokens,
                guidance_scale=cfg_scale,
                top_p=top_p,
                top_k=cfg_filter_top_k,
                stopping_criteria=[Counting(max_new_tokens)],
                **warm(temperature),
            )
            if not self._spoken(tokens, length if heard else None):
                raise fell_silent("Dia")
            wave = self.processor.decode(tokens, length if heard else None)
        samples = wave.float().cpu().numpy()
        if speed_factor != 1:
            places = np.linspace(0, len(samples) - 1, round(len(samples) / speed_factor))
            samples = np.interp(places, np.arange(len(samples)), samples)
        return Path(making.file(samples, self.rate, "wav", "speech"))

    def _spoken(self, tokens: Any, prompt: int | None) -> bool:
        """Whether there is a token of sound between what came before and the end."""
        config = self.model.generation_config
        first = tokens[0, :, 0]
        before = int((first == config.bos_token_id).sum()) if prompt is None else prompt
        after = int((first == config.pad_token_id).sum()) + 1
        return before + after < len(first)
