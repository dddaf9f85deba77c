"""The networks of Real-ESRGAN and its kin, from a file of their weights alone: RRDB (large, also as
the first ESRGAN names its layers) and SRVGG (compact). No runner.
"""

from __future__ import annotations

import math
import pickle
import re
from pathlib import Path
from typing import Any

TILE = 320
TILE_ON_GPU = 768
OVERLAP = 32

# How the first ESRGAN, and much that was trained since, calls the same layers.
_OLD_NAMES = (
    (r"model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.", r"body.\1.rdb\2.conv\3."),
    (r"model\.1\.sub\.\d+\.", "conv_body."),
    (r"model\.0\.", "conv_first."),
    (r"model\.3\.", "conv_up1."),
    (r"model\.6\.", "conv_up2."),
    (r"model\.8\.", "conv_hr."),
    (r"model\.10\.", "conv_last."),
)


class Esrgan:
    """A network as `enlarging` takes it. Raises `ValueError` for a file of another kind."""

    fixed = False
    overlap = OVERLAP

    def __init__(self, path: Path, device: str = "cpu") -> None:
        import torch

        self._device = device
        self._dtype = torch.float16 if device == "cuda" else torch.float32
        tensors = _renamed(_tensors(path))
        self._weights = {
            name: tensor.to(device, self._dtype).contiguous() for name, tensor in tensors.items()
        }
        if "conv_last.weight" in tensors and "body.0.rdb1.conv1.weight" in tensors:
            self._forward = self._rrdb
            self._blocks = 1 + max(int(name.split(".")[1]) for name in tensors if "rdb1" in name)
            # Smaller factors are reached by folding pixels into channels first.
            self._fold = math.isqrt(tensors["conv_first.weight"].shape[1] // 3)
            self.scale = 4 // self._fold
        elif "body.0.weight" in tensors and "conv_first.weight" not in tensors:
            self._forward = self._compact
            self._layers = sorted({int(name.split(".")[1]) for name in tensors})
            self.scale = math.isqrt(tensors[f"body.{self._layers[-1]}.weight"].shape[0] // 3)
        else:
            raise ValueError(
                f"{path.name} holds no network of Real-ESRGAN: neither RRDB nor SRVGG layers."
            )
        side = TILE_ON_GPU if device == "cuda" else TILE
        self.tile = (side, side)

    def run(self, pixels: Any) -> Any:
        import torch

        with torch.inference_mode():
            given = torch.from_numpy(pixels).to(self._device, self._dtype)
            return self._forward(given).float().cpu().numpy()

    def _rrdb(self, x: Any) -> Any:
        from torch.nn import functional

        height, width = x.shape[-2:]
        if self._fold > 1:
            missing = (-width) % self._fold, (-height) % self._fold
            x = functional.pad(x, (0, missing[0], 0, missing[1]), mode="replicate")
            x = functional.pixel_unshuffle(x, self._fold)
        first = self._convolved(x, "conv_first")
        inner = first
        for block in range(self._blocks):
            inner = self._block(inner, f"body.{block}")
        x = first + self._convolved(inner, "conv_body")
        for name in ("conv_up1", "conv_up2"):
            x = functional.interpolate(x, scale_factor=2, mode="nearest")
            x = _leaky(self._convolved(x, name))
        x = self._convolved(_leaky(self._convolved(x, "conv_hr")), "conv_last")
        return x[..., : height * self.scale, : width * self.scale]

    def _block(self, x: Any, name: str) -> Any:
        """Three dense blocks in a row, each adding a fifth of what it finds."""
        import torch

        inner = x
        for dense in ("rdb1", "rdb2", "rdb3"):
            found = [inner]
            for number in range(1, 6):
                made = self._convolved(torch.cat(found, 1), f"{name}.{dense}.conv{number}")
                found.append(_leaky(made) if number < 5 else made)
            inner = inner + 0.2 * found[-1]
        return x + 0.2 * inner

    def _compact(self, x: Any) -> Any:
        from torch.nn import functional

        made = x
        for layer in self._layers:
            weight = self._weights[f"body.{layer}.weight"]
            if weight.ndim == 1:
                made = functional.prelu(made, weight)
            else:
                made = self._convolved(made, f"body.{layer}")
        made = functional.pixel_shuffle(made, self.scale)
        return made + functional.interpolate(x, scale_factor=self.scale, mode="nearest")

    def _convolved(self, x: Any, name: str) -> Any:
        from torch.nn import functional

        weight, bias = (self._weights[f"{name}.{kind}"] for kind in ("weight", "bias"))
        return functional.conv2d(x, weight, bias, padding=1)


def _leaky(x: Any) -> Any:
    from torch.nn import functional

    return functional.leaky_relu(x, 0.2)


def _tensors(path: Path) -> dict[str, Any]:
    """What a file holds; nothing in it is executed."""
    import torch
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        return load_file(path)
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ValueError(f"{path.name} holds more than tensors, and so is not opened.") from None
    # Training keeps averaged weights beside the last ones; they are the better ones.
    for name in ("params_ema", "params"):
        held = held.get(name, held)
    return dict(held)


def _renamed(tensors: dict[str, Any]) -> dict[str, Any]:
    return {_renamed_layer(name): tensor for name, tensor in tensors.items()}


def _renamed_layer(name: str) -> str:
    for old, new in _OLD_NAMES:
        name, found = re.subn(rf"^{old}", new, name)
        if found:
            break
    return name
