"""What following one prediction has to remember between its snapshots."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from components import page_files
from components.page_files import ShownFile
from errors import AtelierError
from model_registry.spec import Version
from predictions.prediction import Prediction
from predictions.references import references
from predictions.service import PredictionService

LOG_PACE = 0.5


class Watched:
    """What following one prediction has to remember."""

    def __init__(self, service: PredictionService) -> None:
        self._service = service
        self._files: dict[str, ShownFile] = {}
        self._version: Version | None = None
        self._log_shown = 0.0
        self._streamed = False

    def version_of(self, prediction: Prediction) -> Version | None:
        if self._version is None:
            self._version = version_of(self._service, prediction)
        return self._version

    async def files_of(self, output: Any) -> Mapping[str, ShownFile]:
        for reference in references(output) - self._files.keys():
            file = await page_files.shown(self._service.files, reference)
            if file.path:
                self._files[reference] = file
        return self._files

    def text_classes(self, streaming: bool) -> list[str]:
        """A text that came piece by piece stays at its end when it is done; one that was there
        before begins at the top.
        """
        self._streamed = self._streamed or streaming
        return [
            "reading",
            *(["following"] if self._streamed else []),
            *(["caret"] if streaming else []),
        ]

    def may_show_log(self, running: bool) -> bool:
        """Logs can be long: less often than the rest, but always at the end."""
        if running and time.monotonic() - self._log_shown < LOG_PACE:
            return False
        self._log_shown = time.monotonic()
        return True


def version_of(service: PredictionService, prediction: Prediction) -> Version | None:
    """The version that a prediction ran, None when the catalog no longer has it."""
    try:
        return service.version_of(prediction)
    except AtelierError:
        return None
