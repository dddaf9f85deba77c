"""A small picture of a solid from its distances on a coarse grid. No runner."""

from __future__ import annotations

from typing import Any

SIZE = 256
RAYS = 64
"""Along each side: the picture is shown while the solid is made, and must not hold that up."""
LIGHT = (-0.45, 0.75, 0.5)
VIEW = 1.0
"""How far from the middle the picture's edge is."""
GROUND = 0.88
"""How bright the picture is where nothing is."""
SKY = 0.35
"""How bright a surface is that the light does not reach."""


def pictured(distances: Any, colours: Any) -> Any:
    """The solid where distances (n, n, n; x, y up, z) are below 0, seen from the front, from a
    little above and aside; `colours`, (n, n, n, 3), are sRGB from 0 to 1. A PIL image.
    """
    import numpy as np
    from PIL import Image
    from scipy.ndimage import map_coordinates

    right, up, ahead = _camera()
    cells = distances.shape[0] - 1
    steps = np.linspace(-1.75, 1.75, 3 * cells)
    side = (np.arange(RAYS) + 0.5) / (RAYS / 2) - 1
    across, above = np.meshgrid(side * VIEW, -side * VIEW)
    rays = across[..., None] * right + above[..., None] * up

    def read(volume: Any, points: Any, outside: float, order: int = 1) -> Any:
        at = np.moveaxis((points + 1) / 2 * cells, -1, 0)
        return map_coordinates(volume, at, order=order, mode="constant", cval=outside)

    seen = read(distances, rays[..., None, :] + steps[:, None] * ahead, 1.0)
    inside = seen < 0
    first = inside.argmax(-1)
    hit = inside.any(-1)
    after = np.take_along_axis(seen, first[..., None], -1)[..., 0]
    before = np.take_along_axis(seen, np.maximum(first - 1, 0)[..., None], -1)[..., 0]
    # Between two steps the surface is where the distance is 0.
    back = np.clip(after / np.minimum(after - before, -1e-6), 0, 1) * (steps[1] - steps[0])
    points = rays + (steps[first] - back)[..., None] * ahead
    nudge = 2 / cells
    normals = np.stack(
        [
            read(distances, points + nudge * axis, 1.0)
            - read(distances, points - nudge * axis, 1.0)
            for axis in np.eye(3)
        ],
        -1,
    )
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-6)
    light = np.array(LIGHT) / np.linalg.norm(LIGHT)
    bright = SKY + (1 - SKY) * np.clip(normals @ light, 0, 1)
    paint = np.stack([read(colours[..., each], points, 0.0, order=0) for each in range(3)], -1)
    shown = np.where(hit[..., None], (paint * bright[..., None]).clip(0, 1), GROUND)
    picture = Image.fromarray((shown * 255).astype(np.uint8))
    return picture.resize((SIZE, SIZE), Image.Resampling.BICUBIC)


def _camera() -> tuple[Any, Any, Any]:
    """What is right, up and ahead of who looks at the solid."""
    import numpy as np

    ahead = np.array((-0.5, -0.45, -1.0))
    ahead /= np.linalg.norm(ahead)
    right = np.cross(ahead, (0, 1, 0))
    right /= np.linalg.norm(right)
    return right, np.cross(right, ahead), ahead
