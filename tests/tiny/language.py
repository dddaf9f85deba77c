"""Random weights, as small as they go, of the models that write text and code: the same classes,
tokenizers, chat formats and files as the repositories have.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

# --- tokenizers: each byte a token, and each family's special ones


def byte_level(folder: Path, specials: list[str], kind: str, template: str = "", **settings):
    """A tokenizer over bytes, of the class that the repository names."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {each: number for number, each in enumerate([*letters, *specials])}
    made = Tokenizer(models.BPE(vocabulary, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([each for each in specials if "think>" not in each])
    made.add_tokens([each for each in specials if "think>" in each])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, **settings)
    _save(tokenizer, folder, template, tokenizer_class=kind)
    return tokenizer


def sentence_pieces(folder: Path, kind: str, template: str = "", gaps: bool = True, **settings):
    """A tokenizer as SentencePiece makes them: letters with ▁ for the space, bytes for the rest."""
    import transformers

    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces += ["▁", *map(chr, range(33, 127)), *settings.pop("more", ())]
    fills = ["▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"]
    if kind == "CodeLlamaTokenizer" and gaps:
        pieces += fills
    elif kind == "CodeLlamaTokenizer":
        names = ("prefix_token", "suffix_token", "middle_token", "eot_token", "fill_token")
        settings |= dict.fromkeys(names)
    vocabulary = {each: number for number, each in enumerate(pieces)}
    tokenizer = getattr(transformers, kind)(vocab=vocabulary, merges=[], **settings)
    _save(tokenizer, folder, template, add_bos_token=True)
    return tokenizer


def _save(tokenizer, folder: Path, template: str, **said) -> None:
    tokenizer.chat_template = template or None
    tokenizer.save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **said}))


# --- chat formats, written as the families document them

LLAMA_3 = """\
{%- if messages[0].role == 'system' %}{% set told = messages[0].content|trim %}
{%- set messages = messages[1:] %}{% else %}{% set told = '' %}{% endif %}
{{- bos_token }}{% if dated or told %}<|start_header_id|>system<|end_header_id|>

{% if dated %}Cutting Knowledge Date: December 2023
Today Date: 26 Jul 2024

{% endif %}{{ told }}<|eot_id|>{% endif %}
{%- for each in messages %}<|start_header_id|>{{ each.role }}<|end_header_id|>

{{ each.content|trim }}<|eot_id|>{% endfor %}
{%- if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>

{% endif %}"""

LLAMA_3_1 = "{%- set dated = true %}" + LLAMA_3

MISTRAL = """\
{{- bos_token }}{% for each in messages %}
{%- if (each.role == 'user') != (loop.index0 % 2 == 0) %}
{{- raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
{%- endif %}
{%- if each.role == 'user' %}{{ '[INST] ' + each.content + ' [/INST]' }}
{%- else %}{{ each.content + eos_token }}{% endif %}{% endfor %}"""

LLAMA_2 = """\
{%- if messages[0].role == 'system' %}
{%- set told = '<<SYS>>\\n' + messages[0].content + '\\n<</SYS>>\\n\\n' %}
{%- set messages = messages[1:] %}{% else %}{% set told = '' %}{% endif %}
{%- for each in messages %}{% if each.role == 'user' %}
{{- bos_token + '[INST] ' + (told if loop.first else '') + each.content|trim + ' [/INST]' }}
{%- else %}{{ ' ' + each.content|trim + ' ' + eos_token }}{% endif %}{% endfor %}"""

CODE_LLAMA_70B = """\
{%- for each in messages %}{% if loop.first %}{{ bos_token }}{% endif %}
{{- 'Source: ' + each.role + '\\n\\n ' + each.content|trim + ' <step> ' }}{% endfor %}
{{- 'Source: assistant\\nDestination: user\\n\\n ' }}"""

CHATML = """\
{%- if messages[0].role != 'system' and presumed %}
{{- '<|im_start|>system\\n' + presumed + '<|im_end|>\\n' }}{% endif %}
{%- for each in messages %}
{{- '<|im_start|>' + each.role + '\\n' + each.content + '<|im_end|>\\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""

QWEN_3 = (
    CHATML
    + """\
{%- if add_generation_prompt and enable_thinking is defined and enable_thinking is false %}
{{- '<think>\\n\\n</think>\\n\\n' }}{% endif %}"""
)

HARMONY = """\
<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.
Knowledge cutoff: 2024-06
Current date: {{ strftime_now('%Y-%m-%d') }}

Reasoning: {{ reasoning_effort|default('medium') }}

# Valid channels: analysis, commentary, final. Channel must be included for every message.<|end|>
{%- for each in messages %}{% if each.role == 'system' %}
{{- '<|start|>developer<|message|># Instructions\\n\\n' + each.content + '\\n\\n<|end|>' }}
{%- else %}{{ '<|start|>' + each.role + '<|message|>' + each.content + '<|end|>' }}
{%- endif %}{% endfor %}
{%- if add_generation_prompt %}<|start|>assistant{% endif %}"""

STARCODER = """\
{{- bos_token + 'You are an exceptionally intelligent coding assistant that consistently '
    'delivers accurate and reliable responses to user instructions.\\n\\n' }}
{%- for each in messages %}{% if each.role == 'system' %}
{{- raise_exception('OpenAI compatible chat template does not support system role') }}
{%- endif %}{{ '### Instruction\\n' + each.content + '\\n\\n' }}{% endfor %}
{{- '### Response\\n' }}"""


# --- models

SIZES = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 4096,
}  # fmt: skip


def write(folder: Path, family: str, tokenizer, ends: list[int] | None = None, **sizes) -> None:
    """A random model of `<family>ForCausalLM`, in two shards, in 16 bits as they are published."""
    import torch
    import transformers

    given = {
        **SIZES,
        "vocab_size": max(tokenizer.get_vocab().values()) + 1,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": ends or tokenizer.eos_token_id,
        "pad_token_id": None,
        **sizes,
    }
    torch.manual_seed(0)
    model = getattr(transformers, f"{family}ForCausalLM")(
        getattr(transformers, f"{family}Config")(**given)
    )
    model.to(torch.bfloat16).save_pretrained(folder, max_shard_size="40KB")


LLAMA_3_TOKENS = [
    "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
    "<|eot_id|>", "<|eom_id|>",
]  # fmt: skip


def llama_3(folder: Path, template: str = LLAMA_3_1) -> None:
    tokenizer = byte_level(
        folder, LLAMA_3_TOKENS, "PreTrainedTokenizerFast", template,
        bos_token="<|begin_of_text|>", eos_token="<|eot_id|>", model_max_length=131072,
    )  # fmt: skip
    ends = ["<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"]
    scaling = {
        "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 512,
    }  # fmt: skip
    write(
        folder, "Llama", tokenizer, tokenizer.convert_tokens_to_ids(ends), rope_parameters=scaling
    )


def mistral(folder: Path, window: int | None = None) -> None:
    tokenizer = sentence_pieces(folder, "LlamaTokenizer", MISTRAL)
    write(folder, "Mistral", tokenizer, sliding_window=window)


def mixtral(folder: Path) -> None:
    tokenizer = sentence_pieces(folder, "LlamaTokenizer", MISTRAL)
    write(folder, "Mixtral", tokenizer, num_local_experts=4, num_experts_per_tok=2)


def code_llama(folder: Path, template: str = LLAMA_2, gaps: bool = True) -> None:
    step = template == CODE_LLAMA_70B
    tokenizer = sentence_pieces(
        folder, "CodeLlamaTokenizer", template, gaps,
        **({"more": ["<step>"], "eos_token": "<step>"} if step else {}),
    )  # fmt: skip
    rows = max(tokenizer.get_vocab().values()) + 1
    write(folder, "Llama", tokenizer, vocab_size=rows - gaps, rms_norm_eps=1e-5)


QWEN_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
QWEN_GAPS = ["<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|file_sep|>"]
THINKS = ["<think>", "</think>"]


def qwen(folder: Path, family: str, template: str, *more: str, presumed: str = "", **sizes) -> None:
    said = "{%- set presumed = '" + presumed + "' %}"
    tokenizer = byte_level(
        folder, [*QWEN_TOKENS, *more], "Qwen2Tokenizer", said + template,
        eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=131072,
    )  # fmt: skip
    ends = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    heads = {} if family == "Qwen2" else {"head_dim": 16}
    write(folder, family, tokenizer, ends, **heads, **sizes)


def qwen_3(folder: Path, template: str = QWEN_3) -> None:
    qwen(folder, "Qwen3", template, *QWEN_GAPS, *THINKS, tie_word_embeddings=True)


def qwen_2_coder(folder: Path) -> None:
    told = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
    qwen(folder, "Qwen2", CHATML, *QWEN_GAPS, presumed=told)


def qwen_3_coder(folder: Path) -> None:
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
    qwen(folder, "Qwen3Moe", CHATML, *QWEN_GAPS, *THINKS, **experts)


def smol_lm(folder: Path) -> None:
    told = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    tokenizer = byte_level(
        folder, QWEN_TOKENS, "GPT2Tokenizer", "{%- set presumed = '" + told + "' %}" + CHATML,
        bos_token="<|im_start|>", eos_token="<|im_end|>", model_max_length=8192,
    )  # fmt: skip
    write(folder, "Llama", tokenizer, tie_word_embeddings=True)


def starcoder(folder: Path, template: str = "", window: int = 16) -> None:
    tokens = ["<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<file_sep>"]
    tokenizer = byte_level(
        folder, tokens, "GPT2Tokenizer", template,
        bos_token="<|endoftext|>", eos_token="<|endoftext|>", model_max_length=16384,
    )  # fmt: skip
    write(folder, "Starcoder2", tokenizer, sliding_window=window)


def gpt_oss(folder: Path) -> None:
    """With its experts in MXFP4, as published: blocks of 32 numbers of 4 bits and a scale each."""
    from safetensors.torch import load_file, save_file

    tokens = [
        "<|startoftext|>", "<|endoftext|>", "<|return|>", "<|constrain|>", "<|channel|>",
        "<|start|>", "<|end|>", "<|message|>", "<|call|>",
    ]  # fmt: skip
    tokenizer = byte_level(
        folder, tokens, "PreTrainedTokenizerFast", HARMONY,
        bos_token="<|startoftext|>", eos_token="<|return|>", pad_token="<|endoftext|>",
    )  # fmt: skip
    ends = tokenizer.convert_tokens_to_ids(["<|return|>", "<|endoftext|>", "<|call|>"])
    write(
        folder, "GptOss", tokenizer, ends, intermediate_size=32, head_dim=16, sliding_window=16,
        num_local_experts=4, num_experts_per_tok=2, initial_context_length=512,
        layer_types=["sliding_attention", "full_attention"],
        rope_parameters={
            "rope_type": "yarn", "rope_theta": 150000, "factor": 32.0, "beta_fast": 32.0,
            "beta_slow": 1.0, "original_max_position_embeddings": 128, "truncate": False,
        },
    )  # fmt: skip
    for file in folder.glob("model-*.safetensors"):
        packed = {}
        for name, tensor in load_file(file).items():
            packed |= _in_mxfp4(name, tensor)
        save_file(packed, file, {"format": "pt"})
    _index(folder)
    (folder / "LICENSE").write_text("as the repository has one\n")
    kept = [
        "model.layers.*.self_attn",
        "model.layers.*.mlp.router",
        "model.embed_tokens",
        "lm_head",
    ]
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"modules_to_not_convert": kept, "quant_method": "mxfp4"}
    (folder / "config.json").write_text(json.dumps(config))


def _in_mxfp4(name: str, tensor) -> dict:
    """An expert's matrix [experts, in, out] as random blocks and the scale 1/64; others as is."""
    import torch

    if not name.endswith(("gate_up_proj", "down_proj")):
        return {name: tensor}
    experts, inputs, outputs = tensor.shape
    numbers = torch.Generator().manual_seed(len(name))
    shape = (experts, outputs, inputs // 32, 16)
    return {
        f"{name}_blocks": torch.randint(0, 256, shape, generator=numbers, dtype=torch.uint8),
        f"{name}_scales": torch.full(shape[:3], 127 - 6, dtype=torch.uint8),
    }


def _index(folder: Path) -> None:
    """Says anew which file holds what."""
    from safetensors import safe_open

    places = {}
    for file in sorted(folder.glob("model-*.safetensors")):
        with safe_open(file, "pt") as opened:
            places |= dict.fromkeys(opened.keys(), file.name)
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


TINY = {
    "meta-llama/Llama-3.1-405B-Instruct": llama_3,
    "meta-llama/Llama-3.1-70B-Instruct": llama_3,
    "meta-llama/Llama-3.1-8B-Instruct": llama_3,
    "meta-llama/Meta-Llama-3-70B-Instruct": partial(llama_3, template=LLAMA_3),
    "meta-llama/Meta-Llama-3-8B-Instruct": partial(llama_3, template=LLAMA_3),
    "mistralai/Mixtral-8x7B-Instruct-v0.1": mixtral,
    "mistralai/Mistral-7B-Instruct-v0.2": mistral,
    "Qwen/Qwen3-0.6B": qwen_3,
    "Qwen/Qwen3-4B-Instruct-2507": partial(qwen_3, template=CHATML),
    "Qwen/Qwen3-14B": qwen_3,
    "openai/gpt-oss-20b": gpt_oss,
    "openai/gpt-oss-120b": gpt_oss,
    "HuggingFaceTB/SmolLM2-135M-Instruct": smol_lm,
    "meta-llama/CodeLlama-7b-hf": partial(code_llama, template=""),
    "meta-llama/CodeLlama-7b-Instruct-hf": code_llama,
    "meta-llama/CodeLlama-13b-Instruct-hf": code_llama,
    "meta-llama/CodeLlama-34b-Instruct-hf": partial(code_llama, gaps=False),
    "meta-llama/CodeLlama-70b-Instruct-hf": partial(code_llama, template=CODE_LLAMA_70B),
    "bigcode/starcoder2-15b-instruct-v0.1": partial(starcoder, template=STARCODER),
    "bigcode/starcoder2-3b": starcoder,
    "Qwen/Qwen2.5-Coder-7B-Instruct": qwen_2_coder,
    "Qwen/Qwen3-Coder-30B-A3B-Instruct": qwen_3_coder,
}

SHORT = {"prompt": "Write a haiku about snow.", "seed": 1}
CHATS = (
    "meta/llama-3.1-405b-instruct", "meta/meta-llama-3.1-405b-instruct",
    "meta/llama-3.1-70b-instruct", "meta/llama-3.1-8b-instruct",
    "meta/meta-llama-3-70b-instruct", "meta/meta-llama-3-8b-instruct",
    "qwen/qwen3-0.6b", "qwen/qwen3-4b", "qwen/qwen3-14b",
    "openai/gpt-oss-20b", "openai/gpt-oss-120b", "huggingfacetb/smollm2-135m-instruct",
    "meta/codellama-7b-instruct", "meta/codellama-13b-instruct", "meta/codellama-34b-instruct",
    "meta/codellama-70b-instruct",
    "qwen/qwen2.5-coder-7b-instruct", "qwen/qwen3-coder-30b-a3b-instruct",
    "mistralai/mixtral-8x7b-instruct", "mistralai/mixtral-8x7b-instruct-v0.1",
    "mistralai/mistral-7b-instruct-v0.2",
)  # fmt: skip
GAP = {"prompt": "def add(a, b):\n    <FILL_ME>\n    return c", "seed": 1}

SMALL = {
    **{name: {**SHORT, "max_tokens": 32} for name in CHATS},
    "bigcode/starcoder": {**SHORT, "max_new_tokens": 32},
    "meta/codellama-7b": {**GAP, "max_tokens": 32},
    "bigcode/starcoder2-3b": {**GAP, "max_new_tokens": 32},
}
