"""One run that makes sound: its seed, its files, and what it took. No runner: those that speak and
those that make music import it.
"""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path as FilePath
from typing import Any

from cog import Path, current_scope

FORMATS = {"wav": ("WAV", "PCM_16"), "mp3": ("MP3", "MPEG_LAYER_III"), "flac": ("FLAC", "PCM_16")}
"""The container and the coding of each, in libsndfile's words. The same samples make the same
bytes.
"""


class SoundMaking:
    """A run, from now on. `seed` is the one asked for, else (also for -1) one of its own choosing;
    torch's own chances begin with it.
    """

    def __init__(self, seed: int | None = None) -> None:
        import torch

        self.seed = secrets.randbits(32) if seed is None or seed == -1 else seed % 2**63
        print(f"Using seed: {self.seed}")
        current_scope().record_metric("seed", self.seed)
        torch.manual_seed(self.seed)
        self._began = time.monotonic()
        self._seconds = 0.0

    def generator(self) -> Any:
        """A source of noise that is the same on every device."""
        import torch

        return torch.Generator("cpu").manual_seed(self.seed)

    def file(self, samples: Any, rate: int, kind: str = "wav", name: str = "sound") -> Path:
        """A file of samples between -1 and 1, one row a channel (or only one). What is louder is
        cut off, and what is no number is silence. Records what the run took so far;
        `real_time_factor` is seconds of work for each second of sound.
        """
        file = self.file_of([samples], rate, kind, name)
        assert file is not None
        return file

    def file_of(
        self, pieces: Iterable[Any], rate: int, kind: str = "wav", name: str = "sound"
    ) -> Path | None:
        """As `file`, of pieces that are written as they come, and not kept: a long text is hours
        of speech. None where there is no piece.
        """
        import numpy as np
        import soundfile

        path = FilePath(tempfile.mkdtemp()) / f"{name}.{kind}"
        container, coding = FORMATS[kind]
        with ExitStack() as opened:
            file = None
            for piece in pieces:
                samples = np.nan_to_num(np.atleast_2d(np.asarray(piece, np.float32)))
                if file is None:
                    made = soundfile.SoundFile(
                        path, "w", rate, len(samples), coding, format=container
                    )
                    file = opened.enter_context(made)
                file.write(samples.clip(-1, 1).T)
            seconds = file.frames / rate if file else 0.0
        self._tell(seconds)
        return Path(path) if file else None

    def _tell(self, seconds: float) -> None:
        scope = current_scope()
        self._seconds += seconds
        scope.record_metric("audio_seconds", round(self._seconds, 3))
        if self._seconds:
            spent = time.monotonic() - self._began
            scope.record_metric("real_time_factor", round(spent / self._seconds, 3))
