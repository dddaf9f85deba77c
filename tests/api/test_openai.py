"""The official OpenAI client, unchanged, against the starters on the whole app."""

from __future__ import annotations

import base64
import io
import wave

import httpx
import openai
import pytest
from PIL import Image

from api.openai.chat import Message, conversation
from api.openai.door import Refused
from model_registry.catalog import Catalog
from model_registry.inputs import check
from model_registry.spec_files import HERE
from tests.test_app import running

LIGHTS = HERE / "starter" / "listen" / "lights.wav"
STORY = [{"role": "user", "content": "A story about a brave fox in the snow"}]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with running(tmp_path_factory.mktemp("openai"), "--offline") as (_, address):
        yield address


@pytest.fixture(scope="module")
def client(address):
    with openai.OpenAI(
        api_key="any", base_url=f"{address}/openai/v1", max_retries=0, timeout=110
    ) as client:
        yield client


def test_models_are_listed_and_found(client):
    assert "starter/story" in [each.id for each in client.models.list()]
    assert client.models.retrieve("starter/story").owned_by == "starter"


def test_a_chat_is_answered_and_counted(client):
    done = client.chat.completions.create(
        model="starter/story", messages=STORY, max_tokens=20, seed=1
    )
    (choice,) = done.choices
    assert choice.message.role == "assistant" and choice.message.content
    assert choice.finish_reason == "length"
    assert done.usage.completion_tokens == 20
    assert done.usage.total_tokens == done.usage.prompt_tokens + 20


def test_a_chat_streams_the_same_text(client):
    asked = {"model": "starter/story", "messages": STORY, "max_tokens": 20, "seed": 1}
    whole = client.chat.completions.create(**asked).choices[0].message.content
    chunks = list(
        client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    )
    text = "".join(each.choices[0].delta.content or "" for each in chunks if each.choices)
    assert text == whole
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "length"
    assert chunks[-1].usage.completion_tokens == 20


def test_what_is_left_unread_is_canceled(client, address):
    stream = client.chat.completions.create(
        model="starter/story", messages=STORY, max_tokens=480, seed=1, stream=True
    )
    first = next(iter(stream))
    stream.close()
    prediction = first.id.removeprefix("chatcmpl-")
    while (state := httpx.get(f"{address}/v1/predictions/{prediction}").json()["status"]) in (
        "starting",
        "processing",
    ):
        pass
    assert state in ("canceled", "succeeded")


def test_a_picture_is_drawn_as_bytes_or_address(client):
    asked = {"model": "starter/shapes", "prompt": "a red circle on a blue background"}
    (drawn,) = client.images.generate(**asked, response_format="b64_json").data
    assert Image.open(io.BytesIO(base64.b64decode(drawn.b64_json))).size == (64, 64)
    linked = client.images.generate(**asked, n=2).data
    assert len(linked) == 2
    assert httpx.get(linked[0].url).headers["content-type"].startswith("image/")


@pytest.mark.parametrize("form", ["json", "text", "srt", "vtt", "verbose_json"])
def test_a_recording_is_written_down_in_every_form(client, form):
    with LIGHTS.open("rb") as file:
        heard = client.audio.transcriptions.create(
            model="starter/listen", file=file, response_format=form
        )
    text = heard if isinstance(heard, str) else heard.text
    assert "light" in text
    if form == "srt":
        assert text.startswith("1\n00:00:0") and " --> " in text
    if form == "vtt":
        assert text.startswith("WEBVTT\n\n00:00:0")
    if form == "verbose_json":
        assert heard.segments[0].text and heard.duration > 0


def test_text_is_spoken_as_one_file(client):
    spoken = client.audio.speech.create(
        model="starter/speak",
        voice="alloy",
        input="Good morning. This is a second sentence.",
        response_format="wav",
    )
    with wave.open(io.BytesIO(spoken.read())) as sound:
        assert sound.getnframes() / sound.getframerate() > 1


@pytest.mark.parametrize(
    ("call", "kind", "param"),
    [
        (lambda c: c.chat.completions.create(model="no/body", messages=STORY), "404", "model"),
        (
            lambda c: c.chat.completions.create(model="starter/story", messages=[]),
            "400",
            "messages",
        ),
        (
            lambda c: c.chat.completions.create(
                model="starter/story", messages=STORY, response_format={"type": "json_object"}
            ),
            "400",
            "response_format",
        ),
        (
            lambda c: c.chat.completions.create(
                model="starter/story", messages=STORY, temperature=9
            ),
            "400",
            "temperature",
        ),
        (
            lambda c: c.chat.completions.create(model="starter/shapes", messages=STORY),
            "400",
            "model",
        ),
        (
            lambda c: c.chat.completions.create(model="starter/listen", messages=STORY),
            "400",
            "model",
        ),
        (
            lambda c: c.chat.completions.create(
                model="starter/story",
                messages=[{"role": "tool", "tool_call_id": "1", "content": "x"}],
            ),
            "400",
            "messages[0].role",
        ),
        (
            lambda c: c.chat.completions.create(
                model="starter/story",
                messages=[*STORY, {"role": "assistant", "tool_calls": [{"id": "1"}]}],
            ),
            "400",
            "messages",
        ),
        (
            lambda c: c.chat.completions.create(
                model="starter/story",
                messages=[{"role": "user", "content": [{"type": "text", "text": 5}]}],
            ),
            "400",
            "messages",
        ),
        (
            lambda c: c.chat.completions.create(
                model="starter/story",
                messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}],
            ),
            "400",
            "messages",
        ),
        (
            lambda c: c.chat.completions.create(
                model="starter/story", messages=STORY, tools=[{"type": "function"}]
            ),
            "400",
            "tools",
        ),
        (
            lambda c: c.chat.completions.create(model="starter/story", messages=STORY, n=2),
            "400",
            "n",
        ),
        (
            lambda c: c.audio.transcriptions.create(
                model="starter/listen", file=("a.wav", b"a"), temperature=float("nan")
            ),
            "400",
            "temperature",
        ),
        (
            lambda c: c.audio.transcriptions.create(
                model="starter/listen", file=("a.wav", b"a"), response_format="xml"
            ),
            "400",
            "response_format",
        ),
        (
            lambda c: c.images.generate(model="starter/shapes", prompt="a", size="1024x1024"),
            "400",
            "size",
        ),
        (
            lambda c: c.audio.speech.create(
                model="starter/speak", voice="alloy", input="a", response_format="opus"
            ),
            "400",
            "response_format",
        ),
        (
            lambda c: c.audio.transcriptions.create(
                model="starter/story", file=("a.wav", b"a"), language="en"
            ),
            "400",
            None,
        ),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_parameter(client, call, kind, param):
    with pytest.raises(openai.APIStatusError) as refused:
        call(client)
    assert str(refused.value.status_code) == kind
    assert refused.value.body["message"]
    if param:
        assert refused.value.param == param


def test_a_conversation_reaches_a_model_that_takes_one(described):
    """The starters do not: what is sent to one that does is looked at here."""
    catalog = Catalog.load([], described)
    version = catalog.find("qwen/qwen3-0.6b").latest
    told = [
        Message("system", "Be brief."),
        Message("user", "My name is Ada."),
        Message("assistant", "Hello Ada."),
        Message("user", [{"type": "text", "text": "What is it?"}]),
    ]
    inputs = conversation(told, version)
    assert inputs == {
        "system_prompt": "Be brief.",
        "prompt": "What is it?",
        "messages": [
            {"role": "user", "content": "My name is Ada."},
            {"role": "assistant", "content": "Hello Ada."},
        ],
    }
    check(version.schema, inputs)
    told[0].role = "developer"
    assert conversation(told, version) == inputs
    with pytest.raises(Refused, match="must be the user's"):
        conversation(told[:3], version)
    with pytest.raises(Refused, match="takes one question"):
        conversation(told, catalog.find("starter/story").latest)
