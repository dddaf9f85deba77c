"""What goes to a child and what comes back: small frozen structs, msgpack with a length in front.

Nothing here is evaluated: unknown tags and wrong types are refused by the decoder. Files travel as
paths.
"""

from __future__ import annotations

import struct
from typing import Any

import msgspec


class Message(msgspec.Struct, frozen=True, tag=True):
    """The base of all messages."""


# --- to the child


class Load(Message, frozen=True):
    """Load `target` from `folder` and set it up. The first message to a child, sent once."""

    folder: str
    target: str
    environment: dict[str, str] = {}
    weights: str | None = None
    concurrency: int | None = None
    work: str = ""
    """A folder of the instance's own: temporary files and outputs go there."""
    options: dict[str, Any] = {}
    """Further keyword arguments of `setup`."""
    precision: str = ""
    """The rung of the version's ladder to load at; reaches a `setup` that asks for it."""
    trains: bool = False
    """`target` is what trains, not what runs."""


class Run(Message, frozen=True):
    """Run one prediction. `inputs` are checked and complete; file inputs are absolute paths. Output
    files go to `folder`.
    """

    prediction_id: str
    inputs: dict[str, Any]
    folder: str
    context: dict[str, str] = {}


class Cancel(Message, frozen=True):
    prediction_id: str


class CheckHealth(Message, frozen=True):
    """Ask the model's own `healthcheck` how it is."""


# --- from the child, about itself


class SetupLog(Message, frozen=True):
    text: str


class Ready(Message, frozen=True):
    concurrency: int
    seconds: float


class SetupFailed(Message, frozen=True):
    reason: str
    traceback: str = ""
    out_of_memory: bool = False


class Health(Message, frozen=True):
    """What the model's `healthcheck` has said: "" if it is well, else why not."""

    trouble: str = ""


class Held(Message, frozen=True):
    """The most bytes that the process has held so far, of its GPU's memory (`gpu`) or of the
    machine's; sent when it has grown.
    """

    memory: int
    gpu: bool = False


# --- from the child, or from the pool in its name, about one prediction


class Event(Message, frozen=True):
    """The base of all messages about one prediction."""

    prediction_id: str


class Waiting(Event, frozen=True):
    """What a prediction that has not started waits for; `activity` is a line for people."""

    activity: str


class Trained(Event, frozen=True):
    """The weights that a training gave are a version now: `owner/name:id`."""

    version: str


class Started(Event, frozen=True):
    hardware: str = "cpu"


class Log(Event, frozen=True):
    text: str


class Output(Event, frozen=True):
    """The whole output, of a run that returns once."""

    value: Any


class OutputPieces(Event, frozen=True):
    """Further pieces of an iterator's output; an empty list says that it is an iterator's."""

    values: list[Any]


class Preview(Event, frozen=True):
    """A small JPEG of the output as it forms; the newest replaces the one before, none is kept."""

    image: bytes


class Progress(Event, frozen=True):
    """`done` of `total` `unit`s (`step`, `second`, …); total None when unknown."""

    done: float
    total: float | None = None
    unit: str = "step"


class Metric(Event, frozen=True):
    """One of the model's own figures. `mode`: replace, incr or append; `name` may be dotted (Cog
    contract §3.5).
    """

    name: str
    value: Any
    mode: str = "replace"


class Succeeded(Event, frozen=True):
    """`seconds` is the time inside the model's code, by the child's monotonic clock."""

    seconds: float | None = None


class Failed(Event, frozen=True):
    reason: str
    traceback: str = ""
    seconds: float | None = None
    out_of_memory: bool = False


class Canceled(Event, frozen=True):
    seconds: float | None = None


ToChild = Load | Run | Cancel | CheckHealth
FromChild = (
    SetupLog
    | Ready
    | SetupFailed
    | Health
    | Held
    | Started
    | Log
    | Output
    | OutputPieces
    | Preview
    | Progress
    | Metric
    | Succeeded
    | Failed
    | Canceled
)

TERMINAL = (Succeeded, Failed, Canceled)


def append(events: list[Event], message: Event) -> None:
    """Adds an event; pieces and logs that follow each other become one, so that a flood costs a
    fold per read, not per token.
    """
    last = events[-1] if events else None
    if last is not None and last.prediction_id == message.prediction_id:
        match last, message:
            case OutputPieces(), OutputPieces():
                # The list is this function's own: a decoded message has no other owner.
                last.values.extend(message.values)
                return
            case Log(), Log():
                events[-1] = Log(message.prediction_id, last.text + message.text)
                return
    events.append(message)


_LENGTH = struct.Struct("!I")
_encoder = msgspec.msgpack.Encoder()


def frame(message: Message) -> bytes:
    """One message as it goes over the socket: 4 bytes of length, big-endian, then msgpack."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Cuts a byte stream into messages. `feed` returns the messages that are whole; the rest waits
    for more.
    """

    def __init__(self, kinds: Any) -> None:
        self._decoder = msgspec.msgpack.Decoder(kinds)
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Any]:
        """Raises `msgspec.DecodeError` on bytes that are no message of the allowed kinds."""
        buffer = self._buffer
        buffer += data
        messages = []
        start = 0
        while len(buffer) - start >= 4:
            (length,) = _LENGTH.unpack_from(buffer, start)
            end = start + 4 + length
            if len(buffer) < end:
                break
            messages.append(self._decoder.decode(memoryview(buffer)[start + 4 : end]))
            start = end
        if start:
            del buffer[:start]
        return messages
