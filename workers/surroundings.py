"""What surrounds a model's code in its process: what it finds there, how memory is kept, and that
all ends with the parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import shlex
import signal
import socket
import sys
import tempfile
from pathlib import Path

from workers.messages import Load

# What takes seconds to import, with the submodules that the libraries themselves put off.
_HEAVY = (
    "numpy",
    "PIL.Image",
    "safetensors.torch",
    "torch",
    "torch._dynamo",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "diffusers.pipelines.pipeline_utils",
)
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""As malloc.h has them."""


def end_with_the_parent(sock: socket.socket) -> None:
    """A parent that is killed cannot tidy up. Linux ends its children for it; elsewhere the closed
    socket does, when they next listen.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        # When memory runs out, it is the model that goes, never the app.
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")
    # One that has been killed already ends nobody any more.
    with contextlib.suppress(BlockingIOError):
        if not sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
            os._exit(0)


def keep_freed_memory() -> None:
    """Lets glibc keep some of what a run has freed for the next one: a large array that is returned
    to the system after each use is filled with zeros again before the next, which doubled the time
    of `starter/solid`. What is kept at most goes with the instance.
    """
    with contextlib.suppress(Exception):  # another C library: it has ways of its own
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 256 << 20)


def import_heavy_libraries() -> None:
    for name in _HEAVY:
        # Broken libraries raise anything; the model that needs one says so when it is loaded.
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def enter(loading: Load, work: Path) -> None:
    """Makes the process that of the model: in its folder, with its environment and with the modules
    that it is to find. Temporary files go to `work`.
    """
    os.environ.update(loading.environment)
    if loading.weights is not None:  # for code without a `setup(weights)`
        os.environ["COG_WEIGHTS"] = loading.weights
    work.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = str(work)
    os.chdir(loading.folder)
    _make_way(work)


def _offer_pget(alone: Path) -> None:
    """Many models fetch their weights with a program that Cog's images bring along. One that is
    installed comes before ours.
    """
    programs = alone / "bin"
    programs.mkdir(exist_ok=True)
    interpreter, found_at = shlex.quote(sys.executable), shlex.quote(str(alone))
    script = f'#!/bin/sh\nPYTHONPATH={found_at} exec {interpreter} -m cog.pget "$@"\n'
    (programs / "pget").write_text(script)
    (programs / "pget").chmod(0o755)
    os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{programs}"


def _make_way(work: Path) -> None:
    """The model's own modules may have our names: what we need is imported by now, and the rest
    goes, but for `cog`, which the processes that the model starts may have to find.
    """
    root = Path(__file__).resolve().parent.parent
    alone = work / "path"
    alone.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (alone / "cog").symlink_to(root / "cog")
    _offer_pget(alone)
    sys.path[:] = [str(alone), *(each for each in sys.path if each not in ("", str(root)))]
    os.environ["PYTHONPATH"] = str(alone)
    ours = {"workers", *(file.stem for file in root.glob("*.py"))}
    for name in [name for name in sys.modules if name.partition(".")[0] in ours]:
        del sys.modules[name]
    # Many models parse their command line; ours is none of theirs.
    del sys.argv[1:]
    # What `multiprocessing` spawns would import the main module again.
    main = sys.modules["__main__"]
    main.__spec__ = None
    del main.__file__
