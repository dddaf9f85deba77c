"""The catalogue's models of pictures as tests call them: on tiny weights, as their specs say."""

from __future__ import annotations

import yaml
from PIL import Image, ImageDraw

from tests.model_registry.runners.conftest import REGISTRY, Model
from tests.tiny import image as tiny

PROMPT = "a red circle on a blue background"


class Drawn:
    """A model of the catalogue, called by the names and with the defaults of its spec."""

    def __init__(self, name, folder_of):
        spec = yaml.safe_load((REGISTRY / "specs" / "image" / f"{name}.yaml").read_text())
        changed = {key: each for key, each in spec["inputs"].items() if each is not None}
        self.arguments = {each.get("name", key): key for key, each in changed.items()}
        self.defaults = {key: each["default"] for key, each in changed.items() if "default" in each}
        parts = {role: folder_of(each["repo"]) for role, each in spec.get("parts", {}).items()}
        options = {**spec.get("setup", {}), **({"parts": parts} if parts else {})}
        file, _, kind = spec["runner"].partition(":")
        self.model = Model(f"{file}.py:{kind}", folder_of(spec["weights"]["repo"]), **options)

    def run(self, **inputs):
        """The pictures of a run, as files."""
        given = {self.arguments.get(name, name): value for name, value in inputs.items()}
        output = self.model.run(**{**self.defaults, **given})
        return output if isinstance(output, list) else [output]


class DrawnModels:
    """Sets models up, each once; their weights are written below `folder`."""

    def __init__(self, folder):
        self.folder = folder
        self.models = {}

    def __call__(self, name):
        if name not in self.models:
            self.models[name] = Drawn(name, self.folder_of)
        return self.models[name]

    def folder_of(self, repo):
        folder = self.folder / repo
        if not folder.exists():
            folder.mkdir(parents=True)
            tiny.TINY[repo](folder)
        return str(folder)


def disc(path, size=(300, 260), colour=(222, 44, 44)):
    """Writes a disc on blue; gives the path as an input is given."""
    made = Image.new("RGB", size, (44, 88, 214))
    ImageDraw.Draw(made).ellipse((0, 0, size[0] * 0.7, size[1] * 0.7), fill=colour)
    made.save(path)
    return str(path)


def size_of(path):
    with Image.open(path) as opened:
        return opened.size


SMALL = {
    "flux-schnell": {"megapixels": "0.25", "num_inference_steps": 2},
    "flux-dev": {"megapixels": "0.25", "num_inference_steps": 2},
    "flux-2-klein-4b": {"output_megapixels": "0.25"},
    "flux-1.1-pro": {"aspect_ratio": "custom", "width": 256, "height": 256},
    "sdxl": {"width": 256, "height": 256, "num_inference_steps": 4},
    "sdxl-lightning-4step": {"width": 256, "height": 256},
    "stable-diffusion-3.5-large": {"steps": 1},
    "qwen-image": {
        "image_size": "optimize_for_speed",
        "aspect_ratio": "16:9",
        "num_inference_steps": 1,
    },
    "z-image-turbo": {"width": 256, "height": 256, "num_inference_steps": 2},
}
