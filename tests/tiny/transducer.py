"""A Parakeet that spells word for word (a transducer), tiny and random."""

from __future__ import annotations

from pathlib import Path

from tests.tiny.vision import write_json

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def parakeet(folder: Path) -> None:
    import torch
    from tokenizers import Tokenizer, decoders, models
    from transformers import ParakeetForTDT, ParakeetTDTConfig, PreTrainedTokenizerFast

    words = {each: number for number, each in enumerate(["<unk>", *LETTERS, "<pad>"])}
    made = Tokenizer(models.BPE(words, [], unk_token="<unk>"))
    made.decoder = decoders.Fuse()
    kinds = {"unk_token": "<unk>", "pad_token": "<pad>"}
    PreTrainedTokenizerFast(tokenizer_object=made, **kinds).save_pretrained(folder)
    write_json(
        folder,
        tokenizer_config={"tokenizer_class": "ParakeetTokenizer", **kinds},
        preprocessor_config={
            "feature_extractor_type": "ParakeetFeatureExtractor", "feature_size": 16,
            "sampling_rate": 16000, "hop_length": 160, "n_fft": 512, "win_length": 400,
            "preemphasis": 0.97, "padding_value": 0.0,
        },
    )  # fmt: skip
    torch.manual_seed(0)
    model = ParakeetForTDT(
        ParakeetTDTConfig(
            vocab_size=29, decoder_hidden_size=16, num_decoder_layers=1, durations=[0, 1, 2],
            hidden_size=16, pad_token_id=27, blank_token_id=28,
            encoder_config={
                "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                "intermediate_size": 16, "num_mel_bins": 16, "subsampling_conv_channels": 8,
            },
        )
    )  # fmt: skip
    model.generation_config.decoder_start_token_id = 28
    model.generation_config.pad_token_id = 27
    model.save_pretrained(folder)
