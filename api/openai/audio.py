"""`audio/transcriptions` and `audio/speech`: listening and speaking."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from api.authentication import caller_of
from api.bodies import answer, bounded, read
from api.files import chunks_of
from api.openai.door import Door, Refused, choices_of, first_of, given, inputs_of
from cog.encoding import FILE
from errors import FileTooLarge
from model_registry.spec import Version
from predictions.references import references

_FORMATS = ("json", "text", "srt", "vtt", "verbose_json")
_VOICES = (
    "alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer", "verse",
    "marin", "cedar",
)  # fmt: skip
"""OpenAI's: its clients must name one. A model with no such voice speaks with its own."""
_CHUNK = 1 << 20


class Speech(msgspec.Struct, forbid_unknown_fields=True):
    model: str
    input: str
    voice: str | None = None
    response_format: str | None = None
    speed: float | None = None
    instructions: str | None = None


_speech = msgspec.json.Decoder(Speech)


class Audio:
    def __init__(self, door: Door) -> None:
        self._door = door

    async def transcribe(self, request: Request) -> Response:
        form = await self._form(request)
        try:
            name, kind, inputs = await self._asked(request, form)
        finally:
            await form.close()
        prediction = await self._door.run(request, name, inputs)
        text, language, segments = _heard(prediction.output)
        if kind in ("srt", "vtt", "verbose_json") and text and not _are_timed(segments):
            reason = f"{name} tells no times, which {kind} is made of; ask for json or text."
            raise Refused(reason, "response_format")
        if kind == "text":
            return PlainTextResponse(text + "\n")
        if kind in ("srt", "vtt"):
            return PlainTextResponse(subtitles(segments, kind))
        if kind == "json":
            return answer({"text": text})
        duration = max((float(each.get("end", 0.0)) for each in segments), default=0.0)
        told = {"task": "transcribe", "language": language, "duration": duration, "text": text}
        words = [word for each in segments for word in each.get("words") or ()]
        spoken = [
            {"word": each.get("word", ""), "start": each["start"], "end": each["end"]}
            for each in words
        ]
        numbered = [{"id": number, **each} for number, each in enumerate(segments)]
        return answer({**told, "segments": numbered, **({"words": spoken} if spoken else {})})

    async def speak(self, request: Request) -> Response:
        asked = await read(request, _speech)
        version = await self._door.version(asked.model)
        words = first_of(version, ("text", "prompt"), asked.model, "says nothing from text")
        inputs: dict[str, Any] = {words: asked.input}
        if asked.speed != 1 or "speed" in inputs_of(version):
            inputs |= given(asked.speed, version, "speed", "speed")
        inputs |= given(asked.instructions, version, "instructions", "instructions")
        voices = choices_of(version, "voice")
        if asked.voice is not None and (
            asked.voice not in _VOICES or asked.voice in (voices or ())
        ):
            inputs |= given(asked.voice, version, "voice", "voice")
        if "join" in inputs_of(version):
            inputs["join"] = True  # one file, as is asked for here
        if asked.response_format in (choices_of(version, "output_format") or ()):
            inputs["output_format"] = asked.response_format
        prediction = await self._door.run(request, asked.model, inputs)
        found = list(references(prediction.output))
        if len(found) != 1:
            raise Refused(f"{asked.model} made {len(found)} files, not one.", "model", 500)
        files = self._door.service.files
        file = await files.get(found[0])
        form = file.name.rpartition(".")[2]
        if asked.response_format not in (None, form):
            reason = f"{asked.model} speaks {form}, not {asked.response_format}."
            raise Refused(f"{reason} Leave response_format out.", "response_format")
        content = await asyncio.to_thread(lambda: files.path(file).read_bytes())
        return Response(content, media_type=file.content_type)

    async def _asked(self, request: Request, form: FormData) -> tuple[str, str, dict[str, Any]]:
        """The model, the form of the answer, and the prediction's inputs."""
        file, name = form.get("file"), form.get("model")
        if not isinstance(file, UploadFile):
            raise Refused("file is missing; send the recording as a part named file.", "file")
        if not isinstance(name, str):
            raise Refused("model is missing.", "model")
        kind = str(form.get("response_format") or "json")
        if kind not in _FORMATS:
            raise Refused(f"response_format may be {', '.join(_FORMATS)}.", "response_format")
        version = await self._door.version(name)
        inputs = _settings(form, version, kind)
        audio = first_of(version, ("audio", "audio_file", "file"), name, "hears nothing")
        stored = await self._door.service.files.save(
            chunks_of(file),
            name=file.filename or "audio",
            content_type=file.content_type,
            owner=caller_of(request).owner,
        )
        return name, kind, {**inputs, audio: {FILE: f"{stored.id}/{stored.name}"}}

    async def _form(self, request: Request) -> FormData:
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise Refused("Send multipart/form-data with a part named file.", "file")
        limit = self._door.service.files.limit
        chunks = bounded(request, limit + _CHUNK, FileTooLarge(None, limit))
        try:
            return await MultiPartParser(
                request.headers, chunks, max_files=2, max_fields=50
            ).parse()
        except (MultiPartException, UnicodeError) as error:
            raise Refused(f"The form cannot be read: {error}") from None


def _settings(form: FormData, version: Version, kind: str) -> dict[str, Any]:
    known = ("file", "model", "response_format", "language", "prompt", "temperature", "stream")
    grains = form.getlist("timestamp_granularities[]")
    for name, value in form.multi_items():
        if name != "file" and not isinstance(value, str):
            raise Refused(f"{name} is a file; send it as a field of text.", name)
        if name not in (*known, "timestamp_granularities[]"):
            raise Refused(f"{name} has no meaning for the models here; leave it out.", name)
    if str(form.get("stream") or "false").lower() != "false":
        raise Refused("Transcriptions are not streamed here; leave stream out.", "stream")
    inputs = given(form.get("language"), version, "language", "language")
    inputs |= given(form.get("prompt"), version, "initial_prompt", "prompt")
    if (text := form.get("temperature")) is not None:
        try:
            warmth = float(str(text))
        except ValueError:
            warmth = math.nan
        if not math.isfinite(warmth):
            raise Refused(f"temperature is {text!r}; give a number.", "temperature")
        inputs |= given(warmth, version, "temperature", "temperature")
    if "word" in grains:
        if kind != "verbose_json":
            raise Refused("Times of words are part of verbose_json.", "timestamp_granularities[]")
        inputs |= given(True, version, "word_timestamps", "timestamp_granularities[]")
    return inputs


def _heard(output: Any) -> tuple[str, str, Sequence[dict[str, Any]]]:
    """Text, language and segments of what a model has heard, in whichever form it tells."""
    if isinstance(output, dict):
        text = output.get("transcription") or output.get("text") or ""
        language = output.get("detected_language") or output.get("language") or ""
        return str(text).strip(), str(language), output.get("segments") or ()
    if isinstance(output, str) or output is None:
        return (output or "").strip(), "", ()
    segments = [each for each in output if isinstance(each, dict)]
    texts = [str(each.get("text", "")).strip() for each in segments]
    loose = [each.strip() for each in output if isinstance(each, str)]
    return " ".join(filter(None, texts or loose)), "", segments


def _are_timed(segments: Sequence[dict[str, Any]]) -> bool:
    times = [each.get(end) for each in segments for end in ("start", "end")]
    return bool(times) and all(isinstance(each, (int, float)) for each in times)


def subtitles(segments: Sequence[dict[str, Any]], kind: str) -> str:
    """Segments as SubRip or WebVTT."""
    lines = ["WEBVTT\n"] if kind == "vtt" else []
    for number, each in enumerate(segments, 1):
        times = " --> ".join(_clock(float(each[end]), kind) for end in ("start", "end"))
        numbered = f"{number}\n" if kind == "srt" else ""
        lines.append(f"{numbered}{times}\n{str(each.get('text', '')).strip()}\n")
    return "\n".join(lines)


def _clock(seconds: float, kind: str) -> str:
    milliseconds = round(seconds * 1000)
    whole, rest = divmod(milliseconds, 1000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02}{',' if kind == 'srt' else '.'}{rest:03}"
