"""At which precision a model is loaded, and what its lacking packages have to do with it."""

from __future__ import annotations

import dataclasses

from model_registry.spec import Rung
from tests.workers.greedy import CARD, LADDER, greedy
from workers.devices import GIB, machine_memory


async def test_a_model_is_loaded_at_the_best_precision_that_fits(make_pool):
    pool = await make_pool(CARD)
    prediction = pool.run(greedy(pool))
    await pool.end(prediction)
    assert pool.output(prediction) == "bf16"
    assert not pool.logs(prediction)


async def test_a_precision_whose_package_is_missing_is_passed_over_and_that_is_said(
    make_pool, needed_packages
):
    needed_packages({"fp8": "no_such_package"})
    pool = await make_pool(dataclasses.replace(CARD, memory=10 * GIB))
    prediction = pool.run(greedy(pool))
    await pool.end(prediction)
    assert pool.output(prediction) == "4bit"
    assert "fp8 would come first and needs no_such_package" in pool.logs(prediction)


async def test_what_runs_below_the_best_only_for_a_package_says_that_it_fits(
    make_pool, needed_packages
):
    needed_packages({"bf16": "no_such_package"})
    pool = await make_pool(CARD)
    prediction = pool.run(greedy(pool))
    await pool.end(prediction)
    assert pool.output(prediction) == "fp8"
    assert "Runs at fp8: bf16 would come first and needs no_such_package" in pool.logs(prediction)


async def test_a_model_that_only_lacks_a_package_to_fit_is_refused_with_its_name(
    make_pool, needed_packages
):
    needed_packages({"4bit": "no_such_package"})
    pool = await make_pool(dataclasses.replace(CARD, memory=6 * GIB))
    end = await pool.end(pool.run(greedy(pool)))
    assert end.reason == (
        "It needs at least 8.6 GB of memory (at fp8); NVIDIA Test Card has 6.4 GB. It does "
        "not fit here: choose a smaller model, or a larger machine. It would at 4bit, which needs "
        "no_such_package: pip install -r requirements-gpu.txt."
    )


async def test_where_every_package_is_missing_the_model_says_which(make_pool, needed_packages):
    needed_packages({"fp8": "no_such_package", "4bit": "no_such_package"})
    pool = await make_pool(dataclasses.replace(CARD, memory=10 * GIB))
    prediction = pool.run(greedy(pool, ladder=LADDER[1:]))
    await pool.end(prediction)
    assert pool.output(prediction) == "fp8", "the runner's own error is the clearest"


async def test_a_precision_below_that_lacks_a_package_is_named_where_all_others_failed(
    make_pool, needed_packages
):
    needed_packages({"fp8": "no_such_package", "4bit": "no_such_package"})
    pool = await make_pool(CARD)
    end = await pool.end(pool.run(greedy(pool, load=["bf16"])))
    assert end.reason.endswith(
        "It takes less at fp8 or 4bit, which need no_such_package: "
        "pip install -r requirements-gpu.txt."
    )


async def test_weights_are_offloaded_only_to_a_machine_that_holds_them(make_pool):
    pool = await make_pool(CARD)
    ladder = (Rung("bf16", 40 * GIB), Rung("offload", 5 * GIB))
    held = pool.run(greedy(pool, ladder=ladder, memory=5 * GIB + machine_memory()))
    await pool.end(held)
    assert pool.output(held) == "offload"
    end = await pool.end(pool.run(greedy(pool, ladder=ladder, memory=6 * GIB + machine_memory())))
    assert "at least 42.9 GB of memory (at bf16)" in end.reason
    assert " of the machine's memory besides, which has " in end.reason
