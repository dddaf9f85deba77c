"""Random weights, as small as they go, of the models that change pictures: the same classes and
files as the repositories have. Their autoencoders make one latent of more pixels than the real
ones do, because the pipelines read every picture at a megapixel.
"""

from __future__ import annotations

from pathlib import Path

from tests.tiny.image import clip, flow, qwen_tokenizer, sdxl_scheduler, sdxl_unet, seeded, t5, vae
from tests.tiny.video import AS_DATA

SEEN = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")


def kontext(folder: Path) -> None:
    from diffusers import AutoencoderKL, FluxKontextPipeline, FluxTransformer2DModel
    from transformers import CLIPTextModel

    seeded()
    tokenizer, words = clip()
    tokenizer_2, text_encoder_2 = t5()
    deep = 5
    FluxKontextPipeline(
        vae=AutoencoderKL(
            block_out_channels=(2,) * deep,
            down_block_types=("DownEncoderBlock2D",) * deep,
            up_block_types=("UpDecoderBlock2D",) * deep,
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=1,
            mid_block_add_attention=False,
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
            guidance_embeds=True,
            axes_dims_rope=(4, 4, 8),
        ),
        scheduler=flow(),
    ).save_pretrained(folder)


def qwen_edit(folder: Path) -> None:
    """Its text encoder sees the pictures too, through a processor in a folder of its own."""
    import json

    from diffusers import (
        AutoencoderKLQwenImage,
        QwenImageEditPlusPipeline,
        QwenImageTransformer2DModel,
    )
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2VLImageProcessor,
        Qwen2VLProcessor,
    )

    seeded()
    tokenizer = qwen_tokenizer()
    marks = ["<|im_start|>", "<|im_end|>", *SEEN]
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    number = dict(zip(SEEN, tokenizer.convert_tokens_to_ids(list(SEEN)), strict=True))
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer) + 8,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "max_position_embeddings": 8192,
            "rope_parameters": {
                "rope_type": "default",
                "mrope_section": [1, 1, 2],
                "rope_theta": 1e6,
            },
        },
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": 16,
            "fullatt_block_indexes": [0],
        },
        vision_start_token_id=number["<|vision_start|>"],
        vision_end_token_id=number["<|vision_end|>"],
        image_token_id=number["<|image_pad|>"],
        video_token_id=number["<|video_pad|>"],
    )

    class PicturesOnly(Qwen2VLProcessor):
        """The library's own writes what only videos need as well, and needs torchvision for it."""

        @classmethod
        def get_attributes(cls):
            return ["image_processor", "tokenizer"]

    PicturesOnly.__name__ = "Qwen2VLProcessor"
    reader = Qwen2VLImageProcessor(
        size={"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 1280},
        patch_size=14,
        temporal_patch_size=2,
        merge_size=2,
    )
    QwenImageEditPlusPipeline(
        vae=AutoencoderKLQwenImage(
            base_dim=2,
            z_dim=4,
            dim_mult=[1] * 6,
            num_res_blocks=1,
            temperal_downsample=[False, True, True, False, False],
            latents_mean=[0.1, -0.2, 0.0, 0.3],
            latents_std=[1.0, 1.5, 2.0, 1.2],
        ),
        text_encoder=Qwen2_5_VLForConditionalGeneration(config),
        tokenizer=tokenizer,
        processor=PicturesOnly(image_processor=reader, tokenizer=tokenizer),
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
    index = folder / "model_index.json"
    said = json.loads(index.read_text())
    index.write_text(json.dumps({**said, "processor": ["transformers", "Qwen2VLProcessor"]}))
    videos = {
        "processor_class": "Qwen2VLProcessor",
        "video_processor_type": "Qwen2VLVideoProcessor",
    }
    (folder / "processor" / "video_preprocessor_config.json").write_text(json.dumps(videos))


def sdxl_inpainting(folder: Path) -> None:
    import torch
    from diffusers import StableDiffusionXLInpaintPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    seeded()
    tokenizer, words = clip()
    # It sees the picture outside of the mask, and the mask, beside the noise.
    unet = UNet2DConditionModel.from_config({**sdxl_unet(32).config, "in_channels": 9})
    StableDiffusionXLInpaintPipeline(
        vae=vae(scaling_factor=0.13025),
        text_encoder=CLIPTextModel(words),
        text_encoder_2=CLIPTextModelWithProjection(words),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet,
        scheduler=sdxl_scheduler(),
    ).to(torch.float16).save_pretrained(folder, variant="fp16")


TINY = {
    "black-forest-labs/FLUX.1-Kontext-dev": kontext,
    "Qwen/Qwen-Image-Edit-2511": qwen_edit,
    "diffusers/stable-diffusion-xl-1.0-inpainting-0.1": sdxl_inpainting,
}
SMALL = {
    "black-forest-labs/flux-kontext-dev": {
        "prompt": "make it blue",
        "input_image": AS_DATA,
        "num_inference_steps": 4,
    },
    "qwen/qwen-image-edit-plus": {
        "prompt": "make it blue",
        "image": [AS_DATA],
        "num_inference_steps": 1,
        "guidance": 1,
    },
    "lucataco/sdxl-inpainting": {
        "prompt": "a fox",
        "image": AS_DATA,
        "mask": AS_DATA,
        "steps": 2,
    },
}
