"""Models in one file of a repository: which file, which family, which refusals."""

from __future__ import annotations

import json
import struct

import pytest
import yaml

from errors import BrokenModel, CannotDownload
from model_registry.hub import Hub
from model_registry.hub_checkpoints import FAMILIES
from model_registry.listing import choose
from settings import HubSettings

UNET = "model.diffusion_model."


def safetensors(*names, **shapes):
    """The beginning of a file with such tensors, which is all that is asked for."""
    told = {name: {"dtype": "F16", "shape": [2, 2], "data_offsets": [0, 0]} for name in names}
    told |= {
        name: {"dtype": "F16", "shape": shape, "data_offsets": [0, 0]}
        for name, shape in shapes.items()
    }
    text = json.dumps(told | {"__metadata__": {"format": "pt"}}).encode()
    return struct.pack("<Q", len(text)) + text


def drawing(channels, *names):
    return safetensors(*names, **{f"{UNET}input_blocks.0.0.weight": [320, channels, 3, 3]})


TEXT = "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight"
TEXTS = (
    "conditioner.embedders.0.transformer.text_model.embeddings.position_embedding.weight",
    "conditioner.embedders.1.model.positional_embedding",
)
VAE = "first_stage_model.decoder.conv_in.weight"
FLUX = "double_blocks.0.img_attn.norm.key_norm.scale"
SD3 = "joint_blocks.0.context_block.adaLN_modulation.1.bias"
SD_1 = drawing(4, TEXT, VAE)
PARTS = ("unet", "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3")


@pytest.fixture
def families(publish):
    """The repositories with the settings of all families."""
    for family in FAMILIES.values():
        folders = {
            f"{part}/{name}": "{}" if name.endswith("json") else "weights"
            for part in ("scheduler", "tokenizer", "safety_checker", *PARTS)
            for name in ("config.json", "model.safetensors", "model.fp16.safetensors")
            if part in ("scheduler", "tokenizer", "safety_checker") or part in family.parts
        }
        index = {"_class_name": family.pipeline} | {
            path.split("/")[0]: ["a", "b"] for path in folders
        }
        publish(family.base, folders | {"model_index.json": index, "whole.safetensors": "weights"})


CHECKPOINTS = {
    "Stable Diffusion 1": (SD_1, "TextToImage", []),
    "Stable Diffusion 1 for inpainting": (drawing(9, TEXT, VAE), "Inpaint", []),
    "Stable Diffusion XL": (drawing(4, *TEXTS, VAE), "TextToImage", []),
    "Stable Diffusion XL for inpainting": (drawing(9, *TEXTS), "Inpaint", ["vae"]),
    "FLUX.1 schnell": (
        safetensors(FLUX),
        "TextToImage",
        ["text_encoder", "text_encoder_2", "vae"],
    ),
    "FLUX.1 dev": (
        safetensors(
            f"{UNET}{FLUX}", f"{UNET}guidance_in.in_layer.bias", "vae.decoder.conv_in.weight",
            "text_encoders.clip_l.transformer.text_model.a", "text_encoders.t5xxl.transformer.a",
        ),
        "TextToImage",
        [],
    ),
    "Stable Diffusion 3": (
        safetensors(f"{UNET}{SD3}", VAE),
        "TextToImage",
        ["text_encoder", "text_encoder_2", "text_encoder_3"],
    ),
    "Stable Diffusion 3.5 medium": (
        safetensors(SD3, VAE, pos_embed=[1, 384 * 384, 1536]),
        "TextToImage",
        ["text_encoder", "text_encoder_2", "text_encoder_3"],
    ),
    "Stable Diffusion 3.5 large": (
        safetensors(SD3, "joint_blocks.37.x_block.mlp.fc1.weight", VAE),
        "TextToImage",
        ["text_encoder", "text_encoder_2", "text_encoder_3"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_a_checkpoint_is_known_by_its_tensors(hub_models, publish, families, name):
    content, runner, borrowed = CHECKPOINTS[name]
    publish("tiny/model", {"some [v1].safetensors": content})
    model = hub_models.make("hf:tiny/model")
    version = model.latest
    assert version.code.target.endswith(f":{runner}")
    checkpoint = version.code.options["checkpoint"]
    assert checkpoint["file"] == "some [v1].safetensors"
    assert sorted(checkpoint["borrowed"]) == borrowed
    main, settings = version.weights
    assert (main.repo, settings.repo) == ("tiny/model", FAMILIES[name].base)
    assert settings.revision and "model_index.json" in settings.files
    taken = {path for path in settings.files if path.endswith(".safetensors")}
    assert taken == {f"{part}/model.safetensors" for part in borrowed}
    assert not any(path.startswith("safety_checker/") for path in settings.files)


def test_nothing_but_the_file_is_downloaded_whatever_it_is_called(
    hub_models, publish, families, stand_in
):
    publish("tiny/model", {"some [v1].safetensors": SD_1, "some v.safetensors": SD_1, "a.txt": ""})
    main = hub_models.make("hf:tiny/model:some [v1].safetensors").latest.weights[0]
    with Hub(HubSettings(endpoint=stand_in.address)) as asked:
        files = choose(asked.listing(main.repo, main.revision), main.files)
    assert [file.path for file in files] == ["some [v1].safetensors"]


def test_conditions_are_those_of_the_lent_parts_as_well(hub_models, publish, families, stand_in):
    publish("tiny/model", {"flux.safetensors": CHECKPOINTS["FLUX.1 dev"][0]}, tags=("license:mit",))
    base = stand_in.repositories[FAMILIES["FLUX.1 dev"].base]
    (base.folder / "README.md").write_text(
        "---\nlicense: other\nlicense_name: flux-1-dev-non-commercial-license\n---\n"
    )
    base.tags = ("license:other",)
    licence = hub_models.make("hf:tiny/model").licence
    assert licence.name == "MIT" and licence.non_commercial and not licence.gated
    base.token = "secret"
    with pytest.raises(CannotDownload, match="black-forest-labs/FLUX.1-dev is gated: accept"):
        hub_models.make("hf:tiny/model")


REFUSED = {
    "a LoRA": (safetensors("a.lora_down.weight"), "a LoRA.*Give tiny/model as lora_weights"),
    "a refiner": (drawing(4, "conditioner.embedders.0.model.a"), "the refiner of Stable Diffusion"),
    "Stable Diffusion 2": (drawing(4, "cond_stage_model.model.a"), "is Stable Diffusion 2, of"),
    "what takes a picture": (drawing(8, TEXT), "is a Stable Diffusion 1 that takes 8 channels"),
    "a ControlNet": (safetensors("control_model.a"), "it is a ControlNet"),
    "Chroma": (safetensors("distilled_guidance_layer.in_proj.bias"), "hf:lodestones/Chroma1-HD"),
    "8 bits with scales": (safetensors(FLUX, "a.scale_weight"), "Take the file in 16 bits"),
    "4 bits": (safetensors(FLUX, "a.weight.quant_state.bitsandbytes__nf4"), "by bitsandbytes"),
    "FLUX.2": (safetensors(FLUX, "single_stream_modulation.lin.weight"), "it is FLUX.2 or later"),
    "FLUX Fill": (
        safetensors(FLUX, **{"img_in.weight": [3072, 384]}),
        "a FLUX.1 that also takes pictures",
    ),
    "a VAE": (safetensors("decoder.conv_in.weight"), "it is a VAE, one part of a pipeline"),
    "a family that is not known": (safetensors("blocks.0.a"), r"its tensors \(blocks.0.a, …\) are"),
    "what is no such file": (b"\x10\0\0\0\0\0\0\0 no JSON at all", "model.safetensors cannot be"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_run_says_what_it_is(hub_models, publish, families, case):
    content, reason = REFUSED[case]
    publish("tiny/model", {"model.safetensors": content})
    with pytest.raises(BrokenModel, match=reason):
        hub_models.make("hf:tiny/model")


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        (("a.safetensors", "a-pruned.safetensors", "a-fp8.safetensors"), "a-pruned.safetensors"),
        (("a_fp32.safetensors", "a.vae.safetensors", "inpaint.safetensors"), "a_fp32.safetensors"),
        (("a.safetensors", "folder/b.safetensors"), "a.safetensors"),
        (("a.ckpt", "folder/b-fp16.safetensors"), "folder/b-fp16.safetensors"),
        (("only-inpainting.safetensors",), "only-inpainting.safetensors"),
    ],
)
def test_of_one_model_in_several_files_the_smallest_of_16_bits_is_taken(
    hub_models, publish, families, files, chosen
):
    sizes = {"a-pruned.safetensors": 1, "a-fp8.safetensors": 0}
    publish("tiny/model", {name: SD_1 + b"w" * sizes.get(name, 2) for name in files})
    model = hub_models.make("hf:tiny/model")
    assert model.latest.code.options["checkpoint"]["file"] == chosen
    several = sum(name.endswith(".safetensors") for name in files) > 1
    assert (f"It is {chosen}, one of" in model.description) == several


def test_of_several_models_one_has_to_be_named(hub_models, publish, families):
    publish("tiny/model", {"one.safetensors": SD_1, "two v2.safetensors": SD_1})
    with pytest.raises(BrokenModel, match=r"one.safetensors, two v2.safetensors. Name one, such as "
                       "hf:tiny/model:one.safetensors"):  # fmt: skip
        hub_models.make("hf:tiny/model")
    model = hub_models.make("hf:tiny/model:two v2.safetensors")
    assert model.id == "tiny/model-two-v2"
    named = model.latest
    assert named.code.options["checkpoint"]["file"] == "two v2.safetensors"
    with pytest.raises(BrokenModel, match=r"has no three.safetensors. It has one.safetensors, two"):
        hub_models.make("hf:tiny/model:three.safetensors")


def test_a_file_may_be_named_beside_a_pipeline(hub_models, publish, families):
    index = {"_class_name": "FluxPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}
    publish(
        "tiny/model", {"model_index.json": index, "unet/a.safetensors": "w", "b.safetensors": SD_1}
    )
    assert "checkpoint" not in hub_models.make("hf:tiny/model").latest.code.options
    version = hub_models.make("hf:tiny/model:b.safetensors").latest
    assert version.code.options["checkpoint"]["file"] == "b.safetensors"


def test_memory_follows_from_the_numbers_of_the_tensors(hub_models, publish, families):
    large = {f"{UNET}input_blocks.0.0.weight": [1000, 4, 1000, 1000]}
    ema = {f"model_ema.{name}": [10**6, 10**6] for name in "ab"}
    publish("tiny/model", {"model.safetensors": safetensors(TEXT, VAE, **large, **ema)})
    version = hub_models.make("hf:tiny/model").latest
    assert [rung.precision for rung in version.ladder] == ["bf16", "offload"]
    assert 8e9 < version.ladder[0].memory < 12e9


def gguf(said, tensors):
    """The beginning of a GGUF: texts and whole numbers, and a list as vocabularies are."""

    def text(value):
        return struct.pack("<Q", len(value.encode())) + value.encode()

    content = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(said) + 2)
    for name, value in said.items():
        content += text(name)
        content += (
            struct.pack("<I", 8) + text(value)
            if isinstance(value, str)
            else (struct.pack("<II", 4, value))
        )
    content += text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("bc")
    content += text("tokenizer.ggml.scores") + struct.pack("<IIQ2f", 9, 6, 2, 0.5, 1)
    for name, shape in tensors.items():
        content += text(name) + struct.pack("<I", len(shape))
        content += struct.pack(f"<{len(shape)}Q", *shape) + struct.pack("<IQ", 8, 0)
    return content


SAID = {"general.architecture": "qwen2moe", "llama.block_count": 2, "tokenizer.ggml.model": "gpt2"}
WORDS = {"token_embd.weight": (10**5, 10**4)}
LLAMA = gguf(SAID, WORDS)


def test_a_gguf_takes_the_memory_of_what_it_is_unpacked_to(hub_models, publish, tmp_path):
    publish("tiny/model-GGUF", {"model.Q4_K_M.gguf": LLAMA, "config.json": {"model_type": "llama"}})
    version = hub_models.make("hf:tiny/model-GGUF").latest
    assert version.code.target.endswith(":TextGeneration")
    assert version.code.options == {"gguf": {"file": "model.Q4_K_M.gguf", "numbers": 10**9}}
    assert [rung.precision for rung in version.ladder] == ["bf16"]
    assert 2e9 < version.ladder[0].memory < 5e9
    spec = yaml.safe_load((tmp_path / "data/hub_models/tiny/model-GGUF.yaml").read_text())
    assert spec["weights"]["files"] == ["model.Q4_K_M.gguf"]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("m-Q4_K_M", "m-Q8_0", "m-F16", "mmproj-m-F16", "m-IQ2_XS"), "m-Q8_0"),
        (("m.q4_0", "m.q4_k_m", "m.q5_k_s"), "m.q5_k_s"),
        (("m-BF16-00001-of-00002", "m-BF16-00002-of-00002", "m-Q4_K_M"), "m-Q4_K_M"),
        (("Q6_K/m-Q6_K", "Q3_K/m-Q3_K_L"), "Q6_K/m-Q6_K"),
    ],
)
def test_of_a_gguf_in_several_precisions_the_nearest_small_one_is_taken(
    hub_models, publish, names, chosen
):
    publish("tiny/model", {f"{name}.gguf": LLAMA for name in names})
    model = hub_models.make("hf:tiny/model")
    count = len([name for name in names if "00002-of" not in name])
    assert model.latest.code.options["gguf"]["file"] == f"{chosen}.gguf"
    assert f"It is {chosen}.gguf, one of {count}: hf:tiny/model:FILE" in model.description
    named = hub_models.make(f"hf:tiny/model:{names[0]}.gguf")
    assert named.latest.code.options["gguf"]["file"] == f"{names[0]}.gguf"


GGUF_REFUSED = {
    "another architecture": (
        {"m.gguf": gguf({**SAID, "general.architecture": "flux"}, WORDS)},
        r"the architecture flux, and transformers [\d.]+ reads GGUF of .*llama",
    ),
    "an adapter": (
        {"m.gguf": gguf({**SAID, "general.type": "adapter"}, WORDS)},
        "is a GGUF of adapter, no model",
    ),
    "no tokenizer": ({"m.gguf": gguf({"general.architecture": "llama"}, WORDS)}, "no tokenizer"),
    "a part": ({"m.gguf": gguf(SAID, {"v.blk.0": (2,)})}, "no weights of its words"),
    "cut, and not whole": (
        {f"m-0000{number}-of-00003.gguf": LLAMA for number in (1, 3)},
        "3 files, and 1 of them cannot be found, the first m-00002-of-00003.gguf",
    ),
    "several models": ({"one-Q8_0.gguf": LLAMA, "two-Q8_0.gguf": LLAMA}, "it holds several models"),
    "a file that ends too early": ({"m.gguf": LLAMA[:60]}, "m.gguf cannot be read: it ends too"),
    "an old form": ({"m.gguf": b"GGUF" + b"\1\0\0\0" + b"\0" * 16}, "GGUF of version 1; 2 and 3"),
}


@pytest.mark.parametrize("case", GGUF_REFUSED)
def test_a_gguf_that_cannot_be_run_says_why(hub_models, publish, case):
    files, reason = GGUF_REFUSED[case]
    publish("tiny/model", files)
    with pytest.raises(BrokenModel, match=reason):
        hub_models.make("hf:tiny/model")


def test_a_gguf_that_was_cut_is_taken_with_all_its_files(hub_models, publish):
    said = {"general.type": "model"}
    words = gguf(SAID, {"token_embd.weight": (10, 1000)})
    files = {
        f"{packed}/m-{packed}-0000{number}-of-00002.gguf": content
        for packed in ("Q4_K_M", "BF16")
        for number, content in ((1, words), (2, gguf(said, {"blk.0.ffn_up.weight": (10, 2000)})))
    }
    publish("tiny/large-GGUF", files)
    model = hub_models.make("hf:tiny/large-GGUF")
    first, second = (f"Q4_K_M/m-Q4_K_M-0000{number}-of-00002.gguf" for number in (1, 2))
    assert [*model.latest.weights[0].files] == [first, second]
    assert model.latest.code.options["gguf"] == {"file": first, "numbers": 30_000}
    assert "one of 2" in model.description
    assert hub_models.make(f"hf:tiny/large-GGUF:{second}").latest.weights[0].files == (
        model.latest.weights[0].files
    )
