"""One run that draws pictures: seeds, steps, previews, files, and what it took. No runner: runners
of pictures import it.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

import pipelines
from latent_preview import LatentPreview

from cog import Path, current_scope


class Drawing:
    """Draws `number` pictures one after another; the one numbered n uses the seed + n."""

    def __init__(self, preview: LatentPreview, seed: int | None, number: int = 1) -> None:
        self.seed = secrets.randbits(32) if seed is None else seed
        print(f"Using seed: {self.seed}")
        current_scope().record_metric("seed", self.seed)
        self.number = number
        self._preview = preview
        self._folder = FilePath(tempfile.mkdtemp())
        self._finished = 0
        self._steps = 0  # done in all pictures
        self._steps_before = 0  # of them, in those that are finished
        self._share = 0.0  # of all steps, as it was told last
        preview.start()

    def generator(self) -> Any:
        """The source of the next picture's noise."""
        import torch

        # Noise made on the CPU is the same on every device.
        seed = (self.seed + self._finished) % 2**63
        return torch.Generator("cpu").manual_seed(seed)

    def draw(self, pipeline: Any, settings: Mapping[str, Any], to_come: int = 0) -> Any:
        """What the pipeline gives for the next picture. `to_come` is how many steps other pipelines
        will do on it afterwards.
        """
        before = self._steps
        asked = settings["num_inference_steps"]

        def on_step(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> Any:
            own = getattr(pipeline, "num_timesteps", None) or asked
            self._steps = before + step + 1
            # As if those still to be drawn took as many steps as this one.
            each = before - self._steps_before + own + to_come
            total = self._steps_before + (self.number - self._finished) * each
            # Some samplers take more steps than they were asked for: nobody shall see less done.
            if self._steps / total >= self._share:
                self._share = self._steps / total
                current_scope().progress(self._steps, total, unit="step")
            self._preview.show(tensors["latents"], settings)
            return tensors

        return pipelines.called(pipeline, {**settings, "callback_on_step_end": on_step})[0]

    def save(self, picture: Any, output_format: str, quality: int) -> Path:
        """The finished picture as a file."""
        path = self._folder / f"out-{self._finished}.{output_format}"
        picture.convert("RGB").save(path, quality=quality)
        self._finished += 1
        self._steps_before = self._steps
        current_scope().record_metric("steps", self._steps)
        return Path(path)


def tell_unchecked(disabled: bool) -> None:
    """Says that there is no safety checker, to whom has not asked for none."""
    if not disabled:
        print("There is no safety checker here: pictures are given out unchecked.")


def tell_not_faster(asked: bool) -> None:
    """Says that the precision is not a matter of a run."""
    if asked:
        print("go_fast changes nothing here: the precision is what fits this machine's memory.")


def tell_not_rewritten(asked: bool) -> None:
    """Says that no language model makes a longer prompt of a short one."""
    if asked:
        print("The prompt is used as it is: nothing here rewrites it.")
