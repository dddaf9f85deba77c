"""FLUX.1-schnell at its true size, with random weights.

    python -m pytest -s tests/gpu/test_flux.py

Needs a GPU with 36 GB free, 36 GB of memory, 36 GB of disk under the temporary folder, and a
quarter of an hour.
"""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


async def test_flux_through_the_pool_costs_no_more_than_the_library(checkpoint, measured):
    folder = checkpoint("flux", memory=36_000_000_000, disk=36_000_000_000)
    inputs = {
        "prompt": "a red circle",
        "aspect_ratio": "1:1",
        "num_outputs": 1,
        "num_inference_steps": 4,
        "seed": 0,
        "output_format": "png",
    }
    bare, ours = await measured("flux", "black-forest-labs/flux-schnell", folder, inputs)
    assert ours[0] < 1.03 * bare[0] + 0.1
    assert ours[1] < 1.1 * bare[1]
