"""Trains `starter/cutout`: a small U-Net that tells a thing from what lies behind it.

    python -m model_registry.starter.train.cutout
    python -m model_registry.starter.train.cutout --evaluate

It looks at 128 by 128 pixels and learns from drawings alone: shapes and silhouettes put together of
several, in plain colours, gradients, stripes and textures, on grounds that are as varied; and a few
grounds with nothing on them. The evaluation uses the runner itself, on pictures of other sizes.
"""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from cog.loading import load
from model_registry.starter.train.drawing import (
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

SIDE = 128
GROUNDS = ("plain", "gradient", "stripes", "checks", "texture", "noise")


def _filled(
    rng: random.Random, kind: str, first: np.ndarray, second: np.ndarray, width: int, height: int
) -> np.ndarray:
    """A surface of two colours."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    side = min(width, height)
    if kind == "gradient":
        return gradient(rng, width, height, first, second)
    if kind in ("stripes", "checks"):
        angle, period = rng.uniform(0, math.pi), side * rng.uniform(0.06, 0.3)
        along = x * math.cos(angle) + y * math.sin(angle)
        across = y * math.cos(angle) - x * math.sin(angle)
        wave = np.sin(2 * math.pi * along / period)
        if kind == "checks":
            wave = wave * np.sin(2 * math.pi * across / period)
        share = (0.5 + wave * period / 4).clip(0, 1)
    elif kind == "texture":
        share = (0.5 + 0.3 * cloud(rng, width, height, rng.uniform(0.8, 1.8))).clip(0, 1)
    elif kind == "noise":
        share = (0.5 + 0.35 * cloud(rng, width, height, rng.uniform(0, 0.4))).clip(0, 1)
    else:
        share = np.zeros((height, width), np.float32)
    return first + (second - first) * share[..., None]


def _near(rng: random.Random, first: np.ndarray, most: float) -> np.ndarray:
    """A colour not far from another, so that both together are still one thing."""
    return (first + most * (colour(rng) - first)).clip(0, 1)


def _parts(rng: random.Random, width: int, height: int) -> list[np.ndarray]:
    """The masks of one thing's parts: a shape, a ring, or a silhouette of several that touch."""
    side = min(width, height)
    size = side * rng.uniform(0.16, 0.42)
    x = rng.uniform(min(size, width / 2), max(width - size, width / 2))
    y = rng.uniform(min(size, height / 2), max(height - size, height / 2))
    several = rng.random() < 0.4
    parts = []
    for _ in range(rng.randint(2, 4) if several else 1):
        own = size * (rng.uniform(0.35, 0.75) if several else 1.0)
        canvas = Canvas(width, height)
        stretched = own, own * rng.choice((1.0, rng.uniform(0.5, 1.0)))
        turn = rng.choice((0.0, rng.uniform(0, 2 * math.pi)))
        points = outline(rng)
        canvas.draw.polygon(placed(points, x, y, stretched, turn), 255)
        if not several and rng.random() < 0.08:
            inner = [each * rng.uniform(0.4, 0.6) for each in (stretched[0],) * 2]
            canvas.draw.polygon(placed(points, x, y, (inner[0], inner[0]), turn), 0)
        parts.append(canvas.mask())
        angle = rng.uniform(0, 2 * math.pi)
        x, y = x + 0.9 * own * math.cos(angle), y + 0.9 * own * math.sin(angle)
    return parts


def some_size(rng: random.Random, shortest: int, longest: int) -> tuple[int, int]:
    """A width and a height, the longer up to 1.6 times the other."""
    side = rng.randint(shortest, longest)
    sides = [side, round(side * rng.uniform(1, 1.6))]
    rng.shuffle(sides)
    return sides[0], sides[1]


def scene(
    rng: random.Random, width: int, height: int, ground: str
) -> tuple[np.ndarray, np.ndarray]:
    """A picture with things on a ground, and the mask of the things; one in 25 has none."""
    first = colour(rng)
    second = _near(rng, first, rng.uniform(0.3, 0.9))
    picture = _filled(rng, ground, first, second, width, height)
    mask = np.zeros((height, width), np.float32)
    for _ in range(0 if rng.random() < 0.04 else rng.choice((1, 1, 1, 1, 2))):
        fill = _standing_out(rng, first, second)
        for part in _parts(rng, width, height):
            if rng.random() < 0.15:
                picture = _shadowed(rng, picture, part)
            kind = rng.choice(("plain", "plain", "plain", "gradient", "gradient", *GROUNDS[2:]))
            other = _near(rng, fill, 0.4)
            picture = painted(picture, _filled(rng, kind, fill, other, width, height), part)
            mask = np.maximum(mask, part)
            if rng.random() < 0.4:
                fill = _standing_out(rng, first, second)
    if rng.random() < 0.15:
        picture = blurred(picture, rng.uniform(0.3, 0.9))
    if rng.random() < 0.3:
        picture = picture + rng.uniform(0.01, 0.06) * cloud(rng, width, height, 0)[..., None]
    return picture, mask


def _standing_out(rng: random.Random, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """A colour apart from both; two that lie far from one another may leave none, then from one."""
    for _ in range(20):
        found = apart(rng, first, 0.35)
        if float(np.linalg.norm(found - second)) >= 0.35:
            break
    return found


def _shadowed(rng: random.Random, picture: np.ndarray, part: np.ndarray) -> np.ndarray:
    """A soft shadow of a part, a little beside it: no thing of its own."""
    by = tuple(rng.randint(0, max(1, min(part.shape) // 24)) for _ in "yx")
    moved = blurred(np.roll(part, by, (0, 1))[..., None].repeat(3, 2), 2)
    return picture * (1 - rng.uniform(0.2, 0.5) * moved)


# --- the network


def _block(given: int, made: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(given, made, 3, padding=1, bias=False), nn.BatchNorm2d(made), nn.ReLU(),
        nn.Conv2d(made, made, 3, padding=1, bias=False), nn.BatchNorm2d(made), nn.ReLU(),
    )  # fmt: skip


WIDTHS = (16, 32, 48, 64, 64)
FINE = 5
"""Of what was seen at half the size, what reaches each pixel of the whole size."""


class Cutter(nn.Module):
    """A U-Net that works at half the picture's size, and then looks at each pixel once more: gives
    a logit for each.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(6, WIDTHS[0], 5, stride=2, padding=2)
        pairs = list(zip(WIDTHS, WIDTHS[1:], strict=False))
        self.down = nn.ModuleList(
            [_block(WIDTHS[0], WIDTHS[0]), *(_block(upper, lower) for upper, lower in pairs)]
        )
        self.up = nn.ModuleList(_block(upper + lower, upper) for upper, lower in reversed(pairs))
        self.spread = nn.Conv2d(WIDTHS[0], 4 * FINE, 3, padding=1)
        self.refine = nn.Conv2d(FINE + 6, 16, 3, padding=1)
        self.last = nn.Conv2d(16, 1, 3, padding=1)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        # What lies along the picture's edges is mostly ground: it is told how far each pixel is
        # from that, which it would else take long to learn.
        edges = (picture[..., 0, :], picture[..., -1, :], picture[..., 0], picture[..., -1])
        ground = torch.cat(edges, 2).mean(2)[:, :, None, None]
        picture = torch.cat((picture, (picture - ground).abs()), 1)
        seen = F.relu(self.stem(picture))
        kept = []
        for number, block in enumerate(self.down):
            seen = block(F.max_pool2d(seen, 2) if number else seen)
            kept.append(seen)
        for block, beside in zip(self.up, reversed(kept[:-1]), strict=True):
            seen = block(torch.cat((F.interpolate(seen, scale_factor=2.0), beside), 1))
        fine = torch.cat((F.pixel_shuffle(self.spread(seen), 2), picture), 1)
        return self.last(F.relu(self.refine(fine)))


class Masking(nn.Module):
    """What ships: the logits as a mask from 0 to 1, which is 0 or 1 where it is nearly so."""

    def __init__(self, cutter: Cutter) -> None:
        super().__init__()
        self.cutter = cutter

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return (torch.sigmoid(self.cutter(picture)) * 1.1 - 0.05).clamp(0, 1)


# --- training

POOL = 6_000
BATCH = 8
STEPS = 5_500
RATE = 3e-3


def _squared(image: Image.Image) -> np.ndarray:
    """As the runner brings a picture to the network's size."""
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


class Scenes:
    """Scenes drawn once, taken at random, each time turned and coloured anew."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(f"{seed} scenes")
        pictures, masks = [], []
        for at in range(POOL):
            picture, mask = scene(rng, *some_size(rng, 96, 160), GROUNDS[at % len(GROUNDS)])
            pictures.append(_squared(as_image(picture)))
            masks.append(_squared(as_image(mask)))
        self.pictures = torch.from_numpy(np.stack(pictures))
        self.masks = torch.from_numpy(np.stack(masks))[..., None]

    def batch(self, rng: random.Random) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, 3, side, side) from -1 to 1, and the masks, (n, 1, side, side) from 0 to 1."""
        pairs = []
        for _ in range(BATCH):
            at, colours = rng.randrange(len(self.pictures)), rng.sample(range(3), 3)
            picture = self.pictures[at][..., colours]
            picture = 255 - picture if rng.random() < 0.5 else picture
            pair, turns, mirrored = (picture, self.masks[at]), rng.randrange(4), rng.random() < 0.5
            pairs.append([torch.rot90(e.flip(0) if mirrored else e, turns) for e in pair])
        pictures, masks = (
            torch.stack(each).permute(0, 3, 1, 2).float() / 255 for each in zip(*pairs, strict=True)
        )
        return pictures * 2 - 1, masks


def train(run: Run) -> None:
    torch.manual_seed(run.seed)
    net = Cutter().to(run.device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=1e-3)
    stage = Stage(run, "cutter", STEPS, {"net": net, "optimizer": optimizer})
    scenes = Scenes(run.seed)
    model = run.compiled(net)
    for step in stage:
        set_rate(optimizer, cosine(step.share, RATE))
        pictures, masks = (each.to(run.device) for each in scenes.batch(step.rng))
        with torch.autocast(run.device, torch.bfloat16):
            logits = model(pictures.contiguous(memory_format=torch.channels_last))
        logits = logits.float()
        found = torch.sigmoid(logits)
        common = (found * masks).sum((1, 2, 3))
        sizes = found.sum((1, 2, 3)) + masks.sum((1, 2, 3))
        overlap = (1 - (2 * common + 50) / (sizes + 50)).mean()
        loss = F.binary_cross_entropy_with_logits(logits, masks) + 0.3 * overlap
        descend(loss, net.parameters(), optimizer)
        stage.note(loss=loss.detach(), overlap=1 - overlap.detach())
    example = torch.zeros(1, 3, SIDE, SIDE)
    export(Masking(net), example, run.out / "model.onnx", ("image", "mask"))
    settings = {
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "size": {"width": SIDE, "height": SIDE},
    }
    (run.out / "preprocessor_config.json").write_text(json.dumps(settings, indent=2) + "\n")


# --- how well it does

BARS = {"IoU": (0.9, 1.0)} | {f"IoU on {ground}": (0.85, 1.0) for ground in GROUNDS}


def evaluate(folder: Path, seed: int, count: int) -> dict[str, float]:
    """Cuts `count` scenes of many sizes, a sixth on each ground, with the runner itself; IoU is
    the share of what is in either mask that is in both.
    """
    loaded = load(str(STARTERS.parent / "runners"), "background_removal.py:BackgroundRemoval")
    loaded.setup(str(folder))
    overlaps: dict[str, list[float]] = {ground: [] for ground in GROUNDS}
    left_empty = []
    for at in range(count):
        rng = random.Random(f"{seed} {at}")
        ground = GROUNDS[at % len(GROUNDS)]
        picture, mask = scene(rng, *some_size(rng, 96, 320), ground)
        wanted = mask > 0.5
        found = np.asarray(loaded._owner.networks[""].mask(as_image(picture))) > 127
        if wanted.any():
            overlaps[ground].append((wanted & found).sum() / (wanted | found).sum())
        else:
            left_empty.append(found.mean() < 0.002)
    every = [each for some in overlaps.values() for each in some]
    figures = {"IoU": np.mean(every), "pictures with IoU over 0.8": np.mean(np.array(every) > 0.8)}
    figures |= {f"IoU on {ground}": np.mean(some) for ground, some in overlaps.items()}
    if left_empty:
        figures["empty pictures left empty"] = np.mean(left_empty)
    return {name: round(float(value), 3) for name, value in figures.items()}


if __name__ == "__main__":
    main(__doc__, "cutout", train, evaluate, count=240)
