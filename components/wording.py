"""What people read: states, times, sizes, costs and errors in words; escaped where it is HTML."""

from __future__ import annotations

import time
from html import escape

from errors import AtelierError
from model_registry.sizes import size as size
from predictions.prediction import Prediction, Status
from workers.messages import Progress


def message(error: AtelierError) -> str:
    """What the page says about an error. The one place where errors become words on the page."""
    return str(error)


def seconds(value: float | None) -> str:
    """`<1 ms`, `40 ms`, `1.6 s`, `2 min 05 s`; a dash where there is nothing to say."""
    if value is None:
        return "–"
    if value < 0.1:
        return "<1 ms" if 0 < value < 0.0005 else f"{value * 1000:.0f} ms"
    if value < 59.95:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def cost(value: float | None) -> str:
    """Dollars with as many digits as it takes to see that it is not nothing."""
    if value is None:
        return "–"
    if value == 0 or value >= 0.1:
        return f"${value:.2f}"
    return f"${value:.4f}" if value >= 0.00005 else "<$0.0001"


def age(then: float, now: float) -> str:
    """How long ago, in one unit."""
    passed = max(0, int(now - then))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if passed >= length:
            return f"{passed // length} {unit} ago"
    return "just now" if passed < 5 else f"{passed} s ago"


def date(then: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(then))


def state(prediction: Prediction) -> str:
    """The state in one word, as people say it."""
    if prediction.status is Status.STARTING:
        return "loading" if "load" in prediction.activity.lower() else "waiting"
    return "running" if prediction.status is Status.PROCESSING else str(prediction.status)


def status_line(prediction: Prediction, now: float, *, counts_tokens: bool = False) -> str:
    """The one line that always says what is true now, as parts joined by dots."""
    if prediction.status.terminal:
        parts = [prediction.status.value]
        if prediction.predict_time is not None:
            parts.append(f"{seconds(prediction.predict_time)} compute")
        if prediction.total_time is not None:
            parts.append(f"{seconds(prediction.total_time)} in all")
        if prediction.cost is not None:
            parts.append(cost(prediction.cost))
        return " · ".join(parts)
    if prediction.status is Status.STARTING:
        return f"{prediction.activity or 'waiting'} · {seconds(now - prediction.created_at)}"
    running = now - (prediction.started_at or now)
    return " · ".join((_doing(prediction, running, counts_tokens), seconds(running)))


def _doing(prediction: Prediction, running: float, counts_tokens: bool) -> str:
    pieces = len(prediction.output) if isinstance(prediction.output, (tuple, list)) else 0
    if prediction.progress is not None:
        return progress(prediction.progress)
    if counts_tokens and pieces:
        rate = f" · {pieces / running:.0f} tokens/s" if running >= 0.5 else ""
        return f"{pieces} tokens{rate}"
    return prediction.activity or (f"running · {pieces} so far" if pieces else "running")


def progress(value: Progress) -> str:
    """`step 3 of 4`, or `step 3` where nobody knows how many there will be."""
    done = f"{value.done:g}"
    return (
        f"{value.unit} {done}" if value.total is None else f"{value.unit} {done} of {value.total:g}"
    )


def status_html(prediction: Prediction | None, now: float, *, counts_tokens: bool = False) -> str:
    """The status line with its bar. The state is announced to screen readers, the ticking seconds
    are not.
    """
    if prediction is None:
        return ""
    word = prediction.status.value if prediction.status.terminal else state(prediction)
    said = escape(status_line(prediction, now, counts_tokens=counts_tokens)).split(" · ")
    # A line that is too long breaks between its parts, not within them.
    text = " · ".join(f'<span class="part">{part}</span>' for part in said)
    return (
        f'{_bar(prediction)}<p class="status" data-state="{word}">'
        f'<span class="dot"></span><span class="sr" role="status">{word}</span>'
        f'<span class="line">{text}</span></p>'
    )


def _bar(prediction: Prediction) -> str:
    if prediction.status.terminal:
        return ""
    known = prediction.progress
    if known is not None and known.total:
        share = min(100, round(100 * known.done / known.total))
        return f'<progress max="100" value="{share}" aria-label="progress">{share} %</progress>'
    return '<progress aria-label="progress"></progress>'


def times_html(prediction: Prediction, now: float) -> str:
    """Queued and loading, then running, as one thin bar with its legend."""
    end = prediction.completed_at or now
    started = prediction.started_at if prediction.started_at is not None else end
    before, running = max(0.0, started - prediction.created_at), max(0.0, end - started)
    share = round(1000 * before / (before + running)) if before + running else 0
    return (
        '<svg class="times" viewBox="0 0 1000 6" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="before" width="{share}" height="6"/>'
        f'<rect class="running" x="{share}" width="{1000 - share}" height="6"/>'
        '</svg><p class="legend">'
        f'<span class="before">queued and loading {escape(seconds(before))}</span>'
        f'<span class="running">running {escape(seconds(running))}</span></p>'
    )


def problem_html(text: str) -> str:
    return f'<p class="problem" role="alert">{escape(text)}</p>' if text else ""


def failure(prediction: Prediction) -> str:
    """Why a prediction has no result, and where more is said; "" where nothing went wrong."""
    if prediction.error and prediction.status is Status.FAILED:
        hint = (
            " The traceback is in the logs below."
            if has_traceback(prediction)
            else " What it printed is in the logs below."
            if prediction.logs
            else " Change the inputs and run again."
            # What never started, or was stopped from outside, did not fail by its inputs: the
            # error says what to do.
            if prediction.started_at is not None and "again" not in prediction.error
            else ""
        )
        return f"{prediction.error.rstrip('.')}.{hint}"
    return prediction.error or ""


def has_traceback(prediction: Prediction) -> bool:
    return bool(prediction.error) and "Traceback (most recent call last)" in prediction.logs
