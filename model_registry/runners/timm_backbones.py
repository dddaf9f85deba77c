"""Models of transformers whose ResNet comes from the package timm, read with the library's own
ResNet: it is the same network under other names. No runner: what loads models imports it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SIZES = {
    "resnet18": ("basic", [64, 128, 256, 512], [2, 2, 2, 2]),
    "resnet34": ("basic", [64, 128, 256, 512], [3, 4, 6, 3]),
    "resnet50": ("bottleneck", [256, 512, 1024, 2048], [3, 4, 6, 3]),
    "resnet101": ("bottleneck", [256, 512, 1024, 2048], [3, 4, 23, 3]),
}
"""What blocks each has, how wide they are and how many."""


def without_timm(weights: str) -> dict[str, Any]:
    """What `from_pretrained` has to know to do without timm; nothing where that is not needed."""
    file = Path(weights, "config.json")
    said = json.loads(file.read_text()) if file.is_file() else {}
    if not said.get("use_timm_backbone") or said.get("backbone") not in SIZES:
        return {}
    from transformers import AutoConfig, ResNetConfig

    blocks, widths, counts = SIZES[said["backbone"]]
    config = AutoConfig.from_pretrained(weights)
    config.use_timm_backbone = False
    config.backbone_config = ResNetConfig(
        layer_type=blocks, hidden_sizes=widths, depths=counts, out_features=["stage4"]
    )
    return {"config": config, "key_mapping": dict(_names())}


def _names() -> Iterator[tuple[str, str]]:
    """Patterns in timm's names of tensors → what the library has there. Each is tried in turn on
    what the others have made; a pattern may keep one group.
    """
    stem = r"(backbone\.(?:conv_encoder\.)?model\.)"
    kinds = (("conv", "convolution"), ("bn", "normalization"))
    for name, kind in kinds:
        yield rf"{stem}{name}1\.", rf"\1embedder.embedder.{kind}."
    for stage in range(4):
        yield rf"{stem}layer{stage + 1}\.", rf"\1encoder.stages.{stage}.layers."
    block = r"(encoder\.stages\.\d+\.layers\.\d+\.)"
    for at, (name, kind) in enumerate(kinds):
        yield rf"{block}downsample\.{at}\.", rf"\1shortcut.{kind}."
        for layer in range(3):
            yield rf"{block}{name}{layer + 1}\.", rf"\1layer.{layer}.{kind}."
