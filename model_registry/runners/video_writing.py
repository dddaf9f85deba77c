"""Frames, and what is heard with them → an MP4 that every browser plays: H.264 in yuv420p, AAC, its
index at the front. No runner: runners of video import it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

QUALITY = "17"
"""x264's constant rate factor: below 18 hardly anybody sees a difference to the frames."""
BT709 = 1
"""The number of these colours in H.264: said in the file, or players guess by its size."""


def write(
    frames: Iterable[Any],
    path: Path,
    fps: int,
    enlarge: int = 1,
    sound: tuple[Any, int] | None = None,
) -> None:
    """Writes PIL pictures of one size, each drawn `enlarge` times as wide and high, one after the
    other as they come. The same frames give the same bytes. A side of an odd number of pixels,
    which H.264 does not have, loses its last one.

    `sound` is an array of one or two channels, (channels, samples) from -1 to 1, and its rate.
    """
    import av

    with av.open(str(path), "w", options={"movflags": "+faststart"}) as file:
        stream = file.add_stream("libx264", rate=fps, options={"crf": QUALITY, **_processor()})
        # All streams have to be there before the first packet.
        heard = file.add_stream("aac", rate=sound[1], layout=_layout(sound[0])) if sound else None
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        # The threads share frames among them, and so their number is part of what comes out.
        context.thread_count = 2
        context.colorspace = context.color_primaries = context.color_trc = BT709
        for number, frame in enumerate(frames):
            picture = _enlarged(frame.convert("RGB"), enlarge)
            if number == 0:
                stream.width, stream.height = picture.size
            shown = av.VideoFrame.from_image(picture).reformat(
                format="yuv420p", dst_colorspace="ITU709"
            )
            for packet in stream.encode(shown):
                file.mux(packet)
        for packet in stream.encode(None):
            file.mux(packet)
        if sound:
            _write_sound(file, heard, *sound)


def _processor() -> dict[str, str]:
    """Options that keep x264 from AVX-512. With it, where a row of macroblocks is no multiple of 8,
    x264 reads on behind its end as it weighs which of them later frames build on: what happened to
    lie in memory there would decide how the bits are spent. With AVX2 it is as quick, and gives the
    bytes that it gives without either.
    """
    import torch

    able = torch.backends.cpu.get_cpu_capability().startswith("AVX")
    return {"x264-params": "asm=avx2"} if able else {}


def _layout(samples: Any) -> str:
    return "mono" if len(samples) == 1 else "stereo"


def _write_sound(file: Any, stream: Any, samples: Any, rate: int) -> None:
    import av
    import numpy

    whole = numpy.ascontiguousarray(numpy.clip(samples[:2], -1, 1), numpy.float32)
    frame = av.AudioFrame.from_ndarray(whole, "fltp", _layout(whole))
    frame.sample_rate, frame.pts = rate, 0
    for packet in (*stream.encode(frame), *stream.encode(None)):
        file.mux(packet)


def _enlarged(frame: Any, factor: int) -> Any:
    from PIL import Image

    width, height = (side * factor for side in frame.size)
    if factor > 1:
        frame = frame.resize((width, height), Image.Resampling.LANCZOS)
    return frame.crop((0, 0, width - width % 2, height - height % 2))
