"""The latents of a diffusers pipeline as a small picture while they form. No runner: runners of
pictures and of video import it.
"""

from __future__ import annotations

import inspect
import time
from typing import Any

from cog import current_scope

PREVIEW_SIZE = 256
PREVIEW_SHARE = 0.01
"""Of a run's time so far, at most, the first preview counted in, though that one is always made."""
OF_PICTURES = ("AutoencoderKL", "AutoencoderKLFlux2", "AutoencoderKLTemporalDecoder")


class LatentPreview:
    """Shows the latents as a small picture, in a small share of the run's time.

    A tiny autoencoder decodes them itself. For a full one, the matrix that best maps its latents to
    colours is fitted once, so that no model needs one of its own written here. Of a video the frame
    in the middle is shown. Latents of other autoencoders get no preview.
    """

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self._vae = pipeline.components.get("vae")
        kinds = {
            "AutoencoderTiny": self._decoded,
            "AutoencoderKL": self._mapped,
            "AutoencoderKLCogVideoX": self._mapped,
            "AutoencoderKLFlux2": self._mapped,
            "AutoencoderKLHunyuanVideo": self._mapped,
            "AutoencoderKLLTX2Video": self._mapped,
            "AutoencoderKLLTXVideo": self._mapped,
            "AutoencoderKLQwenImage": self._mapped,
            "AutoencoderKLTemporalDecoder": self._mapped,
            "AutoencoderKLWan": self._mapped,
        }
        self._colours = kinds.get(type(self._vae).__name__)
        self._matrix = self._fitted() if self._colours == self._mapped else None
        self._cost = 0.0  # seconds that the last preview took
        self.start()

    def start(self) -> None:
        """A run begins."""
        self._started = time.perf_counter()
        self._spent = 0.0

    def show(self, latents: Any, settings: dict[str, Any]) -> None:
        """Sends a preview, if one is wanted now and can be afforded. `settings` is what the
        pipeline was called with.
        """
        if self._colours is None or not current_scope().wants_preview() or not self._affordable():
            return
        # Waits for the step that a GPU is still at; what comes after is the preview's own time.
        latents = self._still(self._unpacked(latents, settings))[:1].float().cpu()
        began = time.perf_counter()
        current_scope().preview(self._picture(latents))
        self._cost = time.perf_counter() - began
        self._spent += self._cost

    def _affordable(self) -> bool:
        run = time.perf_counter() - self._started
        return not self._spent or self._spent + self._cost <= PREVIEW_SHARE * run

    def _picture(self, latents: Any) -> Any:
        import torch
        from PIL import Image

        with torch.no_grad():
            colours = self._colours(latents)[0].clamp(-1, 1).movedim(0, -1)  # type: ignore[misc]
        picture = Image.fromarray(((colours + 1) * 127.5).to(torch.uint8).numpy())
        factor = max(1, PREVIEW_SIZE // max(picture.size))
        size = (picture.width * factor, picture.height * factor)
        return picture.resize(size, Image.Resampling.BICUBIC)

    def _decoded(self, latents: Any) -> Any:
        vae = self._vae
        latents = (latents / vae.config.scaling_factor).to(vae.device, vae.dtype)
        return vae.decode(latents).sample.float().cpu()

    def _mapped(self, latents: Any) -> Any:
        return (_with_one(latents.movedim(1, -1)) @ self._matrix).movedim(-1, 1)

    def _fitted(self) -> Any:
        """(channels + 1, 3): from a latent's channels and a constant 1 to red, green and blue."""
        import torch
        from torch.nn.functional import interpolate

        vae = self._vae
        mosaic = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
        pictures = interpolate(mosaic, size=128, mode="bicubic").clamp(-1, 1)
        # An autoencoder of videos sees each picture as a video of one frame.
        seen = pictures if type(vae).__name__ in OF_PICTURES else pictures[:, :, None]
        # Where weights wait in the machine's memory, what the VAE is given must be on the GPU.
        device = getattr(self._pipeline, "_execution_device", vae.device)
        with torch.no_grad():
            encoded = vae.encode(seen.to(device, vae.dtype)).latent_dist
        latents = self._normalised(encoded.mode().float().cpu())
        latents = latents if latents.ndim == 4 else latents[:, :, 0]
        colours = interpolate(pictures, size=latents.shape[-2:], mode="area")
        known, wanted = (each.movedim(1, -1).flatten(0, -2) for each in (latents, colours))
        return torch.linalg.lstsq(_with_one(known), wanted).solution

    def _normalised(self, latents: Any) -> Any:
        """What the autoencoder encodes, as the denoiser knows it."""
        import torch

        config = self._vae.config
        scale = config.get("scaling_factor") or 1
        held = {**dict(self._vae.named_buffers()), **{k: v for k, v in config.items() if v}}
        mean, deviation = held.get("latents_mean"), held.get("latents_std")
        if mean is None or deviation is None:
            return (latents - (config.get("shift_factor") or 0)) * scale
        shape = (1, -1, *(1,) * (latents.ndim - 2))
        mean, deviation = (torch.as_tensor(each).float().cpu() for each in (mean, deviation))
        return (latents - mean.view(shape)) * scale / deviation.view(shape)

    def _still(self, latents: Any) -> Any:
        """The frame in the middle of a video's latents, whichever of frames and channels is first;
        pictures as they are.
        """
        if latents.ndim != 5:
            return latents
        channels = self._vae.config.get("latent_channels") or self._vae.config.get("z_dim")
        frames = 2 if latents.shape[1] == channels else 1
        return latents.select(frames, latents.shape[frames] // 2)

    def _unpacked(self, latents: Any, settings: dict[str, Any]) -> Any:
        """Flux, LTX and their kin line patches of the latents up in a row; here they go back in
        place.
        """
        pipeline = self._pipeline
        if latents.ndim == 3 and hasattr(pipeline, "_unpatchify_latents"):
            return self._unpatched(latents, settings)
        if latents.ndim != 3 or not hasattr(pipeline, "_unpack_latents"):
            return latents
        if "num_frames" in inspect.signature(pipeline._unpack_latents).parameters:
            own = inspect.signature(pipeline.__call__).parameters
            frames, height, width = (
                settings.get(name, own[name].default) for name in ("num_frames", "height", "width")
            )
            return pipeline._unpack_latents(
                latents,
                (frames - 1) // pipeline.vae_temporal_compression_ratio + 1,
                height // pipeline.vae_spatial_compression_ratio,
                width // pipeline.vae_spatial_compression_ratio,
                pipeline.transformer_spatial_patch_size,
                pipeline.transformer_temporal_patch_size,
            )
        return pipeline._unpack_latents(latents, *self._size(settings), pipeline.vae_scale_factor)

    def _unpatched(self, latents: Any, settings: dict[str, Any]) -> Any:
        """The second Flux lines up patches that were normalised as wholes: here they are latents
        again, as its autoencoder knows them.
        """
        pipeline, vae = self._pipeline, self._vae
        rows, columns = (side // pipeline.vae_scale_factor // 2 for side in self._size(settings))
        patches = latents.float().mT.unflatten(-1, (rows, columns))
        shape = (1, -1, 1, 1)
        mean = vae.bn.running_mean.float().view(shape).to(patches.device)
        variance = vae.bn.running_var.float().view(shape).to(patches.device)
        deviation = (variance + vae.config.batch_norm_eps).sqrt()
        return pipeline._unpatchify_latents(patches * deviation + mean)

    def _size(self, settings: dict[str, Any]) -> tuple[int, int]:
        """The height and width of the picture, in pixels."""
        pipeline = self._pipeline
        side = pipeline.default_sample_size * pipeline.vae_scale_factor
        return settings.get("height", side), settings.get("width", side)


def _with_one(values: Any) -> Any:
    import torch

    return torch.cat((values, values.new_ones((*values.shape[:-1], 1))), -1)
