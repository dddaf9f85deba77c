"""Random weights, as small as they go, of the models that answer about pictures: the same classes
and files as the repositories have.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "model_registry" / "starter" / "caption" / "examples"


def data_uri(path):
    kind = "jpeg" if path.suffix == ".jpg" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def write_json(folder, **files):
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


def bytes_tokenizer(folder, *specials, kind="PreTrainedTokenizerFast", **settings):
    """A tokenizer in which every byte is a token, and `specials` come after; writes its files."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {each: number for number, each in enumerate([*letters, *specials])}
    made = Tokenizer(models.BPE(vocabulary, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(list(specials))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, **settings)
    tokenizer.save_pretrained(folder)
    said = json.loads((folder / "tokenizer_config.json").read_text())
    write_json(folder, tokenizer_config={**said, "tokenizer_class": kind})
    return tokenizer


def llama_vision(folder: Path) -> None:
    import torch
    from transformers import MllamaConfig, MllamaForConditionalGeneration

    tokenizer = bytes_tokenizer(
        folder,
        "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
        "<|eot_id|>", "<|finetune_right_pad_id|>", "<|python_tag|>", "<|image|>",
        bos_token="<|begin_of_text|>",
        eos_token="<|eot_id|>",
        pad_token="<|finetune_right_pad_id|>",
        model_max_length=131072,
    )  # fmt: skip
    image = tokenizer.convert_tokens_to_ids("<|image|>")
    torch.manual_seed(0)
    config = MllamaConfig(
        image_token_index=image,
        vision_config={
            "hidden_size": 16, "num_hidden_layers": 2, "num_global_layers": 1,
            "attention_heads": 2, "intermediate_size": 16, "vision_output_dim": 32,
            "image_size": 28, "patch_size": 14, "max_num_tiles": 4,
            "intermediate_layers_indices": [0],
            "supported_aspect_ratios": [
                [1, 1], [1, 2], [1, 3], [1, 4], [2, 1], [2, 2], [3, 1], [4, 1],
            ],
        },
        text_config={
            # The token of pictures has no row in the output, as in the real one.
            "vocab_size": image, "hidden_size": 32, "num_hidden_layers": 3,
            "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 32,
            "cross_attention_layers": [1], "max_position_embeddings": 2048,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
    )  # fmt: skip
    model = MllamaForConditionalGeneration(config)
    for name, weights in model.named_parameters():
        if "gate" in name and weights.numel() == 1:  # closed before training: nothing would be seen
            torch.nn.init.ones_(weights)
        elif "cross_attn" in name or "vision" in name or "projector" in name:
            torch.nn.init.normal_(weights, std=0.5)
    model.save_pretrained(folder)
    write_json(
        folder,
        preprocessor_config={
            "do_convert_rgb": True, "do_normalize": True, "do_pad": True, "do_rescale": True,
            "do_resize": True, "image_mean": [0.48, 0.46, 0.41], "image_std": [0.27, 0.26, 0.28],
            "image_processor_type": "MllamaImageProcessor", "max_image_tiles": 4, "resample": 2,
            "rescale_factor": 0.00392156862745098, "size": {"height": 28, "width": 28},
        },
        chat_template={"chat_template": (
            "{{- bos_token }}"
            "{%- for message in messages %}"
            "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}"
            "{%- if message['content'] is string %}{{- message['content'] }}"
            "{%- else %}{%- for content in message['content'] %}"
            "{%- if content['type'] == 'image' %}{{- '<|image|>' }}"
            "{%- elif content['type'] == 'text' %}{{- content['text'] }}{%- endif %}"
            "{%- endfor %}{%- endif %}{{- '<|eot_id|>' }}"
            "{%- endfor %}"
            "{%- if add_generation_prompt %}"
            "{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}"
        )},
    )  # fmt: skip


_CHAT_ML = (
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\n' }}"
    "{%- if message.content is string %}{{- message.content }}"
    "{%- else %}{%- for content in message.content %}"
    "{%- if content.type == 'image' %}{{- '<|vision_start|><|image_pad|><|vision_end|>' }}"
    "{%- elif 'text' in content %}{{- content.text }}{%- endif %}"
    "{%- endfor %}{%- endif %}{{- '<|im_end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)


def qwen3_vl(folder: Path) -> None:
    import torch
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    tokenizer = bytes_tokenizer(
        folder,
        "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
        "<|image_pad|>", "<|video_pad|>",
        kind="Qwen2Tokenizer",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=262144,
    )  # fmt: skip
    number = tokenizer.convert_tokens_to_ids
    torch.manual_seed(0)
    config = Qwen3VLConfig(
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
        vision_config={
            "depth": 2, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2,
            "patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2,
            "out_hidden_size": 32, "num_position_embeddings": 16, "deepstack_visual_indexes": [0],
        },
        text_config={
            "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 32,
            "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
            "head_dim": 16, "max_position_embeddings": 4096,
            "rope_parameters": {
                "rope_type": "default", "mrope_section": [4, 2, 2], "rope_theta": 5000000.0,
                "mrope_interleaved": True,
            },
        },
    )  # fmt: skip
    model = Qwen3VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = [number("<|im_end|>"), number("<|endoftext|>")]
    model.generation_config.pad_token_id = number("<|endoftext|>")
    model.save_pretrained(folder)
    sees = {
        "size": {"longest_edge": 65536, "shortest_edge": 1024}, "patch_size": 16,
        "temporal_patch_size": 2, "merge_size": 2, "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5], "processor_class": "Qwen3VLProcessor",
    }  # fmt: skip
    write_json(
        folder,
        preprocessor_config={**sees, "image_processor_type": "Qwen2VLImageProcessorFast"},
        video_preprocessor_config={**sees, "video_processor_type": "Qwen3VLVideoProcessor"},
        chat_template={"chat_template": _CHAT_ML},
    )


def smolvlm2(folder: Path) -> None:
    import torch
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration

    parts = [f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)]
    tokenizer = bytes_tokenizer(
        folder,
        "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<global-img>", "<image>",
        "<fake_token_around_image>", "<end_of_utterance>", *parts,
        kind="GPT2Tokenizer",
        bos_token="<|im_start|>",
        eos_token="<end_of_utterance>",
        pad_token="<|im_end|>",
        model_max_length=8192,
        image_token="<image>",
        fake_image_token="<fake_token_around_image>",
        global_image_token="<global-img>",
        end_of_utterance_token="<end_of_utterance>",
    )  # fmt: skip
    torch.manual_seed(0)
    config = SmolVLMConfig(
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        vision_config={
            "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "image_size": 32, "patch_size": 8,
        },
        text_config={
            "model_type": "llama", "vocab_size": len(tokenizer), "hidden_size": 32,
            "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
            "num_key_value_heads": 1, "max_position_embeddings": 2048,
            "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model = SmolVLMForConditionalGeneration(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    write_json(
        folder,
        preprocessor_config={
            "do_convert_rgb": True, "do_image_splitting": True, "do_normalize": True,
            "do_pad": True, "do_rescale": True, "do_resize": True, "image_mean": [0.5, 0.5, 0.5],
            "image_processor_type": "SmolVLMImageProcessor", "image_std": [0.5, 0.5, 0.5],
            "max_image_size": {"longest_edge": 32}, "processor_class": "SmolVLMProcessor",
            "resample": 1, "rescale_factor": 0.00392156862745098, "size": {"longest_edge": 64},
            "video_sampling": {"fps": 1, "max_frames": 64, "video_size": {"longest_edge": 32}},
        },
        processor_config={"image_seq_len": 4, "processor_class": "SmolVLMProcessor"},
        chat_template={"chat_template": (
            "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}"
            "{% if message['content'][0]['type'] == 'image' %}{{ ':' }}{% else %}{{ ': ' }}"
            "{% endif %}{% for line in message['content'] %}"
            "{% if line['type'] == 'text' %}{{ line['text'] }}"
            "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}"
            "<end_of_utterance>\n{% endfor %}"
            "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
        )},
    )  # fmt: skip


TINY = {
    "meta-llama/Llama-3.2-11B-Vision-Instruct": llama_vision,
    "meta-llama/Llama-3.2-90B-Vision-Instruct": llama_vision,
    "Qwen/Qwen3-VL-8B-Instruct": qwen3_vl,
    "HuggingFaceTB/SmolVLM2-500M-Video-Instruct": smolvlm2,
}

_ASKED = {
    "prompt": "What is this?",
    "image": data_uri(EXAMPLES / "star.png"),
    "max_tokens": 8,
    "seed": 1,
}
SMALL = {
    "meta/llama-3.2-11b-vision-instruct": _ASKED,
    "meta/llama-3.2-90b-vision-instruct": _ASKED,
    "qwen/qwen3-vl-8b-instruct": _ASKED,
    "huggingfacetb/smolvlm2-500m-video-instruct": _ASKED,
}
