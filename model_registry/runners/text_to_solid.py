"""Solids from text: a folder with a text encoder of transformers and an implicit field."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from implicit_field import Form, ImplicitField, Solids
from solid_preview import pictured
from taught import tell_unknown

from cog import BasePredictor, Input, InvalidInput, Path, current_scope

COARSE = 32
"""Cells a side of the grid that is asked first: it makes the preview, and tells where to look."""
AT_ONCE = 1 << 15
"""Points that are asked at once: bounds the memory, and how long a cancel waits."""

SMALL = 100_000_000
"""Bytes of weights below which more threads gain little, and lose much on a busy processor."""


class TextToSolid(BasePredictor):
    def setup(self, weights: str) -> None:
        """`weights` is a folder with `tokenizer`, `text_encoder` and `field`."""
        import torch

        self.weights = weights
        self.maker = Maker(weights)
        size = sum(each.stat().st_size for each in FilePath(weights).rglob("*.safetensors"))
        if self.maker.device == "cpu" and size < SMALL:
            torch.set_num_threads(1)

    def predict(
        self,
        prompt: str = Input(description="The solid to make."),
        resolution: int = Input(
            default=96,
            ge=24,
            le=192,
            description="Cells along each side. More give sharper edges, a larger file, and take "
            "longer.",
        ),
    ) -> Path:
        """A GLB file: y is up, the longest side is near 1. The same prompt gives the same file."""
        if not prompt.strip():
            raise InvalidInput("The prompt is empty. Write which solid to make.")
        tell_unknown(prompt, self.weights)
        scope = current_scope()
        preview = scope.preview if scope.wants_preview() else None
        mesh = self.maker.made(prompt, resolution, scope.progress, preview)
        scope.record_metric("vertices", len(mesh.vertices))
        scope.record_metric("triangles", len(mesh.faces))
        path = FilePath(tempfile.mkdtemp()) / "solid.glb"
        path.write_bytes(mesh.as_glb())
        return Path(path)


@dataclass(frozen=True)
class Mesh:
    """Vertices (n, 3) and their normals; faces (m, 3), turning left seen from outside; paints:
    the vertices' colours, (n, 3), sRGB from 0 to 255.
    """

    vertices: Any
    normals: Any
    faces: Any
    paints: Any

    @property
    def is_watertight(self) -> bool:
        """Whether each edge is shared by two triangles, in opposite directions."""
        import numpy as np

        edges = np.concatenate([self.faces[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
        keys = edges[:, 0].astype(np.int64) * len(self.vertices) + edges[:, 1]
        back = edges[:, 1].astype(np.int64) * len(self.vertices) + edges[:, 0]
        return len(np.unique(keys)) == len(keys) and bool(np.isin(keys, back).all())

    def as_glb(self) -> bytes:
        import numpy as np
        import trimesh

        # glTF wants the colours of vertices linear, not as a screen takes them.
        share = self.paints / 255
        linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        opaque = np.full((len(linear), 1), 255, np.uint8)
        colours = np.hstack([(linear * 255).round().astype(np.uint8), opaque])
        material = trimesh.visual.material.PBRMaterial(
            baseColorFactor=[255, 255, 255, 255], metallicFactor=0.0, roughnessFactor=0.6
        )
        visual = trimesh.visual.TextureVisuals(material=material)
        visual.vertex_attributes["color"] = colours
        middle = (self.vertices.min(0) + self.vertices.max(0)) / 2
        solid = trimesh.Trimesh(
            vertices=self.vertices - middle,
            faces=self.faces,
            vertex_normals=self.normals,
            visual=visual,
            process=False,
        )
        return bytes(trimesh.exchange.gltf.export_glb(trimesh.Scene(solid), include_normals=True))


class Maker:
    """Makes meshes from prompts."""

    def __init__(self, weights: str) -> None:
        import torch
        from safetensors.torch import load_file
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        folder = FilePath(weights)
        self.tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
        self.encoder = AutoModel.from_pretrained(folder / "text_encoder", dtype=torch.float32)
        self.encoder.eval().to(self.device)
        form = Form(**json.loads((folder / "field" / "config.json").read_text()))
        tensors = load_file(folder / "field" / "model.safetensors", device=self.device)
        self.field = ImplicitField({name: each.float() for name, each in tensors.items()}, form)

    def made(
        self,
        prompt: str,
        resolution: int,
        progress: Callable[[float, float, str], Any] = lambda done, total, unit: None,
        preview: Callable[[Any], Any] | None = None,
    ) -> Mesh:
        """Raises `InvalidInput` for a prompt from which the model makes nothing."""
        import torch

        with torch.inference_mode():
            solids = self._understood(prompt)
            parts = [p for p in range(self.field.form.parts) if float(solids.there[0, p]) > 0]
            parts = parts or [int(solids.there[0].argmax())]
            coarse = self._asked(solids, parts, self._lattice(COARSE))
            distances, nearest = coarse.view(len(parts), *(COARSE + 1,) * 3).min(0)
            colours = solids.colours[0, parts].cpu().numpy()
            if not bool((distances < 0).any()):
                raise InvalidInput(
                    "The model makes no solid from this prompt. Name one that it was taught."
                )
            if preview:
                preview(pictured(distances.cpu().numpy(), colours[nearest.cpu().numpy()]))
            fine = self._refined(solids, parts, distances, resolution, progress)
            return self._meshed(fine, solids, parts, colours)

    def _understood(self, prompt: str) -> Solids:
        most = self.tokenizer.model_max_length
        words = self.tokenizer(prompt, return_tensors="pt")
        count = words.input_ids.shape[1]
        if count > most:
            print(
                f"The prompt has {count} tokens; the model reads the first {most}, the rest has no "
                "effect."
            )
            words = self.tokenizer(prompt, return_tensors="pt", truncation=True, max_length=most)
        ids, mask = (words[name].to(self.device) for name in ("input_ids", "attention_mask"))
        return self.field.solids(self.encoder(input_ids=ids, attention_mask=mask).pooler_output)

    def _lattice(self, cells: int) -> Any:
        """The grid's points, ((cells + 1)³, 3)."""
        import torch

        axis = torch.linspace(-1, 1, cells + 1, device=self.device) * self.field.form.extent
        return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).view(-1, 3)

    def _asked(self, solids: Solids, parts: list[int], points: Any) -> Any:
        """Each part's distances, (parts, points), cut off where they mean no more than "far"."""
        import torch

        reach = self.field.form.reach
        asked = [self.field.distances(points[None], solids, part)[0] for part in parts]
        return torch.stack(asked).clamp(-reach, reach)

    def _refined(
        self,
        solids: Solids,
        parts: list[int],
        coarse: Any,
        cells: int,
        progress: Callable[[float, float, str], Any],
    ) -> Any:
        """The distances on the fine grid: asked near the surface, elsewhere read off the coarse."""
        import torch

        form = self.field.form
        points = self._lattice(cells)
        fine = torch.nn.functional.interpolate(
            coarse[None, None], size=(cells + 1,) * 3, mode="trilinear", align_corners=True
        ).flatten()
        # A cell's diagonal, and half as much again since the coarse distances are not exact.
        near = 1.5 * 3**0.5 * 2 * form.extent / COARSE
        unsure = (fine.abs() < min(near, 0.9 * form.reach)).nonzero()[:, 0]
        done = 0
        for some in unsure.split(AT_ONCE):
            fine[some] = self._asked(solids, parts, points[some]).amin(0)
            done += len(some)
            progress(done, len(unsure), "point")
        return fine.view((cells + 1,) * 3)

    def _meshed(self, fine: Any, solids: Solids, parts: list[int], colours: Any) -> Mesh:
        import numpy as np
        import torch
        from skimage.measure import marching_cubes

        extent = self.field.form.extent
        cells = fine.shape[0] - 1
        # With a layer of outside around it, the surface is closed even where it leaves the grid.
        volume = np.pad(fine.cpu().numpy(), 1, constant_values=self.field.form.reach)
        vertices, faces, normals, _ = marching_cubes(volume, 0.0)
        vertices = ((vertices - 1) / cells * 2 - 1) * extent
        at = torch.from_numpy(vertices).float().to(self.device)
        nearest = torch.cat(
            [self._asked(solids, parts, some).argmin(0) for some in at.split(AT_ONCE)]
        )
        paints = colours[nearest.cpu().numpy()] * 255
        # They point to where the volume grows less; out of the solid, it grows.
        return Mesh(vertices, -normals, faces, paints)
