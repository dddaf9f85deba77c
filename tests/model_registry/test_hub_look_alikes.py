"""Repositories that look as what can be run, and are not: their weights would be read wrongly."""

from __future__ import annotations

import pytest

from errors import BrokenModel

SENTENCES = "sentence_transformers.models"


def model(kind, name, **more):
    config = {"model_type": kind, "architectures": [name], **more}
    return {"config.json": config, "model.safetensors": "w", "tokenizer.json": "{}"}


def modules(*kinds):
    return {"modules.json": [{"type": kind, "path": ""} for kind in kinds]}


POOLED = modules(f"{SENTENCES}.Transformer", f"{SENTENCES}.Pooling")
LOOK_ALIKES = {
    "rows for words (ColBERT)": (
        model("modernbert", "ModernBertModel")
        | modules(f"{SENTENCES}.Transformer", "pylate.models.Dense.Dense"),
        "sentence-similarity",
        "numbers for each word of a text",
    ),
    "an encoder by code of its own": (
        model("xlm-roberta", "XLMRobertaModel") | modules("custom_st.Transformer"),
        "feature-extraction",
        "its modules.json asks for custom_st.Transformer, which is code of its own",
    ),
    "a class of its own under a known kind": (
        model("bert", "JinaBertModel", auto_map={"AutoModel": "jinaai/jina--modeling.JinaBert"})
        | POOLED,
        "feature-extraction",
        "JinaBertModel, of code of its own .*though it calls itself 'bert'",
    ),
    "embeddings of pictures and words": (
        model("qwen3_vl", "Qwen3VLForConditionalGeneration"),
        "sentence-similarity",
        "which answers in words, and its owner calls it a model for embeddings",
    ),
    "Florence-2 in its makers' form": (
        model("florence2", "Florence2ForConditionalGeneration", vision_config={"dim_embed": [1]}),
        "image-text-to-text",
        "hf:florence-community/Florence-2-base",
    ),
    "weights that another file says are quantized": (
        model("llama", "LlamaForCausalLM") | {"hf_quant_config.json": {"quantization": {}}},
        "text-generation",
        "quantized by ModelOpt for TensorRT-LLM",
    ),
    "a voice that is half of one": (
        model("llama", "LlamaForCausalLM"),
        "text-to-speech",
        "writes what another model makes sound of",
    ),
    "layers of a picture": (
        {
            "model_index.json": {"_class_name": "QwenImageLayeredPipeline", "vae": ["a", "b"]},
            "vae/model.safetensors": "w",
        },
        "image-to-image",
        "it parts a picture in layers",
    ),
}


@pytest.mark.parametrize("case", LOOK_ALIKES)
def test_what_would_be_read_wrongly_is_refused(hub_models, publish, case):
    files, tag, reason = LOOK_ALIKES[case]
    publish("tiny/model", files, tag)
    with pytest.raises(BrokenModel, match=reason):
        hub_models.make("hf:tiny/model")


@pytest.mark.parametrize(
    "auto",
    [{"AutoModel": "nomic-ai/nomic-bert-2048--modeling.NomicBertModel"}, {}],
    ids=["which once had code of its own", "plain"],
)
def test_a_class_that_the_library_has_is_taken(hub_models, publish, auto):
    publish("tiny/nomic", model("nomic_bert", "NomicBertModel", auto_map=auto) | POOLED)
    assert hub_models.make("hf:tiny/nomic").latest.code.target.endswith(":Embeddings")
