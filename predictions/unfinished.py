"""Predictions from their creation until their end is on record: folded from events, shown to who
watches, stored.

Only the newest state counts: what runs is stored twice a second at most, an end is committed before
anybody is told.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cog.encoding import FILE
from errors import AtelierError
from predictions import pricing
from predictions.files import Files
from predictions.live import Live
from predictions.masking import Masks
from predictions.prediction import Prediction, Status, abort, advance
from predictions.references import references, replaced
from predictions.store import Store
from predictions.trainings import as_output
from workers import messages
from workers.messages import Event

_SAVE_EVERY = 0.5


class Unfinished:
    """`stop` ends whatever is done for a prediction. `trained` takes the end of a training that has
    a destination, which has succeeded only once its weights are kept. `recorded` is told of each
    prediction whose end is on record.
    """

    def __init__(
        self,
        store: Store,
        files: Files,
        live: Live,
        stop: Callable[[str], None],
        trained: Callable[[Prediction, messages.Succeeded], None],
        recorded: Callable[[str], None],
    ) -> None:
        self.masks = Masks()
        self._store = store
        self._files = files
        self._live = live
        self._stop = stop
        self._trained = trained
        self._recorded = recorded
        self._folded: dict[str, Prediction] = {}
        """The newest states; `_live` lags behind them only while an end is being committed."""
        self._unsaved: set[str] = set()
        self._saving: asyncio.TimerHandle | None = None
        self._deadlines: dict[str, asyncio.TimerHandle] = {}
        self._discarding: set[asyncio.Task[None]] = set()

    def __contains__(self, prediction_id: str) -> bool:
        """Whether its end, if it has ended, is not on record yet."""
        return prediction_id in self._folded

    def __iter__(self) -> Iterator[Prediction]:
        """Those that have not ended, be it on record or not."""
        return iter([each for each in self._folded.values() if not each.status.terminal])

    def is_open(self, prediction_id: str) -> bool:
        """Whether it has not ended, be it on record or not."""
        newest = self._folded.get(prediction_id)
        return newest is not None and not newest.status.terminal

    def open(self, prediction: Prediction) -> None:
        """Takes up a prediction that is stored and has not ended."""
        self._folded[prediction.id] = prediction
        self._live.open(prediction)
        if prediction.deadline is not None:
            delay = max(0.0, prediction.deadline - time.time())
            timer = asyncio.get_running_loop().call_later(delay, self.end, prediction.id, None)
            self._deadlines[prediction.id] = timer

    def fold(self, events: Sequence[Event]) -> None:
        """What happened, in its order. What comes after an end changes nothing."""
        now = time.time()
        changed = {}
        for event in events:
            before = self._folded.get(event.prediction_id)
            if before is None or before.status.terminal:
                if isinstance(event, messages.Output | messages.OutputPieces):
                    self._discard_files(event)
                continue
            if before.destination and isinstance(event, messages.Succeeded):
                self._trained(before, event)
                continue
            event = self.masks.applied(event)
            rate = pricing.rate(before.hardware or "cpu")
            try:
                after = advance(before, self._with_files(event, before), now, rate)
            except (AtelierError, OSError) as error:
                # A file that the child names but has not left where outputs belong.
                after = advance(before, messages.Failed(before.id, str(error)), now, rate)
                self._stop(before.id)
            if after is not before:
                self._folded[after.id] = changed[after.id] = after
        for prediction in changed.values():
            self._publish(prediction)

    def end(self, prediction_id: str, event: Event | None) -> None:
        """Ends a prediction from outside, if it has not ended: by what happened, or by its deadline
        (None).
        """
        if not self.is_open(prediction_id):
            return
        prediction, now = self._folded[prediction_id], time.time()
        rate = pricing.rate(prediction.hardware or "cpu")
        ended = advance(prediction, event, now, rate) if event else abort(prediction, now, rate)
        self._folded[prediction_id] = ended
        self._publish(ended)
        self._stop(prediction_id)

    def close(self) -> None:
        """Stores what is not stored yet, and discards nothing more."""
        for discarding in self._discarding:
            discarding.cancel()
        if self._saving is not None:
            self._saving.cancel()
        self._save_unsaved()

    def _publish(self, prediction: Prediction) -> None:
        if prediction.status.terminal:
            self._unsaved.discard(prediction.id)
            timer = self._deadlines.pop(prediction.id, None)
            if timer is not None:
                timer.cancel()
            self._store.save(prediction).add_done_callback(
                lambda saved: self._committed(prediction, saved)
            )
            return
        before = self._live.latest(prediction.id)
        self._live.publish(prediction)
        if prediction.status is Status.STARTING:  # what changes till then is not stored
            return
        if before is not None and before.status is not prediction.status:
            self._store.save_soon(prediction)
        else:
            self._unsaved.add(prediction.id)
            if self._saving is None:
                self._saving = asyncio.get_running_loop().call_later(
                    _SAVE_EVERY, self._save_unsaved
                )

    def _committed(self, prediction: Prediction, saved: asyncio.Future[None]) -> None:
        if saved.cancelled():
            return
        if error := saved.exception():
            print(f"atelier: {prediction.id} is not on record yet: {error}", file=sys.stderr)
            asyncio.get_running_loop().call_later(_SAVE_EVERY, self._publish, prediction)
            return
        self._live.publish(prediction)
        self._folded.pop(prediction.id, None)
        self.masks.forget(prediction.id)
        self._recorded(prediction.id)

    def _save_unsaved(self) -> None:
        self._saving = None
        for prediction_id in self._unsaved:
            self._store.save_soon(self._folded[prediction_id])
        self._unsaved.clear()

    def _with_files(self, event: Event, prediction: Prediction) -> Event:
        """The event with its output files recorded: a path from the child becomes a file's id and
        name.
        """

        def recorded(path: Any) -> dict[str, str]:
            file = self._files.register_output(prediction.id, str(path), prediction.owner)
            return {FILE: f"{file.id}/{file.name}"}

        match event:
            case messages.Output(value=value):
                value = as_output(value) if prediction.destination else value
                return messages.Output(event.prediction_id, replaced(value, recorded))
            case messages.OutputPieces(values=values):
                return messages.OutputPieces(event.prediction_id, replaced(values, recorded))
        return event

    def _discard_files(self, event: messages.Output | messages.OutputPieces) -> None:
        """What a child puts out after the end is nobody's, unless it has put it out before."""
        value = event.value if isinstance(event, messages.Output) else event.values
        paths = sorted(references(value))
        task = asyncio.get_running_loop().create_task(self._discard(event.prediction_id, paths))
        self._discarding.add(task)
        task.add_done_callback(self._discarding.discard)

    async def _discard(self, prediction_id: str, paths: Sequence[str]) -> None:
        prediction = self._live.latest(prediction_id) or await self._store.get(prediction_id)
        output = prediction.output if prediction else None
        kept = {reference.partition("/")[2] for reference in references(output)}
        for path in paths:
            if Path(path).name not in kept:
                await asyncio.to_thread(self._files.discard_output, prediction_id, path)
