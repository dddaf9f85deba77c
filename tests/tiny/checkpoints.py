"""Tiny pipelines in one file, as their makers share them: the tensors of diffusers' classes under
the names and in the shapes of the programs that they come from. Those that draw with a transformer
are in `transformer_checkpoints.py`.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.tiny.image import clip, sdxl_unet, seeded, vae

RESNET = (
    ("norm1", "in_layers.0"), ("conv1", "in_layers.2"), ("time_emb_proj", "emb_layers.1"),
    ("norm2", "out_layers.0"), ("conv2", "out_layers.3"), ("conv_shortcut", "skip_connection"),
)  # fmt: skip
UNET = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
}  # fmt: skip
OPEN_CLIP = (
    ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
    ("text_model.embeddings.token_embedding", "token_embedding"),
    ("text_model.final_layer_norm", "ln_final"), ("layer_norm", "ln_"),
    ("text_model.encoder.layers.", "transformer.resblocks."), (".fc1.", ".c_fc."),
    (".fc2.", ".c_proj."), (".self_attn.out_proj", ".attn.out_proj"),
)  # fmt: skip


def stable_diffusion(channels=4):
    """A pipeline of Stable Diffusion 1, or of its inpainting with 9 channels."""
    from diffusers import (
        PNDMScheduler,
        StableDiffusionInpaintPipeline,
        StableDiffusionPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextModel

    seeded()
    tokenizer, words = clip()
    family = StableDiffusionPipeline if channels == 4 else StableDiffusionInpaintPipeline
    return family(
        vae=vae(),
        text_encoder=CLIPTextModel(words),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(
            in_channels=channels, block_out_channels=(4, 8), layers_per_block=1, sample_size=8,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), attention_head_dim=2,
            cross_attention_dim=16, norm_num_groups=2,
        ),
        scheduler=PNDMScheduler(skip_prk_steps=True, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip


def sdxl():
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    seeded()
    tokenizer, words = clip()
    second = CLIPTextConfig.from_dict({**words.to_dict(), "hidden_size": 24, "projection_dim": 16})
    return StableDiffusionXLPipeline(
        vae=vae(),
        text_encoder=CLIPTextModel(words),
        text_encoder_2=CLIPTextModelWithProjection(second),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=sdxl_unet(40),
        scheduler=EulerDiscreteScheduler(),
    )


def one_file(pipeline, path: Path, *without: str) -> None:
    """Writes the pipeline as its makers would, leaving out parts whose names begin so."""
    import torch
    from safetensors.torch import save_file

    found = {f"model.diffusion_model.{k}": v for k, v in _unet(pipeline.unet).items()}
    found |= {f"first_stage_model.{name}": each for name, each in vae_tensors(pipeline.vae).items()}
    first = {
        f"text_model.{name.removeprefix('text_model.')}": each
        for name, each in tensors_of(pipeline.text_encoder)
    }
    if "text_encoder_2" in pipeline.components:
        found |= {f"conditioner.embedders.0.transformer.{k}": v for k, v in first.items()}
        second = _open_clip(pipeline.text_encoder_2)
        found |= {f"conditioner.embedders.1.model.{k}": v for k, v in second.items()}
    else:
        found |= {f"cond_stage_model.transformer.{k}": v for k, v in first.items()}
    kept = {k: v.contiguous().half() for k, v in found.items() if not k.startswith(without)}
    save_file({**kept, "alphas_cumprod": torch.ones(1)}, path)


def settings(pipeline, folder: Path, *weights: str) -> None:
    """What the repository of a pipeline's family has that is not in the file: all but the weights,
    and those of the parts named.
    """
    pipeline.save_pretrained(folder)
    for file in folder.glob("*/*.safetensors"):
        if file.parent.name not in weights:
            file.unlink()


def stable_diffusion_checkpoint(folder: Path) -> None:
    one_file(stable_diffusion(), folder / "model.safetensors")


def stable_diffusion_settings(folder: Path) -> None:
    settings(stable_diffusion(), folder)


def sdxl_without_vae(folder: Path) -> None:
    one_file(sdxl(), folder / "model.safetensors", "first_stage_model.")


def sdxl_settings(folder: Path) -> None:
    settings(sdxl(), folder, "vae")


def tensors_of(model):
    return model.state_dict().items()


def _unet(unet):
    layers = unet.config.layers_per_block + 1
    found = {}
    for name, each in tensors_of(unet):
        found[_unet_name(name, layers, unet)] = each
    return found


def _unet_name(name, layers, unet):
    begin = next((each for each in UNET if name.startswith(f"{each}.")), None)
    if begin:
        return name.replace(begin, UNET[begin], 1)
    if (at := re.match(r"down_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.*)", name)) is not None:
        place = f"input_blocks.{layers * int(at[1]) + int(at[3]) + 1}"
    elif (at := re.match(r"(down)_blocks\.(\d+)\.downsamplers\.0\.conv\.(.*)", name)) is not None:
        return f"input_blocks.{layers * (int(at[2]) + 1)}.0.op.{at[3]}"
    elif (at := re.match(r"mid_block\.()(resnets|attentions)\.(\d+)\.(.*)", name)) is not None:
        number = 2 * int(at[3]) if at[2] == "resnets" else 1
        return f"middle_block.{number}.{_inner(at[2], at[4])}"
    elif (at := re.match(r"up_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.*)", name)) is not None:
        place = f"output_blocks.{layers * int(at[1]) + int(at[3])}"
    else:
        at = re.match(r"up_blocks\.(\d+)\.upsamplers\.0\.conv\.(.*)", name)
        attends = unet.config.up_block_types[int(at[1])].startswith("Cross")
        number = layers * int(at[1]) + layers - 1
        return f"output_blocks.{number}.{2 if attends else 1}.conv.{at[2]}"
    return f"{place}.{0 if at[2] == 'resnets' else 1}.{_inner(at[2], at[4])}"


def _inner(kind, name):
    return replaced(name, RESNET) if kind == "resnets" else name


def vae_tensors(vae):
    last = len(vae.config.up_block_types) - 1
    found = {}
    for name, each in tensors_of(vae):
        name = re.sub(r"down_blocks\.(\d+)\.resnets\.", r"down.\1.block.", name)
        name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0\.", r"down.\1.downsample.", name)
        name = re.sub(
            r"up_blocks\.(\d+)\.resnets\.", lambda at: f"up.{last - int(at[1])}.block.", name
        )
        name = re.sub(
            r"up_blocks\.(\d+)\.upsamplers\.0\.",
            lambda at: f"up.{last - int(at[1])}.upsample.",
            name,
        )
        name = re.sub(r"mid_block\.resnets\.(\d+)", lambda at: f"mid.block_{int(at[1]) + 1}", name)
        name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
        if "mid_block.attentions.0" in name:
            name = name.replace("mid_block.attentions.0", "mid.attn_1")
            for ours, theirs in (("group_norm", "norm"), ("to_out.0", "proj_out")):
                name = name.replace(ours, theirs)
            name = re.sub(r"\.to_([qkv])\.", r".\1.", name)
            each = each[:, :, None, None] if each.ndim == 2 else each
        found[name] = each
    return found


def _open_clip(model):
    import torch

    found = {}
    held = dict(tensors_of(model))
    for name, each in held.items():
        if name == "text_projection.weight":
            found["text_projection"] = each.T
        elif (at := re.match(r"(.*)\.self_attn\.q_proj\.(weight|bias)", name)) is not None:
            parts = [held[f"{at[1]}.self_attn.{part}_proj.{at[2]}"] for part in "qkv"]
            place = replaced(f"{at[1]}.", OPEN_CLIP)
            found[f"{place}attn.in_proj_{at[2]}"] = torch.cat(parts)
        elif not re.search(r"self_attn\.[kv]_proj", name):
            found[replaced(name, OPEN_CLIP)] = each
    return found


def replaced(name, pairs):
    for ours, theirs in pairs:
        name = name.replace(ours, theirs)
    return name


def named(folder: Path, **parts) -> None:
    """Lets the settings in a folder tell of parts whose weights are not there."""
    import json

    index = json.loads((folder / "model_index.json").read_text())
    for name, each in parts.items():
        index[name] = ["diffusers", type(each).__name__]
        each.save_config(folder / name)
    (folder / "model_index.json").write_text(json.dumps(index))
