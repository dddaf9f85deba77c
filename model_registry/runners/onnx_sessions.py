"""Opens ONNX files as runners want them. No runner."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

SMALL = 20_000_000
"""Bytes of a network below which more than two threads gain nothing."""


def opened(path: Path) -> Any:
    """An onnxruntime session: on the GPU where onnxruntime was built for one."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = False  # else it keeps what the largest picture took
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if path.stat().st_size < SMALL:
        options.intra_op_num_threads = min(2, os.cpu_count() or 1)
    there = onnxruntime.get_available_providers()
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    return onnxruntime.InferenceSession(
        str(path), options, providers=[each for each in wanted if each in there]
    )
