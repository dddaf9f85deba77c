"""One solid as Shap-E makes it: a small network that tells of any point how far inside it is and
which colour it has. Its mesh, its points, and pictures of it turning. No runner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

AT_ONCE = 1 << 15
"""Points that are asked at once: bounds the memory, and how long a cancel waits."""
RAYS_AT_ONCE = 1 << 12
COARSE, FINE = 64, 128
"""Samples along each ray of a NeRF: first anywhere, then where something is."""
STEPS = 160
"""Along each ray that looks for the surface."""
NEAR, FAR = 2.2, 5.8
"""Between these distances from the camera lies all of the solid."""
AMBIENT = 0.55
"""How bright a surface is that the light does not reach."""

Progress = Callable[[float, float, str], Any]


class Solid:
    """`renderer` is the pipeline's, whose network becomes this latent's; only one solid at a time
    can use it. The surface is found on a grid of `points` along each side.
    """

    def __init__(self, renderer: Any, latent: Any, points: int, progress: Progress) -> None:
        self._renderer = renderer
        self._points = points
        self._device = latent.device
        self._progress = progress
        projected = renderer.params_proj(latent.float()[None])
        for name, weights in renderer.mlp.state_dict().items():
            if f"nerstf.{name}" in projected:
                weights.copy_(projected[f"nerstf.{name}"].squeeze(0))
        self._field: Any = None
        self._above_nothing: Any = None

    def mesh(self) -> Any:
        """A `trimesh.Trimesh` with coloured vertices; y is up. Raises `RuntimeError` where the
        model has made nothing.
        """
        import numpy as np
        import torch
        import trimesh
        from skimage.measure import marching_cubes

        field = self._distances()
        if not bool((field > 0).any()):
            raise RuntimeError("The model made nothing solid of this. Try another seed or prompt.")
        # With a layer of outside around it, the surface is closed even where it leaves the grid.
        volume = np.pad(field.cpu().numpy(), 1, constant_values=-1.0)
        vertices, faces, _, _ = marching_cubes(volume, 0.0, gradient_direction="ascent")
        vertices = ((vertices - 1) / (self._points - 1) * 2 - 1).clip(-1, 1)
        colours = self._colours(torch.from_numpy(vertices).float()).cpu().numpy()
        # Shap-E's z is up, glTF's y; and glTF wants the colours of vertices linear.
        vertices = vertices[:, [0, 2, 1]] * (1, 1, -1)
        linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
        painted = np.hstack([(linear * 255).round(), np.full((len(linear), 1), 255)])
        material = trimesh.visual.material.PBRMaterial(
            baseColorFactor=[255, 255, 255, 255], metallicFactor=0.0, roughnessFactor=0.7
        )
        visual = trimesh.visual.TextureVisuals(material=material)
        visual.vertex_attributes["color"] = painted.astype(np.uint8)
        return trimesh.Trimesh(vertices, faces, visual=visual, process=False)

    def sampled(self, count: int, seed: int) -> tuple[Any, Any]:
        """Points of the surface (count, 3), evenly over it, y up, and their colours (count, 3)
        from 0 to 1.
        """
        import numpy as np
        import torch
        import trimesh

        mesh = self.mesh()
        points, _ = trimesh.sample.sample_surface(mesh, count, seed=np.random.default_rng(seed))
        asked = np.asarray(points)[:, [0, 2, 1]] * (1, -1, 1)
        colours = self._colours(torch.from_numpy(asked).float())
        return np.asarray(points), colours.cpu().numpy()

    def turning(self, mode: str, size: int) -> Iterator[Any]:
        """RGB images from all around: `nerf` sees through it as the model learnt it, `stf` sees its
        surface.
        """
        import numpy as np
        from diffusers.pipelines.shap_e.camera import create_pan_cameras
        from PIL import Image

        cameras = create_pan_cameras(size)
        rays = cameras.camera_rays.view(cameras.shape[1], size * size, 2, 3)[:-1]  # the last: again
        if mode == "stf":
            self._distances()
        seen = self._seen_through if mode == "nerf" else self._seen_surface
        at_once = RAYS_AT_ONCE if mode == "nerf" else AT_ONCE
        for number, picture in enumerate(rays, 1):
            pixels = np.concatenate(
                [seen(some.to(self._device)).cpu().numpy() for some in picture.split(at_once)]
            )
            shown = (pixels.reshape(size, size, 3).clip(0, 1) * 255).round().astype(np.uint8)
            self._progress(number, len(rays), "frame")
            yield Image.fromarray(shown)

    def _asked(self, points: Any) -> Any:
        return self._renderer.mlp(
            position=points, direction=None, ts=None, nerf_level="fine", rendering_mode="stf"
        )

    def _distances(self) -> Any:
        """How far inside each point of the grid is, (x, y, z); outside it is below 0."""
        import torch

        if self._field is None:
            axis = torch.linspace(-1, 1, self._points, device=self._device)
            points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).view(-1, 3)
            found = []
            for some in points.split(AT_ONCE):
                found.append(self._asked(some[None]).signed_distance[0, :, 0])
                self._progress(min(len(found) * AT_ONCE, len(points)), len(points), "point")
            self._field = torch.cat(found).view((self._points,) * 3)
            self._above_nothing = self._field[None, None] + 1
        return self._field

    def _colours(self, points: Any) -> Any:
        import torch

        some = points.to(self._device).split(AT_ONCE)
        return torch.cat([self._asked(each[None]).channels[0] for each in some])

    def _seen_through(self, rays: Any) -> Any:
        from diffusers.pipelines.shap_e.renderer import StratifiedRaySampler

        render = self._renderer.render_rays
        _, where_something_is, coarse = render(rays[None], StratifiedRaySampler(), COARSE)
        colours, _, _ = render(rays[None], where_something_is, FINE, prev_model_out=coarse)
        return colours[0]

    def _seen_surface(self, rays: Any) -> Any:
        import torch

        origins, directions = rays[:, 0], rays[:, 1]
        steps = torch.linspace(NEAR, FAR, STEPS, device=self._device)
        points = origins[:, None] + steps[:, None] * directions[:, None]
        inside = self._read(points) > 0
        hit, first = inside.any(1), inside.to(torch.uint8).argmax(1)
        # Between the last step outside and the first inside, halved until it is exact enough.
        near, far = steps[(first - 1).clamp(0)], steps[first]
        for _ in range(6):
            middle = (near + far) / 2
            within = self._read(origins + middle[:, None] * directions) > 0
            near, far = torch.where(within, near, middle), torch.where(within, middle, far)
        at = origins + far[:, None] * directions
        nudges = torch.eye(3, device=self._device) * 2 / self._points
        slopes = [self._read(at - nudge) - self._read(at + nudge) for nudge in nudges]
        outward = torch.nn.functional.normalize(torch.stack(slopes, -1), dim=-1)
        bright = AMBIENT + (1 - AMBIENT) * (outward * -directions).sum(-1, keepdim=True).clamp(0)
        seen = torch.ones_like(at)
        if bool(hit.any()):
            seen[hit] = (self._colours(at[hit].clamp(-1, 1)) * bright[hit]).to(seen.dtype)
        return seen

    def _read(self, points: Any) -> Any:
        """The grid's distances between its points; outside of it all is outside."""
        import torch

        # Outside of the grid is read as 0, which has to mean outside.
        field = self._above_nothing
        # The grid is read with its last axis first.
        where = points.flip(-1).view(1, 1, 1, -1, 3)
        read = torch.nn.functional.grid_sample(field, where, align_corners=True)
        return read.view(points.shape[:-1]) - 1
