"""Trains `starter/enlarge`: two small networks that double and quadruple clean graphics.

    python -m model_registry.starter.train.enlarge
    python -m model_registry.starter.train.enlarge --evaluate

Each adds to bicubic interpolation what a few convolutions find, so that where they find nothing, as
in most of a photo, the interpolation is left. They learn from drawings (shapes, outlines, lines,
letters, gradients) that were shrunk by one of PIL's filters, and from one sixth of pictures with
texture, blur and grain. The evaluation uses the runner itself.
"""

from __future__ import annotations

import importlib.util
import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageFont
from torch import nn

from cog.loading import load
from model_registry.starter.train.drawing import (
    FINER,
    Canvas,
    apart,
    as_image,
    blurred,
    cloud,
    colour,
    gradient,
    outline,
    painted,
    placed,
)
from model_registry.starter.train.onnx_export import export
from model_registry.starter.train.training import (
    STARTERS,
    Run,
    Stage,
    cosine,
    descend,
    main,
    set_rate,
)

# --- the pictures

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789?!&%@"


def _thing(rng: random.Random, width: int, height: int) -> np.ndarray:
    """The mask of one thing: a shape, its outline, lines, a rounded frame or letters."""
    canvas = Canvas(width, height)
    side = min(width, height)
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    size = side * rng.uniform(0.04, 0.5)
    stroke = round(FINER * rng.uniform(0.8, 8))
    kind = rng.random()
    if kind < 0.5:
        stretched = (size, size * rng.choice((1, 1, rng.uniform(0.4, 1))))
        points = placed(outline(rng), x, y, stretched, rng.choice((0, rng.uniform(0, 6.3))))
        if kind < 0.38:
            canvas.draw.polygon(points, 255)
        else:
            canvas.draw.line([*points, points[0]], 255, stroke, joint="curve")
    elif kind < 0.65:
        for _ in range(rng.randint(1, 4)):
            ends = [(rng.uniform(0, width) * FINER, rng.uniform(0, height) * FINER) for _ in "ab"]
            canvas.draw.line(ends, 255, stroke)
    elif kind < 0.75:
        box = [(x - size) * FINER, (y - size * 0.6) * FINER, (x + size) * FINER, (y + size) * FINER]
        radius = size * FINER * rng.uniform(0.1, 0.5)
        if rng.random() < 0.5:
            canvas.draw.rounded_rectangle(box, radius, 255)
        else:
            canvas.draw.rounded_rectangle(box, radius, None, 255, max(1, stroke))
    elif kind < 0.8:
        start = rng.uniform(0, 360)
        box = [(x - size) * FINER, (y - size) * FINER, (x + size) * FINER, (y + size) * FINER]
        canvas.draw.arc(box, start, start + rng.uniform(40, 330), 255, max(1, stroke))
    else:
        font = ImageFont.load_default(FINER * rng.choice((9, 11, 13, 16, 20, 28, 40)))
        text = "".join(rng.choices(LETTERS, k=rng.randint(1, 8)))
        canvas.draw.text((x * FINER, y * FINER), text, 255, font, anchor="mm")
    return canvas.mask()


def graphic(rng: random.Random, width: int, height: int) -> np.ndarray:
    """A clean drawing: things over one another, each in one colour or a gradient."""
    ground = colour(rng)
    picture = np.broadcast_to(ground, (height, width, 3))
    if rng.random() < 0.3:
        picture = gradient(rng, width, height, ground, colour(rng))
    for _ in range(rng.randint(1, 6)):
        fill = apart(rng, ground, 0.25)
        if rng.random() < 0.25:
            fill = gradient(rng, width, height, fill, colour(rng))
        picture = painted(picture, fill, _thing(rng, width, height))
    return picture


def natural(rng: random.Random, width: int, height: int) -> np.ndarray:
    """What stands for a photo: patches of many sizes that hide one another, with texture, soft
    focus and grain. Drawn for the network to see that such pictures are not drawings.
    """
    picture = np.broadcast_to(colour(rng), (height, width, 3))
    side = min(width, height)
    base = colour(rng)
    for _ in range(rng.randint(8, 24)):
        canvas = Canvas(width, height)
        size = side * min(0.6, 0.05 / max(rng.random(), 0.05))
        where = rng.uniform(0, width), rng.uniform(0, height)
        stretched = size, size * rng.uniform(0.5, 1)
        canvas.draw.polygon(placed(outline(rng), *where, stretched, rng.uniform(0, 6.3)), 255)
        fill = base + (colour(rng) - base) * rng.uniform(0.2, 1)
        if rng.random() < 0.5:
            fill = gradient(rng, width, height, fill, fill * rng.uniform(0.5, 1.3))
        picture = painted(picture, fill, canvas.mask())
    texture = cloud(rng, width, height, rng.uniform(0.6, 1.6))
    picture = picture * (1 + rng.uniform(0.02, 0.25) * texture[..., None])
    if rng.random() < 0.7:
        picture = blurred(picture, rng.uniform(0.3, 1.6))
    grain = cloud(rng, width, height, rng.uniform(0, 0.5))
    return picture + rng.uniform(0, 0.03) * grain[..., None]


SHRINKING = (
    Image.Resampling.BOX,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
    Image.Resampling.BILINEAR,
)
"""How a person makes a picture smaller: by area, or with one of PIL's filters."""


def shrunk(image: Image.Image, scale: int, rng: random.Random) -> Image.Image:
    return image.resize((image.width // scale, image.height // scale), rng.choice(SHRINKING))


# --- the network


def _upscaling(scale: int) -> torch.Tensor:
    """Bicubic interpolation as a convolution: (scale², 1, 5, 5), one kernel for each place that a
    pixel becomes.
    """
    kernel = torch.zeros(scale * scale, 1, 5, 5)
    for row in range(scale):
        for column in range(scale):
            weights = [_cubic((place + 0.5) / scale - 0.5) for place in (row, column)]
            kernel[row * scale + column, 0] = torch.outer(*weights)
    return kernel


def _cubic(at: float) -> torch.Tensor:
    """The weights of the five pixels around 0 for a point between them; PIL's bicubic."""
    distance = (torch.arange(-2, 3) - at).abs()
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    return torch.where(distance < 1, near, torch.where(distance < 2, far, torch.zeros(())))


class Enlarger(nn.Module):
    """Bicubic interpolation, and what a few convolutions add to it."""

    def __init__(self, scale: int, width: int = 32, depth: int = 6) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("interpolation", _upscaling(scale).repeat(3, 1, 1, 1), False)
        self.first = nn.Conv2d(3, width, 5, padding=2)
        self.body = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(depth))
        self.last = nn.Conv2d(width, 3 * scale * scale, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return F.pixel_shuffle(self.plain(picture) + self.added(picture), self.scale)

    def plain(self, picture: torch.Tensor) -> torch.Tensor:
        wide = F.pad(picture, (2, 2, 2, 2), mode="replicate")
        return F.conv2d(wide, self.interpolation, groups=3)

    def added(self, picture: torch.Tensor) -> torch.Tensor:
        seen = F.relu(self.first(picture - 0.5))
        for at in range(0, len(self.body), 2):
            inner = self.body[at + 1](F.relu(self.body[at](seen)))
            seen = F.relu(seen + inner)
        return self.last(seen)


# --- training

POOL = {graphic: 3000, natural: 600}
SIDE = 128
BATCH = 16


class Pairs:
    """Pictures and what became of them when they were shrunk: drawn once, cut out at random."""

    def __init__(self, seed: int, scale: int) -> None:
        rng = random.Random(f"{seed} pairs {scale}")
        self.scale = scale
        drawn = [
            as_image(draw(rng, SIDE, SIDE)) for draw, count in POOL.items() for _ in range(count)
        ]
        small = [shrunk(image, scale, rng) for image in drawn]
        self.large, self.small = (
            torch.from_numpy(np.stack([np.asarray(each) for each in images]))
            for images in (drawn, small)
        )

    def batch(self, rng: random.Random, side: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, 3, side, side) and the large ones, 0..1, each turned, mirrored and coloured anew."""
        scale, pairs = self.scale, []
        for _ in range(BATCH):
            at = rng.randrange(len(self.small))
            x, y = (rng.randint(0, SIDE // scale - side) for _ in "xy")
            colours, inverted = rng.sample(range(3), 3), rng.random() < 0.5
            turns, mirrored = rng.randrange(4), rng.random() < 0.5
            pair = []
            for images, factor in ((self.small, 1), (self.large, scale)):
                top, left, size = y * factor, x * factor, side * factor
                cut = images[at, top : top + size, left : left + size, colours]
                cut = torch.rot90(cut.flip(0) if mirrored else cut, turns)
                pair.append(255 - cut if inverted else cut)
            pairs.append(pair)
        small, large = (
            torch.stack(each).permute(0, 3, 1, 2).float() / 255 for each in zip(*pairs, strict=True)
        )
        return small, large


@dataclass(frozen=True)
class Plan:
    """How one network is made: the side of the cut-outs it learns from, its depth, its steps."""

    side: int
    depth: int
    steps: int


PLANS = {2: Plan(32, 6, 5_000), 4: Plan(24, 8, 12_000)}
RATE = 2e-3


def train(run: Run) -> None:
    for scale, plan in PLANS.items():
        net = _trained(run, scale, plan)
        path = run.out / f"x{scale}.onnx"
        export(net, torch.rand(1, 3, 40, 48), path, ("image", "enlarged"), free=(2, 3))


def _trained(run: Run, scale: int, plan: Plan) -> Enlarger:
    torch.manual_seed(run.seed)
    net = Enlarger(scale, depth=plan.depth).to(run.device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters())
    stage = Stage(run, f"x{scale}", plan.steps, {"net": net, "optimizer": optimizer})
    pairs = Pairs(run.seed, scale)
    added = run.compiled(net.added)
    for step in stage:
        set_rate(optimizer, cosine(step.share, RATE))
        small, large = (each.to(run.device) for each in pairs.batch(step.rng, plan.side))
        small = small.contiguous(memory_format=torch.channels_last)
        with torch.autocast(run.device, torch.bfloat16):
            rest = added(small)
        made = F.pixel_shuffle(net.plain(small) + rest.float(), scale)
        loss = (made - large).abs().mean()
        descend(loss, net.parameters(), optimizer)
        stage.note(loss=loss.detach())
    return net


# --- how well it does

SIZE = 192, 144
PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
"""Photos that come with scikit-image."""

BARS = {f"dB over bicubic, ×{scale}": (2.0, 60.0) for scale in PLANS} | {
    f"dB over Lanczos, worst photo, ×{scale}": (-1.0, 60.0) for scale in PLANS
}


def evaluate(folder: Path, seed: int, count: int) -> dict[str, float]:
    """Of `count` drawings and of the photos, shrunk with each of PIL's filters in turn and enlarged
    again by the runner: how much nearer to the original than by interpolation, in dB of PSNR.
    """
    loaded = load(str(STARTERS.parent / "runners"), "image_restoration.py:ImageRestoration")
    loaded.setup(str(folder))
    runner = loaded._owner
    drawn = [as_image(graphic(random.Random(f"{seed} {at}"), *SIZE)) for at in range(count)]
    figures = {}
    for scale in PLANS:
        made, bicubic, _ = _compared(runner, drawn, scale).T
        figures[f"dB, ×{scale}"] = made.mean()
        figures[f"dB over bicubic, ×{scale}"] = (made - bicubic).mean()
        figures[f"drawings better than bicubic, ×{scale}"] = (made > bicubic).mean()
        made, _, lanczos = _compared(runner, _photos() * len(SHRINKING), scale).T
        figures[f"dB over Lanczos, worst photo, ×{scale}"] = (made - lanczos).min()
        figures[f"dB over Lanczos, photos, ×{scale}"] = (made - lanczos).mean()
    return {name: round(float(value), 3) for name, value in figures.items()}


def _compared(runner: Any, images: list[Image.Image], scale: int) -> np.ndarray:
    """(n, 3): dB of PSNR by the runner, by bicubic interpolation and by Lanczos'."""
    figures = []
    for at, image in enumerate(images):
        image = image.crop((0, 0, image.width // scale * scale, image.height // scale * scale))
        by = SHRINKING[at * len(SHRINKING) // len(images)]
        small = image.resize((image.width // scale, image.height // scale), by)
        ways = (
            runner.enlarged(small, scale),
            small.resize(image.size, Image.Resampling.BICUBIC),
            small.resize(image.size, Image.Resampling.LANCZOS),
        )
        figures.append([_nearness(each, image) for each in ways])
    return np.array(figures)


def _nearness(made: Image.Image, wanted: Image.Image) -> float:
    """PSNR in dB; 60 for what nobody could tell apart."""
    error = np.mean((np.asarray(made, np.float32) - np.asarray(wanted, np.float32)) ** 2)
    return min(60.0, 10 * math.log10(255**2 / max(float(error), 1e-9)))


def _photos() -> list[Image.Image]:
    found = importlib.util.find_spec("skimage")
    folder = Path(found.submodule_search_locations[0]) / "data"
    return [Image.open(folder / name).convert("RGB") for name in PHOTOS]


if __name__ == "__main__":
    main(__doc__, "enlarge", train, evaluate, count=60)
