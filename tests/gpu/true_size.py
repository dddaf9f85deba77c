"""Checkpoints of the true size with random weights, and what the library alone does with them. Each
in a process of its own, so that the GPU is empty again afterwards:

    python -m tests.gpu.true_size write flux FOLDER
    python -m tests.gpu.true_size run flux FOLDER ROUNDS      prints seconds and peak bytes as JSON
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

SHAPES = Path(__file__).resolve().parents[2] / "model_registry" / "starter" / "shapes"

# The figures of the config.json files of FLUX.1-schnell, SDXL and Llama-3.1-8B.
CLIP_LARGE = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "projection_dim": 768,
}
FLUX = {
    "transformer": {
        "in_channels": 64,
        "num_layers": 19,
        "num_single_layers": 38,
        "attention_head_dim": 128,
        "num_attention_heads": 24,
        "joint_attention_dim": 4096,
        "pooled_projection_dim": 768,
        "axes_dims_rope": (16, 56, 56),
    },
    "vae": {
        "block_out_channels": (128, 256, 512, 512),
        "layers_per_block": 2,
        "latent_channels": 16,
        "norm_num_groups": 32,
    },
    "clip": CLIP_LARGE,
    "t5": {"d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64},
    "run": {"height": 1024, "width": 1024, "num_inference_steps": 4, "max_sequence_length": 256},
}
SDXL = {
    "unet": {
        "block_out_channels": (320, 640, 1280),
        "layers_per_block": 2,
        "attention_head_dim": (5, 10, 20),
        "transformer_layers_per_block": (1, 2, 10),
        "cross_attention_dim": 2048,
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
        "sample_size": 128,
    },
    "vae": {
        "block_out_channels": (128, 256, 512, 512),
        "layers_per_block": 2,
        "latent_channels": 4,
        "norm_num_groups": 32,
        "sample_size": 1024,
    },
    "clip": CLIP_LARGE,
    "large clip": {
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_hidden_layers": 32,
        "num_attention_heads": 20,
        "projection_dim": 1280,
        "hidden_act": "gelu",
    },
    "run": {"height": 1024, "width": 1024, "num_inference_steps": 30, "guidance_scale": 7.5},
}
LLAMA = {
    "model": {
        "vocab_size": 128256,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "max_position_embeddings": 8192,
    },
    "run": {"max_new_tokens": 256},
}


def write_flux(folder: Path, sizes: dict = FLUX) -> None:
    """In FLUX's layout; made on the GPU, which takes seconds and not hours."""
    import diffusers
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

    tokenizer, ids = _tokenizer()
    _in_16_bits()
    diffusers.FluxPipeline(
        vae=_vae(
            sizes["vae"],
            use_quant_conv=False,
            use_post_quant_conv=False,
            shift_factor=0.1159,
            scaling_factor=0.3611,
        ),
        text_encoder=CLIPTextModel(CLIPTextConfig(vocab_size=49408, **ids, **sizes["clip"])),
        text_encoder_2=T5EncoderModel(
            T5Config(vocab_size=32128, feed_forward_proj="gated-gelu", **sizes["t5"])
        ),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        transformer=diffusers.FluxTransformer2DModel(**sizes["transformer"]),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    ).to(torch.bfloat16).save_pretrained(folder)


def write_sdxl(folder: Path, sizes: dict = SDXL) -> None:
    """In the layout of Stable Diffusion XL."""
    import diffusers
    import torch
    from transformers import (
        CLIPTextConfig,
        CLIPTextModel,
        CLIPTextModelWithProjection,
    )

    tokenizer, ids = _tokenizer()
    small, large = (
        CLIPTextConfig(vocab_size=49408, **ids, **sizes[name]) for name in ("clip", "large clip")
    )
    _in_16_bits()
    diffusers.StableDiffusionXLPipeline(
        vae=_vae(
            sizes["vae"],
            scaling_factor=0.13025,
            force_upcast=False,
        ),
        text_encoder=CLIPTextModel(small),
        text_encoder_2=CLIPTextModelWithProjection(large),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=diffusers.UNet2DConditionModel(
            down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * 2),
            up_block_types=(*("CrossAttnUpBlock2D",) * 2, "UpBlock2D"),
            addition_embed_type="text_time",
            use_linear_projection=True,
            **sizes["unet"],
        ),
        scheduler=diffusers.EulerDiscreteScheduler(
            beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, steps_offset=1
        ),
    ).to(torch.float16).save_pretrained(folder)


def write_llama(folder: Path, sizes: dict = LLAMA) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    more = [f"<{number}>" for number in range(sizes["model"]["vocab_size"] - len(letters))]
    tokenizer = Tokenizer(models.BPE({each: i for i, each in enumerate([*letters, *more])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    _in_16_bits()
    ends = {"eos_token_id": None, "bos_token_id": None}
    LlamaForCausalLM(LlamaConfig(**ends, **sizes["model"])).save_pretrained(folder)


def flux(folder: Path, sizes: dict = FLUX):
    """FLUX as diffusers' documentation runs it."""
    import torch
    from diffusers import FluxPipeline

    pipeline = FluxPipeline.from_pretrained(folder, dtype=torch.bfloat16).to(_where())

    def run() -> None:
        pipeline(
            "a red circle",
            guidance_scale=0.0,
            generator=torch.Generator("cpu").manual_seed(0),
            **sizes["run"],
        )

    return run


def sdxl(folder: Path, sizes: dict = SDXL):
    """Stable Diffusion XL as diffusers' documentation runs it."""
    import torch
    from diffusers import StableDiffusionXLPipeline

    pipeline = StableDiffusionXLPipeline.from_pretrained(folder, dtype=torch.float16)
    pipeline.to(_where())

    def run() -> None:
        pipeline("a red circle", generator=torch.Generator("cpu").manual_seed(0), **sizes["run"])

    return run


def llama(folder: Path, sizes: dict = LLAMA):
    """A Llama as transformers' documentation runs it."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.bfloat16, device_map=_where()
    ).eval()
    asked = tokenizer("Once upon a time", return_tensors="pt").to(model.device)

    def run() -> None:
        model.generate(**asked, do_sample=False, pad_token_id=0, **sizes["run"])

    return run


WRITE = {"flux": write_flux, "sdxl": write_sdxl, "llama": write_llama}
LOAD = {"flux": flux, "sdxl": sdxl, "llama": llama}


def _tokenizer():
    """CLIP's, and the numbers of its special tokens as a text encoder's configuration has them."""
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(SHAPES / "tokenizer")
    names = ("eos_token_id", "bos_token_id", "pad_token_id")
    return tokenizer, {name: getattr(tokenizer, name) for name in names}


def _vae(sizes: dict, **more):
    """An autoencoder with a block for each of its channels."""
    from diffusers import AutoencoderKL

    count = len(sizes["block_out_channels"])
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * count,
        up_block_types=("UpDecoderBlock2D",) * count,
        **more,
        **sizes,
    )


def _where() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _in_16_bits() -> None:
    """From here on this process makes all tensors on the GPU, in 16 bits."""
    import torch

    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    torch.set_default_device(_where())


def main(what: str, name: str, folder: str, rounds: str = "3") -> None:
    if what == "write":
        WRITE[name](Path(folder))
        return
    import torch

    began = time.perf_counter()
    run = LOAD[name](Path(folder))
    run()
    first = time.perf_counter() - began
    seconds = []
    for _ in range(int(rounds)):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 1
    print(json.dumps({"first": first, "seconds": seconds, "peak": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])
