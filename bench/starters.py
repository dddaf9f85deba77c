"""Each starter through the whole app against the bare call of its library, same seed and steps: the
same bytes, in about the same time. And what all of them hold together.

python -m bench.starters
"""

from __future__ import annotations

import base64
import hashlib
import statistics
import sys
import time
from typing import Any

import httpx
import psutil

from bench.bare_starters import BARE, alone
from bench.serving import ROOT, atelier
from model_registry.catalog import Catalog
from model_registry.spec import Model

ROUNDS = 5
SETTINGS: dict[str, dict[str, Any]] = {"story": {"temperature": 0}}
"""Where a library draws its random numbers in another order than ours, nothing is drawn."""
UNEQUAL = {"speak": "espeak-ng breathes a little noise"}
"""Whose bytes differ from run to run, and why."""


def main() -> None:
    missed = 0
    with atelier("--offline") as (address, pid):
        app = psutil.Process(pid)
        with httpx.Client(base_url=f"http://{address}", timeout=120) as client:
            models = starters()
            for model in models * 3:  # loads them, and what the parent keeps is in place
                predict(client, model, inputs(model))
            before = app.memory_full_info().uss
            for model in models:
                missed += compare(client, model)
            grown = app.memory_full_info().uss - before
            children = [each for each in app.children(recursive=True) if each.is_running()]
            loaded = sum(each.memory_full_info().pss for each in children)
    print(f"parent's memory: {grown / 1e6:+.0f} MB after all runs (goal: unchanged)")
    print(f"all {len(models)} starters loaded at once: {loaded / 1e9:.2f} GB (goal: under 3)")
    if missed:
        sys.exit(f"{missed} of {len(models)} missed their goal")


def starters() -> list[Model]:
    """The toys, from a catalog read as the app reads it."""
    catalog = Catalog.load([], ROOT / "build" / "described")
    return [each for each in catalog.models() if each.toy]


def compare(client: httpx.Client, model: Model) -> bool:
    """Prints both times; gives whether the app is too slow, or made something else.

    Both take turns, and the quickest of each is compared: all else that a machine does only adds.
    """
    given = inputs(model)
    base, ours, digests = [], [], set()
    with alone(model.name, given) as run:
        run()
        for _ in range(ROUNDS):
            for made, (seconds, digest) in ((base, run()), (ours, predict(client, model, given))):
                made.append(seconds)
                digests.add(digest)
    quickest, added = min(base), min(ours) - min(base)
    allowed = max(0.03 * quickest, 0.1)
    same = len(digests) == 1
    said = "same bytes" if same else UNEQUAL.get(model.name, "OTHER BYTES")
    against = "library" if model.name in BARE else "bare runner"
    print(
        f"{model.name}: {min(ours) * 1000:.0f} ms through the app, {against} "
        f"{quickest * 1000:.0f} ms, ratio {min(ours) / quickest:.2f}, {added * 1000:+.0f} ms "
        f"(allowed {allowed * 1000:.0f}), {said}; medians of {ROUNDS}: "
        f"{statistics.median(ours) * 1000:.0f} and {statistics.median(base) * 1000:.0f} ms",
        flush=True,
    )
    return added > allowed or not (same or model.name in UNEQUAL)


def inputs(model: Model) -> dict[str, Any]:
    """The first example's, with all defaults written out, so that both sides get the same."""
    defaults = {
        name: each["default"]
        for name, each in model.latest.input_schema["properties"].items()
        if each.get("default") is not None
    }
    fixed = SETTINGS.get(model.name, {})
    known = model.latest.input_schema["properties"]
    seed = {"seed": 1} if "seed" in known else {}
    return {**defaults, **seed, **model.examples[0].input, **fixed}


def predict(client: httpx.Client, model: Model, given: dict[str, Any]) -> tuple[float, str]:
    """Seconds from the request to the whole answer, and the hash of what came out."""
    began = time.perf_counter()
    answer = client.post(
        f"/v1/models/{model.id}/predictions", json={"input": given}, headers={"Prefer": "wait=60"}
    )
    taken = time.perf_counter() - began
    prediction = answer.raise_for_status().json()
    assert prediction["status"] == "succeeded", prediction
    return taken, hashlib.sha256(content(prediction["output"])).hexdigest()


def content(output: Any) -> bytes:
    """The bytes of an output: files, texts and segments of speech, one after another."""
    if isinstance(output, str):
        is_file = output.startswith("data:")
        return base64.b64decode(output.partition(",")[2]) if is_file else output.encode()
    if isinstance(output, dict):
        return str(output["text"]).strip().encode()
    texts = any(isinstance(each, dict) for each in output)
    return (b" " if texts else b"").join(content(each) for each in output)


if __name__ == "__main__":
    main()
