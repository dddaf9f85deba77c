"""Several texts written at once by one model: they join and leave at any step and share its passes.

`Batch` is the plain machine: one step at a time, no clock, no thread. `Writers` runs it in a thread
for asynchronous callers, each of whom sees only the tokens of its own text.

A text has its own sampler, so its random numbers depend on nothing else. Its logits come from the
same arithmetic in another order when it shares a pass: in float32 they differ in the sixth place,
in 16 bits in the second, where two tokens that are almost equally likely may change places.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from passes import Passes
from sampling import Sampler

PREFILL = 512
"""Tokens of a prompt that are read in one pass, and about how many are read in one step: bounds the
memory, and how long the others and a cancel wait. A text's parts are the same whatever else runs.
"""

SHORT = 64
"""Prompts up to this length are read several in a pass: in one of their own, most of the time would
go into reading the model's weights.
"""

SHARE = 0.8
"""Of the memory that is free, how much the texts may take together; on a CPU half of that."""


@dataclass(eq=False)
class Text:
    """One text to write: what is asked, and within which bounds. `fewest` and `most` count tokens;
    none of `ends` comes before `fewest`.
    """

    asked: list[int]
    sampler: Sampler
    ends: frozenset[int]
    fewest: int
    most: int
    known: int = 0
    """How many of its tokens the model has taken in."""
    last: int | None = None
    """The token that was chosen last, not yet taken in."""
    written: int = 0
    first_at: float = 0.0
    latest_at: float = 0.0
    """When its first and its latest token were chosen; who reads them may be told later, and of
    several at once.
    """
    left: bool = False
    told: asyncio.Queue[int | Exception | None] = field(default_factory=asyncio.Queue)
    loop: asyncio.AbstractEventLoop | None = None
    """Of who waits to be `told`."""

    @property
    def length(self) -> int:
        """What it will take at most."""
        return len(self.asked) + self.most

    @property
    def finished(self) -> bool:
        return self.left or self.written >= self.most or self.last in self.ends


Told = list[tuple[Text, int | Exception | None]]
"""What a step brought: a token, the error that ended a text, None for the end of one."""


class Batch:
    """`join` and `leave` may be called from another thread than `step`."""

    def __init__(self, passes: Passes, memory: int | None = None) -> None:
        """`memory`: the bytes that all texts together may take; None: what the machine has."""
        self._passes = passes
        self._memory = memory
        self._arrived: deque[Text] = deque()
        self._texts: list[Text] = []
        self._unread: deque[Text] = deque()

    @property
    def busy(self) -> bool:
        return bool(self._texts or self._arrived)

    def join(self, text: Text) -> None:
        self._arrived.append(text)

    def leave(self, text: Text) -> None:
        """Before the next step its row is free."""
        text.left = True

    def abandon(self) -> list[Text]:
        """Ends all texts; gives those that were not finished."""
        texts = [*self._texts, *self._arrived]
        self._texts, self._arrived, self._unread = [], deque(), deque()
        self._passes.release()
        return texts

    def step(self) -> Told:
        """Adds a token to every text whose prompt is read, and reads on in the others' prompts."""
        told: Told = []
        self._drop_finished()
        self._admit()
        if self._texts:
            self._make_room(told)
            self._write(told)
            self._read(told)
        told += [(text, None) for text in self._texts if text.finished and not text.left]
        self._drop_finished()
        return told

    def _admit(self) -> None:
        while self._arrived and (self._arrived[0].left or self._fits(self._arrived[0])):
            text = self._arrived.popleft()
            if not text.left:
                self._texts.append(text)
                self._unread.append(text)

    def _fits(self, text: Text) -> bool:
        """Whether it may join; alone it always may, and who waits is never overtaken."""
        if not self._texts:
            return True
        if self._memory is None:
            self._memory = free_memory()
        lengths = [each.length for each in (*self._texts, text)]
        return bool(self._passes.size(lengths) <= self._memory)

    def _make_room(self, told: Told) -> None:
        """Of all texts; where there is not enough, the youngest go and the others stay."""
        while self._texts:
            try:
                self._passes.reserve(len(self._texts), self._columns())
                return
            except Exception as error:
                self._fail(self._texts[-1], error, told)

    def _columns(self) -> int:
        """How many the longest text needs now; ahead of need by half, so that growing is rare."""
        needed = max(max(len(each.asked), each.known) + 1 for each in self._texts)
        return min(needed * 3 // 2, max(each.length for each in self._texts))

    def _write(self, told: Told) -> None:
        """One pass over all rows from the first that is being written to the last. One between them
        whose prompt is still being read takes part too: what it writes is written over when its
        next part is read.
        """
        while rows := [row for row, text in enumerate(self._texts) if text.last is not None]:
            among = self._texts[rows[0] : rows[-1] + 1]
            try:
                logits = self._passes.step(
                    rows[0], [each.known for each in among], [each.last or 0 for each in among]
                )
            except Exception as error:
                # The youngest made it one too many; the others go on without it.
                self._fail(self._texts[rows[-1]], error, told)
                continue
            written = [
                (text, line)
                for text, line in zip(among, logits, strict=True)
                if text.last is not None
            ]
            # All first: where one fails in choosing, another moves into its row.
            for text, _ in written:
                text.known += 1
            for text, line in written:
                self._choose(text, line, told)
            return

    def _read(self, told: Told) -> None:
        """Reads parts of prompts, in turn, until about as many tokens are read as one part has."""
        count = 0
        while self._unread and count < PREFILL:
            group = self._short_ones()
            if len(group) > 1:
                count += sum(len(text.asked) for text in group)
                self._begin(group, told)
            else:
                count += self._read_part(self._unread[0], told)

    def _short_ones(self) -> list[Text]:
        """Those next in turn whose whole prompts can be read in one pass, in rows side by side."""
        group: list[Text] = []
        row = self._texts.index(self._unread[0])
        for text, beside in zip(self._unread, self._texts[row:], strict=False):
            fits = (len(group) + 1) * SHORT <= PREFILL and len(text.asked) <= min(SHORT, PREFILL)
            if text is not beside or text.known or not fits:
                break
            group.append(text)
        return group

    def _begin(self, group: list[Text], told: Told) -> None:
        prompts = [text.asked for text in group]
        try:
            logits = self._passes.begin(self._texts.index(group[0]), prompts)
        except Exception:  # of one of them, as will be seen
            for text in group:
                self._read_part(text, told)
            return
        for text in group:
            self._unread.remove(text)
            text.known = len(text.asked)
        for text, line in zip(group, logits, strict=True):
            self._choose(text, line, told)

    def _read_part(self, text: Text, told: Told) -> int:
        """Gives how many tokens were read."""
        self._unread.remove(text)
        part = text.asked[text.known : text.known + PREFILL]
        try:
            logits = self._passes.read(self._texts.index(text), text.known, part)
        except Exception as error:
            self._fail(text, error, told)
            return 0
        text.known += len(part)
        if text.known < len(text.asked):
            self._unread.append(text)
        else:
            self._choose(text, logits, told)
        return len(part)

    def _choose(self, text: Text, logits: Any, told: Told) -> None:
        banned = text.ends if text.written < text.fewest else frozenset()
        try:
            text.last = text.sampler.choose(logits, banned)
        except Exception as error:  # logits that are no numbers have no likeliest
            self._fail(text, error, told)
            return
        text.written += 1
        told.append((text, text.last))

    def _fail(self, text: Text, error: Exception, told: Told) -> None:
        told.append((text, error))
        text.left = True
        self._drop(text)

    def _drop_finished(self) -> None:
        for text in [each for each in self._texts if each.finished]:
            self._drop(text)
        if not self._texts:
            self._passes.release()

    def _drop(self, text: Text) -> None:
        """The last row takes its place."""
        row, last = self._texts.index(text), len(self._texts) - 1
        if row != last:
            self._passes.move(last, row, self._texts[last].known)
            self._texts[row] = self._texts[last]
        self._passes.clear(last)
        self._texts.pop()
        with contextlib.suppress(ValueError):
            self._unread.remove(text)


class Writers:
    """Writes texts for asynchronous callers, all with one `Batch`, in one thread: it goes from step
    to step by itself, so that no step waits until the callers have taken what the last one brought.
    """

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self._thread = ThreadPoolExecutor(1, "passes")
        self._lock = threading.Lock()
        self._running = False

    async def write(self, text: Text) -> AsyncGenerator[int, None]:
        """Its tokens as they are chosen, the one that ends it included. Close it, and the text has
        left at the next step.
        """
        text.loop = asyncio.get_running_loop()
        with self._lock:
            self.batch.join(text)
            if not self._running:
                self._running = True
                self._thread.submit(self._run)
        try:
            while (token := await text.told.get()) is not None:
                if isinstance(token, Exception):
                    raise token
                yield token
        finally:
            self.batch.leave(text)

    def _run(self) -> None:
        while self._goes_on():
            try:
                told = self.batch.step()
            except Exception as error:  # nobody may wait for ever for a step that does not come
                told = [(text, error) for text in self.batch.abandon()]
            now = time.perf_counter()
            for text, what in told:
                if isinstance(what, int):
                    text.first_at, text.latest_at = text.first_at or now, now
                with contextlib.suppress(RuntimeError):  # its loop is closed: nobody waits
                    text.loop.call_soon_threadsafe(text.told.put_nowait, what)  # type: ignore[union-attr]

    def _goes_on(self) -> bool:
        with self._lock:  # a text joins before this looks, or starts another run
            self._running = self.batch.busy
            return self._running


def free_memory() -> int:
    """The bytes that the texts may take on the device that computes."""
    import psutil
    import torch

    if torch.cuda.is_available():
        cards = range(torch.cuda.device_count())
        # Each card keeps what its own layers remember, about as much as any other.
        return int(SHARE * len(cards) * min(map(_free_on, cards)))
    return int(SHARE / 2 * psutil.virtual_memory().available)


def _free_on(card: int) -> int:
    import torch

    free, _ = torch.cuda.mem_get_info(card)
    return int(free + torch.cuda.memory_reserved(card) - torch.cuda.memory_allocated(card))
