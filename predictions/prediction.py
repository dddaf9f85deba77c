"""A prediction and the one function that changes it. Pure: no clock, no store, no process."""

from __future__ import annotations

import enum
from typing import Any

import msgspec
from msgspec.structs import replace

from workers import messages

KEPT_LOGS = 4_000_000
"""Characters. A model that never stops printing must not fill the machine."""
WEBHOOK_EVENTS = ("output", "completed")
"""What a webhook hears of if it has not said (contract §6)."""
LOGS_CUT = "\n[The log was longer. Atelier keeps its first 4 million characters.]\n"


class Status(str, enum.Enum):
    """Replicate's statuses (contract §4). `ABORTED` is a deadline that passed before the start."""

    STARTING = "starting"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    ABORTED = "aborted"

    def __str__(self) -> str:
        return self.value

    @property
    def terminal(self) -> bool:
        return self not in (Status.STARTING, Status.PROCESSING)


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one version of a model, or one training of it, at one moment. Times are Unix
    seconds, durations seconds, cost US dollars.

    In `input` and `output` a file is `{FILE: "<id>/<name>"}`. For iterator models `output` is a
    tuple that grows. `activity`, `progress` and `preview` are for who watches now and are not
    stored.
    """

    id: str
    model: str
    version: str
    input: dict[str, Any]
    created_at: float
    status: Status = Status.STARTING
    output: Any = None
    error: str | None = None
    logs: str = ""
    metrics: dict[str, Any] = {}
    """The model's own figures; compute and total time are fields of their own."""
    started_at: float | None = None
    completed_at: float | None = None
    predict_time: float | None = None
    hardware: str | None = None
    cost: float | None = None
    source: str = "api"
    """`api` or `web`."""
    owner: str = ""
    deadline: float | None = None
    data_removed: bool = False
    """Input, output and logs were removed because it was old."""
    deployment: str | None = None
    """`owner/name` of the deployment that it was made through."""
    destination: str | None = None
    """Set for a training: `owner/name` of the model that its weights become a version of; "" where
    they only are its output.
    """
    webhook: str | None = None
    webhook_events_filter: tuple[str, ...] | None = None
    context: dict[str, str] = {}
    """What the request said of itself, for the model's code (Cog contract §3.5)."""
    called: str = ""
    """The id that the caller goes by, where callers choose their own."""
    origin: str = ""
    """The address under which whoever made it reached us, for links in what it is told later."""
    activity: str = ""
    progress: messages.Progress | None = None
    preview: bytes | None = None

    @property
    def total_time(self) -> float | None:
        """Seconds from creation to the end, None before the end."""
        return None if self.completed_at is None else self.completed_at - self.created_at

    @property
    def is_training(self) -> bool:
        return self.destination is not None

    def wants(self, event: str) -> bool:
        """Whether its webhook is to hear of `start`, `output`, `logs` or `completed`."""
        return self.webhook is not None and event in (self.webhook_events_filter or WEBHOOK_EVENTS)


def advance(
    prediction: Prediction, message: messages.Event, now: float, rate: float = 0.0
) -> Prediction:
    """The prediction after `message`, or the same object where the message changes nothing.

    A terminal prediction never changes. `now` is Unix seconds; `rate` is the hardware's price in
    dollars per second.
    """
    if prediction.status.terminal:
        return prediction
    match message:
        case messages.Waiting(activity=activity):
            if prediction.status is Status.PROCESSING or activity == prediction.activity:
                return prediction
            return replace(prediction, activity=activity, progress=None)
        case messages.Started(hardware=hardware):
            if prediction.status is Status.PROCESSING:
                return prediction
            return replace(
                prediction,
                status=Status.PROCESSING,
                started_at=max(now, prediction.created_at),
                hardware=hardware,
                activity="",
                progress=None,
            )
        case messages.Log(text=text):
            room = KEPT_LOGS - len(prediction.logs)
            if room <= 0:
                return prediction
            # A bar that a model redraws is a line each time, as clients that look for one want it.
            text = text.replace("\r\n", "\n").replace("\r", "\n")
            text = text if len(text) < room else text[:room] + LOGS_CUT
            return replace(prediction, logs=prediction.logs + text)
        case messages.Output(value=value):
            return replace(prediction, output=value)
        case messages.Trained(version=version):
            return replace(prediction, output={"version": version, **(prediction.output or {})})
        case messages.OutputPieces(values=values):
            before = prediction.output if isinstance(prediction.output, tuple) else ()
            return replace(prediction, output=before + tuple(values))
        case messages.Preview(image=image):
            return replace(prediction, preview=image)
        case messages.Progress():
            return replace(prediction, progress=message)
        case messages.Metric():
            return replace(prediction, metrics=with_metric(prediction.metrics, message))
        case messages.Succeeded(seconds=seconds):
            return _end(prediction, Status.SUCCEEDED, now, seconds, rate)
        case messages.Canceled(seconds=seconds):
            return _end(prediction, Status.CANCELED, now, seconds, rate)
        case messages.Failed(reason=reason, traceback=traceback, seconds=seconds):
            ended = _end(prediction, Status.FAILED, now, seconds, rate)
            return replace(
                ended,
                error=reason or "The model failed without saying why.",
                logs=ended.logs + traceback,
            )
    raise TypeError(f"no prediction knows the message {message!r}")


def abort(prediction: Prediction, now: float, rate: float = 0.0) -> Prediction:
    """A deadline has passed: `aborted` before the start, `canceled` after it (contract §4)."""
    if prediction.status.terminal:
        return prediction
    reached = Status.ABORTED if prediction.status is Status.STARTING else Status.CANCELED
    return _end(prediction, reached, now, None, rate)


def _end(
    prediction: Prediction, status: Status, now: float, seconds: float | None, rate: float
) -> Prediction:
    started = prediction.started_at
    predict_time = None
    if started is not None:
        predict_time = seconds if seconds is not None else max(0.0, now - started)
    elif status is Status.SUCCEEDED:
        started, predict_time = now, seconds or 0.0
    return replace(
        prediction,
        status=status,
        started_at=started,
        completed_at=max(now, started or prediction.created_at),  # even if a clock is set back
        predict_time=predict_time,
        cost=None if predict_time is None else predict_time * rate,
        activity="",
        progress=None,
        preview=None,
    )


def with_metric(metrics: dict[str, Any], metric: messages.Metric) -> dict[str, Any]:
    """A copy of `metrics` with one figure recorded; a dotted name nests, None deletes (Cog contract
    §3.5).
    """
    head, _, rest = metric.name.partition(".")
    changed = dict(metrics)
    if rest:
        inner = changed.get(head)
        inner = inner if isinstance(inner, dict) else {}
        changed[head] = with_metric(
            inner, messages.Metric(metric.prediction_id, rest, metric.value, metric.mode)
        )
    elif metric.value is None:
        changed.pop(head, None)
    else:
        changed[head] = _combined(changed.get(head), metric.value, metric.mode)
    return changed


def _combined(before: Any, value: Any, mode: str) -> Any:
    """What does not fit together was not checked by `cog.Scope`: the newest value stands."""
    if mode == "incr" and isinstance(before, (int, float)) and isinstance(value, (int, float)):
        return before + value
    if mode == "append":
        return [*before, value] if isinstance(before, list) else [value]
    return value
