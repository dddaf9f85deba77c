"""Random weights, as small as they go, of neural voices: the same classes and files as the
repositories have.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.tiny.music import encodec

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def audible(model):
    """Fills the codebooks: as they are made, all tokens sound the same."""
    import torch

    with torch.no_grad():
        for name, each in model.named_buffers():
            if name.endswith(("codebook.embed", "codebook.embed_sum")):
                each.normal_(0, 1)


def vits(folder: Path) -> None:
    import torch
    from transformers import VitsConfig, VitsModel, VitsTokenizer

    letters = folder / "vocab.json"
    folder.mkdir(parents=True, exist_ok=True)
    letters.write_text(json.dumps({each: at for at, each in enumerate(["|", *LETTERS, " ", "'"])}))
    VitsTokenizer(
        str(letters), pad_token="|", unk_token="|", language="eng", phonemize=False
    ).save_pretrained(folder)
    torch.manual_seed(0)
    VitsModel(
        VitsConfig(
            vocab_size=29,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            ffn_dim=16,
            flow_size=16,
            spectrogram_bins=17,
            upsample_initial_channel=16,
            resblock_kernel_sizes=[3],
            resblock_dilation_sizes=[[1, 3]],
            duration_predictor_filter_channels=16,
            prior_encoder_num_wavenet_layers=1,
            posterior_encoder_num_wavenet_layers=1,
        )
    ).save_pretrained(folder)


def bark(folder: Path) -> None:
    """Its offsets keep their places in vocabularies that are smaller by far."""
    import numpy as np
    import torch
    from transformers import BarkConfig, BarkModel, BertTokenizer
    from transformers.models.bark import (
        BarkCoarseConfig,
        BarkFineConfig,
        BarkSemanticConfig,
    )
    from transformers.models.bark.generation_configuration_bark import (
        BarkCoarseGenerationConfig,
        BarkFineGenerationConfig,
        BarkGenerationConfig,
        BarkSemanticGenerationConfig,
    )

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS]
    words += [f"##{each}" for each in LETTERS]
    tokenizer = BertTokenizer(vocab={each: at for at, each in enumerate(words)})
    tokenizer.save_pretrained(folder)
    meanings, tones = 40, 16
    size = {"num_layers": 1, "num_heads": 2, "hidden_size": 16, "block_size": 1024}
    torch.manual_seed(0)
    text_pad, infer = meanings + 10 + len(words), meanings + 11 + len(words)
    model = BarkModel(
        BarkConfig(
            semantic_config=BarkSemanticConfig(
                input_vocab_size=infer + 1, output_vocab_size=meanings + 10, **size
            ).to_dict(),
            coarse_acoustics_config=BarkCoarseConfig(
                input_vocab_size=meanings + 2 * tones + 10,
                output_vocab_size=meanings + 2 * tones + 10,
                **size,
            ).to_dict(),
            fine_acoustics_config=BarkFineConfig(
                input_vocab_size=tones + 1, output_vocab_size=tones, **size
            ).to_dict(),
            codec_config=encodec(24_000, 8, [8, 5, 4, 2], tones).to_dict(),
        )
    )
    generation = BarkGenerationConfig.from_sub_model_configs(
        BarkSemanticGenerationConfig(
            eos_token_id=meanings,
            max_new_tokens=24,
            text_encoding_offset=meanings + 10,
            text_pad_token=text_pad,
            semantic_infer_token=infer,
            semantic_vocab_size=meanings,
            do_sample=True,
        ),
        BarkCoarseGenerationConfig(
            coarse_semantic_pad_token=meanings + 2 * tones + 1,
            coarse_infer_token=meanings + 2 * tones + 2,
            do_sample=True,
        ),
        BarkFineGenerationConfig(),
        sample_rate=24_000,
        codebook_size=tones,
    )
    audible(model)
    model.save_pretrained(folder)
    (folder / "generation_config.json").write_text(json.dumps(generation.to_dict()))
    chance = np.random.default_rng(0)
    voices = folder / "speaker_embeddings"
    voices.mkdir()
    shapes = {"semantic_prompt": 20, "coarse_prompt": (2, 30), "fine_prompt": (8, 30)}
    for part, shape in shapes.items():
        np.save(voices / f"en_speaker_0_{part}.npy", chance.integers(0, tones, shape))
    listed = {part: f"speaker_embeddings/en_speaker_0_{part}.npy" for part in shapes}
    (folder / "speaker_embeddings_path.json").write_text(
        json.dumps({"repo_or_path": "suno/bark", "en_speaker_0": listed})
    )


def csm(folder: Path) -> None:
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import (
        CsmConfig,
        CsmDepthDecoderConfig,
        CsmForConditionalGeneration,
        GenerationConfig,
        MimiConfig,
        PreTrainedTokenizerFast,
    )

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    specials = ["<|begin_of_text|>", "<|end_of_text|>", "<|AUDIO|>", "<|audio_eos|>"]
    vocabulary = {each: at for at, each in enumerate([*letters, *specials])}
    number = {each: vocabulary[each] for each in specials}
    made = Tokenizer(models.BPE(vocabulary, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(specials)
    made.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A <|end_of_text|>",
        special_tokens=[(each, number[each]) for each in specials[:2]],
    )
    PreTrainedTokenizerFast(tokenizer_object=made, pad_token=specials[1]).save_pretrained(folder)
    books, tones = 4, 32
    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    size |= {"num_attention_heads": 2, "num_key_value_heads": 1, "num_codebooks": books}
    codec = MimiConfig(
        hidden_size=16,
        num_filters=2,
        codebook_size=2 * tones,  # no random token may lie past it
        codebook_dim=8,
        vector_quantization_hidden_dimension=8,
        num_quantizers=books,
        num_hidden_layers=1,
        intermediate_size=16,
        num_attention_heads=2,
        num_key_value_heads=2,
        upsample_groups=16,
        upsampling_ratios=[8, 6, 5, 4],
    )
    torch.manual_seed(0)
    model = CsmForConditionalGeneration(
        CsmConfig(
            **size,
            vocab_size=tones + 3,
            text_vocab_size=len(vocabulary),
            pad_token_id=number["<|end_of_text|>"],
            bos_token_id=number["<|begin_of_text|>"],
            audio_token_id=number["<|AUDIO|>"],
            audio_eos_token_id=number["<|audio_eos|>"],
            codebook_pad_token_id=tones + 2,
            codebook_eos_token_id=0,
            max_position_embeddings=2048,
            depth_decoder_config=CsmDepthDecoderConfig(
                **size,
                backbone_hidden_size=16,
                vocab_size=tones + 3,
                max_position_embeddings=books + 1,
            ).to_dict(),
            codec_config=codec.to_dict(),
        )
    )
    audible(model)
    forms = {"do_sample": True, "pad_token_id": tones + 2, "eos_token_id": 0}
    model.generation_config = GenerationConfig(**forms)
    model.depth_decoder.generation_config = GenerationConfig(
        do_sample=True, min_new_tokens=books - 1, max_new_tokens=books - 1
    )
    model.save_pretrained(folder)


def dia(folder: Path) -> None:
    import torch
    from transformers import (
        DacFeatureExtractor,
        DiaConfig,
        DiaDecoderConfig,
        DiaEncoderConfig,
        DiaForConditionalGeneration,
        DiaTokenizer,
        GenerationConfig,
    )

    DiaTokenizer().save_pretrained(folder)
    DacFeatureExtractor(sampling_rate=44_100, hop_length=512).save_pretrained(folder)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 8}
    size |= {"intermediate_size": 32}
    cross = {"cross_num_attention_heads": 2, "cross_head_dim": 8, "cross_num_key_value_heads": 2}
    torch.manual_seed(0)
    model = DiaForConditionalGeneration(
        DiaConfig(
            encoder_config=DiaEncoderConfig(**size, num_key_value_heads=2).to_dict(),
            decoder_config=DiaDecoderConfig(
                **size, **cross, num_key_value_heads=1, cross_hidden_size=16
            ).to_dict(),
            delay_pattern=[0, 8, 9, 10, 11, 12, 13, 14, 15],
        )
    )
    model.generation_config = GenerationConfig(
        max_length=3072,
        do_sample=True,
        guidance_scale=3.0,
        pad_token_id=1025,
        eos_token_id=1024,
        bos_token_id=1026,
        decoder_start_token_id=1026,
    )
    model.save_pretrained(folder)


def dac(folder: Path) -> None:
    import torch
    from transformers import DacConfig, DacFeatureExtractor, DacModel

    torch.manual_seed(0)
    DacModel(
        DacConfig(
            encoder_hidden_size=2,
            downsampling_ratios=[2, 4, 8, 8],
            decoder_hidden_size=32,
            upsampling_ratios=[8, 8, 4, 2],
            n_codebooks=9,
            codebook_size=1024,
            sampling_rate=44_100,
        )
    ).save_pretrained(folder)
    DacFeatureExtractor(sampling_rate=44_100, hop_length=512).save_pretrained(folder)


def kokoro(folder: Path) -> None:
    """Only Kokoro's own package can make its network, which keeps its random weights here: the
    file brings none for any of its five parts.
    """
    import torch

    torch.manual_seed(0)
    sounds = f" {LETTERS}ðŋɡɪɾʃʎθβɣʝɲˈˌː.,!?"
    config = {
        "hidden_dim": 512, "n_token": len(sounds) + 1, "style_dim": 128, "n_layer": 1,
        "max_dur": 2, "dropout": 0.0, "n_mels": 80, "text_encoder_kernel_size": 5,
        "plbert": {
            "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16,
            "max_position_embeddings": 512, "num_hidden_layers": 1, "dropout": 0.0,
        },
        "istftnet": {
            "resblock_kernel_sizes": [3], "resblock_dilation_sizes": [[1, 3, 5]],
            "upsample_rates": [10, 6], "upsample_kernel_sizes": [20, 12],
            "upsample_initial_channel": 512, "gen_istft_n_fft": 20, "gen_istft_hop_size": 5,
        },
        "vocab": {sound: at for at, sound in enumerate(sounds, 1)},
    }  # fmt: skip
    (folder / "voices").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    parts = ("bert", "bert_encoder", "predictor", "text_encoder", "decoder")
    torch.save({part: {} for part in parts}, folder / "kokoro-v1_0.pth")
    for voice in ("af_bella", "bf_emma", "ef_dora", "jf_alpha", "zf_xiaobei"):
        torch.save(torch.randn(510, 1, 256), folder / "voices" / f"{voice}.pt")


TINY = {
    "facebook/mms-tts-eng": vits,
    "suno/bark": bark,
    "sesame/csm-1b": csm,
    "nari-labs/Dia-1.6B-0626": dia,
    "descript/dac_44khz": dac,
    "hexgrad/Kokoro-82M": kokoro,
}
SMALL = {
    "facebook/mms-tts-eng": {"text": "Hello there."},
    "suno-ai/bark": {"prompt": "Hello there.", "history_prompt": "en_speaker_0", "seed": 1},
    "sesame/csm-1b": {"text": "Hello there.", "max_audio_length_ms": 800},
    "nari-labs/dia-1.6b": {"text": "[S1] Hello. [S2] Hi.", "max_new_tokens": 500},
    "jaaari/kokoro-82m": {"text": "Good morning.", "voice": "af_bella"},
}
