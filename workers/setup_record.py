"""What the set-up of an instance has said, and how it failed if it did."""

from __future__ import annotations

from workers.messages import Failed, SetupFailed

KEPT_LOG = 64 * 1024
"""How much of a set-up's log is kept, from its end: enough to say why it failed."""
_LONGEST_LINE = 200


class SetupRecord:
    """`line` is the newest line, for those who wait; `failure` why there never was an instance."""

    def __init__(self) -> None:
        self.line = ""
        self.failure: SetupFailed | None = None
        self._printed = ""

    def tell(self, line: str) -> None:
        """What goes on before there is a process."""
        self.line = line[:_LONGEST_LINE]

    def keep(self, text: str) -> None:
        """What the set-up has printed."""
        self._printed = (self._printed + text)[-KEPT_LOG:]
        lines = text.strip().splitlines()
        if lines:
            self.tell(lines[-1].strip())

    @property
    def log(self) -> str:
        """All that it has printed, and the traceback if it failed."""
        return self._printed + (self.failure.traceback if self.failure else "")

    def failed(self, model: str, failure: SetupFailed, prediction_id: str) -> Failed:
        """`failure`, for a prediction that waited for `model`."""
        reason = f"{model} could not be set up. {failure.reason}"
        return Failed(prediction_id, reason, self._printed + failure.traceback)
