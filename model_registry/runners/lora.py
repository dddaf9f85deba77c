"""LoRA weights on a diffusers pipeline, for one run after another. No runner: runners of pictures
import it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lora_files

from cog import InvalidInput
from cog.running_out import is_out_of_memory


class Lora:
    """The files of LoRA weights on the pipeline. They stay loaded until a run asks for others or
    for none; then the pipeline is what it was before.
    """

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self._loaded: object = None
        self._trainable: list[Any] = []

    def use(
        self,
        reference: str | None,
        scale: float,
        upload: Path | None = None,
        extra: tuple[str | None, float] = (None, 1),
        tokens: lora_files.Tokens = lora_files.NO_TOKENS,
    ) -> None:
        """Loads what a run asks for: weights by name or address, or an uploaded file, and `extra`
        ones with their scale. Raises `InvalidInput` for what cannot be had, or does not fit the
        model.
        """
        if reference and extra[0] and reference.strip() == extra[0].strip():
            print("extra_lora names the weights that lora_weights names: it is not used again.")
            extra = None, 1
        if upload is not None and reference:
            raise InvalidInput("Give the LoRA weights by name or as a file, not both.")
        wanted = []
        if upload is not None:
            wanted.append((lora_files.checked(Path(upload), "The uploaded file"), scale))
        for name, strength in ((reference, scale), extra):
            if name:
                wanted.append((lora_files.fetched(name, tokens), strength))
        self._load(wanted)

    def _load(self, wanted: Sequence[tuple[Path, float]]) -> None:
        pipeline = self._pipeline
        if wanted and not hasattr(pipeline, "load_lora_weights"):
            raise InvalidInput("This model takes no LoRA weights; leave them out.")
        files = [file for file, _ in wanted]
        states = [(file, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        if self._loaded != states:
            self._unload()
        if not wanted:
            return
        names = [f"given-{number}" for number in range(len(files))]
        if self._loaded is None:
            self._trainable = [each for each in self._parameters() if each.requires_grad]
            self._loaded = "in part"  # until all is there: a cancel may come in between
            for file, name in zip(files, names, strict=True):
                self._fit(file, name)
            self._loaded = states
        pipeline.set_adapters(names, [scale for _, scale in wanted])

    def _fit(self, file: Path, name: str) -> None:
        """Loads the file. diffusers raises for some of what does not fit, and only skips other."""
        reason = "none of its layers is in this model"
        try:
            with warnings.catch_warnings():
                # Several at once are meant.
                warnings.filterwarnings("ignore", message="Already found a `peft_config`")
                self._pipeline.load_lora_weights(str(file), adapter_name=name)
            adapters = self._pipeline.get_list_adapters()
            if any(name in names for names in adapters.values()) and not self._widened():
                if self._widths(name) <= (known := lora_files.widths(file)) or not known:
                    return
                reason = "its layers are of another width"
        except Exception as error:
            if is_out_of_memory(error):
                raise
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

    def _widths(self, name: str) -> set[int]:
        """What goes into the loaded weights: diffusers fills up narrower ones with zeros."""
        parts = [each for each in self._pipeline.components.values() if hasattr(each, "modules")]
        layers = [each for part in parts for each in part.modules() if hasattr(each, "lora_A")]
        return {each.lora_A[name].weight.shape[1] for each in layers if name in each.lora_A}

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
