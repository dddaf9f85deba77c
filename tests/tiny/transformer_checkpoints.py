"""FLUX.1 and Stable Diffusion 3 in one file, as their makers share them."""

from __future__ import annotations

import re
from pathlib import Path

from tests.tiny.checkpoints import replaced, tensors_of, vae_tensors
from tests.tiny.image import clip, flow, seeded, t5, vae


def flux():
    """A FLUX.1 schnell of one block of each kind, at the true width: diffusers knows only that when
    it reads a file. A gigabyte, in bfloat16, of numbers that mostly come again and again.
    """
    import torch
    from diffusers import FluxPipeline, FluxTransformer2DModel
    from transformers import CLIPTextModel

    seeded()
    tokenizer, words = clip()
    tokenizer_2, text_encoder_2 = t5()
    with torch.device("meta"):
        transformer = FluxTransformer2DModel(
            in_channels=64, num_layers=1, num_single_layers=1, joint_attention_dim=16,
            pooled_projection_dim=16, guidance_embeds=False,
        )  # fmt: skip
    transformer = transformer.to_empty(device="cpu").to(torch.bfloat16)
    few = torch.randn(997).mul_(0.02).to(torch.bfloat16)
    for each in transformer.parameters():
        each.data = few.repeat(each.numel() // 997 + 1)[: each.numel()].view(each.shape)
    return FluxPipeline(
        vae=vae(use_quant_conv=False, use_post_quant_conv=False, latents=16, shift_factor=0.1),
        text_encoder=CLIPTextModel(words),
        text_encoder_2=text_encoder_2,
        tokenizer=tokenizer,
        tokenizer_2=tokenizer_2,
        transformer=transformer,
        scheduler=flow(),
    )


FLUX = (
    ("time_text_embed.timestep_embedder.linear_1", "time_in.in_layer"),
    ("time_text_embed.timestep_embedder.linear_2", "time_in.out_layer"),
    ("time_text_embed.text_embedder.linear_1", "vector_in.in_layer"),
    ("time_text_embed.text_embedder.linear_2", "vector_in.out_layer"),
    ("context_embedder", "txt_in"), ("x_embedder", "img_in"),
    ("norm_out.linear", "final_layer.adaLN_modulation.1"),
    ("single_transformer_blocks.", "single_blocks."), ("transformer_blocks.", "double_blocks."),
    ("norm1_context.linear", "txt_mod.lin"), ("norm1.linear", "img_mod.lin"),
    ("norm.linear", "modulation.lin"),
    ("attn.norm_added_q.weight", "txt_attn.norm.query_norm.scale"),
    ("attn.norm_added_k.weight", "txt_attn.norm.key_norm.scale"),
    ("attn.to_out.0", "img_attn.proj"), ("attn.to_add_out", "txt_attn.proj"),
    ("ff_context.net.0.proj", "txt_mlp.0"), ("ff_context.net.2", "txt_mlp.2"),
    ("ff.net.0.proj", "img_mlp.0"), ("ff.net.2", "img_mlp.2"),
)  # fmt: skip


def flux_file(transformer, path: Path) -> None:
    """Writes what draws, alone, as its makers do."""
    import torch
    from safetensors.torch import save_file

    held, found = dict(tensors_of(transformer)), {}
    for name, each in held.items():
        place = replaced(name, FLUX)
        if (at := re.match(r"(double_blocks\.\d+)\.attn\.to_q\.(\w+)", place)) is not None:
            parts = [held[name.replace("to_q", f"to_{part}")] for part in "qkv"]
            found[f"{at[1]}.img_attn.qkv.{at[2]}"] = torch.cat(parts)
        elif (at := re.match(r"(double_blocks\.\d+)\.attn\.add_q_proj\.(\w+)", place)) is not None:
            parts = [held[name.replace("add_q", f"add_{part}")] for part in "qkv"]
            found[f"{at[1]}.txt_attn.qkv.{at[2]}"] = torch.cat(parts)
        elif (at := re.match(r"(single_blocks\.\d+)\.attn\.to_q\.(\w+)", place)) is not None:
            parts = [held[name.replace("to_q", f"to_{part}")] for part in "qkv"]
            mixed = held[name.replace("attn.to_q", "proj_mlp")]
            found[f"{at[1]}.linear1.{at[2]}"] = torch.cat([*parts, mixed])
        elif at := re.match(r"(single_blocks|double_blocks)(.*)attn\.norm_([qk])\.w", place):
            within = "img_attn.norm" if at[1] == "double_blocks" else "norm"
            which = "query" if at[3] == "q" else "key"
            found[f"{at[1]}{at[2]}{within}.{which}_norm.scale"] = each
        elif "final_layer" in place:  # the halves lie the other way round
            found[place] = torch.cat(each.chunk(2)[::-1])
        elif not re.search(r"attn\.(to|add)_[kv]|proj_mlp", place):
            top = place.startswith("proj_out")
            found[place.replace("proj_out", "final_layer.linear" if top else "linear2")] = each
    save_file({name: each.contiguous() for name, each in found.items()}, path)


def stable_diffusion_3():
    import torch
    from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    seeded()
    tokenizer, words = clip()
    second = CLIPTextConfig.from_dict({**words.to_dict(), "hidden_size": 24, "projection_dim": 24})
    first = CLIPTextModelWithProjection(words)
    first.text_projection.weight.data = torch.eye(16)  # it has none in a file
    tokenizer_3, text_encoder_3 = t5(words=40)
    return StableDiffusion3Pipeline(
        vae=vae(use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.06),
        text_encoder=first,
        text_encoder_2=CLIPTextModelWithProjection(second),
        text_encoder_3=text_encoder_3,
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        tokenizer_3=tokenizer_3,
        transformer=SD3Transformer2DModel(
            sample_size=8, in_channels=4, out_channels=4, num_layers=2, attention_head_dim=8,
            num_attention_heads=2, joint_attention_dim=40, caption_projection_dim=16,
            pooled_projection_dim=40, pos_embed_max_size=64, qk_norm="rms_norm",
        ),
        scheduler=flow(),
    )  # fmt: skip


SD3 = (
    ("time_text_embed.timestep_embedder.linear_1", "t_embedder.mlp.0"),
    ("time_text_embed.timestep_embedder.linear_2", "t_embedder.mlp.2"),
    ("time_text_embed.text_embedder.linear_1", "y_embedder.mlp.0"),
    ("time_text_embed.text_embedder.linear_2", "y_embedder.mlp.2"),
    ("pos_embed.pos_embed", "pos_embed"), ("pos_embed.proj", "x_embedder.proj"),
    ("norm_out.linear", "final_layer.adaLN_modulation.1"), ("proj_out", "final_layer.linear"),
    ("transformer_blocks.", "joint_blocks."),
    ("norm1_context.linear", "context_block.adaLN_modulation.1"),
    ("norm1.linear", "x_block.adaLN_modulation.1"),
    ("attn.norm_added_", "context_block.attn.ln_"), ("attn.norm_", "x_block.attn.ln_"),
    ("attn.to_out.0", "x_block.attn.proj"), ("attn.to_add_out", "context_block.attn.proj"),
    ("ff_context.net.0.proj", "context_block.mlp.fc1"),
    ("ff_context.net.2", "context_block.mlp.fc2"),
    ("ff.net.0.proj", "x_block.mlp.fc1"), ("ff.net.2", "x_block.mlp.fc2"),
)  # fmt: skip


def stable_diffusion_3_file(pipeline, path: Path, *without: str) -> None:
    """Writes the pipeline as its makers would, leaving out parts whose names begin so."""
    import torch
    from safetensors.torch import save_file

    held, found = dict(tensors_of(pipeline.transformer)), {}
    last = f"joint_blocks.{pipeline.transformer.config.num_layers - 1}.context_block.adaLN"
    for name, each in held.items():
        place = replaced(name, SD3)
        for ours, block in (("to_q", "x_block"), ("add_q_proj", "context_block")):
            if f".{ours}." in name:
                parts = [held[name.replace(ours, ours.replace("q", part, 1))] for part in "qkv"]
                each = torch.cat(parts)
                place = place.replace(f"attn.{ours}", f"{block}.attn.qkv")
        if place.startswith((last, "final_layer.adaLN")):  # the halves lie the other way round
            each = torch.cat(each.chunk(2)[::-1])
        if not re.search(r"attn\.(to|add)_[kv]", name):
            found[f"model.diffusion_model.{place}"] = each
    found |= {f"first_stage_model.{name}": each for name, each in vae_tensors(pipeline.vae).items()}
    for part, letter in ((pipeline.text_encoder, "l"), (pipeline.text_encoder_2, "g")):
        found |= {f"text_encoders.clip_{letter}.transformer.{k}": v for k, v in tensors_of(part)}
    found.pop("text_encoders.clip_l.transformer.text_projection.weight")
    third = tensors_of(pipeline.text_encoder_3)
    found |= {f"text_encoders.t5xxl.transformer.{k}": v.clone() for k, v in third}
    kept = {k: v.contiguous().half() for k, v in found.items() if not k.startswith(without)}
    save_file(kept, path)
