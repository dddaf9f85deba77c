"""A tiny Llama in GGUF, packed in 8 bits, as llama.cpp's converter writes it."""

from __future__ import annotations

from pathlib import Path

HEADS, KEYS = 4, 2
CHAT = "{% for each in messages %}{{ each.role }}: {{ each.content }}\n{% endfor %}"


def model():
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=258, hidden_size=64, intermediate_size=96, num_hidden_layers=2,
            num_attention_heads=HEADS, num_key_value_heads=KEYS, max_position_embeddings=256,
            eos_token_id=257, bos_token_id=None,
        )
    ).eval()  # fmt: skip


def llama(folder: Path, name: str = "tiny-Q8_0.gguf", cut: int = 0) -> None:
    """`cut` is how many tensors come into one file, as llama.cpp's splitter does; 0: all."""
    import gguf
    from tokenizers import pre_tokenizers

    made = model()
    config = made.config
    writer = gguf.GGUFWriter(str(folder / name), "llama", split_max_tensors=cut)
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEYS)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.hidden_size // HEADS)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list([*sorted(pre_tokenizers.ByteLevel.alphabet()), "he", "<end>"])
    writer.add_token_types([1] * 257 + [3])
    writer.add_token_merges(["h e"])
    writer.add_eos_token_id(257)
    writer.add_chat_template(CHAT)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for path, each in made.state_dict().items():
        ours, _, ending = path.rpartition(".")
        numbers = _turned(ours, each).float().numpy()
        form = gguf.GGMLQuantizationType.Q8_0 if numbers.ndim == 2 else None
        packed = gguf.quantize(numbers, form) if form else numbers
        writer.add_tensor(f"{names.get_name(ours)}.{ending}", packed, raw_dtype=form)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _turned(name, each):
    """llama.cpp turns pairs of neighbours, where transformers turns halves."""
    heads = {"q_proj": HEADS, "k_proj": KEYS}.get(name.rpartition(".")[2])
    if heads is None:
        return each
    width = each.shape[0] // heads // 2
    return each.reshape(heads, 2, width, -1).swapaxes(1, 2).reshape(each.shape)
