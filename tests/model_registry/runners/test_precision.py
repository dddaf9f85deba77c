"""How weights are loaded on this machine, seen on tiny checkpoints of the real classes."""

from __future__ import annotations

import sys

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
)
from transformers import (
    AutoModelForCausalLM,
    CLIPTextModel,
    LlamaConfig,
    LlamaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
)

from model_registry.spec_files import RUNNERS
from tests.model_registry.runners.conftest import clip_parts, t5_parts
from workers import memory

sys.path.append(str(RUNNERS))
import precision
import quantizing

GIB = 1 << 30
SHAPES = RUNNERS.parent / "starter" / "shapes"
LAYER = "model.layers.0.mlp.up_proj"


@pytest.fixture(autouse=True)
def threads():
    """As many as before, when the test is over."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """A folder with a random Llama of 64 numbers a token."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("llama")
    config = LlamaConfig(
        vocab_size=128,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=1,
        num_attention_heads=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def flux(tmp_path_factory):
    """A folder with a random pipeline of Flux's classes, wide enough to be quantized."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("flux")
    tokenizer, words = clip_parts()
    FluxPipeline(
        vae=AutoencoderKL(
            block_out_channels=(8,), latent_channels=4, norm_num_groups=4, shift_factor=0.1
        ),
        text_encoder=CLIPTextModel(words),
        text_encoder_2=t5_parts()["text_encoder"],
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        transformer=FluxTransformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=32,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=(8, 8, 16),
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(),
    ).save_pretrained(folder)
    return folder


def free_memory(monkeypatch, size):
    monkeypatch.setattr(precision, "_free_on_cpu", lambda: size)


def test_on_a_cpu_a_language_model_computes_in_float32(llama, capsys):
    model = AutoModelForCausalLM.from_pretrained(llama, **precision.language_model("", llama))
    assert model.dtype is torch.float32 and model.device.type == "cpu"
    said = capsys.readouterr().out
    assert said == "Precision: float32 · attention: sdpa where the model has it · CPU, 1 thread\n"
    assert model.config._attn_implementation == "sdpa"


def test_what_does_not_fit_into_free_memory_in_float32_is_loaded_in_bfloat16(llama, monkeypatch):
    needed = precision.parameters_in(llama) * 4
    free_memory(monkeypatch, needed)
    assert precision.language_model("", llama)["dtype"] is torch.bfloat16
    free_memory(monkeypatch, needed * 2)
    assert precision.language_model("", llama)["dtype"] is torch.float32


def test_what_models_may_hold_counts_and_not_only_what_is_free(llama, monkeypatch):
    needed = precision.parameters_in(llama) * 4
    monkeypatch.setenv(precision.BUDGET, str(needed))
    assert precision.language_model("", llama)["dtype"] is torch.bfloat16
    monkeypatch.setenv(precision.BUDGET, str(needed * 2))
    assert precision.language_model("", llama)["dtype"] is torch.float32


@pytest.mark.parametrize(
    ("flags", "dtype"),
    [("fma avx512_bf16 avx2", torch.bfloat16), ("fma avx2", torch.float32)],
)
def test_a_large_model_computes_in_bfloat16_where_the_processor_does(monkeypatch, flags, dtype):
    free_memory(monkeypatch, 1000 * GIB)
    monkeypatch.setattr(precision.Path, "read_text", lambda path: f"flags : {flags} hypervisor")
    monkeypatch.setattr(precision, "parameters_in", lambda folder: precision.LARGE)
    assert precision.language_model("", "/weights")["dtype"] is dtype


def test_the_parameters_of_a_folder_are_counted_without_loading_them(llama):
    model = AutoModelForCausalLM.from_pretrained(llama)
    assert precision.parameters_in(llama) == sum(each.numel() for each in model.parameters())
    assert precision.parameters_in("") == precision.parameters_in("/nowhere") == 0


def test_a_small_pipeline_computes_in_float32_in_one_thread(capsys):
    torch.set_num_threads(2)
    pipeline = DiffusionPipeline.from_pretrained(SHAPES, **precision.pipeline("", "unet"))
    precision.place(pipeline, "")
    assert pipeline.dtype is torch.float32 and torch.get_num_threads() == 1
    assert "Precision: float32 · attention: sdpa · CPU, 1 thread" in capsys.readouterr().out


def test_a_rung_that_no_ladder_has_is_refused_with_those_there_are():
    for refusing in (precision.language_model, precision.pipeline):
        with pytest.raises(ValueError, match="'fp7'; a ladder has rungs of: mxfp4, bf16, fp16"):
            refusing("fp7")


@pytest.mark.parametrize(
    ("rung", "package"), [("fp8", "torchao"), ("int8", "torchao"), ("4bit", "bitsandbytes")]
)
def test_a_rung_whose_package_is_missing_names_it(rung, package, monkeypatch):
    monkeypatch.setattr(quantizing.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=f"{rung} needs the package {package}.*pip install"):
        precision.pipeline(rung, "transformer")


@pytest.mark.parametrize("rung", ["int8", "fp8"])
@pytest.mark.filterwarnings("ignore")  # torchao's own, of its kernels for GPUs
def test_a_language_model_with_8_bits_a_weight_says_nearly_the_same(llama, rung):
    pytest.importorskip("torchao", reason="torchao is not installed: requirements-gpu.txt has it")
    tokens = torch.arange(8)[None]
    whole = AutoModelForCausalLM.from_pretrained(llama, dtype=torch.bfloat16)
    small = AutoModelForCausalLM.from_pretrained(llama, **precision.language_model(rung, llama))
    assert type(small.get_submodule(LAYER).weight).__name__.startswith(("Int8", "Float8"))
    torch.testing.assert_close(small(tokens).logits, whole(tokens).logits, atol=0.02, rtol=0.1)


@pytest.mark.filterwarnings("ignore")
def test_a_language_model_with_4_bits_a_weight_says_about_the_same(llama):
    pytest.importorskip("bitsandbytes", reason="it is not installed: requirements-gpu.txt has it")
    tokens = torch.arange(8)[None]
    whole = AutoModelForCausalLM.from_pretrained(llama, dtype=torch.bfloat16)
    small = AutoModelForCausalLM.from_pretrained(llama, **precision.language_model("4bit", llama))
    assert type(small.get_submodule(LAYER)).__name__ == "Linear4bit"
    torch.testing.assert_close(small(tokens).logits, whole(tokens).logits, atol=0.2, rtol=0.5)


@pytest.mark.parametrize(
    ("rung", "package"), [("int8", "torchao"), ("fp8", "torchao"), ("4bit", "bitsandbytes")]
)
@pytest.mark.filterwarnings("ignore")
def test_the_experts_of_a_mixture_are_quantized_too(rung, package, tmp_path):
    pytest.importorskip(package, reason="it is not installed: requirements-gpu.txt has it")
    config = MixtralConfig(
        vocab_size=128,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        num_local_experts=4,
    )
    torch.manual_seed(0)
    MixtralForCausalLM(config).save_pretrained(tmp_path)
    tokens = torch.arange(8)[None]
    whole = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16)
    chosen = precision.language_model(rung, str(tmp_path))
    small = AutoModelForCausalLM.from_pretrained(tmp_path, **chosen)
    quantizing.finish(small, rung)
    experts = [each for name, each in small.named_parameters() if ".experts." in name]
    assert len(experts) == 2
    assert not any(type(e) is torch.nn.Parameter and e.dtype is torch.bfloat16 for e in experts)
    with torch.no_grad():
        torch.testing.assert_close(small(tokens).logits, whole(tokens).logits, atol=0.2, rtol=0.5)


@pytest.mark.parametrize(("rung", "kind"), [("int8", "Int8Tensor"), ("fp8", "Float8Tensor")])
@pytest.mark.filterwarnings("ignore")
def test_the_named_parts_of_a_pipeline_are_quantized_and_the_others_are_not(rung, kind, flux):
    pytest.importorskip("torchao", reason="torchao is not installed: requirements-gpu.txt has it")
    chosen = precision.pipeline(rung, "transformer", "text_encoder_2")
    pipeline = DiffusionPipeline.from_pretrained(flux, **chosen)
    precision.place(pipeline, rung)

    def kinds(part):
        return {type(each).__name__ for each in part.parameters()}

    assert kind in kinds(pipeline.transformer) and kind in kinds(pipeline.text_encoder_2)
    assert kinds(pipeline.text_encoder) == kinds(pipeline.vae) == {"Parameter"}
    assert pipeline("a", num_inference_steps=1, height=32, width=32).images[0].size == (32, 32)


def test_each_part_gets_the_configuration_of_the_library_it_is_from(monkeypatch):
    # Quantizing a pipeline's own parts to 4 bits takes a GPU; what would do it does not.
    pytest.importorskip("bitsandbytes", reason="it is not installed: requirements-gpu.txt has it")
    mapping = precision.pipeline("4bit", "unet", "text_encoder")[
        "quantization_config"
    ].quant_mapping
    libraries = {part: type(config).__module__.split(".")[0] for part, config in mapping.items()}
    assert libraries == {"unet": "diffusers", "text_encoder": "transformers"}
    assert all(config.bnb_4bit_quant_type == "nf4" for config in mapping.values())


@pytest.fixture
def gpu(monkeypatch):
    """A machine that says it has a GPU: what is chosen there, not that it computes."""
    for name, answer in {
        "is_available": True,
        "is_bf16_supported": True,
        "mem_get_info": (24 * GIB, 24 * GIB),
        "get_device_name": "NVIDIA RTX 4090",
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda *args, answer=answer, **asked: answer)


def test_on_a_gpu_a_language_model_goes_there_in_16_bits(gpu, monkeypatch, capsys):
    chosen = precision.language_model("bf16")
    assert chosen["dtype"] is torch.bfloat16 and chosen["device_map"] == {"": 0}
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    assert precision.language_model("bf16")["dtype"] is torch.float16
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Precision: bfloat16 · attention: sdpa")
    assert lines[0].endswith(" · NVIDIA RTX 4090")


def test_an_offloaded_language_model_keeps_to_the_memory_it_was_given(gpu, monkeypatch):
    monkeypatch.setenv(precision.BUDGET, str(10 * GIB))
    chosen = precision.language_model("offload")
    assert chosen["device_map"] == "auto" and chosen["max_memory"][0] == 8 * GIB


class Placed:
    """A pipeline that only notes where it was put."""

    dtype = torch.bfloat16

    def __init__(self, **parts):
        self.components = parts
        self.done = []

    def to(self, where):
        self.done.append(where)

    def enable_model_cpu_offload(self):
        self.done.append("whole parts")

    def enable_group_offload(self, **asked):
        self.done.append(asked["offload_type"])

    def __call__(self, prompt): ...


class MakesFilms(Placed):
    def __call__(self, prompt, num_frames): ...


def test_offloading_takes_whole_parts_where_the_largest_fits_and_else_layers(
    gpu, monkeypatch, capsys
):
    part = torch.nn.Linear(1000, 1000)  # 4 MB
    for budget, expected in ((8_000_000, "whole parts"), (5_000_000, "leaf_level")):
        monkeypatch.setenv(precision.BUDGET, str(budget))
        pipeline = Placed(transformer=part)
        precision.place(pipeline, "offload")
        assert pipeline.done == [expected]
    assert "offload: whole parts" in capsys.readouterr().out


@pytest.fixture
def compiled(monkeypatch):
    """The transformers whose blocks were to be compiled, on a machine that could."""
    asked = []

    def compile_repeated_blocks(transformer, **settings):
        asked.append(transformer)

    monkeypatch.setattr(precision, "_can_compile", lambda: True)
    monkeypatch.setattr(FluxTransformer2DModel, "compile_repeated_blocks", compile_repeated_blocks)
    yield asked
    torch._dynamo.config.suppress_errors = False


def test_on_a_gpu_repeated_blocks_are_compiled_and_convolutions_laid_out_for_it(
    gpu, compiled, flux, capsys
):
    parts = DiffusionPipeline.from_pretrained(flux).components
    pipeline = MakesFilms(**{name: parts[name] for name in ("transformer", "vae")})
    precision.place(pipeline, "bf16")
    assert pipeline.done == ["cuda"] and compiled == [parts["transformer"]]
    weight = parts["vae"].encoder.conv_in.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert "channels last: vae · compiled: transformer" in capsys.readouterr().out


def test_what_draws_pictures_is_not_compiled_which_takes_longer_than_many_of_them(
    gpu, compiled, flux
):
    parts = DiffusionPipeline.from_pretrained(flux).components
    precision.place(Placed(**{name: parts[name] for name in ("transformer", "vae")}), "bf16")
    assert not compiled


def test_4_bits_are_not_compiled_and_decode_in_tiles(gpu, compiled, flux, monkeypatch):
    parts = DiffusionPipeline.from_pretrained(flux).components
    monkeypatch.setattr(quantizing.importlib.util, "find_spec", lambda name: True)
    precision.place(MakesFilms(**{name: parts[name] for name in ("transformer", "vae")}), "4bit")
    assert not compiled and parts["vae"].use_tiling


def test_the_pool_knows_the_package_of_each_rung_as_the_runners_do():
    assert memory.PACKAGES == quantizing.PACKAGES
