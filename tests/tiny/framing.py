"""A DETR whose ResNet has the names of the package timm, as the first of them do."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.tiny.sorting import named
from tests.tiny.vision import write_json


def detr(folder: Path, kind: str = "Detr"):
    """Gives the model as it was before."""
    import torch
    import transformers
    from safetensors.torch import load_file, save_file

    torch.manual_seed(0)
    sees = transformers.ResNetConfig(
        layer_type="basic", hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2],
        out_features=["stage4"],
    )  # fmt: skip
    config = getattr(transformers, f"{kind}Config")(
        use_timm_backbone=False, backbone_config=sees, d_model=16, encoder_layers=1,
        decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16,
        decoder_ffn_dim=16, num_queries=4, **named("cat", "dog"),
    )  # fmt: skip
    model = getattr(transformers, f"{kind}ForObjectDetection")(config)
    for name, each in model.named_buffers():
        if "running" in name:
            each += torch.rand_like(each)
    model.save_pretrained(folder)
    held = load_file(folder / "model.safetensors")
    renamed = {_timms(name): each for name, each in held.items()}
    assert renamed.keys() != held.keys()
    save_file(renamed, folder / "model.safetensors", {"format": "pt"})
    said = json.loads((folder / "config.json").read_text())
    other = {"use_timm_backbone": True, "backbone": "resnet18", "backbone_config": None}
    write_json(folder, config=said | other | {"dilation": False})
    write_json(
        folder,
        preprocessor_config={
            "image_processor_type": "DetrImageProcessor", "format": "coco_detection",
            "do_resize": True, "do_normalize": True, "image_mean": [0.485, 0.456, 0.406],
            "image_std": [0.229, 0.224, 0.225], "size": {"shortest_edge": 64, "longest_edge": 96},
        },
    )  # fmt: skip
    return model.eval()


def _timms(name: str) -> str:
    """The library's name of a tensor as timm has it."""
    turns = (
        (r"embedder\.embedder\.convolution", "conv1"),
        (r"embedder\.embedder\.normalization", "bn1"),
        (r"encoder\.stages\.(\d+)\.layers\.", lambda found: f"layer{int(found[1]) + 1}."),
        (r"shortcut\.convolution", "downsample.0"),
        (r"shortcut\.normalization", "downsample.1"),
        (r"\.layer\.(\d)\.convolution", lambda found: f".conv{int(found[1]) + 1}"),
        (r"\.layer\.(\d)\.normalization", lambda found: f".bn{int(found[1]) + 1}"),
    )
    for pattern, by in turns:
        name = re.sub(pattern, by, name)
    return name
