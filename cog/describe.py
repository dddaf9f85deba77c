"""Prints a model's OpenAPI document. Runs in the model's own interpreter:

    python -m cog.describe DIR predict.py:Predictor [--train train.py:train] [--concurrency N]
                                                    [--from source]

`--from source` reads the model's files and imports none of them. What the model prints while it is
imported goes to stderr. A failure is one line there and exit status 1, or 2 where something outside
of the model is missing.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
import traceback

from cog.loading import load
from cog.signature import SignatureError

FAILED, LACKING = 1, 2
LONGEST = 300
"""Seconds."""
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def main(arguments: list[str]) -> int:
    folder, target, *options = arguments
    folder = os.path.abspath(folder)
    given = dict(zip(options[::2], options[1::2], strict=True))
    # The document goes to the real stdout; everything that the model prints goes to stderr.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    # Asked with this signal it says where it is: that is where an import hangs.
    faulthandler.register(signal.SIGUSR1, sys.stderr, all_threads=False)
    # Should who asked be killed, nobody ends what hangs.
    signal.alarm(LONGEST)
    os.chdir(folder)
    # Many models parse their command line; this one is none of theirs.
    del sys.argv[1:]
    # The model's imports must not find Atelier's modules in place of its own.
    sys.path[:] = [entry for entry in sys.path if entry not in ("", _ROOT)]
    try:
        concurrency = int(given["--concurrency"]) if "--concurrency" in given else None
        if given.get("--from") == "source":
            from cog.source import read_document

            document = read_document(folder, target, concurrency, given.get("--train"))
        else:
            document = load(folder, target, concurrency, given.get("--train")).document()
        printed = json.dumps(document, allow_nan=False)
    except BaseException as error:
        print(reason(error, folder, target), file=sys.stderr)
        return LACKING if isinstance(error, ImportError | OSError) else FAILED
    out.write(printed)
    out.close()
    return 0


def reason(error: BaseException, folder: str, target: str) -> str:
    """One line: the innermost place in the model's own code, and what went wrong there."""
    if isinstance(error, SignatureError):
        return f"{target}: {error}"
    try:
        text = str(error).strip().splitlines()
    except Exception:  # its class is the model's own
        text = []
    said = f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
    if isinstance(error, SyntaxError):
        file = os.path.basename(error.filename or "?")
        return f"{file}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    inside = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith(folder + os.sep)
    ]
    if inside:
        place = os.path.relpath(inside[-1].filename, folder)
        return f"{place}, line {inside[-1].lineno}: {said}"
    return said


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stderr.flush()
    # Threads or child processes that the import has started must not keep this alive.
    os._exit(status)
