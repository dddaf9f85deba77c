"""Runners of the catalogue that run out of memory in real child processes: what becomes of the run,
of those beside it and of the next one.
"""

from __future__ import annotations

import re

import pytest

from model_registry.spec import Rung
from model_registry.spec_files import HERE, RUNNERS
from workers import messages
from workers.devices import GIB, Device

# Each process imports torch.
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

CARD = Device("cuda:0", "NVIDIA Test Card", 16 * GIB, max_instances=64)
LADDER = (Rung("bf16", 9 * GIB), Rung("offload", 5 * GIB))
"""Precisions that a CPU, on which all is computed here, loads too."""

PICTURES = f"""
import resource, sys
sys.path.insert(0, {str(RUNNERS)!r})
from text_to_image import TextToImage
class Predictor(TextToImage):
    def setup(self, weights, precision=""):
        super().setup(weights, precision)
        if precision in ("", "bf16"):
            with open("/proc/self/status") as status:
                held = next(int(each.split()[1]) for each in status if each.startswith("VmSize"))
            limit = held * 1024 + 100_000_000, resource.RLIM_INFINITY
            resource.setrlimit(resource.RLIMIT_AS, limit)
"""
ASKED = {"prompt": "a", "seed": 1, "num_inference_steps": 1}
SMALL, LARGE = ({**ASKED, "width": side, "height": side} for side in (64, 512))

CHATS = f"""
import sys
sys.path.insert(0, {str(RUNNERS)!r})
import torch
from text_generation import TextGeneration
class Predictor(TextGeneration):
    def setup(self, weights, precision=""):
        super().setup(weights, precision)
        batch = self.writers.batch
        reserve = batch._passes.reserve
        def with_room_for_one(rows, columns):
            if rows > 1 and precision != "offload":
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB.")
            reserve(rows, columns)
        batch._passes.reserve = with_room_for_one
"""
CHAT = {"prompt": "Tell me a story about a brave fox.", "seed": 1, "temperature": 0}


def weights(starter):
    return str(HERE / "starter" / starter)


def pictures(pool, **more):
    return pool.model(PICTURES, inputs=["width", "height"], weights=weights("shapes"), **more)


def chats(pool, **more):
    return pool.model(CHATS, inputs=["max_tokens"], weights=weights("story"), **more)


async def test_a_picture_too_large_for_a_limit_says_so_and_the_next_one_is_drawn(make_pool):
    pool = await make_pool(cpu_instances=1)
    version = pictures(pool)
    end = await pool.end(pool.run(version, **LARGE))
    assert isinstance(end, messages.Failed) and "can't allocate memory" in end.traceback
    assert re.fullmatch(
        r"Out of memory on the CPU, which has \d+\.\d GB for models \(it held \d\.\d GB and asked "
        r"for \d\.\d GB more\)\. Ask for a smaller or shorter output, or for fewer at once: lower "
        r"width or height\.",
        end.reason,
    )
    assert isinstance(await pool.end(pool.run(version, **SMALL)), messages.Succeeded)


async def test_a_picture_too_large_at_one_precision_is_drawn_at_the_next(make_pool):
    pool = await make_pool(CARD)
    prediction = pool.run(pictures(pool, gpu=True, ladder=LADDER), **LARGE)
    assert isinstance(await pool.end(prediction), messages.Succeeded)
    assert "Out of memory at bf16 on NVIDIA Test Card" in pool.logs(prediction)


async def test_a_chat_that_there_is_no_room_for_goes_on_elsewhere_and_the_others_stay(make_pool):
    pool = await make_pool(CARD)
    version = chats(pool, gpu=True, ladder=LADDER)
    first = pool.run(version, **CHAT, max_tokens=300, min_tokens=300)
    await pool.until(first, messages.OutputPieces)
    second = pool.run(version, **CHAT, max_tokens=20)
    assert isinstance(await pool.end(second), messages.Succeeded)
    assert isinstance(await pool.end(first), messages.Succeeded)
    assert "Out of memory at bf16 on NVIDIA Test Card" in pool.logs(second)
    assert "memory" not in pool.logs(first)
    assert pool.output(first) and pool.output(second)


async def test_without_a_lower_precision_that_chat_says_what_to_ask_less_of(make_pool):
    pool = await make_pool(cpu_instances=1)
    version = chats(pool)
    first = pool.run(version, **CHAT, max_tokens=300, min_tokens=300)
    await pool.until(first, messages.OutputPieces)
    end = await pool.end(pool.run(version, **CHAT, max_tokens=20))
    assert isinstance(end, messages.Failed) and end.reason.endswith("once: lower max_tokens.")
    assert isinstance(await pool.end(first), messages.Succeeded)
