"""`chat/completions`: a conversation with a language model, whole or streamed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.bodies import answer, read
from api.openai.door import Door, Refused, given, inputs_of
from api.streams import with_heartbeats
from model_registry.spec import Version
from predictions.prediction import Prediction, Status

_HEARTBEAT = 10.0
_HARMLESS: Mapping[str, tuple[Any, ...]] = {
    "n": (1,), "logprobs": (False,), "top_logprobs": (0,), "logit_bias": ({},), "tools": ([],),
    "tool_choice": ("none", "auto"), "parallel_tool_calls": (True, False), "store": (False,),
    "response_format": ({"type": "text"},), "modalities": (["text"],), "service_tier": ("auto",),
    "functions": ([],),
}  # fmt: skip
"""Values of parameters that ask for nothing more than what happens anyway."""


class Message(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[dict[str, Any]] | None = None


class Asked(msgspec.Struct):
    """What of a body has a meaning here; the rest is looked at in `_refuse_rest`."""

    model: str
    messages: list[Message]
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    reasoning_effort: str | None = None


_bodies = msgspec.json.Decoder(dict[str, Any])
_SAID = {"user", "metadata", "safety_identifier", "prompt_cache_key"}
"""What a client says of itself: nothing follows from it."""


class Chat:
    def __init__(self, door: Door) -> None:
        self._door = door

    async def complete(self, request: Request) -> Response:
        body = await read(request, _bodies)
        asked = _asked(body)
        _refuse_rest(body)
        version = await self._door.version(asked.model)
        if _makes_files(version) or "prompt" not in inputs_of(version):
            raise Refused(f"{asked.model} answers no questions in words.", "model")
        inputs = _inputs(asked, version)
        prediction = await self._door.begin(request, asked.model, inputs)
        bound = _most_of(version)
        most = inputs.get(bound, inputs_of(version).get(bound, {}).get("default"))
        answers = _Answers(prediction, asked.model, most)
        if asked.stream:
            usage = bool((asked.stream_options or {}).get("include_usage"))
            return StreamingResponse(
                self._streamed(prediction, answers, usage),
                headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
                media_type="text/event-stream",
            )
        return answer(answers.whole(await self._door.ended(prediction)))

    async def _streamed(
        self, prediction: Prediction, answers: _Answers, usage: bool
    ) -> AsyncIterator[bytes]:
        service, sent, over = self._door.service, 0, False
        try:
            yield answers.chunk({"role": "assistant", "content": ""})
            async for snapshot in with_heartbeats(service, prediction.id, _HEARTBEAT):
                if snapshot is None:
                    yield b": keepalive\n\n"
                    continue
                text = _text(snapshot.output)
                if len(text) > sent:
                    yield answers.chunk({"content": text[sent:]})
                    sent = len(text)
                over = snapshot.status.terminal
                if over and snapshot.status is not Status.SUCCEEDED:
                    yield answers.failure(snapshot)
                    return
                if over:
                    yield answers.chunk({}, answers.reason(snapshot))
                    if usage:
                        yield answers.usage_chunk(snapshot)
            yield b"data: [DONE]\n\n"
        finally:
            if not over:  # nobody reads on: what is written now is for nobody
                await service.cancel(prediction.id)


class _Answers:
    """The answers to one request. `most` is how many tokens it may have."""

    def __init__(self, prediction: Prediction, model: str, most: Any) -> None:
        self._id = f"chatcmpl-{prediction.id}"
        self._model = model
        self._created = int(time.time())
        self._most = most

    def whole(self, prediction: Prediction) -> dict[str, Any]:
        message = {"role": "assistant", "content": _text(prediction.output), "refusal": None}
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": self.reason(prediction),
        }
        return self._around("chat.completion", [choice]) | {"usage": _usage(prediction)}

    def chunk(self, delta: Mapping[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return _event(self._around("chat.completion.chunk", [choice]))

    def usage_chunk(self, prediction: Prediction) -> bytes:
        return _event(self._around("chat.completion.chunk", []) | {"usage": _usage(prediction)})

    def failure(self, prediction: Prediction) -> bytes:
        told = {"message": prediction.error or f"It was {prediction.status}.", "code": None}
        return _event({"error": told | {"type": "server_error", "param": None}})

    def reason(self, prediction: Prediction) -> str:
        count = prediction.metrics.get("output_token_count")
        return "length" if count is not None and count == self._most else "stop"

    def _around(self, kind: str, choices: list[Any]) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._model,
            "choices": choices,
        }


def _asked(body: Mapping[str, Any]) -> Asked:
    try:
        asked = msgspec.convert(body, Asked)
    except msgspec.ValidationError as error:
        raise Refused(str(error), str(error).partition("`$.")[2].strip("`") or None) from None
    if not asked.messages:
        raise Refused("messages is empty; give at least one.", "messages")
    return asked


def _refuse_rest(body: Mapping[str, Any]) -> None:
    for name, value in body.items():
        known = name in Asked.__struct_fields__ or name in _SAID
        if not known and value is not None and value not in _HARMLESS.get(name, ()):
            raise Refused(f"{name} has no meaning for the models here; leave it out.", name)
    for message in body["messages"]:
        for name, value in message.items():
            # What a client was answered it sends again, with all the fields that say nothing.
            if name not in Message.__struct_fields__ and value:
                reason = f"{name} of a message has no meaning for the models here; leave it out."
                raise Refused(reason, "messages")


def _inputs(asked: Asked, version: Version) -> dict[str, Any]:
    most = asked.max_completion_tokens or asked.max_tokens
    inputs = conversation(asked.messages, version)
    for value, name, param in (
        (most, _most_of(version), "max_tokens"),
        (asked.temperature, "temperature", "temperature"),
        (asked.top_p, "top_p", "top_p"),
        (asked.presence_penalty or None, "presence_penalty", "presence_penalty"),
        (asked.frequency_penalty or None, "frequency_penalty", "frequency_penalty"),
        (asked.seed, "seed", "seed"),
        (_stops(asked.stop), "stop_sequences", "stop"),
        (asked.reasoning_effort, "reasoning_effort", "reasoning_effort"),
    ):
        inputs |= given(value, version, name, param)
    return inputs


def _makes_files(version: Version) -> bool:
    output = version.output_schema
    return "uri" in (output.get("format"), output.get("items", {}).get("format"))


def _most_of(version: Version) -> str:
    """The input that bounds an answer. Replicate's older models call it otherwise."""
    return "max_new_tokens" if "max_new_tokens" in inputs_of(version) else "max_tokens"


def conversation(messages: list[Message], version: Version) -> dict[str, Any]:
    """The inputs that carry the conversation: as it is where the model takes that, else one
    question and what stands before it.
    """
    known = inputs_of(version)
    told = [{"role": each.role, "content": _content(each)} for each in messages]
    pictures = list(_pictures(messages))
    inputs: dict[str, Any] = {}
    if pictures:
        if "image" not in known or len(pictures) > 1:
            takes = "takes one picture" if "image" in known else "takes no pictures"
            raise Refused(f"{version.model} {takes}.", "messages")
        inputs["image"] = pictures[0]
    first_is_system = told[0]["role"] in ("system", "developer")
    rest = told[1:] if first_is_system else told
    if len(rest) == 1 and rest[0]["role"] == "user" and "prompt" in known:
        inputs["prompt"] = rest[0]["content"]
        if first_is_system:
            inputs |= given(told[0]["content"], version, "system_prompt", "messages")
        return inputs
    if "messages" not in known:
        reason = "takes one question, with a system message before it at most"
        raise Refused(f"{version.model} {reason}.", "messages")
    if not rest or rest[-1]["role"] != "user":
        raise Refused("The last message must be the user's: it is what is answered.", "messages")
    if first_is_system:
        inputs |= given(told[0]["content"], version, "system_prompt", "messages")
    return {**inputs, "prompt": rest[-1]["content"], "messages": rest[:-1]}


def _content(message: Message) -> str:
    """A message's text."""
    if isinstance(message.content, str) or message.content is None:
        return message.content or ""
    texts = []
    for part in message.content:
        match part:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": "image_url", "image_url": str() | {"url": str()}}:
                pass
            case {"type": "text" | "image_url" as kind}:
                raise Refused(f"A part of type {kind} holds no {kind}.", "messages")
            case _:
                kind = part.get("type")
                raise Refused(f"A part of type {kind!r} is not understood.", "messages")
    return "".join(texts)


def _pictures(messages: list[Message]) -> Iterable[str]:
    for message in messages:
        for part in message.content if isinstance(message.content, list) else ():
            if part.get("type") == "image_url":
                address = part.get("image_url")
                yield address["url"] if isinstance(address, dict) else str(address)


def _stops(stop: str | list[str] | None) -> str | None:
    stops = [stop] if isinstance(stop, str) else stop
    if not stops:
        return None
    if any("," in each for each in stops):
        raise Refused("stop holds a comma, which separates stop sequences here.", "stop")
    return ",".join(stops)


def _text(output: Any) -> str:
    pieces = output if isinstance(output, (tuple, list)) else (output or "",)
    return "".join(each if isinstance(each, str) else str(each) for each in pieces)


def _usage(prediction: Prediction) -> dict[str, int]:
    asked = int(prediction.metrics.get("input_token_count", 0))
    written = int(prediction.metrics.get("output_token_count", 0))
    return {
        "prompt_tokens": asked,
        "completion_tokens": written,
        "total_tokens": asked + written,
    }


def _event(value: Any) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"
