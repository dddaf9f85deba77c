"""Repositories as anybody's on the Hub, one for each of the smaller tasks: random weights, as small
as they go, in the classes and files that such repositories have.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.tiny.vision import bytes_tokenizer, write_json

WORDS = "the a cat dog sun moon is was red blue big small and on in house tree sees eats ."
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SMALL_BERT = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 37,
    "max_position_embeddings": 64,
}


def word_tokenizer(folder):
    from transformers import BertTokenizer

    pieces = [*LETTERS, *(f"##{letter}" for letter in LETTERS), *"0123456789.,?!'"]
    listed = dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split(), *pieces])
    vocabulary = {word: number for number, word in enumerate(listed)}
    tokenizer = BertTokenizer(vocab=vocabulary, model_max_length=64)
    tokenizer.save_pretrained(folder)
    return tokenizer


def sentence_encoder(folder: Path) -> None:
    """A BERT in the form of sentence-transformers."""
    import torch
    from transformers import BertConfig, BertModel

    tokenizer = word_tokenizer(folder)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(tokenizer), **SMALL_BERT)).save_pretrained(folder)
    kinds = "sentence_transformers.models"
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    (folder / "modules.json").write_text(
        json.dumps(
            [
                {"idx": number, "name": str(number), "path": path, "type": f"{kinds}.{kind}"}
                for number, (path, kind) in enumerate(modules)
            ]
        )
    )
    (folder / "1_Pooling").mkdir()
    write_json(
        folder / "1_Pooling",
        config={
            "word_embedding_dimension": 32,
            "pooling_mode_cls_token": False,
            "pooling_mode_mean_tokens": True,
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
        },
    )
    write_json(
        folder,
        sentence_bert_config={"max_seq_length": 48, "do_lower_case": False},
        config_sentence_transformers={"prompts": {"query": "the cat: ", "document": ""}},
    )


def plain_encoder(folder: Path) -> None:
    """A BERT and nothing else."""
    import torch
    from transformers import BertConfig, BertModel

    tokenizer = word_tokenizer(folder)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(tokenizer), **SMALL_BERT)).save_pretrained(folder)


def translator(folder: Path, *marks: str) -> None:
    """A Marian for one pair of languages, or for several to write, each with its mark."""
    import sentencepiece
    import torch
    from transformers import MarianConfig, MarianMTModel, MarianTokenizer

    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join([WORDS, *LETTERS, *("The Cat, the dog! Is it? " + WORDS,) * 20]))
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(folder / "source"), vocab_size=60, minloglevel=2,
        hard_vocab_limit=False,
    )  # fmt: skip
    corpus.unlink()
    (folder / "source.vocab").unlink()
    (folder / "source.model").rename(folder / "source.spm")
    (folder / "target.spm").write_bytes((folder / "source.spm").read_bytes())
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "source.spm"))
    known = [pieces.id_to_piece(number) for number in range(pieces.get_piece_size())]
    listed = dict.fromkeys(["</s>", "<unk>", *marks, *known, "<pad>"])
    write_json(
        folder,
        vocab={word: number for number, word in enumerate(listed)},
        tokenizer_config={
            "source_lang": "en", "target_lang": "de", "model_max_length": 512,
            "tokenizer_class": "MarianTokenizer",
        },
    )  # fmt: skip
    tokenizer = MarianTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    model = MarianMTModel(
        MarianConfig(
            vocab_size=len(tokenizer), d_model=16, encoder_layers=1, decoder_layers=1,
            encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16,
            decoder_ffn_dim=16, max_position_embeddings=64, pad_token_id=tokenizer.pad_token_id,
            eos_token_id=0, decoder_start_token_id=tokenizer.pad_token_id, forced_eos_token_id=0,
        )
    )  # fmt: skip
    model.generation_config.num_beams = 2
    model.generation_config.bad_words_ids = [[tokenizer.pad_token_id]]
    model.save_pretrained(folder)


def many_tongues(folder: Path) -> None:
    """An M2M100 of NLLB's tokens: any of its languages to any other."""
    import torch
    from tokenizers import pre_tokenizers
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    letters = sorted({*pre_tokenizers.ByteLevel.alphabet(), "▁"})
    listed = ["<s>", "<pad>", "</s>", "<unk>", *letters]
    tokenizer = NllbTokenizer(
        vocab={word: number for number, word in enumerate(listed)},
        merges=[],
        src_lang="eng_Latn",
        model_max_length=1024,
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    M2M100ForConditionalGeneration(
        M2M100Config(
            vocab_size=len(tokenizer), d_model=16, encoder_layers=1, decoder_layers=1,
            encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16,
            decoder_ffn_dim=16, max_position_embeddings=128, decoder_start_token_id=2,
        )
    ).save_pretrained(folder)  # fmt: skip


def summariser(folder: Path) -> None:
    """A BART."""
    import torch
    from transformers import BartConfig, BartForConditionalGeneration

    tokenizer = bytes_tokenizer(
        folder, "<s>", "<pad>", "</s>", "<unk>", "<mask>", kind="BartTokenizer",
        bos_token="<s>", pad_token="<pad>", eos_token="</s>", model_max_length=1024,
    )  # fmt: skip
    torch.manual_seed(0)
    number = tokenizer.convert_tokens_to_ids
    model = BartForConditionalGeneration(
        BartConfig(
            vocab_size=len(tokenizer), d_model=16, encoder_layers=1, decoder_layers=1,
            encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16,
            decoder_ffn_dim=16, max_position_embeddings=256, bos_token_id=number("<s>"),
            pad_token_id=number("<pad>"), eos_token_id=number("</s>"),
            decoder_start_token_id=number("</s>"), forced_eos_token_id=number("</s>"),
            task_specific_params={"summarization": {"num_beams": 4, "max_length": 142}},
        )
    )  # fmt: skip
    model.final_logits_bias[0, number("</s>")] = -10  # it would be over before it begins
    model.save_pretrained(folder)


def segformer(folder: Path) -> None:
    import torch
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    torch.manual_seed(0)
    SegformerForSemanticSegmentation(
        SegformerConfig(
            num_encoder_blocks=2, depths=[1, 1], sr_ratios=[4, 2], hidden_sizes=[8, 16],
            patch_sizes=[7, 3], strides=[4, 2], num_attention_heads=[1, 2], mlp_ratios=[2, 2],
            decoder_hidden_size=16, id2label={0: "wall", 1: "floor", 2: "cat"},
            label2id={"wall": 0, "floor": 1, "cat": 2},
        )
    ).save_pretrained(folder)  # fmt: skip
    write_json(folder, preprocessor_config=_sees("SegformerImageProcessor", 64))


def mask2former(folder: Path) -> None:
    import torch
    from transformers import (
        Mask2FormerConfig,
        Mask2FormerForUniversalSegmentation,
        SwinConfig,
    )

    torch.manual_seed(0)
    config = Mask2FormerConfig(
        backbone_config=SwinConfig(
            image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=2,
            out_features=["stage1", "stage2", "stage3", "stage4"],
        ),
        hidden_dim=32, mask_feature_size=32, feature_size=32, encoder_layers=1, decoder_layers=2,
        num_attention_heads=2, encoder_feedforward_dim=16, dim_feedforward=16, num_queries=1,
        id2label={0: "wall", 1: "cat"}, label2id={"wall": 0, "cat": 1},
    )  # fmt: skip
    model = Mask2FormerForUniversalSegmentation(config)
    with torch.no_grad():  # of the kinds, the last is that there is nothing
        model.class_predictor.bias.copy_(torch.tensor([0.0, 4.0, -10.0]))
    for name, weights in model.named_parameters():
        if "mask_embedder" in name:  # sure of where things are
            torch.nn.init.normal_(weights)
    model.save_pretrained(folder)
    sees = _sees("Mask2FormerImageProcessor", 64)
    write_json(folder, preprocessor_config={**sees, "num_labels": 2, "ignore_index": 255})


def depth_anything(folder: Path) -> None:
    import torch
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    torch.manual_seed(0)
    model = DepthAnythingForDepthEstimation(
        DepthAnythingConfig(
            backbone_config=Dinov2Config(
                image_size=56, patch_size=14, hidden_size=16, num_hidden_layers=2,
                num_attention_heads=2, intermediate_size=16, apply_layernorm=True,
                reshape_hidden_states=False, out_indices=[1, 2],
            ),
            patch_size=14, reassemble_hidden_size=16, reassemble_factors=[4, 2],
            neck_hidden_sizes=[8, 8], fusion_hidden_size=8, head_in_index=-1, head_hidden_size=8,
        )
    )  # fmt: skip
    torch.nn.init.normal_(model.head.conv3.weight)
    torch.nn.init.ones_(model.head.conv3.bias)  # what is below nothing would be cut off
    model.save_pretrained(folder)
    sees = _sees("DPTImageProcessor", 112)
    write_json(
        folder,
        preprocessor_config={**sees, "keep_aspect_ratio": True, "ensure_multiple_of": 14},
    )


def glpn(folder: Path) -> None:
    """Depth in metres."""
    import torch
    from transformers import GLPNConfig, GLPNForDepthEstimation

    torch.manual_seed(0)
    GLPNForDepthEstimation(
        GLPNConfig(
            depths=[1, 1, 1, 1], hidden_sizes=[8, 8, 16, 16], num_attention_heads=[1, 1, 2, 2],
            sr_ratios=[8, 4, 2, 1], mlp_ratios=[2, 2, 2, 2], decoder_hidden_size=8,
        )
    ).save_pretrained(folder)  # fmt: skip
    write_json(
        folder,
        preprocessor_config={
            "image_processor_type": "GLPNImageProcessor", "do_resize": True, "size_divisor": 32,
            "do_rescale": True, "resample": 2,
        },
    )  # fmt: skip


def vilt(folder: Path) -> None:
    """Chooses one of the answers it knows."""
    import torch
    from transformers import ViltConfig, ViltForQuestionAnswering

    tokenizer = word_tokenizer(folder)
    torch.manual_seed(0)
    ViltForQuestionAnswering(
        ViltConfig(
            vocab_size=len(tokenizer), image_size=32, patch_size=16, max_image_length=-1,
            id2label={0: "yes", 1: "no", 2: "two"}, label2id={"yes": 0, "no": 1, "two": 2},
            **SMALL_BERT | {"max_position_embeddings": 40},
        )
    ).save_pretrained(folder)  # fmt: skip
    write_json(
        folder,
        preprocessor_config={
            "image_processor_type": "ViltImageProcessor", "processor_class": "ViltProcessor",
            "size": {"shortest_edge": 32}, "size_divisor": 16, "do_pad": True, "do_resize": True,
            "do_normalize": True, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
        },
    )  # fmt: skip


def _blip(folder: Path, kind: str) -> None:
    import torch
    import transformers

    tokenizer = word_tokenizer(folder)
    torch.manual_seed(0)
    sees = {
        "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 37, "image_size": 32, "patch_size": 8,
    }  # fmt: skip
    writes = SMALL_BERT | {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "sep_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "encoder_hidden_size": 32,
    }
    config = transformers.BlipConfig(text_config=writes, vision_config=sees)
    getattr(transformers, kind)(config).save_pretrained(folder)
    processor = _sees("BlipImageProcessor", 32)
    write_json(folder, preprocessor_config={**processor, "processor_class": "BlipProcessor"})


def blip_captions(folder: Path) -> None:
    _blip(folder, "BlipForConditionalGeneration")


def blip_answers(folder: Path) -> None:
    """Writes its answer."""
    _blip(folder, "BlipForQuestionAnswering")


def speller(folder: Path) -> None:
    """A wav2vec 2.0 that spells what it hears."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    listed = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ"]
    write_json(
        folder,
        vocab={letter: number for number, letter in enumerate(listed)},
        tokenizer_config={
            "tokenizer_class": "Wav2Vec2CTCTokenizer", "unk_token": "<unk>", "bos_token": "<s>",
            "eos_token": "</s>", "pad_token": "<pad>", "word_delimiter_token": "|",
        },
        preprocessor_config={
            "feature_extractor_type": "Wav2Vec2FeatureExtractor", "feature_size": 1,
            "sampling_rate": 16000, "padding_value": 0.0, "do_normalize": True,
            "return_attention_mask": False,
        },
    )  # fmt: skip
    torch.manual_seed(0)
    Wav2Vec2ForCTC(
        Wav2Vec2Config(
            vocab_size=len(listed), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=16, conv_dim=[8, 8], conv_kernel=[10, 8], conv_stride=[20, 16],
            num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
            num_feat_extract_layers=2,
        )
    ).save_pretrained(folder)  # fmt: skip


def listener(folder: Path) -> None:
    """A Whisper of transformers' own form."""
    import torch
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    tongues = ("en", "de", "fr")
    specials = [
        "<|endoftext|>", "<|startoftranscript|>", *(f"<|{each}|>" for each in tongues),
        "<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>",
        "<|notimestamps|>", *(f"<|{number * 0.02:.2f}|>" for number in range(1501)),
    ]  # fmt: skip
    tokenizer = bytes_tokenizer(
        folder, *specials, kind="WhisperTokenizer", eos_token="<|endoftext|>",
        bos_token="<|endoftext|>", pad_token="<|endoftext|>", unk_token="<|endoftext|>",
    )  # fmt: skip
    number = tokenizer.convert_tokens_to_ids
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=len(tokenizer), num_mel_bins=80, d_model=16, encoder_layers=1,
            decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
            encoder_ffn_dim=16, decoder_ffn_dim=16, max_target_positions=48,
            bos_token_id=number("<|endoftext|>"), eos_token_id=number("<|endoftext|>"),
            pad_token_id=number("<|endoftext|>"),
            decoder_start_token_id=number("<|startoftranscript|>"),
        )
    )  # fmt: skip
    made = model.generation_config
    made._from_model_config = False
    made.max_length = 24
    made.lang_to_id = {f"<|{each}|>": number(f"<|{each}|>") for each in tongues}
    made.task_to_id = {each: number(f"<|{each}|>") for each in ("translate", "transcribe")}
    made.no_timestamps_token_id = number("<|notimestamps|>")
    made.is_multilingual = True
    model.save_pretrained(folder)
    write_json(
        folder,
        preprocessor_config={
            "feature_extractor_type": "WhisperFeatureExtractor", "feature_size": 80,
            "hop_length": 160, "chunk_length": 30, "n_fft": 400, "sampling_rate": 16000,
            "padding_value": 0.0, "processor_class": "WhisperProcessor",
        },
    )  # fmt: skip


def _sees(kind, side):
    return {
        "image_processor_type": kind, "do_resize": True, "do_rescale": True, "do_normalize": True,
        "size": {"height": side, "width": side}, "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5], "resample": 2, "rescale_factor": 1 / 255,
    }  # fmt: skip
