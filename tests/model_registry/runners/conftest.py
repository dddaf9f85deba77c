"""Runners as a child runs them: loaded by Cog's loader, called with inputs as they arrive."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from cog.loading import load
from cog.scope import Scope, entered
from model_registry.catalog import Catalog

REGISTRY = Path(__file__).resolve().parents[3] / "model_registry"


class Told:
    """What a run reported through its scope."""

    def __init__(self):
        self.metrics = {}
        self.steps = []
        self.previews = []

    def metric(self, name, value, mode):
        self.metrics[name] = value

    def progress(self, done, total, unit):
        self.steps.append((done, total, unit))

    def preview(self, image):
        self.previews.append(image)


class Model:
    """A runner that is set up, with further `options` as a spec has them; `run` gives its whole
    output.
    """

    def __init__(self, target, weights=None, **options):
        self.loaded = load(str(REGISTRY / "runners"), target)
        self.module = sys.modules[target.partition(".")[0]]
        self.runner = self.loaded._owner
        self.loaded.setup(str(weights) if weights else None, options=options)
        self.told = Told()

    def run(self, **inputs):
        self.told = Told()
        with entered(Scope("test", self.told)):
            output = self.loaded.call(**self.loaded.arguments(inputs))
            if self.loaded.is_async:
                return asyncio.run(collected(output))
            return list(output) if self.loaded.is_iterator else output


async def collected(pieces):
    """All that an asynchronous run yields."""
    return [piece async for piece in pieces]


@pytest.fixture(autouse=True)
def temporary_files(tmp_path, monkeypatch):
    """Output files go where the test ends them."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture(scope="module")
def versions(described):
    """The newest of every model of the catalogue, by its name."""
    return {model.id: model.latest for model in Catalog.load([], described).models()}


@pytest.fixture(scope="module")
def story():
    return Model("text_generation.py:TextGeneration", REGISTRY / "starter" / "story")


@pytest.fixture(scope="module")
def shapes():
    return Model("text_to_image.py:TextToImage", REGISTRY / "starter" / "shapes")


@pytest.fixture(scope="module")
def speak():
    return Model("text_to_speech.py:TextToSpeech")


@pytest.fixture(scope="module")
def listen():
    return Model("speech_to_text.py:SpeechToText", REGISTRY / "starter" / "listen")


@pytest.fixture(scope="module")
def plain_llama(tmp_path_factory):
    """A random Llama whose tokens are single bytes, without a chat template."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("plain-llama")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({each: i for i, each in enumerate([*letters, "<end>"])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<end>"])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>").save_pretrained(folder)
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=257,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=1024,
            eos_token_id=256,
            bos_token_id=None,
        )
    ).save_pretrained(folder)
    return Model("text_generation.py:TextGeneration", folder)


def clip_parts():
    """A tokenizer, and the form of a text encoder for it."""
    from transformers import CLIPTextConfig, CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(REGISTRY / "starter" / "shapes" / "tokenizer")
    return tokenizer, CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=24,
        projection_dim=32,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


@pytest.fixture(scope="module")
def tiny_sdxl(tmp_path_factory):
    """A random pipeline of Stable Diffusion XL's classes: two text encoders, a full autoencoder."""
    import torch
    from diffusers import (
        AutoencoderKL,
        EulerDiscreteScheduler,
        StableDiffusionXLPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    tokenizer, words = clip_parts()
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny-sdxl")
    StableDiffusionXLPipeline(
        vae=AutoencoderKL(
            block_out_channels=(8, 8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            norm_num_groups=4,
            sample_size=64,
        ),
        text_encoder=CLIPTextModel(words),
        text_encoder_2=CLIPTextModelWithProjection(words),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=UNet2DConditionModel(
            block_out_channels=(8, 16),
            layers_per_block=1,
            sample_size=8,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=(2, 4),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            transformer_layers_per_block=(1, 2),
            projection_class_embeddings_input_dim=80,
            cross_attention_dim=64,
            norm_num_groups=1,
        ),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"
        ),
    ).save_pretrained(folder)
    return Model("text_to_image.py:TextToImage", folder)


@pytest.fixture(scope="module")
def tiny_flux(tmp_path_factory):
    """A random pipeline of Flux's classes: a transformer, whose latents are packed in a row."""
    import torch
    from diffusers import (
        AutoencoderKL,
        FlowMatchEulerDiscreteScheduler,
        FluxPipeline,
        FluxTransformer2DModel,
    )
    from transformers import CLIPTextModel, T5Config, T5EncoderModel

    tokenizer, words = clip_parts()
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny-flux")
    FluxPipeline(
        vae=AutoencoderKL(
            block_out_channels=(8, 8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            norm_num_groups=4,
            use_quant_conv=False,
            use_post_quant_conv=False,
            shift_factor=0.06,
            scaling_factor=1.5,
        ),
        text_encoder=CLIPTextModel(words),
        text_encoder_2=T5EncoderModel(
            T5Config(
                vocab_size=len(tokenizer), d_model=32, d_kv=8, d_ff=37, num_layers=1, num_heads=4
            )
        ),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        transformer=FluxTransformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=(4, 4, 8),
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(),
    ).save_pretrained(folder)
    return Model("text_to_image.py:TextToImage", folder)


@pytest.fixture(scope="module")
def moving_shapes(tmp_path_factory):
    """The starter of pictures with untrained layers along time: an AnimateDiff of 8 frames."""
    import shutil

    import torch
    from diffusers import AnimateDiffPipeline, MotionAdapter, StableDiffusionPipeline

    start = REGISTRY / "starter" / "shapes"
    parts = StableDiffusionPipeline.from_pretrained(start, dtype=torch.float32).components
    torch.manual_seed(0)
    adapter = MotionAdapter(
        block_out_channels=tuple(parts["unet"].config.block_out_channels),
        motion_layers_per_block=1,
        motion_num_attention_heads=2,
        motion_norm_num_groups=16,
        motion_max_seq_length=8,
    )
    folder = tmp_path_factory.mktemp("moving-shapes")
    AnimateDiffPipeline(
        **{name: parts[name] for name in ("vae", "text_encoder", "tokenizer", "unet", "scheduler")},
        motion_adapter=adapter,
    ).save_pretrained(folder)
    shutil.copy(start / "taught.txt", folder)
    return Model("text_to_video.py:TextToVideo", folder)


def t5_parts():
    """A tokenizer, and a random text encoder for it, as pipelines of video have."""
    from transformers import T5Config, T5EncoderModel

    tokenizer, _ = clip_parts()
    config = T5Config(
        vocab_size=len(tokenizer), d_model=32, d_kv=8, d_ff=37, num_layers=1, num_heads=4
    )
    return {"tokenizer": tokenizer, "text_encoder": T5EncoderModel(config)}


@pytest.fixture(scope="module")
def tiny_wan(tmp_path_factory):
    """A random pipeline of Wan's classes: a transformer, and an autoencoder of videos."""
    import torch
    from diffusers import (
        AutoencoderKLWan,
        FlowMatchEulerDiscreteScheduler,
        WanPipeline,
        WanTransformer3DModel,
    )

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny-wan")
    WanPipeline(
        vae=AutoencoderKLWan(
            base_dim=3,
            z_dim=16,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
        ),
        transformer=WanTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=12,
            text_dim=32,
            ffn_dim=32,
            num_layers=1,
            rope_max_seq_len=32,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
        **t5_parts(),
    ).save_pretrained(folder)
    return Model("text_to_video.py:TextToVideo", folder)


@pytest.fixture(scope="module")
def tiny_ltx(tmp_path_factory):
    """A random pipeline of LTX's classes, whose latents are packed in a row."""
    import torch
    from diffusers import (
        AutoencoderKLLTXVideo,
        FlowMatchEulerDiscreteScheduler,
        LTXPipeline,
        LTXVideoTransformer3DModel,
    )

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny-ltx")
    LTXPipeline(
        vae=AutoencoderKLLTXVideo(
            latent_channels=8,
            block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1, 1),
            spatio_temporal_scaling=(True, True, False, False),
            decoder_spatio_temporal_scaling=(True, True, False, False),
            decoder_inject_noise=(False,) * 5,
            upsample_residual=(False,) * 4,
            upsample_factor=(1,) * 4,
            patch_size=1,
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
        scheduler=FlowMatchEulerDiscreteScheduler(),
        **t5_parts(),
    ).save_pretrained(folder)
    return Model("text_to_video.py:TextToVideo", folder)
