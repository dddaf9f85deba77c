"""Random weights, as small as they go, of the models that make videos: the same classes and files
as the repositories have. Sizes along space and time are divided as in the real ones.
"""

from __future__ import annotations

import base64
import string
from pathlib import Path

REGISTRY = Path(__file__).parents[2] / "model_registry"
FISH = str(REGISTRY / "starter/cutout/examples/fish.jpg")
ICON = str(REGISTRY / "starter/enlarge/examples/icon.png")
AS_DATA = "data:image/png;base64," + base64.b64encode(Path(ICON).read_bytes()).decode()
LETTERS = string.printable.strip()


def t5_words():
    """A tokenizer as T5 and UMT5 have, and the form of an encoder for it."""
    from transformers import T5TokenizerFast

    specials = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    letters = [(each, -3.0) for each in ["▁", *LETTERS]]
    tokenizer = T5TokenizerFast(vocab=specials + letters, extra_ids=0, model_max_length=512)
    form = {"vocab_size": 128, "d_model": 32, "d_kv": 8, "d_ff": 37, "num_layers": 1}
    return tokenizer, {**form, "num_heads": 4}


def clip_words():
    """A tokenizer as CLIP has, and the form of an encoder for it."""
    from transformers import CLIPTextConfig, CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(REGISTRY / "starter/shapes/tokenizer")
    return tokenizer, CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        projection_dim=32,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def bpe_words(kind, *specials, **settings):
    """A tokenizer of a class that merges letters, in which every letter is a token."""
    vocabulary = {each: number for number, each in enumerate([*specials, "▁", *LETTERS])}
    return kind(vocab=vocabulary, merges=[], **settings)


def _wan_parts(old=True):
    from diffusers import AutoencoderKLWan, UniPCMultistepScheduler
    from transformers import UMT5Config, UMT5EncoderModel

    tokenizer, form = t5_words()
    shape = {"base_dim": 4, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1}
    if old:
        shape |= {"z_dim": 16, "temperal_downsample": [False, True, True]}
    else:
        shape |= {
            "z_dim": 48, "decoder_base_dim": 4, "is_residual": True, "in_channels": 12,
            "out_channels": 12, "patch_size": 2, "scale_factor_spatial": 16,
            "temperal_downsample": [False, True, True],
            "latents_mean": [0.0] * 48, "latents_std": [1.0] * 48,
        }  # fmt: skip
    return {
        "tokenizer": tokenizer,
        "text_encoder": UMT5EncoderModel(UMT5Config(**form)),
        "vae": AutoencoderKLWan(**shape),
        "scheduler": UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0
        ),
    }


def _wan_transformer(channels=16, given=None):
    from diffusers import WanTransformer3DModel

    return WanTransformer3DModel(
        in_channels=given or channels,
        out_channels=channels,
        num_attention_heads=2,
        attention_head_dim=12,
        text_dim=32,
        ffn_dim=32,
        num_layers=1,
        rope_max_seq_len=64,
    )


def wan_text(folder: Path) -> None:
    from diffusers import WanPipeline

    _seed()
    WanPipeline(**_wan_parts(), transformer=_wan_transformer()).save_pretrained(folder)


def wan_small(folder: Path) -> None:
    from diffusers import WanPipeline

    _seed()
    WanPipeline(
        **_wan_parts(old=False), transformer=_wan_transformer(48), expand_timesteps=True
    ).save_pretrained(folder)


def wan_two_experts(folder: Path) -> None:
    from diffusers import WanPipeline

    _seed()
    WanPipeline(
        **_wan_parts(),
        transformer=_wan_transformer(),
        transformer_2=_wan_transformer(),
        boundary_ratio=0.875,
    ).save_pretrained(folder)


def wan_image(folder: Path) -> None:
    from diffusers import WanImageToVideoPipeline

    _seed()
    WanImageToVideoPipeline(
        **_wan_parts(),
        transformer=_wan_transformer(given=36),
        transformer_2=_wan_transformer(given=36),
        boundary_ratio=0.9,
    ).save_pretrained(folder)


def hunyuan(folder: Path) -> None:
    from diffusers import (
        AutoencoderKLHunyuanVideo,
        FlowMatchEulerDiscreteScheduler,
        HunyuanVideoPipeline,
        HunyuanVideoTransformer3DModel,
    )
    from transformers import CLIPTextModel, LlamaConfig, LlamaModel, LlamaTokenizerFast

    _seed()
    tokenizer = bpe_words(LlamaTokenizerFast, "<unk>", "<s>", "</s>", "<pad>", pad_token="<pad>")
    tokenizer_2, words = clip_words()
    HunyuanVideoPipeline(
        text_encoder=LlamaModel(
            LlamaConfig(
                vocab_size=128,
                hidden_size=32,
                intermediate_size=32,
                num_hidden_layers=3,
                num_attention_heads=2,
            )
        ),
        tokenizer=tokenizer,
        text_encoder_2=CLIPTextModel(words),
        tokenizer_2=tokenizer_2,
        transformer=HunyuanVideoTransformer3DModel(
            in_channels=4,
            out_channels=4,
            num_attention_heads=2,
            attention_head_dim=10,
            num_layers=1,
            num_single_layers=1,
            num_refiner_layers=1,
            patch_size=2,
            patch_size_t=1,
            guidance_embeds=True,
            text_embed_dim=32,
            pooled_projection_dim=32,
            rope_axes_dim=(2, 4, 4),
        ),
        vae=AutoencoderKLHunyuanVideo(
            latent_channels=4,
            block_out_channels=(4, 4, 4, 4),
            layers_per_block=1,
            norm_num_groups=2,
            mid_block_add_attention=False,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
    ).save_pretrained(folder)


def stable_video(folder: Path, frames: int = 14) -> None:
    from diffusers import (
        AutoencoderKLTemporalDecoder,
        EulerDiscreteScheduler,
        StableVideoDiffusionPipeline,
        UNetSpatioTemporalConditionModel,
    )
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    _seed()
    StableVideoDiffusionPipeline(
        image_encoder=CLIPVisionModelWithProjection(
            CLIPVisionConfig(
                hidden_size=32,
                projection_dim=32,
                num_hidden_layers=1,
                num_attention_heads=4,
                image_size=224,
                intermediate_size=37,
                patch_size=56,
            )
        ),
        unet=UNetSpatioTemporalConditionModel(
            sample_size=96,
            block_out_channels=(32,),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlockSpatioTemporal",),
            up_block_types=("CrossAttnUpBlockSpatioTemporal",),
            cross_attention_dim=32,
            num_attention_heads=4,
            projection_class_embeddings_input_dim=96,
            addition_time_embed_dim=32,
            num_frames=frames,
        ),
        vae=AutoencoderKLTemporalDecoder(
            block_out_channels=(32, 32, 32, 32),
            down_block_types=("DownEncoderBlock2D",) * 4,
            latent_channels=4,
            layers_per_block=1,
        ),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            prediction_type="v_prediction",
            sigma_max=700.0,
            sigma_min=0.002,
            steps_offset=1,
            timestep_spacing="leading",
            timestep_type="continuous",
            use_karras_sigmas=True,
        ),
        feature_extractor=CLIPImageProcessor(),
    ).save_pretrained(folder, variant="fp16")


def stable_video_xt(folder: Path) -> None:
    stable_video(folder, frames=25)


def ltx(folder: Path) -> None:
    from diffusers import (
        AutoencoderKLLTXVideo,
        FlowMatchEulerDiscreteScheduler,
        LTXPipeline,
        LTXVideoTransformer3DModel,
    )
    from transformers import T5Config, T5EncoderModel

    _seed()
    tokenizer, form = t5_words()
    LTXPipeline(
        tokenizer=tokenizer,
        text_encoder=T5EncoderModel(T5Config(**form)),
        vae=AutoencoderKLLTXVideo(
            latent_channels=8,
            block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1, 1),
        ),
        transformer=LTXVideoTransformer3DModel(
            in_channels=8,
            out_channels=8,
            num_attention_heads=4,
            attention_head_dim=8,
            cross_attention_dim=32,
            num_layers=1,
            caption_channels=32,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True, base_shift=0.95, max_shift=2.05, shift_terminal=0.1
        ),
    ).save_pretrained(folder)


def ltx_2(folder: Path) -> None:
    """With sound: an autoencoder of spectrograms and a vocoder beside those of the picture."""
    from diffusers import (
        AutoencoderKLLTX2Audio,
        AutoencoderKLLTX2Video,
        FlowMatchEulerDiscreteScheduler,
        LTX2Pipeline,
        LTX2VideoTransformer3DModel,
    )
    from diffusers.pipelines.ltx2 import LTX2TextConnectors
    from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration, GemmaTokenizerFast

    _seed()
    layers = 2
    text_encoder = Gemma3ForConditionalGeneration(
        Gemma3Config(
            text_config={
                "vocab_size": 128, "hidden_size": 32, "intermediate_size": 32,
                "num_hidden_layers": layers, "num_attention_heads": 2, "num_key_value_heads": 1,
                "head_dim": 16, "sliding_window": 16,
            },
            vision_config={
                "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
                "num_attention_heads": 2, "image_size": 28, "patch_size": 14,
            },
            mm_tokens_per_image=4,
            boi_token_index=5,
            eoi_token_index=6,
            image_token_index=7,
        )
    )  # fmt: skip
    LTX2Pipeline(
        tokenizer=bpe_words(
            GemmaTokenizerFast, "<pad>", "<eos>", "<bos>", "<unk>", "<mask>", model_max_length=1024
        ),
        text_encoder=text_encoder,
        connectors=LTX2TextConnectors(
            caption_channels=32,
            text_proj_in_factor=layers + 1,
            video_connector_num_attention_heads=4,
            video_connector_attention_head_dim=8,
            video_connector_num_layers=1,
            video_connector_num_learnable_registers=None,
            audio_connector_num_attention_heads=4,
            audio_connector_attention_head_dim=8,
            audio_connector_num_layers=1,
            audio_connector_num_learnable_registers=None,
            connector_rope_base_seq_len=32,
            rope_double_precision=False,
            causal_temporal_positioning=False,
            rope_type="split",
        ),
        transformer=LTX2VideoTransformer3DModel(
            in_channels=4,
            out_channels=4,
            patch_size=1,
            patch_size_t=1,
            num_attention_heads=2,
            attention_head_dim=8,
            cross_attention_dim=16,
            audio_in_channels=4,
            audio_out_channels=4,
            audio_num_attention_heads=2,
            audio_attention_head_dim=4,
            audio_cross_attention_dim=8,
            num_layers=1,
            qk_norm="rms_norm_across_heads",
            caption_channels=32,
            rope_double_precision=False,
            rope_type="split",
        ),
        vae=AutoencoderKLLTX2Video(
            latent_channels=4,
            block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 16, 32),
            layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1),
            spatial_compression_ratio=32,
            temporal_compression_ratio=8,
        ),
        audio_vae=AutoencoderKLLTX2Audio(
            base_channels=4,
            output_channels=2,
            ch_mult=(1, 1, 1),
            num_res_blocks=1,
            in_channels=2,
            resolution=32,
            latent_channels=2,
            mel_bins=8,
        ),
        vocoder=LTX2Vocoder(
            in_channels=16,
            hidden_channels=32,
            upsample_kernel_sizes=[16, 15],
            upsample_factors=[16, 15],
            resnet_kernel_sizes=[3],
            resnet_dilations=[[1, 3]],
            output_sampling_rate=24000,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True, base_shift=0.95, max_shift=2.05, shift_terminal=0.1
        ),
    ).save_pretrained(folder)


def cogvideo(folder: Path) -> None:
    from diffusers import (
        AutoencoderKLCogVideoX,
        CogVideoXDPMScheduler,
        CogVideoXPipeline,
        CogVideoXTransformer3DModel,
    )
    from transformers import T5Config, T5EncoderModel

    _seed()
    tokenizer, form = t5_words()
    tokenizer.model_max_length = 226
    CogVideoXPipeline(
        tokenizer=tokenizer,
        text_encoder=T5EncoderModel(T5Config(**form)),
        vae=AutoencoderKLCogVideoX(
            block_out_channels=(8, 8, 8, 8),
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=2,
        ),
        transformer=CogVideoXTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=16,
            in_channels=4,
            out_channels=4,
            time_embed_dim=8,
            text_embed_dim=32,
            num_layers=1,
            sample_width=8,
            sample_height=8,
            use_rotary_positional_embeddings=True,
        ),
        scheduler=CogVideoXDPMScheduler(),
    ).save_pretrained(folder)


def _seed() -> None:
    import torch

    torch.manual_seed(0)


TINY = {
    "Wan-AI/Wan2.1-T2V-1.3B-Diffusers": wan_text,
    "Wan-AI/Wan2.2-TI2V-5B-Diffusers": wan_small,
    "Wan-AI/Wan2.2-T2V-A14B-Diffusers": wan_two_experts,
    "Wan-AI/Wan2.2-I2V-A14B-Diffusers": wan_image,
    "hunyuanvideo-community/HunyuanVideo": hunyuan,
    "stabilityai/stable-video-diffusion-img2vid": stable_video,
    "stabilityai/stable-video-diffusion-img2vid-xt": stable_video_xt,
    "Lightricks/LTX-Video": ltx,
    "Lightricks/LTX-2": ltx_2,
    "zai-org/CogVideoX-5b": cogvideo,
}

_SIZED = {"prompt": "a fox", "width": 64, "height": 64}
_BY_FORM = {"prompt": "a fox", "num_frames": 1, "sample_steps": 1}
SMALL = {
    "minimax/video-01": {
        **_SIZED,
        "first_frame_image": AS_DATA,
        "num_frames": 5,
        "num_inference_steps": 2,
    },
    "tencent/hunyuan-video": {**_SIZED, "video_length": 5, "infer_steps": 2},
    "stability-ai/stable-video-diffusion": {
        "input_image": AS_DATA,
        "sizing_strategy": "use_image_dimensions",
        "num_inference_steps": 2,
    },
    "wan-video/wan-2.1-1.3b": {"prompt": "a fox", "frame_num": 1, "sample_steps": 2},
    "wan-video/wan-2.2-t2v-a14b": _BY_FORM,
    "wan-video/wan-2.2-i2v-a14b": {**_BY_FORM, "image": AS_DATA},
    "wan-video/wan-2.2-ti2v-5b": {**_BY_FORM, "resolution": "480p"},
    "lightricks/ltx-video": {
        "prompt": "a fox",
        "target_size": 64,
        "length": 9,
        "steps": 2,
        "image": AS_DATA,
    },
    "lightricks/ltx-2": {**_SIZED, "num_frames": 9, "num_inference_steps": 2},
    "thudm/cogvideox-5b": {"prompt": "a fox", "num_frames": 9, "num_inference_steps": 2},
}
