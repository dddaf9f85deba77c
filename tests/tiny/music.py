"""Random weights, as small as they go, of the models that make music: the same classes and files
as the repositories have. An EnCodec keeps its rate of 50 frames a second.
"""

from __future__ import annotations

import base64
import warnings
from functools import partial
from pathlib import Path

from tests.tiny.video import REGISTRY, bpe_words, t5_words


def encodec(rate, books, ratios, tones=64):
    """The form of a codec with so many `books`, each of so many `tones` (a power of two)."""
    from math import prod

    from transformers import EncodecConfig

    frames = rate // prod(ratios)
    bits = tones.bit_length() - 1
    return EncodecConfig(
        sampling_rate=rate,
        audio_channels=1,
        upsampling_ratios=ratios,
        target_bandwidths=[books * bits * frames / 1000],
        codebook_size=tones,
        codebook_dim=16,
        hidden_size=16,
        num_filters=2,
        num_lstm_layers=1,
        normalize=False,
        chunk_length_s=None,
    )


def musicgen(folder: Path, melody: bool = False, stereo: bool = False) -> None:
    import torch
    from transformers import (
        GenerationConfig,
        MusicgenConfig,
        MusicgenForConditionalGeneration,
        MusicgenMelodyConfig,
        MusicgenMelodyForConditionalGeneration,
        T5Config,
    )

    tokenizer, form = t5_words()
    tones = 64
    decoder = {
        "vocab_size": tones,
        "max_position_embeddings": 64,
        "num_hidden_layers": 1,
        "ffn_dim": 32,
        "num_attention_heads": 2,
        "hidden_size": 16,
        "num_codebooks": 8 if stereo else 4,
        "audio_channels": 2 if stereo else 1,
        "pad_token_id": tones,
        "bos_token_id": tones,
    }
    settings = {"text_encoder": T5Config(**form).to_dict(), "decoder": decoder}
    settings |= {"audio_encoder": encodec(32_000, 4, [8, 5, 4, 4], tones).to_dict()}
    torch.manual_seed(0)
    if melody:
        config = MusicgenMelodyConfig(**settings, num_chroma=12, chroma_length=12)
        model = MusicgenMelodyForConditionalGeneration(config)
    else:
        model = MusicgenForConditionalGeneration(MusicgenConfig(**settings))
    with torch.no_grad():
        for name, each in [*model.named_parameters(), *model.named_buffers()]:
            # As they are made, no input would be heard in what comes out.
            if "lm_heads" in name or "codebook.embed" in name or "_proj." in name:
                each.normal_(0, 1)
            elif name.startswith("audio_encoder.decoder") and name.endswith("bias"):
                each.zero_()
    model.generation_config = GenerationConfig(
        do_sample=True,
        guidance_scale=3.0,
        max_length=1500,
        pad_token_id=tones,
        bos_token_id=tones,
        decoder_start_token_id=tones,
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _oobleck(rate, ratios, latents=8):
    from diffusers import AutoencoderOobleck

    with warnings.catch_warnings():
        # The class still asks torch for its old weight norm.
        warnings.filterwarnings("ignore", ".*weight_norm", FutureWarning)
        return AutoencoderOobleck(
            encoder_hidden_size=2 * latents,
            downsampling_ratios=ratios,
            decoder_channels=4,
            decoder_input_channels=latents,
            audio_channels=2,
            channel_multiples=[1, 2, 2],
            sampling_rate=rate,
        )


def ace_step(folder: Path) -> None:
    """Of the distilled kind, with the parts for sound as tokens left out, as they may be."""
    import torch
    from diffusers import (
        AceStepConditionEncoder,
        AceStepPipeline,
        AceStepTransformer1DModel,
        FlowMatchEulerDiscreteScheduler,
    )
    from transformers import Qwen2Tokenizer, Qwen3Config, Qwen3Model

    torch.manual_seed(0)
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
    }
    tokenizer = bpe_words(Qwen2Tokenizer, "<|endoftext|>", pad_token="<|endoftext|>")
    AceStepPipeline(
        vae=_oobleck(8_000, [8, 10, 4]),
        text_encoder=Qwen3Model(Qwen3Config(vocab_size=128, num_hidden_layers=1, **sizes)),
        tokenizer=tokenizer,
        transformer=AceStepTransformer1DModel(
            **sizes,
            num_hidden_layers=2,
            in_channels=24,
            audio_acoustic_hidden_dim=8,
            patch_size=2,
            is_turbo=True,
        ),
        condition_encoder=AceStepConditionEncoder(
            **sizes,
            text_hidden_dim=32,
            timbre_hidden_dim=8,
            num_lyric_encoder_hidden_layers=1,
            num_timbre_encoder_hidden_layers=1,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
    ).save_pretrained(folder)


def stable_audio(folder: Path) -> None:
    import torch
    from diffusers import (
        CosineDPMSolverMultistepScheduler,
        StableAudioDiTModel,
        StableAudioPipeline,
        StableAudioProjectionModel,
    )
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(0)
    tokenizer, form = t5_words()
    tokenizer.model_max_length = 128
    StableAudioPipeline(
        vae=_oobleck(8_000, [8, 8, 10]),
        text_encoder=T5EncoderModel(T5Config(**form)),
        projection_model=StableAudioProjectionModel(
            text_encoder_dim=form["d_model"], conditioning_dim=32, min_value=0, max_value=512
        ),
        tokenizer=tokenizer,
        transformer=StableAudioDiTModel(
            sample_size=600,
            in_channels=8,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=4,
            num_key_value_attention_heads=2,
            out_channels=8,
            cross_attention_dim=32,
            time_proj_dim=32,
            global_states_input_dim=64,
            cross_attention_input_dim=32,
        ),
        scheduler=CosineDPMSolverMultistepScheduler(),
    ).save_pretrained(folder)


def stable_audio_3(folder: Path) -> None:
    import torch
    from diffusers import (
        AutoencoderSAME,
        FlowMatchEulerDiscreteScheduler,
        StableAudio3DiTModel,
        StableAudio3Pipeline,
    )
    from diffusers.pipelines.stable_audio_3 import StableAudio3DurationEmbedder
    from transformers import GemmaTokenizer, T5GemmaConfig, T5GemmaEncoderModel, T5GemmaModuleConfig

    torch.manual_seed(0)
    form = {"vocab_size": 128, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    form |= {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
    half = T5GemmaModuleConfig(**form)
    config = T5GemmaConfig(encoder=half, decoder=half, is_encoder_decoder=False)
    tokenizer = bpe_words(GemmaTokenizer, "<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
    tokenizer.model_max_length = 256
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*weight_norm", FutureWarning)
        vae = AutoencoderSAME(
            patch_size=64,
            encoder_channels=8,
            encoder_c_mults=(4,),
            encoder_strides=(16,),
            encoder_transformer_depths=(1,),
            latent_dim=8,
            dim_heads=8,
            sampling_rate=44_100,
        )
    with torch.no_grad():
        for each in vae.parameters():
            if not each.any():  # as they are made, no latent would be heard in what comes out
                each.normal_(0, 0.1)
    StableAudio3Pipeline(
        vae=vae,
        text_encoder=T5GemmaEncoderModel(config),
        tokenizer=tokenizer,
        duration_embedder=StableAudio3DurationEmbedder(output_dim=32, fourier_dim=16),
        transformer=StableAudio3DiTModel(
            io_channels=8,
            embed_dim=32,
            depth=1,
            num_heads=4,
            cond_token_dim=32,
            global_cond_dim=32,
            local_add_cond_dim=9,
            timestep_features_dim=16,
            num_memory_tokens=2,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(stochastic_sampling=True),
    ).save_pretrained(folder)


TINY = {
    "facebook/musicgen-small": musicgen,
    "facebook/musicgen-large": musicgen,
    "facebook/musicgen-stereo-large": partial(musicgen, stereo=True),
    "facebook/musicgen-melody": partial(musicgen, melody=True),
    "facebook/musicgen-melody-large": partial(musicgen, melody=True),
    "facebook/musicgen-stereo-melody-large": partial(musicgen, melody=True, stereo=True),
    "ACE-Step/acestep-v15-xl-turbo-diffusers": ace_step,
    "stabilityai/stable-audio-open-1.0": stable_audio,
    "stabilityai/stable-audio-3-medium": stable_audio_3,
}

FILE = (
    "data:audio/mpeg;base64,"
    + base64.b64encode((REGISTRY / "starter/listen/examples/kitchen.mp3").read_bytes()).decode()
)
SMALL = {
    **dict.fromkeys(
        ("meta/musicgen", "meta/musicgen-melody-large", "cjwbw/musicgen"),
        {"prompt": "a calm piano", "duration": 1, "input_audio": FILE},
    ),
    **dict.fromkeys(
        ("meta/musicgen-large", "meta/musicgen-stereo-large", "meta/musicgen-small"),
        {"prompt": "a calm piano", "duration": 1},
    ),
    "ace-step/ace-step-1.5": {"prompt": "a calm piano", "lyrics": "[verse] la", "duration": 2},
    "lucataco/ace-step": {"tags": "a calm piano", "duration": 2},
    "stackadoc/stable-audio-open-1.0": {"prompt": "rain", "seconds_total": 1, "steps": 4},
    "stability-ai/stable-audio-3-medium": {"prompt": "rain", "duration": 1, "steps": 4},
}
