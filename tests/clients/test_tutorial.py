"""What a tutorial of Replicate does in Python, done here: the same names, the same inputs, the
official client pointed at this server. The weights are tiny and random.
"""

from __future__ import annotations

import functools
import http.server
import threading

import pytest
import replicate

from model_registry.spec_files import HERE
from tests.receiver import receiving
from tests.tiny_catalogue import SPECS, tiny_catalogue

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]

BY_NAME = {spec["name"]: spec for spec in SPECS}


@pytest.fixture(scope="module")
def app(tmp_path_factory, described):
    with tiny_catalogue(tmp_path_factory.mktemp("tutorial"), described) as app:
        yield app


@pytest.fixture
def tutorial(app):
    """The official client; `needs` makes the tiny weights of models."""
    address = str(app.client.base_url).rstrip("/")
    official = replicate.Client(api_token="r8_any", base_url=address)

    def needs(*names):
        for name in names:
            app.provide(BY_NAME[name])
        return official

    yield needs
    official._client.close()


@pytest.fixture
def podcast():
    """An address where a recording lies."""
    folder = str(HERE / "starter" / "listen")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/lights.wav"
    server.shutdown()
    server.server_close()


def test_a_language_model_is_run_and_its_pieces_joined(tutorial):
    output = tutorial("meta/llama-3.1-405b-instruct").run(
        "meta/llama-3.1-405b-instruct",
        input={
            "prompt": "Write a haiku about machine learning",
            "max_tokens": 500,
            "temperature": 0.7,
        },
    )
    assert isinstance("".join(output), str)


def test_a_picture_is_generated(tutorial):
    output = tutorial("black-forest-labs/flux-1.1-pro").run(
        "black-forest-labs/flux-1.1-pro",
        input={
            "prompt": "A cozy coffee shop in Tokyo during cherry blossom season, warm lighting",
            "aspect_ratio": "16:9",
            "output_format": "webp",
            "output_quality": 80,
        },
    )
    picture = output[0] if isinstance(output, list) else output
    assert str(picture).startswith(("http", "data:image/webp"))


def test_a_video_is_generated(tutorial):
    """The sample's own inputs, but for a size that a processor without a GPU can do in a minute."""
    official = tutorial("minimax/video-01")
    sample = {
        "prompt": "A drone shot flying over mountains at sunrise",
        "duration": 5,
        "resolution": "720p",
    }
    small = {"width": 32, "height": 32, "fps": 2, "num_inference_steps": 1}
    output = official.run("minimax/video-01", input={**sample, **small})
    assert str(output).startswith(("http", "data:video/mp4"))


def test_a_recording_is_transcribed(tutorial, podcast):
    output = tutorial("openai/whisper").run(
        "openai/whisper",
        input={"audio": podcast, "model": "large-v3", "language": "en", "translate": False},
    )
    assert isinstance(output["transcription"], str)


def test_a_language_model_is_streamed(tutorial):
    pieces = [
        str(event)
        for event in tutorial("meta/llama-3.1-70b-instruct").stream(
            "meta/llama-3.1-70b-instruct",
            input={"prompt": "Explain quantum computing in simple terms", "max_tokens": 500},
        )
    ]
    assert pieces


def test_a_prediction_is_made_and_a_webhook_told_of_its_end(tutorial):
    official = tutorial("meta/llama-3.1-405b-instruct")
    with receiving() as receiver:
        prediction = official.predictions.create(
            model="meta/llama-3.1-405b-instruct",
            input={"prompt": "hello", "max_tokens": 1000},
            webhook=receiver.url,
            webhook_events_filter=["completed"],
        )
        (message,) = receiver.until(lambda messages: messages)
    told = message.prediction
    assert (told["id"], told["status"]) == (prediction.id, "succeeded")
    assert official.predictions.get(prediction.id).output == told["output"]


def test_a_model_is_deployed_and_run_by_the_deployments_name(tutorial):
    official = tutorial("meta/llama-3.1-70b-instruct")
    deployment = official.deployments.create(
        owner="your-org",
        name="my-production-llm",
        model="meta/llama-3.1-70b-instruct",
        hardware="gpu-a100-large",
        min_instances=1,
        max_instances=5,
    )
    output = official.run(f"{deployment.owner}/{deployment.name}", input={"prompt": "Hello!"})
    assert isinstance("".join(output), str)
    assert deployment.owner == "your-org"


def test_a_version_is_pinned(tutorial):
    official = tutorial("black-forest-labs/flux-1.1-pro")
    latest = official.models.get("black-forest-labs/flux-1.1-pro").latest_version.id
    assert official.run(f"black-forest-labs/flux-1.1-pro:{latest}", input={"prompt": "a boat"})
    with pytest.raises(replicate.exceptions.ReplicateError, match="no such version|Invalid"):
        official.run("black-forest-labs/flux-1.1-pro:abc123def456", input={"prompt": "..."})
