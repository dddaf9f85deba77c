"""Tiny checkpoints of what hears and makes sound: the real classes and file layouts."""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from functools import cache, partial
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    WhisperConfig,
    WhisperForConditionalGeneration,
)

from tests.tiny.music import FILE

TEXT_TOKENS = 2_000
"""The last is the empty one, by which CTranslate2 tells that many languages are known."""
TIMES = 1501
WRITTEN = 12
"""Tokens after which a tiny Whisper has said all."""


def whisper(folder: Path, large_v3: bool = False) -> None:
    """As the repositories of Systran: converted by CTranslate2 itself."""
    from ctranslate2.converters import TransformersConverter

    mels = 128 if large_v3 else 80
    copied = ["tokenizer.json"] + ["preprocessor_config.json"] * large_v3
    with tempfile.TemporaryDirectory() as work:
        whole = Path(work) / "whole"
        _tokenizer(large_v3).save_pretrained(whole)
        _whisper(large_v3, mels).save_pretrained(whole)
        features = {"feature_size": mels, "hop_length": 160, "n_fft": 400, "chunk_length": 30}
        features |= {"feature_extractor_type": "WhisperFeatureExtractor", "sampling_rate": 16_000}
        (whole / "preprocessor_config.json").write_text(json.dumps(features))
        made = Path(work) / "made"
        TransformersConverter(str(whole), copy_files=copied).convert(
            str(made), quantization="float16"
        )
        folder.mkdir(parents=True, exist_ok=True)
        for each in made.iterdir():
            shutil.copy(each, folder / each.name)


def _languages(large_v3: bool) -> list[str]:
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    return [each for each in _LANGUAGE_CODES if large_v3 or each != "yue"]


def _specials(large_v3: bool) -> list[str]:
    languages = _languages(large_v3)
    words = ["translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
    return [f"<|{each}|>" for each in ("endoftext", "startoftranscript", *languages, *words)]


@cache
def _tokenizer(large_v3: bool) -> PreTrainedTokenizerFast:
    """Syllables where the real one has half of all words."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    parts = itertools.product("bdfgklmnprst", "aeiou", "bdfgklmnprst", "aeiou")
    made = itertools.chain(letters, ("Ġ" + "".join(each) for each in parts))
    words = [*itertools.islice(made, TEXT_TOKENS - 1), ""]
    vocabulary = {each: number for number, each in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = _specials(large_v3)
    tokenizer.add_special_tokens([AddedToken(each, special=True) for each in specials])
    tokenizer.add_tokens([AddedToken(f"<|{at * 0.02:.2f}|>", special=False) for at in range(TIMES)])
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=end, eos_token=end, pad_token=end, unk_token=end
    )


def _whisper(large_v3: bool, mels: int) -> WhisperForConditionalGeneration:
    """It writes what the places of its decoder say, whatever it hears: syllables, then it ends."""
    specials = _specials(large_v3)
    number = {each: TEXT_TOKENS + at for at, each in enumerate(specials)}
    size = 16
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=TEXT_TOKENS + len(specials) + TIMES,
            num_mel_bins=mels,
            d_model=size,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=size,
            decoder_ffn_dim=size,
            bos_token_id=number["<|endoftext|>"],
            eos_token_id=number["<|endoftext|>"],
            pad_token_id=number["<|endoftext|>"],
            decoder_start_token_id=number["<|startoftranscript|>"],
        )
    )
    with torch.no_grad():
        # So much louder than what is heard and written that the place alone decides.
        places = model.model.decoder.embed_positions.weight
        places.normal_(0, 20)
        places[WRITTEN:] = places[WRITTEN].clone()
        last = places[WRITTEN]
        tokens = model.model.decoder.embed_tokens.weight
        tokens.normal_(0, 2)
        tokens[:256] = 0  # single bytes, rarely a letter
        tokens[number["<|endoftext|>"]] = 3 * (last - last.mean()) / last.std()
    model.generation_config = GenerationConfig(
        bos_token_id=number["<|endoftext|>"],
        eos_token_id=number["<|endoftext|>"],
        pad_token_id=number["<|endoftext|>"],
        decoder_start_token_id=number["<|startoftranscript|>"],
        max_length=448,
        begin_suppress_tokens=[number["<|endoftext|>"]],
        suppress_tokens=[],
        is_multilingual=True,
        lang_to_id={f"<|{each}|>": number[f"<|{each}|>"] for each in _languages(large_v3)},
        no_timestamps_token_id=number["<|notimestamps|>"],
        alignment_heads=[[0, 0]],
    )
    return model


TINY = {
    f"Systran/faster-whisper-{size}": whisper
    for size in ("tiny", "base", "small", "medium", "large-v2")
} | dict.fromkeys(
    ("Systran/faster-whisper-large-v3", "dropbox-dash/faster-whisper-large-v3-turbo"),
    partial(whisper, large_v3=True),
)
SMALL = dict.fromkeys(
    (
        "systran/faster-whisper-large-v3",
        "openai/whisper",
        "openai/whisper-tiny",
        "openai/whisper-base",
        "openai/whisper-small",
        "openai/whisper-medium",
        "openai/whisper-large-v2",
        "openai/whisper-large-v3-turbo",
    ),
    {"audio": FILE, "language": "en"},
)
