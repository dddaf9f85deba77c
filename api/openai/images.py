"""`images/generations`: pictures from words."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.bodies import answer, read
from api.openai.door import Door, Refused, choices_of, given, inputs_of
from model_registry.spec import Version
from predictions.references import references

_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
_AS_USUAL: Mapping[str, tuple[Any, ...]] = {
    "quality": ("auto", "standard"), "style": ("vivid", "natural"), "background": ("auto",),
    "moderation": ("auto",),
}  # fmt: skip


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    prompt: str
    model: str
    n: int = 1
    size: str | None = None
    response_format: str | None = None
    output_format: str | None = None
    output_compression: int | None = None
    quality: str | None = None
    style: str | None = None
    background: str | None = None
    moderation: str | None = None
    user: str | None = None
    seed: int | None = None


_asked = msgspec.json.Decoder(Asked)


class Images:
    def __init__(self, door: Door) -> None:
        self._door = door

    async def generate(self, request: Request) -> Response:
        asked = await read(request, _asked)
        for name, usual in _AS_USUAL.items():
            if (value := getattr(asked, name)) not in (None, *usual):
                raise Refused(f"{name} is {value!r}, which no model here knows.", name)
        if asked.response_format not in (None, "url", "b64_json"):
            raise Refused("response_format may be url or b64_json.", "response_format")
        version = await self._door.version(asked.model)
        if "prompt" not in inputs_of(version):
            raise Refused(f"{asked.model} draws nothing from words.", "model")
        prediction = await self._door.run(request, asked.model, _inputs(asked, version))
        found = list(references(prediction.output))
        if not found:
            raise Refused(f"{asked.model} made no picture.", "model", 500)
        links = self._door.link_maker.links(request)
        if asked.response_format == "b64_json":
            data = [{"b64_json": await self._encoded(each)} for each in found]
        else:
            data = [{"url": links.output(each)} for each in found]
        return answer({"created": int(time.time()), "data": data})

    async def _encoded(self, reference: str) -> str:
        files = self._door.service.files
        file = await files.get(reference)
        content = await asyncio.to_thread(lambda: files.path(file).read_bytes())
        return base64.b64encode(content).decode()


def _inputs(asked: Asked, version: Version) -> dict[str, Any]:
    inputs: dict[str, Any] = {"prompt": asked.prompt}
    if asked.n != 1:
        inputs |= given(asked.n, version, "num_outputs", "n")
    if asked.size not in (None, "auto"):
        inputs |= _size(str(asked.size), version)
    form = {"jpeg": "jpg"}.get(asked.output_format or "", asked.output_format)
    inputs |= given(form, version, "output_format", "output_format")
    inputs |= given(asked.output_compression, version, "output_quality", "output_compression")
    return inputs | given(asked.seed, version, "seed", "seed")


def _size(size: str, version: Version) -> dict[str, Any]:
    """As width and height where the model takes those, else as the proportion that is nearest."""
    parts = _SIZE.fullmatch(size)
    if not parts:
        raise Refused(f"size is {size!r}; write it 1024x1024.", "size")
    width, height = int(parts[1]), int(parts[2])
    known, proportions = inputs_of(version), choices_of(version, "aspect_ratio")
    if proportions is None and {"width", "height"} <= known.keys():
        return {"width": width, "height": height}
    ratios = {each: _ratio(each) for each in proportions or ()}
    for each, ratio in ratios.items():
        if ratio and abs(ratio - width / max(height, 1)) < 0.02:
            return {"aspect_ratio": each}
    named = ", ".join(each for each, ratio in ratios.items() if ratio)
    hint = f"; its proportions are {named}" if named else ""
    raise Refused(f"{version.model} draws no {size}{hint}.", "size")


def _ratio(proportion: str) -> float | None:
    wide, colon, high = proportion.partition(":")
    return int(wide) / int(high) if colon and wide.isdigit() and high.isdigit() else None
