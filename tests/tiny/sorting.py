"""Repositories of models that sort texts, words, pictures and sounds: random weights, as small as
they go, whose last layers lean to one side, so that there is something to find.
"""

from __future__ import annotations

from pathlib import Path

from tests.tiny.hub_repos import SMALL_BERT, _sees, word_tokenizer
from tests.tiny.vision import bytes_tokenizer, write_json

SEES = {
    "image_size": 32, "patch_size": 8, "hidden_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 16,
}  # fmt: skip


def named(*names):
    return {"id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}}


def _lean(layer, *biases):
    import torch

    with torch.no_grad():
        layer.bias.copy_(torch.tensor(biases))


def _bert(folder: Path, kind: str, **config):
    import torch
    import transformers

    tokenizer = word_tokenizer(folder)
    torch.manual_seed(0)
    made = transformers.BertConfig(vocab_size=len(tokenizer), **SMALL_BERT, **config)
    return getattr(transformers, kind)(made)


def moods(folder: Path, *biases: float, **config) -> None:
    """A BERT that takes nearly all for glad."""
    names = named("glad", "sad", "cross")
    model = _bert(folder, "BertForSequenceClassification", **{**names, **config})
    _lean(model.classifier, *(biases or (4.0, 1.0, 0.0)))
    model.save_pretrained(folder)


def reranker(folder: Path) -> None:
    model = _bert(folder, "BertForSequenceClassification", **named("LABEL_0"))
    model.save_pretrained(folder)


def reranker_by_word(folder: Path) -> None:
    """A Qwen3 that knows yes and no, and thinks little of anything."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    listed = [*letters, "ye", "yes", "no", "<|im_start|>", "<|im_end|>"]
    words = {each: number for number, each in enumerate(listed)}
    made = Tokenizer(models.BPE(words, [("y", "e"), ("ye", "s"), ("n", "o")]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    ends = {"eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}
    PreTrainedTokenizerFast(
        tokenizer_object=made, additional_special_tokens=["<|im_start|>"], **ends
    ).save_pretrained(folder)
    torch.manual_seed(0)
    Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(listed), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
            num_key_value_heads=1, head_dim=16, intermediate_size=48, max_position_embeddings=900,
        )
    ).save_pretrained(folder)  # fmt: skip


def entailment(folder: Path) -> None:
    names = named("contradiction", "neutral", "entailment")
    model = _bert(folder, "BertForSequenceClassification", **names)
    model.save_pretrained(folder)


def names(folder: Path) -> None:
    """A BERT that takes every word for the name of a place."""
    labels = named("O", "B-PER", "B-LOC", "I-LOC")
    model = _bert(folder, "BertForTokenClassification", **labels)
    _lean(model.classifier, 0.0, 1.0, 4.0, 3.0)
    model.save_pretrained(folder)


def masked(folder: Path) -> None:
    """A BERT that likes to guess "moon"."""
    import torch

    model = _bert(folder, "BertForMaskedLM")
    tokenizer = word_tokenizer(folder)
    with torch.no_grad():
        model.cls.predictions.bias[tokenizer.convert_tokens_to_ids("moon")] = 6
    model.save_pretrained(folder)


def masked_roberta(folder: Path) -> None:
    """Counts its places from after that of the padding, and says no length of its tokenizer."""
    import torch
    from transformers import RobertaConfig, RobertaForMaskedLM

    tokenizer = bytes_tokenizer(
        folder, "<s>", "<pad>", "</s>", "<unk>", "<mask>", kind="RobertaTokenizer",
        bos_token="<s>", pad_token="<pad>", eos_token="</s>", mask_token="<mask>",
    )  # fmt: skip
    number = tokenizer.convert_tokens_to_ids
    torch.manual_seed(0)
    RobertaForMaskedLM(
        RobertaConfig(
            vocab_size=len(tokenizer), bos_token_id=number("<s>"), pad_token_id=number("<pad>"),
            eos_token_id=number("</s>"),
            **SMALL_BERT | {"max_position_embeddings": 64 + number("<pad>") + 1},
        )
    ).save_pretrained(folder)  # fmt: skip


def answers(folder: Path) -> None:
    _bert(folder, "BertForQuestionAnswering").save_pretrained(folder)


def pictures(folder: Path) -> None:
    """A ViT that sees a cat in nearly everything."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(0)
    model = ViTForImageClassification(ViTConfig(**SEES, **named("dog", "cat", "sun")))
    _lean(model.classifier, 0.0, 4.0, 1.0)
    model.save_pretrained(folder)
    write_json(folder, preprocessor_config=_sees("ViTImageProcessor", 32))


def patches(folder: Path) -> None:
    """A DINOv2."""
    import torch
    from transformers import Dinov2Config, Dinov2Model

    torch.manual_seed(0)
    Dinov2Model(Dinov2Config(**SEES)).save_pretrained(folder)
    write_json(folder, preprocessor_config=_sees("BitImageProcessor", 32))


def channels(folder: Path) -> None:
    """A ConvNeXt: cuts no patches."""
    import torch
    from transformers import ConvNextConfig, ConvNextModel

    torch.manual_seed(0)
    ConvNextModel(
        ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2)
    ).save_pretrained(folder)
    sees = {**_sees("ConvNextImageProcessor", 32), "size": {"shortest_edge": 32}, "crop_pct": 0.9}
    write_json(folder, preprocessor_config=sees)


def _clip_words(folder: Path):
    import shutil

    from tests.model_registry.runners.conftest import REGISTRY, clip_parts

    tokenizer, words = clip_parts()
    shutil.copytree(REGISTRY / "starter/shapes/tokenizer", folder, dirs_exist_ok=True)
    return tokenizer, words


def clip(folder: Path) -> None:
    import torch
    from transformers import CLIPConfig, CLIPModel

    _, words = _clip_words(folder)
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config=words.to_dict(), vision_config={**SEES, "projection_dim": 16}, projection_dim=16
    )
    CLIPModel(config).save_pretrained(folder)
    sees = {**_sees("CLIPImageProcessor", 32), "do_center_crop": False}
    write_json(folder, preprocessor_config={**sees, "processor_class": "CLIPProcessor"})


def siglip(folder: Path) -> None:
    """Weighs each label for itself."""
    import torch
    from transformers import SiglipConfig, SiglipModel

    tokenizer = word_tokenizer(folder)
    torch.manual_seed(0)
    words = {
        "vocab_size": len(tokenizer), "hidden_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 32,
        "projection_size": 16,
    }  # fmt: skip
    SiglipModel(SiglipConfig(text_config=words, vision_config=SEES)).save_pretrained(folder)
    sees = _sees("SiglipImageProcessor", 32)
    write_json(folder, preprocessor_config={**sees, "processor_class": "SiglipProcessor"})


def yolos(folder: Path) -> None:
    """Frames two cats, sure of both."""
    import torch
    from transformers import YolosConfig, YolosForObjectDetection

    torch.manual_seed(0)
    config = {**SEES, "image_size": [32, 32], "num_detection_tokens": 2}
    model = YolosForObjectDetection(YolosConfig(**config, **named("dog", "cat")))
    _lean(model.class_labels_classifier.layers[-1], 0.0, 5.0, -5.0)  # the last is for nothing
    model.save_pretrained(folder)
    write_json(folder, preprocessor_config=_sees("YolosImageProcessor", 32))


def owlvit(folder: Path) -> None:
    import torch
    from transformers import OwlViTConfig, OwlViTForObjectDetection

    _, words = _clip_words(folder)
    torch.manual_seed(0)
    config = OwlViTConfig(
        text_config=words.to_dict(),
        vision_config=SEES,
        projection_dim=32,
    )
    OwlViTForObjectDetection(config).save_pretrained(folder)
    sees = _sees("OwlViTImageProcessor", 32)
    write_json(folder, preprocessor_config={**sees, "processor_class": "OwlViTProcessor"})


def grounding_dino(folder: Path) -> None:
    """Says of what it frames which words it saw there."""
    import torch
    from transformers import (
        BertConfig,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        SwinConfig,
    )

    tokenizer = word_tokenizer(folder)
    torch.manual_seed(0)
    sees = SwinConfig(
        image_size=32, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=2,
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    GroundingDinoForObjectDetection(
        GroundingDinoConfig(
            backbone_config=sees, text_config=BertConfig(vocab_size=len(tokenizer), **SMALL_BERT),
            d_model=32, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=16, decoder_ffn_dim=16,
            encoder_attention_heads=2, decoder_attention_heads=2, num_queries=4,
            num_feature_levels=4, encoder_n_points=2, decoder_n_points=2, max_text_len=64,
        )
    ).save_pretrained(folder)  # fmt: skip
    size = {"size": {"shortest_edge": 64, "longest_edge": 96}}
    kind = {"processor_class": "GroundingDinoProcessor"}
    sees = _sees("GroundingDinoImageProcessor", 64)
    write_json(folder, preprocessor_config={**sees, **size, **kind})


def sounds(folder: Path, **leaning: float) -> None:
    """An AST that hears rain in nearly everything, or what it is given, as much as it is told."""
    import torch
    from transformers import ASTConfig, ASTForAudioClassification

    torch.manual_seed(0)
    small = {key: each for key, each in SEES.items() if key not in ("image_size", "patch_size")}
    leaning = leaning or {"music": 0.0, "rain": 4.0}
    model = ASTForAudioClassification(
        ASTConfig(**small, max_length=128, num_mel_bins=32, **named(*leaning))
    )
    _lean(model.classifier.dense, *leaning.values())
    model.save_pretrained(folder)
    write_json(
        folder,
        preprocessor_config={
            "feature_extractor_type": "ASTFeatureExtractor", "feature_size": 1,
            "sampling_rate": 16000, "num_mel_bins": 32, "max_length": 128, "do_normalize": True,
            "mean": -4.27, "std": 4.57, "padding_value": 0.0, "return_attention_mask": False,
        },
    )  # fmt: skip
