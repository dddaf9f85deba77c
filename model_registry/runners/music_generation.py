"""Music from words with MusicGen: any folder of it that transformers loads, with or without ears
for a melody, in one channel or two.
"""

from __future__ import annotations

import math
from typing import Any

from loudness import STRATEGIES, normalised
from pretrained import pretrained, quiet
from recording import sample
from sound_making import SoundMaking

from cog import BasePredictor, Input, InvalidInput, Path, current_scope

LONGEST = 30
"""Seconds, of what MusicGen was taught: more would fall apart."""
WINDOW, HOP = 16_384, 4_096
"""Samples, of the spectrum in which a melody is found."""


class MusicGeneration(BasePredictor):
    def setup(self, weights: str, precision: str = "", version: str = "") -> None:
        """`weights` is a folder with a MusicGen, which is Replicate's `version`."""
        from transformers import AutoTokenizer

        quiet()
        self.model = pretrained("AutoModelForTextToWaveform", weights, precision)
        self.tokenizer = AutoTokenizer.from_pretrained(weights)
        self.version = version
        config = self.model.config
        self.rate = config.audio_encoder.sampling_rate
        self.channels = self.model.decoder.config.audio_channels
        self.frames = config.audio_encoder.frame_rate
        self.hears_melodies = hasattr(config, "num_chroma")

    def predict(
        self,
        prompt: str = Input(
            default="", description="A description of the music you want to generate."
        ),
        model_version: str | None = Input(
            default=None,
            description="Which MusicGen answers. Each is a model of its own here, and a run by "
            "this model's name is one of that model.",
        ),
        input_audio: Path | None = Input(
            default=None,
            description="An audio file that will influence the generated music. If `continuation` "
            "is `True`, the generated music will be a continuation of it; otherwise it will mimic "
            "its melody.",
        ),
        duration: int = Input(
            default=8,
            ge=1,
            le=LONGEST,
            description="Duration of the generated audio in seconds, with what it continues.",
        ),
        continuation: bool = Input(
            default=False,
            description="If `True`, generated music will continue from `input_audio`; otherwise it "
            "will mimic its melody.",
        ),
        continuation_start: int = Input(
            default=0,
            ge=0,
            description="Where in `input_audio` what is used of it begins, in seconds.",
        ),
        continuation_end: int | None = Input(
            default=None,
            ge=-1,
            description="Where in `input_audio` what is used of it ends, in seconds. If -1 or "
            "None, at the end of the audio clip.",
        ),
        multi_band_diffusion: bool = Input(
            default=False,
            description="Decoding with MultiBand Diffusion is not here: `True` is refused.",
        ),
        normalization_strategy: str = Input(
            default="loudness",
            choices=list(STRATEGIES),
            description="Strategy for normalizing audio.",
        ),
        top_k: int = Input(
            default=250, ge=0, description="Reduces sampling to the k most likely tokens."
        ),
        top_p: float = Input(
            default=0,
            ge=0,
            le=1,
            description="Reduces sampling to tokens with cumulative probability of p. When set to "
            "`0` (default), top_k sampling is used.",
        ),
        temperature: float = Input(
            default=1,
            ge=0,
            description="Controls the 'conservativeness' of the sampling process. Higher "
            "temperature means more diversity.",
        ),
        classifier_free_guidance: int = Input(
            default=3,
            ge=1,
            description="Increases the influence of inputs on the output. Higher values adhere "
            "more closely to inputs.",
        ),
        output_format: str = Input(
            default="wav", choices=["wav", "mp3"], description="Output format for generated audio."
        ),
        seed: int | None = Input(
            default=None,
            description="Seed for random number generator. If None or -1, a random seed will be "
            "used.",
        ),
    ) -> Path:
        """The music; after what it continues, if it continues something."""
        self._refuse(model_version, multi_band_diffusion)
        given: dict[str, Any] = dict(self._words(prompt))
        before = 0
        used = continuation_start, continuation_end
        if input_audio is not None and continuation:
            codes = self._codes(input_audio, used, duration)
            given["decoder_input_ids"] = codes
            before = codes.shape[-1]
        elif input_audio is not None:
            given["input_features"] = self._melody(input_audio, used, duration)
        elif continuation:
            raise InvalidInput("There is nothing to continue: give input_audio.")
        elif not prompt.strip():
            raise InvalidInput("Say in prompt what the music should be, or give input_audio.")
        making = SoundMaking(seed)
        sampling = {"top_k": 0, "top_p": top_p} if top_p else {"top_k": top_k, "top_p": 1.0}
        if temperature:
            sampling |= {"do_sample": True, "temperature": temperature}
        else:
            sampling = {"do_sample": False}
        samples = self._made(
            duration, before, given, guidance_scale=float(classifier_free_guidance), **sampling
        )
        levelled = normalised(samples, self.rate, normalization_strategy)
        return Path(making.file(levelled, self.rate, output_format, "music"))

    def _refuse(self, version: str | None, multi_band_diffusion: bool) -> None:
        if version is not None and version != self.version:
            raise InvalidInput(
                f"These are the weights of {self.version}, not {version}. Ask for the model by its "
                "name alone: a version or a deployment has one kind of weights."
            )
        if multi_band_diffusion:
            raise InvalidInput(
                "Decoding with MultiBand Diffusion is not available here. Set "
                "multi_band_diffusion to false."
            )

    def _words(self, prompt: str) -> dict[str, Any]:
        read = self.tokenizer([prompt], return_tensors="pt")
        count, most = read.input_ids.shape[-1], 512
        if count > most:
            print(f"The prompt has {count} tokens; the first {most} are read.")
        return {name: each[:, :most].to(self.model.device) for name, each in read.items()}

    def _codes(self, path: Path, used: tuple[int, int | None], duration: int) -> Any:
        """What is continued, as the decoder writes it: a row for each of its codebooks."""
        import torch

        samples = self._heard(path, used, duration + 1, self.channels)
        if samples.shape[-1] >= duration * self.rate:
            raise InvalidInput(
                f"What is to be continued is as long as all shall be, {duration} seconds, or more. "
                f"Ask for a longer duration, up to {LONGEST}, or for less of input_audio with "
                "continuation_start and continuation_end."
            )
        coded = []
        with torch.no_grad():
            for channel in torch.tensor(samples).to(self.model.device, self.model.dtype):
                coded.append(self.model.audio_encoder.encode(channel[None, None]).audio_codes[0, 0])
        # Two channels take turns: the first codebook of each, then the second.
        return torch.stack(coded, 1).flatten(0, 1)

    def _heard(self, path: Path, used: tuple[int, int | None], longest: int, channels: int) -> Any:
        """What is used of a recording, but no more than so many seconds: one row a channel."""
        start, end = used
        until = end if end is not None and end >= 0 else math.inf
        if until <= start:
            raise InvalidInput(
                f"Nothing is left of input_audio between {start} and {end} seconds: "
                "continuation_end must be after continuation_start."
            )
        samples = sample(path, self.rate, min(until, start + longest), channels, "input_audio")
        samples = samples[:, start * self.rate :]
        if not samples.shape[-1]:
            raise InvalidInput(f"input_audio ends before continuation_start, {start} seconds.")
        return samples

    def _melody(self, path: Path, used: tuple[int, int | None], duration: int) -> Any:
        """Which of the twelve tones is the loudest, moment by moment."""
        import torch
        from transformers.audio_utils import chroma_filter_bank

        if not self.hears_melodies:
            raise InvalidInput(
                f"{self.version or 'This MusicGen'} cannot follow a melody. Leave input_audio out, "
                "or set continuation to true."
            )
        print("The melody is taken from the whole mix, voices and drums included.")
        samples = torch.tensor(self._heard(path, used, duration, 1))
        if (missing := WINDOW - samples.shape[-1]) > 0:
            samples = torch.nn.functional.pad(samples, (missing // 2, missing - missing // 2))
        window = torch.hann_window(WINDOW)
        spectrum = (
            torch.stft(samples, WINDOW, HOP, window=window, center=True, return_complex=True)
            .abs()
            .square()
            / window.square().sum()
        )
        count = self.model.config.num_chroma
        filters = chroma_filter_bank(
            num_frequency_bins=WINDOW, num_chroma=count, sampling_rate=self.rate, tuning=0
        )
        tones = torch.einsum("cf,bft->btc", torch.tensor(filters).float(), spectrum)
        loudest = torch.nn.functional.one_hot(tones.argmax(-1), count)
        return loudest.to(self.model.device, self.model.dtype)

    def _made(self, duration: int, before: int, given: dict[str, Any], **options: Any) -> Any:
        """Samples, one row a channel; the first of them continue `before` frames that are given."""
        import torch

        books = self.model.decoder.config.num_codebooks
        steps = duration * self.frames - before
        done = 0

        def count(tokens: Any, scores: Any) -> Any:
            nonlocal done
            # The books are written one after another, each a step behind the one before.
            seconds = (before + max(0, done - books)) / self.frames
            current_scope().progress(round(min(seconds, duration), 2), duration, "second")
            done += 1
            return scores

        with torch.inference_mode():
            sound = self.model.generate(
                **given, max_new_tokens=steps + books, logits_processor=[count], **options
            )
        current_scope().progress(duration, duration, "second")
        wanted = duration * self.rate
        return sound[0, :, :wanted].float().cpu().numpy()
