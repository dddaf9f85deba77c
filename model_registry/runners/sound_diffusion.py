"""Songs, music and noises from words: the pipelines of diffusers that make sound. One class for
each of them: ACE-Step, Stable Audio Open, Stable Audio 3.
"""

from __future__ import annotations

import warnings
from typing import Any

from precision import pipeline as loading
from precision import place
from pretrained import quiet
from recording import sample
from sound_making import SoundMaking

from cog import BasePredictor, Input, InvalidInput, Path, current_scope

SUNG = (
    "ar", "az", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "he", "hi",
    "hr", "ht", "hu", "id", "is", "it", "ja", "ko", "la", "lt", "ms", "ne", "nl", "no", "pa", "pl",
    "pt", "ro", "ru", "sa", "sk", "sr", "sv", "sw", "ta", "te", "th", "tl", "tr", "uk", "ur", "vi",
    "yue", "zh",
)  # fmt: skip
FORMATS = ["wav", "mp3", "flac"]


class _Sounding(BasePredictor):
    """What the three share: loading, steps, files."""

    def setup(self, weights: str, precision: str = "") -> None:
        """`weights` is a folder that `DiffusionPipeline` loads."""
        from diffusers import DiffusionPipeline
        from diffusers.utils import logging

        quiet()
        logging.disable_progress_bar()
        logging.set_verbosity_error()
        settings = loading(precision, "transformer", weights=weights)
        self.pipeline = DiffusionPipeline.from_pretrained(weights, **settings)
        self.pipeline.set_progress_bar_config(disable=True)
        place(self.pipeline, precision)
        self.rate = int(self.pipeline.vae.config.sampling_rate)

    def made(
        self, seed: int | None, output_format: str, steps: int, name: str, **settings: Any
    ) -> Path:
        """What the pipeline makes as a file, several sounds one after another. Progress goes by
        steps, and a cancel takes one.
        """
        import torch

        making = SoundMaking(seed)

        def on_step(*told: Any) -> dict[str, Any]:
            # Called as (pipeline, step, timestep, tensors), or as (step, timestep, latents).
            step = told[1] if len(told) == 4 else told[0]
            current_scope().progress(step + 1, steps, unit="step")
            return dict(told[-1]) if len(told) == 4 else {}

        with warnings.catch_warnings():
            # Where the noise of a step ends, to the last digit: torchsde rounds it by itself.
            warnings.filterwarnings("ignore", "Should have t", module="torchsde")
            sounds = self.pipeline(
                num_inference_steps=steps,
                generator=making.generator(),
                **{name: on_step},
                **settings,
            ).audios
        current_scope().record_metric("steps", steps)
        samples = torch.cat(list(sounds), dim=-1).float().cpu().numpy()
        return Path(making.file(samples, self.rate, output_format, "music"))

    def tell_of_rest(self, text: str, most: int, name: str) -> None:
        count = len(self.pipeline.tokenizer(text).input_ids)
        if count > most:
            print(f"The {name} has {count} tokens; the first {most} are read.")


class Song(_Sounding):
    """ACE-Step."""

    def predict(
        self,
        prompt: str = Input(description="Genre, instruments, mood, voice: what it should be like."),
        lyrics: str = Input(
            default="",
            description="What is sung, in parts such as [verse], [chorus] and [bridge]. Empty: "
            "nobody sings.",
        ),
        duration: float = Input(default=60, ge=1, le=600, description="In seconds."),
        vocal_language: str = Input(
            default="en", choices=list(SUNG), description="The language of the lyrics."
        ),
        bpm: int | None = Input(
            default=None, ge=30, le=300, description="Beats a minute; unset, what suits."
        ),
        key: str | None = Input(
            default=None, max_length=40, description="Such as C major or F# minor."
        ),
        time_signature: str | None = Input(
            default=None, choices=["2", "3", "4", "6"], description="Beats of a bar."
        ),
        reference_audio: Path | None = Input(
            default=None, description="A recording whose sound and voice to take after."
        ),
        num_inference_steps: int = Input(
            default=8, ge=1, le=200, description="More steps take longer."
        ),
        guidance_scale: float | None = Input(
            default=None,
            ge=1,
            le=30,
            description="How strictly to follow the prompt. A distilled (turbo) model takes none.",
        ),
        output_format: str = Input(default="wav", choices=FORMATS, description="Of the file."),
        seed: int | None = Input(
            default=None, description="The same seed gives the same song; unset or -1, random."
        ),
    ) -> Path:
        """A song, or a piece without a singer."""
        import torch

        if not prompt.strip() and not lyrics.strip():
            raise InvalidInput("Say in prompt what the music should be like, or give lyrics.")
        if guidance_scale and guidance_scale > 1 and self.pipeline.is_turbo:
            raise InvalidInput(
                "This model is distilled, and takes no guidance: leave guidance_scale out."
            )
        self.tell_of_rest(prompt, 256, "prompt")
        self.tell_of_rest(lyrics, 2048, "text of the lyrics")
        settings: dict[str, Any] = {}
        if guidance_scale:
            settings["guidance_scale"] = guidance_scale
        if reference_audio is not None:
            heard = sample(reference_audio, self.rate, 240, 2, "reference_audio")
            settings["reference_audio"] = torch.tensor(heard)
        return self.made(
            seed,
            output_format,
            num_inference_steps,
            "callback_on_step_end",
            prompt=prompt,
            lyrics=lyrics.strip() or "[Instrumental]",
            audio_duration=duration,
            vocal_language=vocal_language,
            bpm=bpm,
            keyscale=key,
            timesignature=time_signature,
            **settings,
        )


class StableAudioOpen(_Sounding):
    def setup(self, weights: str, precision: str = "") -> None:
        super().setup(weights, precision)
        self.own_schedule = self.pipeline.scheduler

    def predict(
        self,
        prompt: str = Input(description="The music or the noises to make."),
        negative_prompt: str = Input(default="", description="What it should not sound like."),
        seconds_start: int = Input(
            default=0, ge=0, description="Where in an imagined longer recording it begins."
        ),
        seconds_total: int = Input(default=8, ge=1, le=47, description="Where it ends."),
        cfg_scale: float = Input(
            default=6, ge=1, le=30, description="How strictly to follow the prompt."
        ),
        steps: int = Input(default=100, ge=2, le=500, description="More steps take longer."),
        sigma_min: float | None = Input(
            default=None, ge=0.001, le=10, description="Noise at the last step."
        ),
        sigma_max: float | None = Input(
            default=None, ge=20, le=1000, description="Noise at the first step."
        ),
        output_format: str = Input(default="wav", choices=FORMATS, description="Of the file."),
        seed: int | None = Input(
            default=None, description="The same seed gives the same sound; unset or -1, random."
        ),
        batch_size: int = Input(
            default=1,
            ge=1,
            le=8,
            description="How many sounds to make at once; one file has them one after another.",
        ),
        sampler_type: str = Input(
            default="dpmpp-3m-sde",
            choices=["dpmpp-3m-sde"],
            deprecated=True,
            description="Only this one; its second-order kin of diffusers answers to its name.",
        ),
        init_noise_level: float = Input(
            default=1,
            deprecated=True,
            description="Without effect, as on Replicate: there is no audio to start from.",
        ),
    ) -> Path:
        """Stereo sound, of `seconds_total` without `seconds_start`."""
        _refuse_nothing(prompt)
        if seconds_start >= seconds_total:
            raise InvalidInput(
                f"seconds_start is {seconds_start} and seconds_total {seconds_total}: nothing is "
                "left between them. It must begin before it ends."
            )
        self.tell_of_rest(prompt, self.pipeline.tokenizer.model_max_length, "prompt")
        self._schedule(sigma_min, sigma_max)
        return self.made(
            seed,
            output_format,
            steps,
            "callback",
            prompt=prompt,
            negative_prompt=negative_prompt or None,
            audio_start_in_s=float(seconds_start),
            audio_end_in_s=float(seconds_total),
            num_waveforms_per_prompt=batch_size,
            guidance_scale=cfg_scale,
        )

    def _schedule(self, sigma_min: float | None, sigma_max: float | None) -> None:
        """A schedule of noise between these two; where unset, the model's own."""
        given = {"sigma_min": sigma_min, "sigma_max": sigma_max}
        changes = {name: value for name, value in given.items() if value is not None}
        self.pipeline.scheduler = self.own_schedule.from_config(self.own_schedule.config, **changes)


class StableAudio3(_Sounding):
    def predict(
        self,
        prompt: str = Input(description="Text description of the audio to generate."),
        negative_prompt: str = Input(
            default="", description="Qualities to avoid; needs a cfg_scale above 1."
        ),
        duration: float = Input(
            default=30, ge=1, le=380, description="Length of the generated audio in seconds."
        ),
        steps: int = Input(
            default=8,
            ge=1,
            le=200,
            description="Number of sampling steps. 8 is what a distilled model was made for.",
        ),
        cfg_scale: float = Input(
            default=1,
            ge=1,
            le=15,
            description="How strictly to follow the prompt. A distilled model wants 1.",
        ),
        output_format: str = Input(default="wav", choices=FORMATS, description="Of the file."),
        seed: int | None = Input(
            default=None, description="The same seed gives the same sound; unset or -1, random."
        ),
    ) -> Path:
        """Stereo music or noises."""
        _refuse_nothing(prompt)
        if negative_prompt and cfg_scale <= 1:
            raise InvalidInput(
                "negative_prompt has no effect at a cfg_scale of 1: leave it out, or raise "
                "cfg_scale."
            )
        self.tell_of_rest(prompt, 256, "prompt")
        return self.made(
            seed,
            output_format,
            steps,
            "callback_on_step_end",
            prompt=prompt,
            negative_prompt=negative_prompt or None,
            duration=duration,
            guidance_scale=cfg_scale,
        )


def _refuse_nothing(prompt: str) -> None:
    if not prompt.strip():
        raise InvalidInput("The prompt is empty. Say what should be heard.")
