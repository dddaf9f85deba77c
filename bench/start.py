"""How long the app takes to serve its first page, against `import gradio` alone; and its memory.

python -m bench.start
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
import urllib.request

import psutil

from bench.serving import atelier

ROUNDS = 3


def import_gradio() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import gradio"], check=True)
    return time.perf_counter() - began


def first_page() -> tuple[float, float]:
    """Seconds from the command to the first page, and the parent's resident memory in bytes."""
    began = time.perf_counter()
    with atelier() as (address, pid):
        with urllib.request.urlopen(f"http://{address}/") as page:
            assert page.status == 200 and page.read()
        taken = time.perf_counter() - began
        return taken, psutil.Process(pid).memory_info().rss


def main() -> None:
    import_gradio()
    first_page()
    pairs = [(import_gradio(), first_page()) for _ in range(ROUNDS)]
    base = statistics.median(pair[0] for pair in pairs)
    ours = statistics.median(pair[1][0] for pair in pairs)
    memory = max(pair[1][1] for pair in pairs)
    print(f"import gradio {base:.2f} s, app to first page {ours:.2f} s")
    print(f"  ratio {ours / base:.2f} (goal: under 1.8)")
    print(f"parent's memory {memory / 1e6:.0f} MB (goal: under 400)")


if __name__ == "__main__":
    main()
