"""A network that is a solid: from points and a text's code to distances and colours. No runner.

A solid has a few parts; a part has one colour and, at every point, a signed distance to its surface
(below 0 inside), exact only near it. Used by the runner and by the recipe that trains its weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Form:
    """The network's sizes: `code` numbers tell of a text, `reach` is where distances are cut off,
    and the solid lies within ±`extent` on each axis, y up.
    """

    code: int = 128
    parts: int = 2
    width: int = 128
    layers: int = 3
    octaves: int = 3
    reach: float = 0.15
    extent: float = 1.0

    @property
    def features(self) -> int:
        return 3 + 6 * self.octaves

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Each tensor's name and shape."""
        bent = self.parts * self.layers * 2 * self.width
        shapes = {
            "bend.weight": (bent, self.code),
            "bend.bias": (bent,),
            "kind.weight": (self.parts * 4, self.code),
            "kind.bias": (self.parts * 4,),
            "distance.weight": (1, self.width),
            "distance.bias": (1,),
        }
        for layer in range(self.layers):
            shapes[f"layer{layer}.weight"] = (
                self.width,
                self.width if layer else self.features,
            )
            shapes[f"layer{layer}.bias"] = (self.width,)
        return shapes


@dataclass(frozen=True)
class Solids:
    """What a batch of codes stands for: of each part how sure it is that it is there (a logit),
    its colour (sRGB from 0 to 1), and how it bends the network's layers.
    """

    there: Any
    colours: Any
    bends: Any


class ImplicitField:
    def __init__(self, tensors: Mapping[str, Any], form: Form) -> None:
        """`tensors` have the form's names and shapes; to train them, let them be parameters."""
        self.tensors, self.form = tensors, form

    def solids(self, codes: Any) -> Solids:
        """From (batch, code) to what is needed at every point."""
        form = self.form
        kinds = self._linear("kind", codes).view(-1, form.parts, 4)
        bends = self._linear("bend", codes).view(-1, form.parts, form.layers, 2, 1, form.width)
        return Solids(kinds[..., 0], kinds[..., 1:].sigmoid(), bends)

    def distances(self, points: Any, solids: Solids, part: int) -> Any:
        """To one part's surface, (batch, points), for points (batch or 1, points, 3)."""
        import torch

        hidden = self._linear("layer0", self._features(points))
        for layer in range(self.form.layers):
            if layer:
                hidden = self._linear(f"layer{layer}", hidden)
            scale, shift = solids.bends[:, part, layer].unbind(1)
            hidden = torch.nn.functional.silu(hidden * (1 + scale) + shift)
        return self._linear("distance", hidden)[..., 0] * self.form.reach

    def _features(self, points: Any) -> Any:
        import torch

        waves = [points * (math.pi * 2.0**octave) for octave in range(self.form.octaves)]
        return torch.cat((points, *(w.sin() for w in waves), *(w.cos() for w in waves)), -1)

    def _linear(self, name: str, values: Any) -> Any:
        import torch

        return torch.nn.functional.linear(
            values, self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]
        )
