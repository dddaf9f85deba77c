"""Opens ONNX files as runners want them. No runner."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

SMALL = 20_000_000
"""Bytes of a network below which more than two threads gain nothing."""


def opened(path: Path, reuse: bool = False) -> Any:
    """An onnxruntime session: on the GPU where onnxruntime was built for one.

    With `reuse` it keeps the memory of one run for the next, which saves a tenth of the time of
    large pictures; whoever asks for that calls `give_back` in the end.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = reuse  # it keeps what the largest picture took
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if path.stat().st_size < SMALL:
        options.intra_op_num_threads = min(2, os.cpu_count() or 1)
    there = onnxruntime.get_available_providers()
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    return onnxruntime.InferenceSession(
        str(path), options, providers=[each for each in wanted if each in there]
    )


def give_back(session: Any, inputs: dict[str, Any]) -> None:
    """Frees the memory that a session kept for its next run. Only a run does: `inputs` are small
    ones.
    """
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    session.run(None, inputs, options)
