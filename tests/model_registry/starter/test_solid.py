"""The shipped solids pass their bars on captions that the model was not measured with before."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.measure import marching_cubes

from model_registry.starter.train import solid
from model_registry.starter.train.training import STARTERS


@pytest.mark.heavy
def test_solids_have_the_form_and_the_colour_asked_for():
    figures = solid.evaluate(STARTERS / "solid", seed=2026, count=20, resolution=48)
    for name, (lowest, highest) in solid.BARS.items():
        assert lowest <= figures[name] <= highest, figures


def test_the_judge_finds_each_formulas_own_surface_right():
    axis = torch.linspace(-1, 1, 65)
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).view(-1, 3)
    for kind in range(len(solid.KINDS)):
        part = solid.Part(kind, "", "", 0)
        volume = solid.distances(part, points).view(65, 65, 65).numpy()
        vertices, faces, _, _ = marching_cubes(volume, 0.0)
        paints = np.tile(solid.PAINTS[0], (len(vertices), 1))
        scene = solid.Scene("", (part,))
        shared, right = solid.judge(scene, vertices / 32 - 1, faces, paints)
        assert shared > 0.97 and right == 1, solid.KINDS[kind].words
        other = solid.Scene("", (solid.Part((kind + 1) % len(solid.KINDS), "", "", 1),))
        shared, right = solid.judge(other, vertices / 32 - 1, faces, paints)
        assert shared < 0.9 and right == 0, solid.KINDS[kind].words
