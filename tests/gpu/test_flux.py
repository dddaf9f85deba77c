"""FLUX.1-schnell at its true size, with random weights.

    python -m pytest -s tests/gpu/test_flux.py

Needs a GPU with 36 GB free, 36 GB of memory, 36 GB of disk under the temporary folder, and some
minutes.
"""

from __future__ import annotations

import dataclasses

import pytest

from tests.gpu.conftest import pooled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

INPUTS = {
    "prompt": "a red circle",
    "aspect_ratio": "1:1",
    "num_outputs": 1,
    "num_inference_steps": 4,
    "seed": 0,
    "output_format": "png",
}


async def test_flux_through_the_pool_costs_no_more_than_the_library(flux, measured):
    bare, ours = await measured(flux, INPUTS)
    assert ours[0] < 1.03 * bare[0] + 0.1
    assert ours[1] < 1.1 * bare[1]


async def test_flux_takes_a_lower_precision_where_its_best_does_not_fit(flux, gpu, tmp_path, say):
    small = dataclasses.replace(gpu, memory=24_000_000_000)
    async with pooled([small], tmp_path) as pool:
        first = await pool.run(flux, INPUTS)
        again = await pool.run(flux, INPUTS)
        (at,) = pool.precisions()
        say(
            f"flux with 24 GB of {gpu.hardware}: {again:.2f} s, {pool.peaks[-1] / 1e9:.1f} GB, "
            f"at {at}; the first, with loading, {first:.1f} s"
        )
        assert at != "bf16"
        assert pool.peaks[-1] < small.memory
