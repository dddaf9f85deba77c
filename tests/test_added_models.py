"""Repositories of the Hub, tiny and random, added over HTTP and run through the whole app: one for
each task that has a runner, and one that brings its own code.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.hub_stand_in import Repository, hub
from tests.test_app import ROOT, running
from tests.tiny import (
    checkpoints,
    cutting,
    editing,
    gguf_file,
    hub_repos,
    image,
    language,
    music,
    sorting,
    video,
    voices,
)
from tests.tiny.vision import data_uri, smolvlm2

REGISTRY = ROOT / "model_registry"
CAT = {"image": data_uri(REGISTRY / "catalogue" / "pictures" / "cat.jpg")}
DRAWN = {"prompt": "a cat", "width": 64, "height": 64, "num_inference_steps": 1, "seed": 1}
FILM = {"prompt": "a cat", "num_inference_steps": 2, "seed": 1}
FRAMES = {"width": 32, "height": 32, "num_frames": 5}
TEXT = {"text": "the cat is red.", "max_tokens": 5}

TASKS = {
    "feature-extraction": (hub_repos.sentence_encoder, {"text": "the cat"}),
    "text-generation": (language.TINY["HuggingFaceTB/SmolLM2-135M-Instruct"], None),
    "image-text-to-text": (smolvlm2, CAT | {"prompt": "What is this?", "max_tokens": 4}),
    "image-to-text": (hub_repos.blip_captions, CAT | {"max_tokens": 5}),
    "visual-question-answering": (hub_repos.vilt, CAT | {"question": "is it a cat?"}),
    "translation": (hub_repos.translator, TEXT),
    "summarization": (hub_repos.summariser, TEXT),
    "automatic-speech-recognition": (hub_repos.listener, "audio"),
    "image-segmentation": (hub_repos.segformer, CAT),
    "mask-generation": (cutting.sam, CAT | {"points": ["40,50"]}),
    "depth-estimation": (hub_repos.depth_anything, CAT),
    "text-to-audio": (
        music.TINY["facebook/musicgen-small"],
        {"prompt": "a tune", "duration": 1, "seed": 1},
    ),
    "text-to-speech": (voices.TINY["facebook/mms-tts-eng"], {"text": "Good morning.", "seed": 1}),
    "text-to-image": (image.TINY["black-forest-labs/FLUX.1-schnell"], DRAWN),
    "image-to-image": (
        editing.TINY["black-forest-labs/FLUX.1-Kontext-dev"],
        {"prompt": "make it red", "input_image": CAT["image"], "num_inference_steps": 1},
    ),
    "text-to-video": (video.TINY["Wan-AI/Wan2.1-T2V-1.3B-Diffusers"], FILM | FRAMES),
    "text-classification": (sorting.moods, {"text": "the cat"}),
    "text-ranking": (sorting.reranker, {"query": "the cat", "documents": ["a cat", "a dog"]}),
    "zero-shot-classification": (sorting.entailment, {"text": "the cat", "labels": ["cats"]}),
    "token-classification": (sorting.names, {"text": "the cat"}),
    "question-answering": (sorting.answers, {"question": "what?", "context": "the cat is red"}),
    "fill-mask": (sorting.masked, {"text": "the [MASK] is red"}),
    "image-classification": (sorting.pictures, CAT),
    "image-feature-extraction": (sorting.patches, CAT),
    "zero-shot-image-classification": (sorting.clip, CAT | {"labels": ["cat", "dog"]}),
    "object-detection": (sorting.yolos, CAT),
    "zero-shot-object-detection": (sorting.owlvit, CAT | {"labels": ["cat"]}),
    "audio-classification": (sorting.sounds, "audio"),
    "image-to-video": (video.TINY["Wan-AI/Wan2.2-I2V-A14B-Diffusers"], FILM | FRAMES | CAT),
}
QUICK = ("feature-extraction",)
"""The others are heavy."""


SETTINGS = {
    "stable-diffusion-v1-5/stable-diffusion-v1-5": checkpoints.stable_diffusion_settings,
    "stabilityai/stable-diffusion-xl-base-1.0": checkpoints.sdxl_settings,
}
"""Where checkpoints of a family take theirs from."""
IN_ONE_FILE = {
    "checkpoint": (checkpoints.stable_diffusion_checkpoint, DRAWN),
    "checkpoint-without-vae": (checkpoints.sdxl_without_vae, DRAWN),
    "model-GGUF": (gguf_file.llama, {"prompt": "hello", "max_tokens": 5, "seed": 1}),
}


def own_code(folder: Path) -> None:
    """A language model whose class only its repository has."""
    from tests.tiny.vision import bytes_tokenizer, write_json

    bytes_tokenizer(folder, "<end>", eos_token="<end>", pad_token="<end>")
    (folder / "words.py").write_text(
        "from transformers import LlamaConfig, LlamaForCausalLM\n\n\n"
        "class WordsConfig(LlamaConfig):\n    model_type = 'words_of_tests'\n\n\n"
        "class WordsForCausalLM(LlamaForCausalLM):\n    config_class = WordsConfig\n"
    )
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=257, hidden_size=16, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=256, eos_token_id=256, bos_token_id=None,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    auto = {"AutoConfig": "words.WordsConfig", "AutoModelForCausalLM": "words.WordsForCausalLM"}
    named = {"model_type": "words_of_tests", "architectures": ["WordsForCausalLM"]}
    write_json(folder, config={**config.to_dict(), **named, "auto_map": auto})


@pytest.fixture(scope="module")
def stand_in():
    with hub({}) as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("added")


@pytest.fixture(scope="module")
def environment(folder, stand_in):
    return {**stand_in.environment(), "HF_HOME": str(folder / "home")}


@pytest.fixture(scope="module")
def client(folder, environment):
    with (
        running(folder, environment=environment) as (_, address),
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        yield client


def publish(stand_in, folder, name, make, tag):
    place = folder / name
    place.mkdir(parents=True)
    make(place)
    stand_in.repositories[name] = Repository(place, tag)
    return stand_in.repositories[name]


def added(client, repo, **more):
    owner, _, name = repo.partition("/")
    body = {"owner": owner, "name": name, "visibility": "private", "hardware": "cpu"}
    return client.post("/v1/models", json={**body, "source": f"hf:{repo}", **more})


def ran(client, repo, inputs):
    created = client.post(f"/v1/models/{repo}/predictions", json={"input": inputs})
    assert created.status_code == 201, created.text
    prediction, deadline = created.json(), time.monotonic() + 280
    while prediction["status"] in ("starting", "processing"):
        assert time.monotonic() < deadline, prediction
        time.sleep(0.05)
        prediction = client.get(f"/v1/predictions/{prediction['id']}").json()
    assert prediction["status"] == "succeeded", (prediction["error"], prediction["logs"])
    return prediction["output"]


def tasks():
    for tag in TASKS:
        yield pytest.param(tag, marks=() if tag in QUICK else (pytest.mark.heavy,))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("tag", list(tasks()))
def test_a_repository_of_the_task_is_added_and_runs(tag, client, stand_in, folder):
    make, inputs = TASKS[tag]
    publish(stand_in, folder, f"tiny/{tag}", make, tag)
    model = added(client, f"tiny/{tag}")
    assert model.status_code == 201, model.text
    assert model.json()["latest_version"]["openapi_schema"]
    if inputs is None:
        inputs = language.SMALL["huggingfacetb/smollm2-135m-instruct"]
    if inputs == "audio":
        lights = (REGISTRY / "starter" / "listen" / "lights.wav").open("rb")
        with lights:
            uploaded = client.post("/v1/files", files={"content": lights})
        inputs = {"audio": uploaded.json()["urls"]["get"]}
    assert ran(client, f"tiny/{tag}", inputs) is not None


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", IN_ONE_FILE)
def test_a_model_in_one_file_is_added_and_runs(name, client, stand_in, folder):
    for base, make in SETTINGS.items():
        if base not in stand_in.repositories:
            publish(stand_in, folder, base, make, "text-to-image")
    make, inputs = IN_ONE_FILE[name]
    publish(stand_in, folder, f"tiny/{name}", make, None)
    model = added(client, f"tiny/{name}")
    assert model.status_code == 201, model.text
    assert ran(client, f"tiny/{name}", inputs)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.heavy
def test_code_of_a_repository_runs_once_its_commit_is_trusted(client, stand_in, folder):
    commit = publish(stand_in, folder, "tiny/own-code", own_code, "text-generation").commit
    refused = added(client, "tiny/own-code")
    assert refused.status_code == 422 and commit in refused.json()["detail"]
    model = added(client, "tiny/own-code", trust_remote_code=commit)
    assert model.status_code == 201, model.text
    assert ran(client, "tiny/own-code", {"prompt": "the cat", "max_tokens": 5})


@pytest.mark.slow
def test_a_model_with_a_source_that_names_nothing_is_refused(client):
    body = {"owner": "a", "name": "b", "visibility": "private", "hardware": "cpu"}
    assert client.post("/v1/models", json={**body, "source": "nonsense"}).status_code == 400


@pytest.mark.slow
@pytest.mark.heavy
def test_a_model_added_on_the_command_line_is_there_at_the_next_start(
    tmp_path, stand_in, environment
):
    publish(stand_in, tmp_path, "tiny/added", hub_repos.plain_encoder, "feature-extraction")
    command = [sys.executable, "app.py", "add", "hf:tiny/added", "--name", "my/own"]
    done = subprocess.run(
        [*command, "--data", str(tmp_path / "data")],
        cwd=ROOT, capture_output=True, text=True, env={**environment, "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "my/own: tiny/added of the Hub: embeddings." in done.stdout
    assert re.search(r"downloads its [\d.]+ kB now", done.stdout)
    with running(tmp_path, environment=environment) as (_, address):
        assert httpx.get(f"{address}/v1/models/my/own").json()["name"] == "own"
