"""Trains `starter/solid`: from "a tall red cone" to a solid that a 3D viewer shows.

    python -m model_registry.starter.train.solid
    python -m model_registry.starter.train.solid --evaluate

A text encoder and a network that tells, at any point, how far it is to the surface of what the text
describes: the surface is found where that is 0. It learns from formulas: each caption's solid has
one, which is asked at random points, most of them near the surface. The evaluation makes files as
the app does, fills them with little cubes, and compares those with the formula.
"""

from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import BertTokenizer, CLIPTextConfig, CLIPTextModel

from model_registry.runners.implicit_field import Form, ImplicitField
from model_registry.spec_files import RUNNERS
from model_registry.starter.train.shapes import COLOURS
from model_registry.starter.train.training import Run, Stage, cosine, descend, main, set_rate

BARS = {"form and colour right": (0.9, 1.0), "watertight": (1.0, 1.0)}
"""Of files made from captions of one solid: at least 0.9 of the space that it and the formula's
solid fill is filled by both, and nearly all of its surface has the colour asked for."""

STEPS = 3_000
CAPTIONS, POINTS, CANDIDATES = 32, 512, 2048
"""Captions a step, points a caption, and points that those are picked from."""
FORM = Form()

Distance = Callable[[torch.Tensor], torch.Tensor]
"""From points (n, 3), y up, to signed distances in the frame where a solid reaches from -1 to 1."""

# --- the solids, by formula, each filling the cube from -1 to 1


def _sphere(p: torch.Tensor) -> torch.Tensor:
    return p.norm(dim=-1) - 1


def _cube(p: torch.Tensor) -> torch.Tensor:
    q = p.abs() - 1
    return q.clamp(min=0).norm(dim=-1) + q.amax(-1).clamp(max=0)


def _cylinder(p: torch.Tensor) -> torch.Tensor:
    q = torch.stack((_round(p) - 1, p[..., 1].abs() - 1), -1)
    return q.clamp(min=0).norm(dim=-1) + q.amax(-1).clamp(max=0)


def _cone(p: torch.Tensor) -> torch.Tensor:
    slope = (2 * _round(p) + p[..., 1] - 1) / math.sqrt(5)
    return torch.maximum(slope, -p[..., 1] - 1)


def _pyramid(p: torch.Tensor) -> torch.Tensor:
    slope = (2 * p[..., [0, 2]].abs().amax(-1) + p[..., 1] - 1) / math.sqrt(5)
    return torch.maximum(slope, -p[..., 1] - 1)


def _ring(p: torch.Tensor, thick: float = 0.3) -> torch.Tensor:
    """Lying flat; its height is made that of the others by `PROPORTIONS`."""
    return torch.hypot(_round(p) - (1 - thick), p[..., 1]) - thick


def _capsule(p: torch.Tensor) -> torch.Tensor:
    """Twice as high as wide once it has its proportions: here its width is 2, its height 4."""
    along = (p[..., 1].abs() - 1).clamp(min=0)
    return torch.hypot(_round(p), along) - 1


def _dome(p: torch.Tensor) -> torch.Tensor:
    """Half a ball, which stands on its flat side at -0.5."""
    return torch.maximum((p + torch.tensor((0, 0.5, 0))).norm(dim=-1) - 1, -p[..., 1] - 0.5)


def _egg(p: torch.Tensor) -> torch.Tensor:
    """A ball that is slimmer towards its top."""
    slim = 1 - 0.22 * (p[..., 1] + 1).clamp(0, 2)
    return torch.hypot(_round(p) / slim.clamp(min=0.3), p[..., 1]) - 1


def _round(p: torch.Tensor) -> torch.Tensor:
    return torch.hypot(p[..., 0], p[..., 2])


@dataclass(frozen=True)
class Kind:
    """A formula, how much it is stretched along x, y and z, and how far it then reaches up."""

    formula: Distance
    stretch: tuple[float, float, float]
    up: float
    down: float
    words: tuple[str, ...]


def _kind(formula: Distance, stretch: tuple[float, float, float], *words: str) -> Kind:
    reach = {_ring: (0.3, 0.3), _capsule: (2.0, 2.0), _dome: (0.5, 0.5)}
    up, down = reach.get(formula, (1.0, 1.0))
    return Kind(formula, stretch, up * stretch[1], down * stretch[1], words)


KINDS = (
    _kind(_sphere, (0.6, 0.6, 0.6), "sphere", "ball"),
    _kind(_cube, (0.5, 0.5, 0.5), "cube"),
    _kind(_cube, (0.7, 0.35, 0.45), "box"),
    _kind(_cone, (0.55, 0.6, 0.55), "cone"),
    _kind(_cylinder, (0.45, 0.6, 0.45), "cylinder"),
    _kind(_pyramid, (0.6, 0.55, 0.6), "pyramid"),
    _kind(_ring, (0.65, 0.65, 0.65), "ring", "torus", "donut"),
    _kind(_capsule, (0.33, 0.33, 0.33), "capsule", "pill"),
    _kind(_dome, (0.7, 0.7, 0.7), "dome"),
    _kind(_egg, (0.55, 0.68, 0.55), "egg"),
)
FORMS = {
    "": (1.0, 1.0, 1.0),
    "tall": (0.85, 1.3, 0.85),
    "flat": (1.05, 0.5, 1.05),
    "wide": (1.3, 0.85, 0.85),
}
SIZES = {"": 0.85, "small": 0.6, "big": 1.05}
PAINTS = [*COLOURS.values(), (160, 160, 160)]
"""The last is for what has no colour in its caption."""
WORDS = [
    *COLOURS, *(word for kind in KINDS for word in kind.words), *FORMS, *SIZES, "a", "an", "on",
    "top", "of",
]  # fmt: skip
WORDS = [word for word in dict.fromkeys(WORDS) if word]


@dataclass(frozen=True)
class Part:
    """`colour` is an index into `PAINTS`; `lift` is how far its formula's centre is above 0."""

    kind: int
    form: str
    size: str
    colour: int
    scale: float = 1.0
    lift: float = 0.0

    def stretch(self) -> tuple[float, float, float]:
        factor = self.scale * SIZES[self.size]
        pairs = zip(KINDS[self.kind].stretch, FORMS[self.form], strict=True)
        return tuple(factor * a * b for a, b in pairs)  # type: ignore[return-value]

    def up(self) -> float:
        return KINDS[self.kind].up * self.scale * SIZES[self.size] * FORMS[self.form][1]

    def down(self) -> float:
        return KINDS[self.kind].down * self.scale * SIZES[self.size] * FORMS[self.form][1]


@dataclass(frozen=True)
class Scene:
    caption: str
    parts: tuple[Part, ...]


def make_scene(rng: random.Random, parts: int | None = None) -> Scene:
    """With one part, or with a second one under the first; None: either."""
    parts = parts or rng.choice((1, 1, 2))
    made = [_part(rng) for _ in range(parts)]
    captions = [_caption(rng, part) for part in made]
    if parts == 1:
        return Scene(captions[0], tuple(made))
    return Scene(f"{captions[0]} {rng.choice(('on', 'on top of'))} {captions[1]}", _stacked(made))


def _part(rng: random.Random) -> Part:
    return Part(
        rng.randrange(len(KINDS)),
        rng.choice(("", "", *FORMS)),
        rng.choice(("", "", *SIZES)),
        rng.randrange(len(COLOURS)) if rng.random() < 0.93 else len(COLOURS),
    )


def _stacked(made: list[Part]) -> tuple[Part, ...]:
    """The first on the second, both made smaller; they meet a little inside one another."""
    top, base = (replace(part, scale=0.62) for part in made)
    meet = 0.04
    height = top.up() + top.down() + base.up() + base.down() - meet
    base = replace(base, lift=-height / 2 + base.down())
    return replace(top, lift=height / 2 - top.up()), base


def _caption(rng: random.Random, part: Part) -> str:
    colour = [*COLOURS, ""][part.colour]
    words = [part.size, part.form, colour]
    if rng.random() < 0.2:
        rng.shuffle(words)
    said = " ".join(word for word in (*words, rng.choice(KINDS[part.kind].words)) if word)
    if rng.random() < 0.9:
        said = f"{'an' if said[0] in 'aeiou' else 'a'} {said}"
    return said


def distances(part: Part, points: torch.Tensor) -> torch.Tensor:
    """Near its surface the true distance, (n,): the formula's value over how fast it grows."""
    stretch = torch.tensor(part.stretch())
    kind = KINDS[part.kind]

    def value(at: torch.Tensor) -> torch.Tensor:
        return kind.formula((at - torch.tensor((0, part.lift, 0))) / stretch)

    small = 1e-3
    around = [small * each for each in torch.eye(3)]
    here = value(points)
    growth = torch.stack([(value(points + step) - here) / small for step in around], -1)
    return here / growth.norm(dim=-1).clamp(min=0.3)


# --- the parts of the model


def make_tokenizer() -> BertTokenizer:
    """Whole words, and single letters so that anything can be spelt."""
    letters = [chr(each) for each in range(33, 127)]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters]
    tokens += ["##" + letter for letter in letters]
    vocabulary = {token: at for at, token in enumerate(dict.fromkeys(tokens))}
    return BertTokenizer(vocab=vocabulary, do_lower_case=True, model_max_length=24)


def make_text_encoder(tokenizer: BertTokenizer) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=FORM.code,
        intermediate_size=2 * FORM.code,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=tokenizer.model_max_length,
        projection_dim=FORM.code,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


class Field(torch.nn.Module):
    """The tensors of an `ImplicitField`, to be trained."""

    def __init__(self) -> None:
        super().__init__()
        self.names = list(FORM.shapes())
        self.tensors = torch.nn.ParameterList(
            torch.randn(shape) * _spread(name, shape) for name, shape in FORM.shapes().items()
        )

    def field(self) -> ImplicitField:
        return ImplicitField(self.named(), FORM)

    def named(self) -> dict[str, torch.Tensor]:
        return dict(zip(self.names, self.tensors, strict=True))


def _spread(name: str, shape: tuple[int, ...]) -> float:
    if name.endswith("bias"):
        return 0.0
    return {"bend.weight": 0.3, "layer0.weight": 1.4}.get(name, 1.2) / shape[1] ** 0.5


# --- the recipe


def train(run: Run, peak: float = 2e-3) -> None:
    torch.manual_seed(run.seed)
    tokenizer = make_tokenizer()
    encoder, field = make_text_encoder(tokenizer).to(run.device), Field().to(run.device)
    both = torch.nn.ModuleList((encoder, field))
    # What ships is a running mean: single steps are noisy at this learning rate.
    mean = torch.optim.swa_utils.AveragedModel(
        both, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99)
    )
    optimizer = torch.optim.AdamW(both.parameters(), lr=peak, betas=(0.9, 0.99), weight_decay=0.01)
    parts = {"both": both, "mean": mean, "optimizer": optimizer}
    stage = Stage(run, "field", STEPS, parts)
    paints = torch.tensor(PAINTS, device=run.device) / 255
    for step in stage:
        set_rate(optimizer, cosine(step.share, peak))
        scenes = [make_scene(step.rng) for _ in range(CAPTIONS)]
        points, true, there = (each.to(run.device) for each in _questions(scenes))
        words = _words(tokenizer, [scene.caption for scene in scenes])
        words = {name: each.to(run.device) for name, each in words.items()}
        with torch.autocast(run.device, torch.bfloat16):
            solids = field.field().solids(encoder(**words).pooler_output)
            said = [field.field().distances(points, solids, at) for at in range(FORM.parts)]
        said = torch.stack(said, 1).float()
        said, true = (each.clamp(-FORM.reach, FORM.reach) / FORM.reach for each in (said, true))
        # Where the surface is matters most.
        error = (said - true).abs() * (1.2 - true.abs())
        of_distances = (error.mean(-1) * there).sum() / there.sum()
        colours = torch.stack(
            [paints[[part.colour for part in _padded(scene)]] for scene in scenes]
        )
        of_colours = ((solids.colours.float() - colours) ** 2).mean(-1)
        of_colours = (of_colours * there).sum() / there.sum()
        of_presence = F.binary_cross_entropy_with_logits(solids.there.float(), there)
        descend(of_distances + 3 * of_colours + 0.2 * of_presence, both.parameters(), optimizer)
        mean.update_parameters(both)
        stage.note(distances=of_distances, colours=of_colours, presence=of_presence)
    encoder, field = mean.module
    encoder.cpu().half().save_pretrained(run.out / "text_encoder")
    tokenizer.save_pretrained(run.out / "tokenizer")
    (run.out / "field").mkdir(exist_ok=True)
    tensors = {name: each.detach().cpu().half() for name, each in field.named().items()}
    save_file(tensors, run.out / "field" / "model.safetensors")
    (run.out / "field" / "config.json").write_text(json.dumps(asdict(FORM), indent=2) + "\n")
    (run.out / "taught.txt").write_text(" ".join(WORDS) + "\n")


def _padded(scene: Scene) -> list[Part]:
    return [*scene.parts, *(scene.parts[0],) * (FORM.parts - len(scene.parts))]


def _questions(scenes: list[Scene]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Points (scenes, points, 3), their true distances to each part (scenes, parts, points), and
    which parts there are (scenes, parts).
    """
    points, true = [], []
    there = torch.zeros(len(scenes), FORM.parts)
    for at, scene in enumerate(scenes):
        there[at, : len(scene.parts)] = 1
        asked = (torch.rand(CANDIDATES, 3) * 2 - 1) * 1.05 * FORM.extent
        answers = torch.stack([distances(part, asked) for part in _padded(scene)])
        near = answers.abs().amin(0)
        chosen = torch.multinomial((-near / 0.04).exp() + 0.08, POINTS)
        points.append(asked[chosen])
        true.append(answers[:, chosen])
    return torch.stack(points), torch.stack(true), there


def _words(tokenizer: BertTokenizer, captions: list[str]) -> dict[str, torch.Tensor]:
    words = tokenizer(captions, padding=True, truncation=True, return_tensors="pt")
    return {name: words[name] for name in ("input_ids", "attention_mask")}


# --- the evaluation


def filled(vertices: np.ndarray, faces: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Which points of the grid axis × axis × axis a closed surface holds: those below which, along
    y, it is crossed an odd number of times.
    """
    step = axis[1] - axis[0]
    corners = vertices[faces]
    # A hair aside, so that no line of points goes through a corner.
    x, y, z = np.moveaxis(corners, -1, 0) + np.array((1.3e-5, 0, 2.7e-5))[:, None, None]
    first_x, first_z = (np.ceil((each.min(1) - axis[0]) / step).astype(int) for each in (x, z))
    crossings = np.zeros((len(axis),) * 2 + (len(axis) + 1,), int)
    spans = [int(np.ceil((each.max(1) - each.min(1)).max() / step)) + 1 for each in (x, z)]
    for dx in range(spans[0]):
        for dz in range(spans[1]):
            column, row = first_x + dx, first_z + dz
            at_x, at_z = (axis[0] + each * step for each in (column, row))
            weights, area = [], 0.0
            for one, two in ((1, 2), (2, 0), (0, 1)):
                weight = (x[:, one] - at_x) * (z[:, two] - at_z)
                weight = weight - (x[:, two] - at_x) * (z[:, one] - at_z)
                weights.append(weight)
                area = area + weight
            inside = np.all([w > 0 for w in weights], 0) | np.all([w < 0 for w in weights], 0)
            inside &= (column >= 0) & (column < len(axis)) & (row >= 0) & (row < len(axis))
            share = np.array(weights)[:, inside] / area[inside]
            height = (share * y[inside].T).sum(0)
            above = np.clip(np.ceil((height - axis[0]) / step).astype(int), 0, len(axis))
            np.add.at(crossings, (column[inside], row[inside], above), 1)
    odd = crossings.cumsum(-1)[..., :-1] % 2 == 1
    return odd.transpose(0, 2, 1)


def judge(scene: Scene, vertices: np.ndarray, faces: np.ndarray, paints: np.ndarray) -> tuple:
    """(the shared part of mesh and formula, the share of the surface with the right colour);
    `paints` are the vertices' colours, sRGB to 255.
    """
    axis = (np.arange(64) + 0.5) / 32 - 1
    grid = torch.from_numpy(np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)).float()
    true = torch.stack([distances(part, grid.view(-1, 3)) for part in scene.parts])
    solid = (true.amin(0) < 0).view(64, 64, 64).numpy()
    mesh = filled(vertices, faces, axis)
    shared = (solid & mesh).sum() / max(1, (solid | mesh).sum())
    at = torch.from_numpy(vertices).float()
    nearest = torch.stack([distances(part, at) for part in scene.parts]).argmin(0).numpy()
    wanted = np.array([part.colour for part in scene.parts])[nearest]
    palette = np.array(PAINTS, float)
    got = ((paints[:, None].astype(float) - palette) ** 2).sum(-1).argmin(-1)
    return float(shared), float((got == wanted).mean())


def evaluate(folder: Path, seed: int, count: int, resolution: int = 64) -> dict[str, float]:
    """Files made from `count` captions of one solid, and half as many of one on another."""
    sys.path.append(str(RUNNERS))  # where runners find what they share
    from text_to_solid import Maker

    maker = Maker(str(folder))
    rng = random.Random(f"solid {seed}")
    figures: dict[str, float] = {}
    closed = []
    for name, parts, many in (("", 1, count), ("two: ", 2, count // 2)):
        judged = []
        for _ in range(many):
            scene = make_scene(rng, parts)
            made = maker.made(scene.caption, resolution)
            closed.append(made.is_watertight)
            judged.append(judge(scene, made.vertices, made.faces, made.paints))
        forms = [shared >= 0.9 for shared, _ in judged]
        colours = [right >= 0.95 for _, right in judged]
        figures |= {
            f"{name}form and colour right": np.mean(np.logical_and(forms, colours)),
            f"{name}form right": np.mean(forms),
            f"{name}colour right": np.mean(colours),
            f"{name}space shared": np.mean([shared for shared, _ in judged]),
        }
    figures["watertight"] = np.mean(closed)
    return {name: round(float(value), 3) for name, value in figures.items()}


if __name__ == "__main__":
    main(__doc__, "solid", train, evaluate, count=100)
