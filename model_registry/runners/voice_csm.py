"""Speech from text with CSM, which speaks as in a conversation."""

from __future__ import annotations

from pretrained import on_device, pretrained, quiet
from sound_making import SoundMaking
from speaking import Counting, fell_silent, refuse_nothing, warm

from cog import BasePredictor, Input, InvalidInput, Path


class Csm(BasePredictor):
    def setup(self, weights: str, precision: str = "") -> None:
        from transformers import AutoTokenizer

        quiet()
        self.model = pretrained("CsmForConditionalGeneration", weights, precision)
        self.tokenizer = AutoTokenizer.from_pretrained(weights)
        codec = self.model.config.codec_config
        self.rate, self.frames = codec.sampling_rate, codec.frame_rate

    def predict(
        self,
        text: str = Input(default="Hello from Sesame.", description="Text to convert to speech"),
        speaker: int = Input(default=0, ge=0, le=1, description="Speaker ID (0 or 1)"),
        max_audio_length_ms: int = Input(
            default=10_000, ge=80, le=90_000, description="Maximum audio length in milliseconds"
        ),
        temperature: float = Input(
            default=0.9, ge=0, le=2, description="0 always takes the likeliest; more is livelier."
        ),
        seed: int | None = Input(
            default=None, description="The same seed speaks alike; unset or -1, random."
        ),
    ) -> Path:
        """The text as speech; it ends where the model does, or at the maximum."""
        import torch

        refuse_nothing(text)
        making = SoundMaking(seed)
        read = self.tokenizer([f"[{speaker}]{text}"], return_tensors="pt")
        most = max(1, round(max_audio_length_ms / 1000 * self.frames))
        room = self.model.config.max_position_embeddings - most
        if read.input_ids.shape[-1] > room:
            raise InvalidInput(
                f"The text has {read.input_ids.shape[-1]} tokens; beside {max_audio_length_ms} "
                f"milliseconds of sound there is room for {room}. Shorten one of them."
            )
        with torch.inference_mode():
            (frames,) = self.model.generate(
                **on_device(read, self.model),
                max_new_tokens=most,
                streamer=Counting(most),
                depth_decoder_do_sample=temperature > 0,
                **({"depth_decoder_temperature": temperature} if temperature else {}),
                **warm(temperature),
            )
            ended = (frames == self.model.config.codebook_eos_token_id).all(-1).nonzero()
            said = frames[: int(ended[0])] if len(ended) else frames
            if not len(said):
                raise fell_silent("CSM")
            wave = self.model.codec_model.decode(said.T[None]).audio_values[0, 0]
        return Path(making.file(wave.float().cpu().numpy(), self.rate, "wav", "speech"))
