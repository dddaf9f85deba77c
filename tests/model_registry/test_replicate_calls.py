"""Calls that were written for Replicate: their inputs are taken as they are, and where they leave
one out it is what Replicate takes.
"""

from __future__ import annotations

import pytest

from errors import InvalidInput
from model_registry import inputs
from model_registry.catalog import Catalog

FILE = "https://example.com/a-file"

CALLS = {
    "black-forest-labs/flux-schnell": {
        "prompt": "a cake", "go_fast": True, "megapixels": "1", "num_outputs": 1,
        "aspect_ratio": "1:1", "output_format": "webp", "output_quality": 80,
        "num_inference_steps": 4, "disable_safety_checker": True, "seed": 3,
    },
    "black-forest-labs/flux-dev": {
        "prompt": "a cake", "go_fast": True, "guidance": 3.5, "megapixels": "0.25",
        "num_outputs": 4, "aspect_ratio": "21:9", "output_format": "jpg", "output_quality": 100,
        "prompt_strength": 0.8, "num_inference_steps": 28, "image": FILE,
    },
    "black-forest-labs/flux-dev-lora": {
        "prompt": "a cake", "go_fast": False, "guidance": 3, "lora_scale": 1, "megapixels": "1",
        "num_outputs": 1, "aspect_ratio": "1:1", "lora_weights": "fofr/flux-black-light",
        "output_format": "webp", "output_quality": 80, "prompt_strength": 0.8,
        "num_inference_steps": 28, "extra_lora": FILE, "extra_lora_scale": 0.5,
        "hf_api_token": "hf_of_a_test", "civitai_api_token": "of_a_test",
    },
    "black-forest-labs/flux-1.1-pro": {
        "prompt": "a cake", "aspect_ratio": "custom", "width": 300, "height": 1440,
        "output_format": "webp", "output_quality": 80, "safety_tolerance": 2,
        "prompt_upsampling": True, "image_prompt": FILE,
    },
    "stability-ai/sdxl": {
        "width": 768, "height": 768, "prompt": "a rainbow unicorn", "refine":
        "expert_ensemble_refiner", "scheduler": "K_EULER", "lora_scale": 0.6, "num_outputs": 1,
        "guidance_scale": 7.5, "apply_watermark": False, "high_noise_frac": 0.8,
        "negative_prompt": "", "prompt_strength": 0.8, "num_inference_steps": 25,
    },
    "bytedance/sdxl-lightning-4step": {
        "width": 1024, "height": 1280, "prompt": "a portrait", "scheduler": "DPM++2MSDE",
        "num_outputs": 1, "guidance_scale": 0, "num_inference_steps": 4,
        "negative_prompt": "worst quality, low quality", "seed": 0,
    },
    "stability-ai/stable-diffusion-3.5-large": {
        "cfg": 4.5, "steps": 40, "prompt": "a mountain", "aspect_ratio": "1:1",
        "output_format": "webp", "output_quality": 90, "prompt_strength": 0.85,
    },
    "stability-ai/stable-diffusion-3.5-medium": {
        "cfg": 15, "steps": 40, "prompt": "a mountain", "aspect_ratio": "3:4",
    },
    "meta/codellama-13b-instruct": {
        "debug": True, "top_k": 250, "top_p": 0.95, "prompt": "Write a function",
        "temperature": 0.95, "max_new_tokens": 500, "min_new_tokens": -1, "stop_sequences": "}",
        "system_prompt": "Answer in Rust.",
    },
    "meta/codellama-7b": {
        "debug": False, "top_k": 250, "top_p": 0.95, "prompt": "def sum(", "temperature": 0.6,
        "max_new_tokens": 80,
    },
    "meta/codellama-34b-instruct": {
        "top_k": 50, "top_p": 0.9, "prompt": "Fibonacci, as a pirate", "max_tokens": 500,
        "temperature": 0.75, "system_prompt": "Write Python.", "repeat_penalty": 1.1,
        "presence_penalty": 0, "frequency_penalty": 0,
    },
    "meta/meta-llama-3-8b-instruct": {
        "top_k": 0, "top_p": 0.95, "prompt": "Johnny has 8 billion parameters.", "max_tokens": 512,
        "temperature": 0.7, "system_prompt": "You are a helpful assistant", "length_penalty": 0.5,
        "max_new_tokens": 512, "stop_sequences": "<|end_of_text|>,<|eot_id|>", "min_tokens": -1,
        "prompt_template": "{prompt}", "presence_penalty": 0, "log_performance_metrics": False,
    },
    "meta/meta-llama-3-70b-instruct": {
        "length_penalty": 1, "log_performance_metrics": False, "max_tokens": 512, "min_tokens": 0,
        "presence_penalty": 1.15, "frequency_penalty": 0.2, "prompt": "Why is the sky blue?",
        "prompt_template": "{prompt}", "temperature": 0.6, "top_p": 0.9,
    },
    "mistralai/mixtral-8x7b-instruct": {
        "top_k": 50, "top_p": 0.9, "prompt": "Write a bedtime story", "temperature": 0.6,
        "max_new_tokens": 1024, "presence_penalty": 0, "frequency_penalty": 0,
        "prompt_template": "<s>[INST] {prompt} [/INST] ",
    },
    "mistralai/mistral-7b-instruct-v0.2": {
        "top_k": -1, "top_p": 0.95, "prompt": "Write a poem", "max_tokens": 512, "min_tokens": -1,
        "temperature": 0.7, "system_prompt": "", "length_penalty": 1, "stop_sequences": "</s>",
        "prompt_template": "<s>[INST] {prompt} [/INST] ", "log_performance_metrics": False,
    },
    "meta/meta-llama-3.1-405b-instruct": {
        "top_p": 0.9, "top_k": 50, "prompt": "How many sisters?", "max_tokens": 1024,
        "min_tokens": 0, "temperature": 0.6, "system_prompt": "You are a helpful assistant.",
        "presence_penalty": 0, "frequency_penalty": 0,
    },
    "meta/llama-3.2-90b-vision-instruct": {
        "image": FILE, "prompt": "What is this?", "max_tokens": 512, "temperature": 0.7,
        "top_p": 0.7, "top_k": -1, "presence_penalty": 0, "frequency_penalty": 0,
    },
    "openai/whisper": {
        "audio": FILE, "language": "auto", "translate": False, "temperature": 0,
        "transcription": "plain text", "suppress_tokens": "-1", "logprob_threshold": -1,
        "no_speech_threshold": 0.6, "condition_on_previous_text": True,
        "compression_ratio_threshold": 2.4, "temperature_increment_on_fallback": 0.2,
    },
    "meta/musicgen": {
        "top_k": 250, "top_p": 0, "prompt": "80s pop", "duration": 8, "temperature": 1,
        "continuation": False, "model_version": "stereo-large", "output_format": "mp3",
        "continuation_start": 0, "multi_band_diffusion": False,
        "normalization_strategy": "peak", "classifier_free_guidance": 3,
    },
    "nightmareai/real-esrgan": {"image": FILE, "scale": 2, "face_enhance": False},
    "tencentarc/gfpgan": {"img": FILE, "scale": 2, "version": "v1.4"},
    "cjwbw/rembg": {"image": FILE},
    "minimax/video-01": {
        "prompt": "a cat", "prompt_optimizer": True, "first_frame_image": FILE,
    },
    "tencent/hunyuan-video": {
        "fps": 24, "width": 864, "height": 480, "prompt": "a cat", "infer_steps": 50,
        "video_length": 129, "embedded_guidance_scale": 6,
    },
    "lightricks/ltx-video": {
        "cfg": 3, "steps": 30, "length": 97, "prompt": "a woman smiles", "target_size": 640,
        "aspect_ratio": "16:9", "negative_prompt": "low quality", "model": "0.9", "image": FILE,
        "image_noise_scale": 0.2,
    },
    "stability-ai/stable-video-diffusion": {
        "cond_aug": 0.02, "decoding_t": 7, "input_image": FILE, "frames_per_second": 6,
        "video_length": "25_frames_with_svd_xt", "motion_bucket_id": 127,
        "sizing_strategy": "maintain_aspect_ratio",
    },
    "lucataco/xtts-v2": {
        "text": "Hi there", "speaker": FILE, "language": "en", "cleanup_voice": False,
    },
    "men1scus/birefnet": {"image": FILE, "resolution": "2048x1024"},
    "stackadoc/stable-audio-open-1.0": {
        "seed": -1, "steps": 100, "prompt": "128 BPM tech house drum loop", "cfg_scale": 6,
        "sigma_max": 500, "sigma_min": 0.03, "batch_size": 1, "sampler_type": "dpmpp-3m-sde",
        "seconds_start": 0, "seconds_total": 8, "negative_prompt": "", "init_noise_level": 1,
    },
    "jaaari/kokoro-82m": {"text": "Hi there", "voice": "af_nicole", "speed": 1.0},
    "suno-ai/bark": {
        "prompt": "Hello", "text_temp": 0.7, "output_full": False, "waveform_temp": 0.7,
        "history_prompt": "announcer",
    },
    "cjwbw/shap-e": {
        "prompt": "a bowl of vegetables", "save_mesh": True, "batch_size": 1, "render_mode": "nerf",
        "render_size": 128, "guidance_scale": 15,
    },
}  # fmt: skip

DEFAULTS = {
    "black-forest-labs/flux-schnell": {
        "aspect_ratio": "1:1", "num_outputs": 1, "num_inference_steps": 4, "seed": None,
        "output_format": "webp", "output_quality": 80, "disable_safety_checker": False,
        "go_fast": True, "megapixels": "1",
    },
    "black-forest-labs/flux-dev": {
        "prompt_strength": 0.8, "num_inference_steps": 28, "guidance": 3, "go_fast": True,
    },
    "black-forest-labs/flux-dev-lora": {"lora_scale": 1, "extra_lora_scale": 1},
    "black-forest-labs/flux-1.1-pro": {
        "aspect_ratio": "1:1", "safety_tolerance": 2, "prompt_upsampling": False,
        "output_format": "webp", "output_quality": 80,
    },
    "stability-ai/sdxl": {
        "prompt": "An astronaut riding a rainbow unicorn", "negative_prompt": "", "width": 1024,
        "height": 1024, "num_outputs": 1, "scheduler": "K_EULER", "num_inference_steps": 50,
        "guidance_scale": 7.5, "prompt_strength": 0.8, "refine": "no_refiner",
        "high_noise_frac": 0.8, "refine_steps": None, "apply_watermark": True, "lora_scale": 0.6,
        "disable_safety_checker": False,
    },
    "bytedance/sdxl-lightning-4step": {
        "prompt": "self-portrait of a woman, lightning in the background",
        "negative_prompt": "worst quality, low quality", "width": 1024, "height": 1024,
        "scheduler": "K_EULER", "num_inference_steps": 4, "guidance_scale": 0, "seed": None,
    },
    "stability-ai/stable-diffusion-3.5-large": {"cfg": 5, "prompt_strength": 0.85},
    "meta/codellama-13b-instruct": {
        "max_tokens": 128, "temperature": 0.75, "top_p": 0.9, "top_k": 50, "repeat_penalty": 1,
    },
    "meta/codellama-7b": {
        "max_tokens": 128, "temperature": 0.75, "top_p": 0.9, "top_k": 50, "repeat_penalty": 1,
    },
    "meta/codellama-70b-instruct": {
        "max_tokens": 500, "temperature": 0.8, "top_p": 0.95, "top_k": 10, "repeat_penalty": 1.1,
    },
    "meta/meta-llama-3.1-405b-instruct": {
        "system_prompt": "You are a helpful assistant.", "min_tokens": 0, "max_tokens": 512,
        "temperature": 0.6, "top_p": 0.9, "top_k": 50, "presence_penalty": 0,
        "frequency_penalty": 0,
    },
    "openai/whisper": {
        "language": "auto", "translate": False, "transcription": "plain text", "temperature": 0,
        "suppress_tokens": "-1", "condition_on_previous_text": True, "no_speech_threshold": 0.6,
    },
    "meta/musicgen": {
        "model_version": "stereo-melody-large", "duration": 8, "continuation": False,
        "normalization_strategy": "loudness", "top_k": 250, "top_p": 0, "temperature": 1,
        "classifier_free_guidance": 3, "output_format": "wav",
    },
    "nightmareai/real-esrgan": {"scale": 4, "face_enhance": False},
    "tencentarc/gfpgan": {"scale": 2, "version": "v1.4"},
    "minimax/video-01": {"prompt_optimizer": True},
    "tencent/hunyuan-video": {
        "prompt": "A cat walks on the grass, realistic style", "width": 864, "height": 480,
        "video_length": 129, "infer_steps": 50, "embedded_guidance_scale": 6, "fps": 24,
    },
    "lightricks/ltx-video": {
        "prompt": "best quality, 4k, HDR, a tracking shot of a beautiful scene",
        "negative_prompt": "low quality, worst quality, deformed, distorted",
        "image_noise_scale": 0.15, "target_size": 640, "aspect_ratio": "3:2", "cfg": 3,
        "steps": 30, "length": 97, "model": "0.9.1",
    },
    "stability-ai/stable-video-diffusion": {
        "video_length": "14_frames_with_svd", "sizing_strategy": "maintain_aspect_ratio",
        "frames_per_second": 6, "motion_bucket_id": 127, "cond_aug": 0.02,
    },
    "lucataco/xtts-v2": {"language": "en", "cleanup_voice": False},
    "jaaari/kokoro-82m": {"voice": "af_bella", "speed": 1},
    "suno-ai/bark": {"text_temp": 0.7, "waveform_temp": 0.7, "output_full": False},
    "cjwbw/shap-e": {
        "guidance_scale": 15, "batch_size": 1, "render_mode": "nerf", "render_size": 128,
        "save_mesh": False,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def models(described):
    return {model.id: model.latest for model in Catalog.load([], described).models()}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_written_for_replicate_is_taken_as_it_is(models, name):
    checked = inputs.check(models[name].schema, CALLS[name])
    assert {key: checked[key] for key in CALLS[name]} == CALLS[name]


@pytest.mark.parametrize("name", DEFAULTS)
def test_what_a_call_leaves_out_is_what_replicate_takes(models, name):
    described = models[name].input_schema["properties"]
    assert {key: described[key].get("default") for key in DEFAULTS[name]} == DEFAULTS[name]


LISTS = {
    "black-forest-labs/flux-dev", "black-forest-labs/flux-dev-lora",
    "black-forest-labs/flux-schnell", "bytedance/sdxl-lightning-4step", "cjwbw/shap-e",
    "lightricks/ltx-video", "lucataco/sdxl-inpainting", "qwen/qwen-image",
    "qwen/qwen-image-edit-plus", "stability-ai/sdxl",
}  # fmt: skip
"""Whose files come as a list, even a single one."""

SINGLE = {
    "black-forest-labs/flux-1.1-pro", "black-forest-labs/flux-kontext-dev", "cjwbw/musicgen",
    "cjwbw/rembg", "jaaari/kokoro-82m", "lucataco/ace-step", "lucataco/xtts-v2", "meta/musicgen",
    "men1scus/birefnet", "minimax/video-01", "nari-labs/dia-1.6b", "nightmareai/real-esrgan",
    "prunaai/z-image-turbo", "sesame/csm-1b", "stability-ai/stable-diffusion-3.5-large",
    "stability-ai/stable-diffusion-3.5-large-turbo", "stability-ai/stable-diffusion-3.5-medium",
    "stability-ai/stable-video-diffusion", "stackadoc/stable-audio-open-1.0",
    "tencent/hunyuan-video", "tencentarc/gfpgan", "wan-video/wan-2.1-1.3b", "xinntao/realesrgan",
}  # fmt: skip
"""Whose one file comes alone."""


@pytest.mark.parametrize("name", sorted(LISTS | SINGLE))
def test_files_come_in_a_list_where_replicate_gives_one(models, name):
    output = models[name].schema["components"]["schemas"]["Output"]
    assert output.get("items", output) | {"title": "Output"} == {
        "type": "string",
        "format": "uri",
        "title": "Output",
    }
    assert ("items" in output) == (name in LISTS)


ORDER = {
    "black-forest-labs/flux-1.1-pro": [
        "prompt", "image_prompt", "aspect_ratio", "width", "height", "safety_tolerance", "seed",
        "prompt_upsampling", "output_format", "output_quality",
    ],
    "lightricks/ltx-video": [
        "prompt", "negative_prompt", "image", "image_noise_scale", "target_size", "aspect_ratio",
        "cfg", "steps", "length", "model", "seed",
    ],
    "minimax/video-01": [
        "prompt", "first_frame_image", "subject_reference", "prompt_optimizer",
    ],
    "stability-ai/sdxl": [
        "prompt", "negative_prompt", "image", "mask", "width", "height", "num_outputs",
        "scheduler", "num_inference_steps", "guidance_scale", "prompt_strength", "seed", "refine",
        "high_noise_frac", "refine_steps", "apply_watermark", "lora_scale", "replicate_weights",
        "disable_safety_checker",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", ORDER)
def test_inputs_come_in_replicates_order(models, name):
    described = models[name].input_schema["properties"]
    assert [
        key for key in sorted(described, key=lambda key: described[key]["x-order"])
        if key in ORDER[name]
    ] == ORDER[name]  # fmt: skip


def test_an_input_that_would_change_something_and_cannot_is_refused(models):
    schema = models["stackadoc/stable-audio-open-1.0"].schema
    with pytest.raises(InvalidInput, match="sampler_type"):
        inputs.check(schema, {"prompt": "rain", "sampler_type": "k-heun"})
    with pytest.raises(InvalidInput, match="length_penalty"):
        inputs.check(models["qwen/qwen3-4b"].schema, {"prompt": "hi", "length_penalty": 1})
