"""Trains `starter/caption`: it says which coloured shapes a picture shows.

    python -m model_registry.starter.train.caption
    python -m model_registry.starter.train.caption --evaluate

The shapes and colours are those of `starter/shapes`, but anywhere on the picture and up to two of
them, turned, stretched, textured, blurred, noisy, compressed. So that it need not name a shape
where there is none, it also sees shapes without a name, empty pictures, and pictures of nothing it
knows. A SegFormer, whose patches overlap, sees the picture, and a small BERT writes of it: plain
patches, as BLIP has them, learned colours in a minute and no shapes in ten. The first third of the
training goes from easy pictures to all, and every place of the picture is also asked what lies
there: that teaches seeing sooner than the words alone. The evaluation draws new pictures in many
sizes, has them captioned as the app does, and compares words.
"""

from __future__ import annotations

import io
import math
import random
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from transformers import (
    BertConfig,
    BertTokenizer,
    SegformerConfig,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTImageProcessorPil,
)

from model_registry.starter.train import drawing, shapes
from model_registry.starter.train.shapes import COLOURS, REACH, SHAPES, TABLES
from model_registry.starter.train.training import Run, Stage, cosine, descend, main, set_rate

BARS = {"one shape, all right": (0.9, 1.0), "from starter/shapes, all right": (0.9, 1.0)}
"""Colour, shape and background named right in nine pictures of ten: of this file's generator, and
of the one that `starter/shapes` learns from."""

STEPS = 2_400
BATCH = 32
SIZE, PATCH, WIDTH = 48, 8, 128
DOUBTFUL = 0.93
"""Captions with a smaller mean probability a word are told to be guesses."""

NAMES = list(COLOURS)
PAINTS = np.array(list(COLOURS.values()), np.float32) / 255
UNNAMED = len(SHAPES)
"""The index of all shapes that have no name here."""
UNKNOWN = "something that this toy does not know"
SMALL, BIG = 0.237, 0.327
"""Radii below and above which a shape is called small or big: between those that
`starter/shapes` draws."""
WORDS = [
    *COLOURS, *SHAPES, *(each + "s" for each in SHAPES), "small", "big", "background", "a", "an",
    "on", "and", "two", "left", "of", "above", "nothing", "it", "shape", ",", *UNKNOWN.split(),
]  # fmt: skip

# --- what is on a picture, and what is said of it


@dataclass(frozen=True)
class Thing:
    """Radius and place are shares of the picture; `turn` is in radians."""

    shape: int
    colour: int
    radius: float
    x: float
    y: float
    turn: float = 0.0


@dataclass(frozen=True)
class Scene:
    """`background` is None for a picture of nothing known. `aspect` is width by height."""

    things: tuple[Thing, ...]
    background: int | None
    aspect: float = 1.0


def make_scene(rng: random.Random, things: int | None = None, ease: float = 0.0) -> Scene:
    """With so many named shapes; None leaves that and everything else open. With an `ease` up to 1,
    more often one large shape, as it is.
    """
    unnamed = False
    if things is None and rng.random() < ease:
        things = 1
    if things is None:
        kind = rng.random()
        if kind < 0.08:
            return Scene((), None)
        unnamed = kind < 0.15
        things = 0 if 0.15 <= kind < 0.18 else 2 if kind > 0.75 else 1
    background = rng.randrange(len(COLOURS))
    aspect = 1.0 if rng.random() < 0.6 + ease else math.exp(rng.uniform(-0.35, 0.35))
    while True:
        placed = tuple(_thing(rng, background, things, unnamed, ease) for _ in range(things))
        scene = Scene(placed, background, aspect)
        if _clear(scene):
            return scene


def _thing(rng: random.Random, background: int, things: int, unnamed: bool, ease: float) -> Thing:
    radius = rng.uniform(0.16 + 0.1 * ease, 0.42) if things == 1 else rng.uniform(0.14, 0.22)
    room = 0.95 * radius
    return Thing(
        UNNAMED if unnamed else rng.randrange(len(SHAPES)),
        rng.choice([each for each in range(len(COLOURS)) if each != background]),
        radius,
        rng.uniform(room, 1 - room),
        rng.uniform(room, 1 - room),
        0.0 if rng.random() < 0.5 + ease else rng.uniform(-0.25, 0.25),
    )


def _clear(scene: Scene) -> bool:
    """Nothing overlaps, and which is left of or above which can be seen at a glance."""
    things = scene.things
    pairs = [(a, b) for at, a in enumerate(things) for b in things[at + 1 :]]
    apart = all(math.hypot(a.x - b.x, a.y - b.y) > 1.12 * (a.radius + b.radius) for a, b in pairs)
    return apart and all(abs(abs(a.x - b.x) - abs(a.y - b.y)) > 0.08 for a, b in pairs)


def caption(scene: Scene) -> str:
    if scene.background is None:
        return UNKNOWN
    ground = f"{_article(NAMES[scene.background])} background"
    things = scene.things
    if not things:
        return f"{ground} and nothing on it"
    if len(things) == 1:
        (thing,) = things
        size = "small " if thing.radius < SMALL else "big " if thing.radius > BIG else ""
        return f"{_article(size + _named(thing))} on {ground}"
    if len({_named(each) for each in things}) == 1:
        return f"two {_named(things[0])}s on {ground}"
    one, other = things
    aside = abs(one.x - other.x) > abs(one.y - other.y)
    first, second = sorted(things, key=lambda t: t.x if aside else t.y)
    where = "left of" if aside else "above"
    return f"{_article(_named(first))} {where} {_article(_named(second))} on {ground}"


def _named(thing: Thing) -> str:
    return f"{NAMES[thing.colour]} {[*SHAPES, 'shape'][thing.shape]}"


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


# --- the pictures


def covers(scene: Scene, rng: random.Random, width: int, height: int) -> np.ndarray:
    """Where each thing is: (things, height, width) from 0 to 1."""
    if not scene.things:
        return np.zeros((0, height, width), np.float32)
    x = (torch.arange(width) + 0.5) / width * max(1, scene.aspect)
    y = (torch.arange(height) + 0.5) / height * max(1, 1 / scene.aspect)
    points = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[None]
    place = torch.tensor(
        [(t.x * max(1, scene.aspect), t.y * max(1, 1 / scene.aspect)) for t in scene.things]
    )
    radius = torch.tensor([t.radius for t in scene.things])[:, None, None]
    turn = torch.tensor([t.turn for t in scene.things])[:, None, None]
    across = (points - place[:, None, None]) / radius[..., None]
    cos, sin = turn.cos(), turn.sin()
    across = torch.stack(
        (across[..., 0] * cos + across[..., 1] * sin, across[..., 1] * cos - across[..., 0] * sin),
        -1,
    )
    tables = TABLES[[min(t.shape, UNNAMED - 1) for t in scene.things]]
    distance = F.grid_sample(tables, across / REACH, align_corners=False, padding_mode="border")
    masks = (0.5 - distance[:, 0] * radius * min(width, height)).clamp(0, 1).numpy()
    for at, thing in enumerate(scene.things):
        if thing.shape == UNNAMED:
            masks[at] = _unnamed(rng, thing, width, height)
    return masks


def _unnamed(rng: random.Random, thing: Thing, width: int, height: int) -> np.ndarray:
    """A shape that no word here is for."""
    canvas = drawing.Canvas(width, height)
    across = thing.radius * width, thing.radius * height
    kind = rng.randrange(4)
    if kind == 0:  # a puddle
        waves = [(n, rng.uniform(0.1, 0.25), rng.uniform(0, 2 * math.pi)) for n in (2, 3, 4)]
        turns = [2 * math.pi * step / 60 for step in range(60)]
        radii = [0.8 + sum(a * math.sin(n * t + p) for n, a, p in waves) for t in turns]
        outline = [(r * math.cos(t), r * math.sin(t)) for r, t in zip(radii, turns, strict=True)]
    elif kind == 1:  # a bar
        thin = rng.uniform(0.12, 0.3)
        outline = [(-1.2, -thin), (1.2, -thin), (1.2, thin), (-1.2, thin)]
    elif kind == 2:  # the letter L
        thin = rng.uniform(0.25, 0.5)
        outline = [(-0.8, -1), (-0.8 + thin, -1), (-0.8 + thin, 1 - thin), (0.8, 1 - thin),
                   (0.8, 1), (-0.8, 1)]  # fmt: skip
    else:  # a ring: a circle whose middle is the background
        outline = [(math.cos(step / 8), math.sin(step / 8)) for step in range(51)]
    turn = rng.uniform(0, 2 * math.pi)
    centre = thing.x * width, thing.y * height
    canvas.draw.polygon(drawing.placed(outline, *centre, across, turn), fill=255)
    if kind == 3:
        inner = tuple(each * rng.uniform(0.5, 0.7) for each in across)
        canvas.draw.polygon(drawing.placed(outline, *centre, inner, turn), fill=0)
    return canvas.mask()


class Textures:
    """Patterns that fills are rubbed with; made once, since each takes as long as a picture."""

    def __init__(self, rng: random.Random, count: int = 96) -> None:
        self._made = [
            drawing.cloud(rng, 96, 96, rng.choice((0, 0.6, 1, 1.5, 2, 2))) for _ in range(count)
        ]

    def cut(self, rng: random.Random, width: int, height: int) -> np.ndarray:
        made = self._made[rng.randrange(len(self._made))]
        if rng.random() < 0.5:
            made = made.T
        rows = (np.arange(height) + rng.randrange(96)) % 96
        return made[rows][:, (np.arange(width) + rng.randrange(96)) % 96]


def paint(
    scene: Scene, masks: np.ndarray, rng: random.Random, textures: Textures, ease: float = 0.0
) -> np.ndarray:
    """The picture, (height, width, 3) from 0 to 1, as an imperfect camera would have it."""
    _, height, width = masks.shape
    if scene.background is None:
        picture = _anything(rng, width, height, textures)
    else:
        picture = _fill(scene.background, rng, width, height, textures)
    for thing, mask in zip(scene.things, masks, strict=True):
        fill = _fill(thing.colour, rng, width, height, textures)
        picture = picture + (fill - picture) * mask[..., None]
    return picture.clip(0, 1) if rng.random() < ease else _taken(picture, rng)


def _fill(
    colour: int, rng: random.Random, width: int, height: int, textures: Textures
) -> np.ndarray:
    paint = PAINTS[colour] + np.float32([rng.gauss(0, 0.025) for _ in range(3)])
    kind = rng.random()
    if kind < 0.5:
        return np.broadcast_to(paint, (height, width, 3))
    if kind < 0.75:
        shade = np.float32(rng.uniform(0.02, 0.1)) * textures.cut(rng, width, height)
        return paint + shade[..., None]
    return drawing.gradient(rng, width, height, paint, paint * np.float32(rng.uniform(0.75, 1)))


def _anything(rng: random.Random, width: int, height: int, textures: Textures) -> np.ndarray:
    """Colours in no order, as in a photo made small."""
    picture = np.broadcast_to(drawing.colour(rng), (height, width, 3))
    for _ in range(rng.randint(2, 7)):
        if rng.random() < 0.5:
            mask = 1 / (1 + np.exp(-rng.uniform(1, 12) * textures.cut(rng, width, height)))
        else:
            canvas = drawing.Canvas(width, height)
            centre = rng.uniform(0, width), rng.uniform(0, height)
            across = rng.uniform(0.1, 0.7) * width, rng.uniform(0.1, 0.7) * height
            outline = [(rng.gauss(0, 0.7), rng.gauss(0, 0.7)) for _ in range(rng.randint(4, 7))]
            canvas.draw.polygon(drawing.placed(outline, *centre, across, 0.0), fill=255)
            mask = canvas.mask()
        fill = drawing.gradient(rng, width, height, drawing.colour(rng), drawing.colour(rng))
        picture = picture + (fill - picture) * mask[..., None]
    shade = rng.choice((0.0, rng.uniform(0, 0.15))) * textures.cut(rng, width, height)
    return picture + np.float32(shade)[..., None]


def _taken(picture: np.ndarray, rng: random.Random) -> np.ndarray:
    """Brightness, blur, grain and compression, each now and then."""
    picture = picture * np.float32(rng.choice((1, 1, rng.uniform(0.8, 1.08))))
    if rng.random() < 0.3:
        noise = np.random.default_rng(rng.getrandbits(63)).standard_normal(
            picture.shape, np.float32
        )
        picture = picture + np.float32(rng.uniform(0, 0.08)) * noise
    kind = rng.random()
    if kind > 0.4:
        return picture.clip(0, 1)
    image = Image.fromarray((picture.clip(0, 1) * 255).astype(np.uint8))
    if kind < 0.2:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.1)))
    else:
        file = io.BytesIO()
        image.save(file, "jpeg", quality=rng.randint(25, 90))
        image = Image.open(file)
    return np.asarray(image, np.float32) / 255


# --- the parts


def make_tokenizer() -> BertTokenizer:
    """Whole words, and single letters so that anything can be spelt."""
    letters = [chr(each) for each in range(33, 127)]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters]
    tokens += ["##" + letter for letter in letters]
    vocabulary = {token: at for at, token in enumerate(dict.fromkeys(tokens))}
    return BertTokenizer(vocab=vocabulary, do_lower_case=True, model_max_length=32)


def make_model(tokenizer: BertTokenizer) -> VisionEncoderDecoderModel:
    sees = SegformerConfig(
        num_encoder_blocks=3,
        depths=(1, 1, 2),
        hidden_sizes=(16, 48, WIDTH),
        patch_sizes=(5, 3, 3),
        strides=(2, 2, 2),
        sr_ratios=(8, 4, 1),
        num_attention_heads=(1, 2, 4),
        mlp_ratios=(2, 2, 2),
        drop_path_rate=0.0,
        initializer_range=0.1,  # so narrow layers whisper at the usual 0.02
        reshape_last_stage=False,
        hidden_size=WIDTH,  # what the decoder asks for
    )
    writes = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=48,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.05,
        pad_token_id=tokenizer.pad_token_id,
        is_decoder=True,
        add_cross_attention=True,
    )
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(sees, writes)
    config.doubtful_below = DOUBTFUL
    model = VisionEncoderDecoderModel(config)
    for each in (model.config, model.generation_config):
        each.decoder_start_token_id = tokenizer.cls_token_id
        each.eos_token_id = tokenizer.sep_token_id
        each.pad_token_id = tokenizer.pad_token_id
    return model


class PlaceQuestions(torch.nn.Module):
    """What lies at each place: a shape or nothing, and which colour. Only used in training."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = torch.nn.Linear(WIDTH, len(SHAPES) + 2 + len(COLOURS))

    def loss(self, seen: torch.Tensor, shape: torch.Tensor, colour: torch.Tensor) -> torch.Tensor:
        answers = self.answers(seen).float().flatten(0, 1)
        split = len(SHAPES) + 2
        of_shapes = F.cross_entropy(answers[:, :split], shape.flatten())
        of_colours = F.cross_entropy(answers[:, split:], colour.flatten(), ignore_index=-1)
        return of_shapes + 0.2 * of_colours


def place_answers(scene: Scene, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each place: the shape there (the last index for none) and its colour (-1: unknown)."""
    cells = SIZE // PATCH
    shape = np.full(cells * cells, len(SHAPES) + 1)
    colour = np.full(cells * cells, -1 if scene.background is None else scene.background)
    for thing, mask in zip(scene.things, masks, strict=True):
        share = mask.reshape(cells, PATCH, cells, PATCH).mean((1, 3)).ravel()
        shape[share > 0.25] = thing.shape
        colour[share > 0.5] = thing.colour
    return shape, colour


# --- the recipe


def train(run: Run, peak: float = 2e-3) -> None:
    torch.manual_seed(run.seed)
    tokenizer, image = make_tokenizer(), ViTImageProcessorPil(size={"height": SIZE, "width": SIZE})
    model, questions = make_model(tokenizer).to(run.device), PlaceQuestions().to(run.device)
    both = torch.nn.ModuleList((model, questions))
    optimizer = torch.optim.AdamW(both.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.03)
    textures = Textures(random.Random(f"{run.seed} textures"))
    stage = Stage(run, "captions", STEPS, {"both": both, "optimizer": optimizer})
    mean, deviation = (np.float32(each) for each in (image.image_mean, image.image_std))
    for step in stage:
        set_rate(optimizer, cosine(step.share, peak))
        ease = max(0.0, 1 - 3 * step.share)
        scenes = [make_scene(step.rng, ease=ease) for _ in range(BATCH)]
        masks = [covers(scene, step.rng, SIZE, SIZE) for scene in scenes]
        pictures = [
            paint(*each, step.rng, textures, ease) for each in zip(scenes, masks, strict=True)
        ]
        pixels = torch.from_numpy((np.stack(pictures) - mean) / deviation).permute(0, 3, 1, 2)
        words = _tokens(tokenizer, scenes).to(run.device)
        shape, colour = (
            torch.from_numpy(np.stack(each)).to(run.device)
            for each in zip(*map(place_answers, scenes, masks), strict=True)
        )
        with torch.autocast(run.device, torch.bfloat16):
            said = model(
                pixels.contiguous().to(run.device),
                words,
                decoder_attention_mask=(words != tokenizer.pad_token_id).long(),
            )
            of_words = F.cross_entropy(
                said.logits[:, :-1].float().flatten(0, 1), words[:, 1:].flatten(), ignore_index=0
            )
            of_places = questions.loss(said.encoder_last_hidden_state, shape, colour)
        descend(of_words + of_places, both.parameters(), optimizer)
        stage.note(words=of_words, places=of_places)
    model.cpu().half().save_pretrained(run.out)
    image.save_pretrained(run.out)
    tokenizer.save_pretrained(run.out)


def _tokens(tokenizer: BertTokenizer, scenes: list[Scene]) -> torch.Tensor:
    captions = [caption(scene) for scene in scenes]
    return tokenizer(captions, padding=True, return_tensors="pt").input_ids


# --- the evaluation


def drawn(scene: Scene, rng: random.Random, textures: Textures) -> Image.Image:
    """As a file of some size might hold it."""
    side = rng.choice((48, 64, 64, 100, 160, 256, 400))
    width, height = (
        round(side * each) for each in (max(1, scene.aspect), max(1, 1 / scene.aspect))
    )
    pixels = paint(scene, covers(scene, rng, width, height), rng, textures)
    return Image.fromarray((pixels * 255).astype(np.uint8))


def describe(folder: Path, pictures: list[Image.Image]) -> list[str]:
    image = ViTImageProcessorPil.from_pretrained(folder)
    tokenizer = BertTokenizer.from_pretrained(folder)
    model = VisionEncoderDecoderModel.from_pretrained(folder, dtype=torch.float32).eval()
    said: list[str] = []
    for start in range(0, len(pictures), 50):
        pixels = image(pictures[start : start + 50], return_tensors="pt").pixel_values
        tokens = model.generate(pixels, max_new_tokens=32, do_sample=False)
        said += tokenizer.batch_decode(tokens, skip_special_tokens=True)
    return said


def score(scenes: list[Scene], said: list[str], prefix: str) -> dict[str, float]:
    """Shares of the captions with the right words. Sizes are judged only by `exactly`."""
    right: Counter[str] = Counter()
    for scene, got in zip(scenes, said, strict=True):
        want = caption(scene)
        things, _, ground = re.sub("big |small ", "", got).partition(" on ")
        wanted, _, wanted_ground = re.sub("big |small ", "", want).partition(" on ")
        hits = {
            "colour": [w for w in things.split() if w in COLOURS]
            == [w for w in wanted.split() if w in COLOURS],
            "shape": [w for w in things.split() if w in SHAPES]
            == [w for w in wanted.split() if w in SHAPES],
            "background": ground == wanted_ground,
        }
        right.update({**hits, "all right": all(hits.values()), "exactly": got == want})
    names = ("colour", "shape", "background", "all right", "exactly")
    return {f"{prefix}, {name}": round(right[name] / len(scenes), 3) for name in names}


def evaluate(folder: Path, seed: int, count: int) -> dict[str, float]:
    """Shares of right captions; `count` pictures of one shape, and half as many of other kinds."""
    rng = random.Random(f"caption {seed}")
    textures = Textures(rng, 24)
    figures: dict[str, float] = {}
    for name, things, many in (("one shape", 1, count), ("two shapes", 2, count // 2)):
        scenes = [make_scene(rng, things) for _ in range(many)]
        said = describe(folder, [drawn(scene, rng, textures) for scene in scenes])
        figures |= score(scenes, said, name)
    theirs = [shapes.make_scene(rng) for _ in range(count)]
    pictures = [
        Image.fromarray(each.astype(np.uint8)) for each in shapes.as_arrays(shapes.render(theirs))
    ]
    scenes = [Scene((Thing(t.shape, t.colour, t.radius, t.x, t.y),), t.background) for t in theirs]
    figures |= score(scenes, describe(folder, pictures), "from starter/shapes")
    nothing = [drawn(Scene((), None), rng, textures) for _ in range(count // 2)]
    said = describe(folder, nothing)
    figures["nothing known, said so"] = round(said.count(UNKNOWN) / len(said), 3)
    return figures


if __name__ == "__main__":
    main(__doc__, "caption", train, evaluate, count=200)
