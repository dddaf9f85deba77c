"""Random weights, as small as they go, of the models that draw: the same classes and files as the
repositories have. Also LoRA weights for two of them, and for none.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

WORDS = Path(__file__).parents[2] / "model_registry" / "starter" / "shapes" / "tokenizer"


def clip(words=16, projection=16):
    """A tokenizer of the starter's words, the form of a text encoder for it."""
    from transformers import CLIPTextConfig, CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(WORDS, model_max_length=77)
    return tokenizer, CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=words,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        projection_dim=projection,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def t5(words=16):
    """A T5 encoder whose words are single letters, and its tokenizer."""
    from transformers import T5Config, T5EncoderModel, T5TokenizerFast

    letters = [(each, -2.0) for each in "▁abcdefghijklmnopqrstuvwxyz0123456789"]
    tokenizer = T5TokenizerFast(
        vocab=[("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *letters],
        extra_ids=0,
        model_max_length=512,
    )
    config = T5Config(
        vocab_size=len(tokenizer) + 8, d_model=words, d_kv=8, d_ff=16, num_layers=1, num_heads=2
    )
    return tokenizer, T5EncoderModel(config)


def qwen_tokenizer():
    """A tokenizer whose tokens are single bytes, with the chat template that encoders need."""
    from tokenizers import pre_tokenizers
    from transformers import Qwen2Tokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Qwen2Tokenizer(
        vocab={each: number for number, each in enumerate(letters)},
        merges=[],
        model_max_length=131072,
    )
    marks = ["<|im_start|>", "<|im_end|>"]
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    tokenizer.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}"
        "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return tokenizer


def qwen3(kind, layers):
    """A tokenizer and a random Qwen3 of that class of transformers."""
    import transformers

    tokenizer = qwen_tokenizer()
    config = transformers.Qwen3Config(
        vocab_size=len(tokenizer) + 8,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=1024,
    )
    return tokenizer, getattr(transformers, kind)(config)


def vae(kind="AutoencoderKL", latents=4, **settings):
    """An autoencoder of pictures, eight times smaller in each direction."""
    import diffusers

    return getattr(diffusers, kind)(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=latents,
        norm_num_groups=2,
        mid_block_add_attention=False,
        **settings,
    )


def flow():
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=False)


def seeded(seed=0):
    import torch

    torch.manual_seed(seed)


def single_file(path):
    """As the real repositories have them: the same weights again, in another program's form. They
    must not be downloaded.
    """
    import torch
    from safetensors.torch import save_file

    save_file({"all": torch.zeros(1)}, path)


def flux(folder: Path, guidance: bool) -> None:
    """FLUX.1: its transformer knows guidance ("dev") or not ("schnell")."""
    from diffusers import FluxPipeline, FluxTransformer2DModel
    from transformers import CLIPTextModel

    seeded()
    tokenizer, words = clip()
    tokenizer_2, text_encoder_2 = t5()
    FluxPipeline(
        vae=vae(
            use_quant_conv=False,
            use_post_quant_conv=False,
            shift_factor=0.1159,
            scaling_factor=0.3611,
        ),
        text_encoder=CLIPTextModel(words),
        text_encoder_2=text_encoder_2,
        tokenizer=tokenizer,
        tokenizer_2=tokenizer_2,
        transformer=FluxTransformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=16,
            pooled_projection_dim=16,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=guidance,
        ),
        scheduler=flow(),
    ).save_pretrained(folder)
    single_file(folder / "flux1.safetensors")


def flux2_klein(folder: Path) -> None:
    from diffusers import Flux2KleinPipeline, Flux2Transformer2DModel

    seeded()
    # The pipeline reads the text at layers 9, 18 and 27.
    tokenizer, text_encoder = qwen3("Qwen3ForCausalLM", 28)
    autoencoder = vae("AutoencoderKLFlux2", latents=4)
    # Its latents are normalised by what it met in training, not by figures of its form.
    autoencoder.bn.running_mean.normal_(0, 0.3)
    autoencoder.bn.running_var.uniform_(0.5, 2)
    Flux2KleinPipeline(
        vae=autoencoder,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        transformer=Flux2Transformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=48,
            timestep_guidance_channels=16,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=False,
        ),
        scheduler=flow(),
        is_distilled=True,
    ).save_pretrained(folder)


def sdxl_unet(cross_attention, time_ids=6):
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        block_out_channels=(4, 8),
        layers_per_block=1,
        sample_size=128,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(1, 2),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 1),
        projection_class_embeddings_input_dim=16 + 8 * time_ids,
        cross_attention_dim=cross_attention,
        norm_num_groups=2,
    )


def sdxl_scheduler():
    from diffusers import EulerDiscreteScheduler

    return EulerDiscreteScheduler.from_config(
        {
            "beta_start": 0.00085,
            "beta_end": 0.012,
            "beta_schedule": "scaled_linear",
            "timestep_spacing": "leading",
            "steps_offset": 1,
            "skip_prk_steps": True,
        }
    )


def sdxl(folder: Path) -> None:
    import torch
    from diffusers import StableDiffusionXLPipeline
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    seeded()
    tokenizer, words = clip()
    StableDiffusionXLPipeline(
        vae=vae(),
        text_encoder=CLIPTextModel(words),
        text_encoder_2=CLIPTextModelWithProjection(words),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=sdxl_unet(32),
        scheduler=sdxl_scheduler(),
    ).to(torch.float16).save_pretrained(folder, variant="fp16")


def sdxl_refiner(folder: Path) -> None:
    import torch
    from diffusers import StableDiffusionXLImg2ImgPipeline
    from transformers import CLIPTextModelWithProjection

    seeded(1)
    tokenizer, words = clip()
    StableDiffusionXLImg2ImgPipeline(
        vae=vae(),
        text_encoder=None,
        text_encoder_2=CLIPTextModelWithProjection(words),
        tokenizer=None,
        tokenizer_2=tokenizer,
        # It is told how beautiful the picture should be instead of its size.
        unet=sdxl_unet(16, time_ids=5),
        scheduler=sdxl_scheduler(),
        requires_aesthetics_score=True,
    ).to(torch.float16).save_pretrained(folder, variant="fp16")


def sdxl_vae(folder: Path) -> None:
    seeded(2)
    vae(scaling_factor=0.13025).save_pretrained(folder)


def sdxl_lightning(folder: Path) -> None:
    """Single files: the weights of a UNet whose form is the base model's."""
    from safetensors.torch import save_file

    seeded(3)
    weights = sdxl_unet(32).half().state_dict()
    save_file(weights, folder / "sdxl_lightning_4step_unet.safetensors")
    save_file(weights, folder / "sdxl_lightning_8step_unet.safetensors")


def stable_diffusion_3(folder: Path) -> None:
    from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline
    from transformers import CLIPTextModelWithProjection

    seeded()
    tokenizer, words = clip()
    # Side by side, what the CLIP encoders say is no wider than what T5 says.
    tokenizer_3, text_encoder_3 = t5(words=32)
    StableDiffusion3Pipeline(
        vae=vae(
            use_quant_conv=False,
            use_post_quant_conv=False,
            shift_factor=0.0609,
            scaling_factor=1.5305,
        ),
        text_encoder=CLIPTextModelWithProjection(words),
        text_encoder_2=CLIPTextModelWithProjection(words),
        text_encoder_3=text_encoder_3,
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        tokenizer_3=tokenizer_3,
        transformer=SD3Transformer2DModel(
            sample_size=128,
            in_channels=4,
            out_channels=4,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=32,
            caption_projection_dim=16,
            pooled_projection_dim=32,
            pos_embed_max_size=192,
            qk_norm="rms_norm",
        ),
        scheduler=flow(),
    ).save_pretrained(folder)
    single_file(folder / "sd3.5_large.safetensors")


def qwen_image(folder: Path) -> None:
    from diffusers import (
        AutoencoderKLQwenImage,
        QwenImagePipeline,
        QwenImageTransformer2DModel,
    )
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    seeded()
    tokenizer = qwen_tokenizer()
    text = {
        "vocab_size": len(tokenizer) + 8,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 2048,
        "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e6},
    }
    vision = {
        "depth": 1,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "out_hidden_size": 16,
        "fullatt_block_indexes": [0],
    }
    QwenImagePipeline(
        vae=AutoencoderKLQwenImage(
            base_dim=2,
            z_dim=4,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
            latents_mean=[0.1, -0.2, 0.0, 0.3],
            latents_std=[1.0, 1.5, 2.0, 1.2],
        ),
        text_encoder=Qwen2_5_VLForConditionalGeneration(
            Qwen2_5_VLConfig(text_config=text, vision_config=vision)
        ),
        tokenizer=tokenizer,
        transformer=QwenImageTransformer2DModel(
            in_channels=16,
            out_channels=4,
            num_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=16,
            axes_dims_rope=(4, 6, 6),
        ),
        scheduler=flow(),
    ).save_pretrained(folder)


def z_image(folder: Path) -> None:
    from diffusers import ZImagePipeline, ZImageTransformer2DModel

    seeded()
    tokenizer, text_encoder = qwen3("Qwen3Model", 2)
    ZImagePipeline(
        vae=vae(
            use_quant_conv=False,
            use_post_quant_conv=False,
            shift_factor=0.1159,
            scaling_factor=0.3611,
        ),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        transformer=ZImageTransformer2DModel(
            in_channels=4,
            dim=32,
            n_layers=1,
            n_refiner_layers=1,
            n_heads=2,
            n_kv_heads=2,
            cap_feat_dim=16,
            axes_dims=[4, 6, 6],
            axes_lens=[1024, 256, 256],
        ),
        scheduler=flow(),
    ).save_pretrained(folder)


def lora(kind, **shapes):
    """Writes LoRA weights as trainers do: for each layer, by its name in the pipeline, an A of
    (rank, what goes in) and a B of (what comes out, rank).
    """

    def write(folder: Path) -> None:
        import torch
        from safetensors.torch import save_file

        noise = torch.Generator().manual_seed(4)
        tensors = {}
        for layer, (out, into) in shapes.items():
            name = f"{kind}.{layer.replace('__', '.')}"
            tensors[f"{name}.lora_A.weight"] = torch.randn(2, into, generator=noise)
            tensors[f"{name}.lora_B.weight"] = torch.randn(out, 2, generator=noise)
        save_file(tensors, folder / "pytorch_lora_weights.safetensors")
        # Where pictures show what it does, they are not the weights.
        (folder / "README.md").write_text(json.dumps({"base": kind}))

    return write


FLUX_LORA = lora(
    "transformer",
    transformer_blocks__0__attn__to_q=(32, 32),
    transformer_blocks__0__attn__to_k=(32, 32),
    single_transformer_blocks__0__attn__to_v=(32, 32),
)
SDXL_LORA = lora(
    "unet",
    mid_block__attentions__0__transformer_blocks__0__attn1__to_q=(8, 8),
    mid_block__attentions__0__transformer_blocks__0__attn2__to_v=(8, 32),
)

SMALL = {
    "black-forest-labs/flux-schnell": {
        "prompt": "a red circle", "megapixels": "0.25", "num_inference_steps": 2,
    },
    "black-forest-labs/flux-dev": {
        "prompt": "a red circle", "megapixels": "0.25", "num_inference_steps": 2,
    },
    "black-forest-labs/flux-2-klein-4b": {"prompt": "a red circle", "output_megapixels": "0.25"},
    "black-forest-labs/flux-1.1-pro": {
        "prompt": "a red circle", "aspect_ratio": "custom", "width": 256, "height": 256,
    },
    "stability-ai/sdxl": {
        "prompt": "a red circle", "width": 256, "height": 256, "num_inference_steps": 4,
        "refine": "expert_ensemble_refiner",
    },
    "bytedance/sdxl-lightning-4step": {"prompt": "a red circle", "width": 256, "height": 256},
    "stability-ai/stable-diffusion-3.5-large": {"prompt": "a red circle", "steps": 1},
    "stability-ai/stable-diffusion-3.5-large-turbo": {"prompt": "a red circle", "steps": 1},
    "stability-ai/stable-diffusion-3.5-medium": {"prompt": "a red circle", "steps": 1},
    "black-forest-labs/flux-dev-lora": {
        "prompt": "a red circle", "megapixels": "0.25", "num_inference_steps": 2,
    },
    "qwen/qwen-image": {
        "prompt": "a red circle", "image_size": "optimize_for_speed", "num_inference_steps": 1,
    },
    "prunaai/z-image-turbo": {
        "prompt": "a red circle", "width": 256, "height": 256, "num_inference_steps": 2,
    },
}  # fmt: skip

TINY = {
    "black-forest-labs/FLUX.1-schnell": partial(flux, guidance=False),
    "black-forest-labs/FLUX.1-dev": partial(flux, guidance=True),
    "black-forest-labs/FLUX.2-klein-4B": flux2_klein,
    "stabilityai/stable-diffusion-xl-base-1.0": sdxl,
    "stabilityai/stable-diffusion-xl-refiner-1.0": sdxl_refiner,
    "madebyollin/sdxl-vae-fp16-fix": sdxl_vae,
    "ByteDance/SDXL-Lightning": sdxl_lightning,
    "stabilityai/stable-diffusion-3.5-large": stable_diffusion_3,
    "stabilityai/stable-diffusion-3.5-large-turbo": stable_diffusion_3,
    "stabilityai/stable-diffusion-3.5-medium": stable_diffusion_3,
    "Qwen/Qwen-Image": qwen_image,
    "Tongyi-MAI/Z-Image-Turbo": z_image,
}
