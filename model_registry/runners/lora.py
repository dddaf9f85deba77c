"""LoRA weights on a diffusers pipeline, for one run after another. No runner: runners of pictures
import it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lora_files

from cog import InvalidInput

NAME = "given"


class Lora:
    """At most one file of LoRA weights on the pipeline. It stays loaded until a run asks for
    another or for none; then the pipeline is what it was before.
    """

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self._loaded: object = None
        self._trainable: list[Any] = []

    def use(self, reference: str | None, scale: float, upload: Path | None = None) -> None:
        """Loads what a run asks for: weights by name or address, or an uploaded file. Raises
        `InvalidInput` for what cannot be had, or does not fit the model.
        """
        if upload is not None and reference:
            raise InvalidInput("Give the LoRA weights by name or as a file, not both.")
        if upload is not None:
            self._load(lora_files.checked(Path(upload), "The uploaded file"), scale)
        elif reference:
            self._load(lora_files.fetched(reference), scale)
        else:
            self._unload()

    def _load(self, file: Path, scale: float) -> None:
        pipeline = self._pipeline
        if not hasattr(pipeline, "load_lora_weights"):
            raise InvalidInput("This model takes no LoRA weights; leave them out.")
        state = file.stat()
        wanted = (file, state.st_size, state.st_mtime_ns)
        if self._loaded != wanted:
            self._unload()
            self._trainable = [each for each in self._parameters() if each.requires_grad]
            self._loaded = "in part"  # until it is wholly there: a cancel may come in between
            self._fit(file)
            self._loaded = wanted
        pipeline.set_adapters([NAME], [scale])

    def _fit(self, file: Path) -> None:
        """Loads the file. diffusers raises for some of what does not fit, and only skips other."""
        import torch

        reason = "none of its layers is in this model"
        try:
            self._pipeline.load_lora_weights(str(file), adapter_name=NAME)
            adapters = self._pipeline.get_list_adapters()
            if any(NAME in names for names in adapters.values()) and not self._widened():
                return
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            # Each converter of each format fails in its own way.
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        self._unload()
        kind = type(self._pipeline).__name__.removesuffix("Pipeline")
        raise InvalidInput(
            f"These LoRA weights were made for another architecture than this model's ({kind}): "
            f"{reason}."
        )

    def _widened(self) -> bool:
        """Whether the file has changed the model's own layers: those that control the picture by
        another picture do, and are of no use without one.
        """
        return bool(getattr(self._denoiser(), "_overwritten_params", None))

    def _denoiser(self) -> Any:
        parts = self._pipeline.components
        return parts.get("transformer") or parts.get("unet")

    def _unload(self) -> None:
        if self._loaded is None:
            return
        widened = {"reset_to_overwritten_params": True} if self._widened() else {}
        self._pipeline.unload_lora_weights(**widened)
        # What is trainable a CPU computes with other roundings: without this, the same seed would
        # give other bytes once there had been a LoRA.
        for each in self._trainable:
            each.requires_grad_(True)
        self._loaded = None

    def _parameters(self) -> Iterator[Any]:
        for part in self._pipeline.components.values():
            if hasattr(part, "parameters"):
                yield from part.parameters()
