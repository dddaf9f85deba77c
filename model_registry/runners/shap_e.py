"""Solids from text or a picture with Shap-E: files for a 3D viewer, points, and pictures of them
turning.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path as FilePath
from typing import Any

import precision as precisions
from pictures import on_white, opened
from shap_e_solid import Solid

from cog import BaseModel, BasePredictor, Input, InvalidInput, Path, current_scope

PAUSE = 100
"""Milliseconds between two pictures of a turn."""
POINTS = 4096
GRID_OF_POINTS = 64
"""The grid on which the surface is found that the points are taken from."""
STEPS = 64
LARGEST_SEED = 2**32 - 1


class ShapE(BasePredictor):
    def setup(self, weights: str, precision: str = "", parts: dict[str, str] | None = None) -> None:
        """`weights` makes solids from text, the part `image` from pictures: each is loaded when it
        is first wanted.
        """
        self.makers = Makers(weights, precision, parts or {})

    def predict(
        self,
        prompt: str | None = Input(
            default=None,
            description="What to make. Not used where an image is given.",
        ),
        image: Path | None = Input(
            default=None,
            accept="image/*",
            description="A picture of the thing, best without a background.",
        ),
        guidance_scale: float = Input(
            default=15,
            ge=0,
            description="How closely to follow the prompt or picture. Pictures want less, about 3.",
        ),
        batch_size: int = Input(default=1, ge=1, le=8, description="How many to make."),
        render_mode: str = Input(
            default="nerf",
            choices=["nerf", "stf"],
            description="nerf sees through the solid as the model learnt it; stf sees its surface, "
            "as a file for 3D viewers has it, and is quicker.",
        ),
        render_size: int = Input(
            default=128,
            ge=16,
            le=512,
            description="Pixels of a side of the animation. More take longer.",
        ),
        save_mesh: bool = Input(
            default=False, description="Give each solid as a GLB file for 3D viewers too."
        ),
        num_inference_steps: int = Input(
            default=STEPS, ge=1, le=256, description="Steps of the making."
        ),
        resolution: int = Input(
            default=128,
            ge=16,
            le=256,
            description="Of the surface: points along each side of the grid on which it is found.",
        ),
        seed: int | None = Input(
            default=None, ge=0, le=LARGEST_SEED, description="The same seed makes the same solid."
        ),
    ) -> list[Path]:
        """A GIF of each solid turning, then, if asked for, a GLB file of each."""
        import torch

        if image and prompt and prompt.strip():
            print("The prompt is not used: the solid is made from the image.")
        wish = Wish(None if image else prompt, image, guidance_scale, num_inference_steps)
        made = self.makers.made(wish, batch_size, seeded(seed), resolution)
        folder = FilePath(tempfile.mkdtemp())
        animations, meshes = [], []
        with torch.inference_mode():
            for number, solid in enumerate(made):
                animations.append(folder / f"out_{number}.gif")
                write_turning(solid.turning(render_mode, render_size), animations[-1])
                if save_mesh:
                    meshes.append(folder / f"out_{number}.glb")
                    write_mesh(solid.mesh(), meshes[-1])
        return [Path(path) for path in (*animations, *meshes)]


class PointCloud(BaseModel):
    """What Point-E gives on Replicate, and the file for viewers."""

    animation: Path | None
    json_file: Any = None
    point_cloud: Path


class ShapEPoints(ShapE):
    """Points of Shap-E's solids, asked for and given as Point-E's are."""

    def predict(  # type: ignore[override]
        self,
        prompt: str | None = Input(default=None, description="What to make."),
        image: Path | None = Input(
            default=None,
            accept="image/*",
            description="A picture of the thing. Not used where a prompt is given.",
        ),
        output_format: str = Input(
            default="animation",
            choices=["animation", "json_file"],
            description='An animation, or the points as JSON: {"coords": [...], "colors": [...]}, '
            "each N × 3. A PLY file is given with either.",
        ),
        seed: int | None = Input(
            default=None, ge=0, le=LARGEST_SEED, description="The same seed gives the same points."
        ),
    ) -> PointCloud:
        """4096 coloured points of the surface, as a PLY file, y up."""
        import torch
        import trimesh

        prompt = (prompt or "").strip() or None
        if image and prompt:
            print("The image is not used: the points are made from the prompt.")
        used = None if prompt else image
        wish = Wish(prompt, used, 3.0 if used else 15.0, STEPS)
        folder = FilePath(tempfile.mkdtemp())
        number = seeded(seed)
        listed = None
        with torch.inference_mode():
            (solid,) = self.makers.made(wish, 1, number, GRID_OF_POINTS)
            points, colours = solid.sampled(POINTS, number)
            ply, animation = folder / "out.ply", folder / "out.gif"
            painted = (colours * 255).round().astype("uint8")
            ply.write_bytes(trimesh.PointCloud(points, painted).export(file_type="ply"))
            if output_format == "animation":
                write_turning(turning_points(points, painted), animation)
            else:
                listed = {"coords": points.round(5).tolist(), "colors": colours.round(4).tolist()}
        return PointCloud(  # type: ignore[call-arg]
            animation=Path(animation) if animation.exists() else None,
            json_file=listed,
            point_cloud=Path(ply),
        )


class Wish:
    """What to make. Raises `InvalidInput` where neither words nor a picture say it."""

    def __init__(self, prompt: str | None, image: Any, guidance: float, steps: int) -> None:
        self.prompt = (prompt or "").strip()
        self.image = on_white(opened(image)) if image else None
        self.guidance, self.steps = guidance, steps
        if not self.prompt and self.image is None:
            raise InvalidInput("Write a prompt or give an image: one of them says what to make.")


class Makers:
    """The pipelines, from text and from pictures, each loaded when it is first wanted."""

    def __init__(self, weights: str, precision: str, parts: dict[str, str]) -> None:
        self._folders = {"text": weights, "image": parts.get("image", "")}
        self._precision = precision
        self._loaded: dict[str, Any] = {}
        self._pipeline("text")

    def made(self, wish: Wish, count: int, seed: int, grid: int) -> Iterator[Solid]:
        """Solids, one after the other: the next takes the renderer of the one before."""
        import torch

        kind = "text" if wish.image is None else "image"
        pipeline = self._pipeline(kind)
        scope = current_scope()
        if kind == "text":
            _tell_cut(wish.prompt, pipeline.tokenizer)
        pipeline.progress_bar = lambda steps: _told(steps, scope.progress)
        latents = pipeline(
            wish.prompt if wish.image is None else wish.image,
            num_images_per_prompt=count,
            num_inference_steps=wish.steps,
            guidance_scale=wish.guidance,
            generator=torch.Generator("cpu").manual_seed(seed),
            output_type="latent",
        ).images
        scope.record_metric("steps", wish.steps)
        for latent in latents:
            yield Solid(pipeline.shap_e_renderer, latent, grid, scope.progress)

    def _pipeline(self, kind: str) -> Any:
        if kind not in self._loaded:
            if not self._folders[kind]:
                raise InvalidInput("This model makes solids from text alone: give no image.")
            self._loaded[kind] = _loaded(self._folders[kind], self._precision)
        return self._loaded[kind]


def _loaded(weights: str, precision: str) -> Any:
    import torch
    from diffusers import DiffusionPipeline
    from diffusers.utils import logging
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    for each in (logging, transformers_logging):
        each.disable_progress_bar()
    # That the renderer is no safetensors file would be told as an error.
    logging.set_verbosity(logging.CRITICAL)
    halves = any(FilePath(weights).glob("prior/*.fp16.safetensors"))
    pipeline = DiffusionPipeline.from_pretrained(
        weights,
        variant="fp16" if halves else None,
        **precisions.pipeline(precision, "prior", weights=weights),
    )
    precisions.place(pipeline, precision)
    # The renderer reads positions by waves of up to 2¹⁴ a unit: 16 bits do not hold them.
    pipeline.shap_e_renderer.to(precisions.device(), torch.float32)
    return pipeline


def _told(steps: Iterable[Any], progress: Callable[..., Any]) -> Iterator[Any]:
    total = len(steps)  # type: ignore[arg-type]
    for done, step in enumerate(steps, 1):
        yield step
        progress(done, total, unit="step")


def _tell_cut(prompt: str, tokenizer: Any) -> None:
    count, most = len(tokenizer(prompt).input_ids), tokenizer.model_max_length
    if count > most:
        print(
            f"The prompt has {count} tokens; the model reads the first {most}, the rest has no "
            "effect."
        )


def seeded(seed: int | None) -> int:
    number = random.SystemRandom().randint(0, LARGEST_SEED) if seed is None else seed
    print(f"Using seed: {number}")
    current_scope().record_metric("seed", number)
    return number


def write_mesh(mesh: Any, path: FilePath) -> None:
    import trimesh

    scope = current_scope()
    scope.record_metric("vertices", len(mesh.vertices))
    scope.record_metric("triangles", len(mesh.faces))
    scene = trimesh.Scene(mesh)
    path.write_bytes(trimesh.exchange.gltf.export_glb(scene, include_normals=True))


def write_turning(frames: Iterator[Any], path: FilePath) -> None:
    """A GIF of a whole turn; its pictures are shown as they come."""
    scope = current_scope()
    made = []
    for frame in frames:
        made.append(frame)
        if scope.wants_preview():
            scope.preview(frame)
    made[0].save(path, save_all=True, append_images=made[1:], duration=PAUSE, loop=0)


def turning_points(points: Any, colours: Any, size: int = 256, frames: int = 24) -> Iterator[Any]:
    """Pictures of points (n, 3), y up, from all around; `colours` are from 0 to 255."""
    import numpy as np
    from PIL import Image

    reach = float(np.linalg.norm(points, axis=1).max()) * 2.2 or 1.0
    for number in range(frames):
        angle = 2 * np.pi * number / frames
        across = points[:, 0] * np.cos(angle) + points[:, 2] * np.sin(angle)
        depth = points[:, 2] * np.cos(angle) - points[:, 0] * np.sin(angle)
        above = points[:, 1] - 0.3 * depth  # from a little above
        order = np.argsort(depth)  # the nearest last
        at = np.stack([across, -above], 1)[order]
        columns, rows = (((at / reach) + 0.5) * (size - 3)).round().astype(int).T
        pixels = np.full((size, size, 3), 255, np.uint8)
        for right, down in ((0, 0), (0, 1), (1, 0), (1, 1)):
            pixels[rows + down, columns + right] = colours[order]
        yield Image.fromarray(pixels)
