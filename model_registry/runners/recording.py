"""A recording of any format → samples, a stretch at a time: however long it is, memory is bounded.

Decoded with PyAV, which brings its own FFmpeg.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cog import InvalidInput


class Recording:
    """An audio file, or the sound of a video, as samples. `seconds` is None if it does not say."""

    def __init__(
        self, path: Path, rate: int, stretch: int, channels: int = 1, name: str = "audio"
    ) -> None:
        """`rate` in samples a second, `stretch` in seconds; `channels` 1 or 2. `name` is the
        input's. Raises `InvalidInput`.
        """
        import av

        self._rate = rate
        self._stretch = stretch
        self._channels = channels
        self._name = name
        self._errors = (av.error.FFmpegError, OSError, ValueError)
        try:
            self._container = av.open(str(path), metadata_errors="ignore")
        except self._errors as error:
            raise self._unreadable() from error
        if not self._container.streams.audio:
            self._container.close()
            raise self._unreadable()
        length = self._container.duration
        self.seconds = round(length / av.time_base, 2) if length and length > 0 else None

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *error: object) -> None:
        self._container.close()

    def parts(self) -> Iterator[tuple[Any, bool]]:
        """Samples, about a stretch at a time, and whether these are the last; of two channels a
        column each.
        """
        import numpy as np

        pieces: list[Any] = []
        count = total = 0
        for piece in self._pieces():
            pieces.append(piece)
            count += len(piece)
            if count >= self._stretch * self._rate:
                yield np.concatenate(pieces), False
                total, count, pieces = total + count, 0, []
        if not total + count:
            raise self._unreadable()
        nothing = np.zeros((0, 2) if self._channels == 2 else 0, np.float32)
        yield np.concatenate([nothing, *pieces]), True

    def _pieces(self) -> Iterator[Any]:
        import av
        import numpy as np

        # Whole numbers, as FFmpeg then keeps two channels together from being louder than one.
        layout = "stereo" if self._channels == 2 else "mono"
        shape = (-1, 2) if self._channels == 2 else (-1,)
        resampler = av.AudioResampler(format="s16", layout=layout, rate=self._rate)
        for frame in self._frames():
            if frame is not None:
                frame.pts = None
            for each in resampler.resample(frame):
                yield each.to_ndarray().reshape(shape).astype(np.float32) / 32768

    def _frames(self) -> Iterator[Any]:
        """Those that can be decoded, and None at the end."""
        import av

        frames = self._container.decode(audio=0)
        while True:
            try:
                yield next(frames)
            except StopIteration:
                break
            except av.error.InvalidDataError:
                continue
            except self._errors as error:
                raise self._unreadable() from error
        yield None

    def _unreadable(self) -> InvalidInput:
        return InvalidInput(
            f"{self._name} holds no sound that can be read. Give a recording, for example WAV, "
            "MP3, FLAC, OGG, M4A or WebM."
        )


def sample(path: Path, rate: int, longest: float, channels: int = 1, name: str = "audio") -> Any:
    """The first `longest` seconds of a recording, one row a channel. Says so in the log where there
    is more. Raises `InvalidInput`.
    """
    most = round(longest * rate)
    with Recording(path, rate, math.ceil(longest) + 1, channels, name) as recording:
        samples, _ = next(recording.parts())
        if len(samples) > most:
            print(f"Of {name}, only the first {longest:g} seconds are used.")
    return samples[:most].reshape(-1, channels).T
