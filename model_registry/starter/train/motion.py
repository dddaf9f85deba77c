"""Trains `starter/motion`: a very small AnimateDiff that moves one shape over a background.

    python -m model_registry.starter.train.motion
    python -m model_registry.starter.train.motion --evaluate

It begins with the weights of `starter/shapes`, so train that one first: its autoencoder stays as it
is, its words get company (moving, left, growing, …), and layers that look along time are put into
its denoiser. All of it then learns on clips that are rendered here. The evaluation draws clips from
captions and follows, without any network, where the shape goes.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import (
    AnimateDiffPipeline,
    AutoencoderTiny,
    MotionAdapter,
    StableDiffusionPipeline,
    UNet2DConditionModel,
    UNetMotionModel,
)
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import CLIPTokenizer

from model_registry.starter.train import shapes
from model_registry.starter.train.shapes import COLOURS, SHAPES, Scene
from model_registry.starter.train.training import (
    STARTERS,
    Run,
    Stage,
    cosine,
    descend,
    main,
    set_rate,
)

BARS = {"direction": (0.8, 1.0)}
"""Of the clips whose captions name a direction, those where the shape goes that way."""

START = STARTERS / "shapes"
STEPS = 3_000
POOL = 3_072
"""Clips, encoded once; each is used forwards and backwards."""

# --- the clips

FRAMES = 8
RADII = {"small": 0.15, "": 0.2, "big": 0.26}
DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
MOTIONS = [*DIRECTIONS, "growing", "shrinking", "still"]
BACKWARDS = dict(
    zip(MOTIONS, ["right", "left", "down", "up", "shrinking", "growing", "still"], strict=True)
)
FORWARDS = ("left", "up", "growing", "still")
ONE_WAY = 0.25
"""The share of the training in which nothing runs backwards. From the start with both ways, which
are mirrors of each other, the model learned to move along the right line and never which way: what
tells the first frame from the last, and what tells left from right, each mean nothing without the
other.
"""
WORDS = ["moving", "going", "to", "the", *DIRECTIONS, "growing", "shrinking", "still"]
"""What `starter/shapes` was not taught."""


@dataclass(frozen=True)
class Clip:
    """A captioned clip. `scene` is its shape and colours; the path is straight, `x`, `y` and the
    radius go from their first to their last value. Its parts of a caption are put together for
    forwards and for backwards.
    """

    scene: Scene
    motion: str
    first: tuple[float, float, float]
    last: tuple[float, float, float]
    thing: str
    ground: str
    form: int

    @property
    def caption(self) -> str:
        way = self.motion
        phrases = [f" moving {way}"] * 4 + [f" going {way}"] + [f" moving to the {way}"]
        if way in ("up", "down"):
            phrases[-1] = phrases[0]
        if way not in DIRECTIONS:
            phrases = [f" {way}"] * 6 if way != "still" else ["", "", "", " still", "", ""]
        phrase = phrases[self.form % 6]
        if self.form >= 18:  # of 24
            return f"{self.thing}{self.ground}{phrase}"
        return f"{self.thing}{phrase}{self.ground}"

    def backwards(self) -> Clip:
        return replace(self, motion=BACKWARDS[self.motion], first=self.last, last=self.first)

    def frames(self) -> list[Scene]:
        ways = [number / (FRAMES - 1) for number in range(FRAMES)]
        values = [
            [a + way * (b - a) for a, b in zip(self.first, self.last, strict=True)] for way in ways
        ]
        return [replace(self.scene, x=x, y=y, radius=radius) for x, y, radius in values]


def make_clip(rng: random.Random) -> Clip:
    shape = rng.randrange(len(SHAPES))
    colour, background = rng.sample(range(len(COLOURS)), 2)
    motion = rng.choice(MOTIONS + list(DIRECTIONS))
    changes = motion in ("growing", "shrinking")
    size = "" if changes else rng.choice(("small", "", "", "big"))
    says_colour, says_background = rng.random() < 0.94, rng.random() < 0.92
    colours = list(COLOURS)
    words = (size, colours[colour] if says_colour else "", SHAPES[shape])
    thing = " ".join(word for word in words if word)
    if rng.random() < 0.95:
        thing = f"{'an' if thing[0] in 'aeiou' else 'a'} {thing}"
    article = "an" if colours[background][0] in "aeiou" else "a"
    ground = f" on {article} {colours[background]} background" if says_background else ""
    x, y = (0.5 + rng.uniform(-0.02, 0.02) for _ in range(2))
    radius = RADII[size] * (1 + rng.uniform(-0.05, 0.05))
    first, last = (x, y, radius), (x, y, radius)
    if motion in DIRECTIONS:
        reach = 0.46 - 1.1 * radius  # the points of a star stay inside
        right, down = (each * reach for each in DIRECTIONS[motion])
        first, last = (x - right, y - down, radius), (x + right, y + down, radius)
    elif changes:
        first, last = (x, y, 0.12), (x, y, 0.36)
        if motion == "shrinking":
            first, last = last, first
    scene = Scene("", shape, colour, background, radius, x, y, says_colour, says_background)
    return Clip(scene, motion, first, last, thing, ground, rng.randrange(24))


# --- the checker: what happens in a clip, found without any network


@dataclass(frozen=True)
class Seen:
    """What most frames show, where the shape goes, and how steadily: `stray` is the mean distance,
    in pixels, of the shape's middle from the straight path that fits best, `agree` the share of
    frames that show what most show.
    """

    shape: int
    colour: int
    background: int
    motion: str
    stray: float
    agree: float


def follow(frames: np.ndarray) -> Seen | None:
    """`frames` is (frames, h, w, 3) to 255; None if nothing stands out in most of them."""
    looks, places = [], []
    for number, frame in enumerate(frames):
        if (look := shapes.see(frame)) is None:
            continue
        palette = np.array(list(COLOURS.values()), float)
        way = palette[look[1]] - palette[look[2]]
        rows, columns = np.nonzero(((frame - palette[look[2]]) @ way) / (way @ way) > 0.5)
        looks.append(look)
        places.append((number, columns.mean(), rows.mean(), len(rows) ** 0.5))
    if len(looks) < 0.6 * len(frames):
        return None
    most = [Counter(each).most_common(1)[0][0] for each in zip(*looks, strict=True)]
    numbers, *tracks = np.array(places).T
    lines = [np.polyfit(numbers, track, 1) for track in tracks]
    right, down, wider = (line[0] * (len(frames) - 1) for line in lines)
    off = [track - np.polyval(line, numbers) for track, line in zip(tracks, lines, strict=True)]
    motion = "still"
    if max(abs(right), abs(down)) > 8:
        across = abs(right) > abs(down)
        motion = ("left", "right")[int(right > 0)] if across else ("up", "down")[int(down > 0)]
    elif abs(wider) > 6:
        motion = ("shrinking", "growing")[int(wider > 0)]
    agree = sum(list(look[1:]) == most[1:] for look in looks) / len(frames)
    return Seen(*most, motion, float(np.hypot(off[0], off[1]).mean()), agree)


def score(clips: list[Clip], drawn: list[np.ndarray]) -> dict[str, float]:
    """The shares of clips that show what their captions say."""
    hits: dict[str, list[bool]] = {}
    for clip, frames in zip(clips, drawn, strict=True):
        seen = follow(frames)
        scene = clip.scene
        right = {
            "direction" if clip.motion in DIRECTIONS else "other motion": seen is not None
            and seen.motion == clip.motion,
            "shape": seen is not None and seen.shape == scene.shape,
            "colour": seen is not None and (seen.colour == scene.colour or not scene.says_colour),
            "background": seen is not None
            and (seen.background == scene.background or not scene.says_background),
        }
        right["all right"] = all(right.values())
        right["steady"] = seen is not None and seen.agree == 1 and seen.stray < 1.5
        for name, hit in right.items():
            hits.setdefault(name, []).append(hit)
    return {name: round(sum(each) / len(each), 3) for name, each in sorted(hits.items())}


# --- the parts


def taught(tokenizer: CLIPTokenizer, words: list[str]) -> CLIPTokenizer:
    """The tokenizer with more words; the tokens that it has keep their numbers."""
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    vocabulary = dict(model["vocab"])
    merges = [tuple(pair) for pair in model["merges"]]
    for word in words:
        parts = [*word[:-1], word[-1] + "</w>"]
        for pair in merges:  # as they will be applied when text is read
            parts = shapes._joined(parts, pair)
        while len(parts) > 1:
            merges.append((parts[0], parts[1]))
            vocabulary.setdefault(parts[0] + parts[1], len(vocabulary))
            parts = shapes._joined(parts, merges[-1])
    return CLIPTokenizer(
        vocab=vocabulary,
        merges=merges,
        model_max_length=tokenizer.model_max_length,
        pad_token=tokenizer.pad_token,
    )


def make_denoiser(pictures: UNet2DConditionModel) -> UNetMotionModel:
    """The denoiser of pictures with layers along time where the picture is 8 × 8.

    They are made so that they change nothing at first, and that each frame looks at itself and
    knows its number: what the middle of the path is for one frame is its end for another.
    """
    config = pictures.config
    adapter = MotionAdapter(
        block_out_channels=tuple(config.block_out_channels),
        motion_layers_per_block=config.layers_per_block,
        motion_transformer_layers_per_block=(0, 1),
        motion_num_attention_heads=2,
        motion_norm_num_groups=config.norm_num_groups,
        motion_max_seq_length=FRAMES,
    )
    model = UNetMotionModel.from_unet2d(pictures, adapter)
    for name, module in model.named_modules():
        if name.split(".")[-2:-1] != ["motion_modules"]:
            continue
        torch.nn.init.zeros_(module.proj_out.weight)
        torch.nn.init.zeros_(module.proj_out.bias)
        for block in module.transformer_blocks:
            width = block.attn1.to_q.in_features
            for attention in (block.attn1, block.attn2):
                for layer in (attention.to_q, attention.to_k):
                    layer.weight.data = 0.5 * torch.eye(width)
            numbers = torch.nn.Parameter(_waves(width)[None])
            del block.pos_embed.pe
            block.pos_embed.pe = numbers  # learns on; saved under the name of the table it replaces
    return model


def _waves(width: int) -> torch.Tensor:
    """(frames, width): cosines that tell any two frames apart."""
    frame = (torch.arange(FRAMES) + 0.5)[:, None] / FRAMES
    return 2**0.5 * torch.cos(torch.pi * frame * (torch.arange(width) % FRAMES))


# --- the recipe


def train(run: Run) -> None:
    torch.manual_seed(run.seed)
    pipeline = make_pipeline()
    learn(run, pipeline)
    pipeline.to("cpu", torch.float16).save_pretrained(run.out)
    said = run.out / "vae" / "config.json"
    config = json.loads(said.read_text())
    config.pop("_name_or_path", None)  # where it lay on this machine is nobody's business
    said.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    (run.out / "taught.txt").write_text(" ".join(shapes.WORDS + WORDS) + "\n")


def make_pipeline() -> AnimateDiffPipeline:
    """All parts with the weights of the picture model, and layers along time that do nothing."""
    pictures = StableDiffusionPipeline.from_pretrained(START, dtype=torch.float32)
    tokenizer = taught(pictures.tokenizer, WORDS)
    pictures.text_encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    return AnimateDiffPipeline(
        vae=pictures.vae,
        text_encoder=pictures.text_encoder,
        tokenizer=tokenizer,
        unet=make_denoiser(pictures.unet),
        motion_adapter=None,
        scheduler=pictures.scheduler,
    )


def learn(run: Run, pipeline: AnimateDiffPipeline, batch: int = 12, peak: float = 1.2e-3) -> None:
    pipeline.vae.to(run.device, memory_format=torch.channels_last).requires_grad_(False)
    denoiser = pipeline.unet.to(run.device, memory_format=torch.channels_last).train()
    text_encoder = pipeline.text_encoder.to(run.device).train()
    both = torch.nn.ModuleList((text_encoder, denoiser))
    # The shipped weights are a running mean: single steps are noisy at this learning rate.
    mean = torch.optim.swa_utils.AveragedModel(both, multi_avg_fn=_follow_slowly)
    optimizer = torch.optim.AdamW(both.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    parts = {"both": both, "mean": mean, "optimizer": optimizer}
    stage = Stage(run, "denoiser", STEPS, parts)
    pool = encode_pool(run, pipeline.vae, pipeline.tokenizer)
    empty = _tokens(pipeline.tokenizer, [""]).to(run.device)
    alphas = pipeline.scheduler.alphas_cumprod.to(run.device)
    for step in stage:
        set_rate(optimizer, cosine(step.share, peak, warm=0.03))
        picked = _picked(pool, batch, 0.5 if step.share > ONE_WAY else 0.0)
        latents, weight, captions = (part.to(run.device) for part in picked)
        captions[torch.rand(batch) < 0.1] = empty  # what guidance leads away from
        # Where a shape goes is decided while there is mostly noise: that is practised first.
        power = 0.2 if step.share < 0.75 else 0.8
        times = (torch.rand(batch) ** power * len(alphas)).long().to(run.device)
        noise = torch.randn_like(latents)
        keep, add = (
            part.sqrt()[:, None, None, None, None] for part in (alphas[times], 1 - alphas[times])
        )
        with torch.autocast(run.device, torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            words = text_encoder(captions)[0].repeat_interleave(FRAMES, 0)
            predicted = denoiser(keep * latents + add * noise, times, words).sample
            error = (predicted.float() - (keep * noise - add * latents)) ** 2
            descend((weight * error).mean(), both.parameters(), optimizer)
        mean.update_parameters(both)
        stage.note(loss=error.mean(), at_shape=error[(weight > 1).expand_as(error)].mean())
    both.load_state_dict(mean.module.state_dict())


def _follow_slowly(mean: list[torch.Tensor], now: list[torch.Tensor], count: torch.Tensor) -> None:
    torch._foreach_lerp_(mean, now, 1 - min(0.996, (1 + int(count)) / (10 + int(count))))


def _picked(pool: tuple[torch.Tensor, ...], batch: int, turn: float) -> tuple[torch.Tensor, ...]:
    """Some of the pool's clips, the share `turn` of them running backwards."""
    latents, weights, captions = pool
    chosen, backwards = torch.randint(0, len(latents), (batch,)), torch.rand(batch) < turn
    turned = backwards[:, None, None, None, None]
    latents, weights = (
        torch.where(turned, part.flip(2), part)
        for part in (latents[chosen].float(), weights[chosen].float())
    )
    return latents, weights, captions[chosen, backwards.long()]


@torch.no_grad()
def encode_pool(
    run: Run, autoencoder: AutoencoderTiny, tokenizer: CLIPTokenizer
) -> tuple[torch.Tensor, ...]:
    """Of many clips: the latents, (n, channels, frames, h, w); how much each place counts, more
    where the shape is; the captions forwards and backwards as tokens, (n, 2, length).
    """
    rng = random.Random(f"{run.seed} pool")
    made = [make_clip(rng) for _ in range(max(64, round(POOL * min(1, 10 * run.part))))]
    clips = [each if each.motion in FORWARDS else each.backwards() for each in made]
    latents, weights = [], []
    for start in range(0, len(clips), 12):
        some = clips[start : start + 12]
        frames = shapes.render([scene for clip in some for scene in clip.frames()])
        back = shapes.PALETTE[[clip.scene.background for clip in some]]
        covered = (frames.unflatten(0, (-1, FRAMES)) - back[:, None, :, None, None]).abs().amax(2)
        near = F.max_pool2d((covered > 0.1).float(), 8, 4, 2)  # a place's own pixels and those near
        weights.append((1 + 2 * near)[:, None].half())
        with torch.autocast(run.device, torch.bfloat16):
            frames = frames.to(run.device, memory_format=torch.channels_last)
            encoded = autoencoder.encode(frames).latents.float() * autoencoder.config.scaling_factor
        latents.append(encoded.unflatten(0, (-1, FRAMES)).transpose(1, 2).cpu().half())
    captions = [_tokens(tokenizer, [c.caption, c.backwards().caption]) for c in clips]
    return torch.cat(latents), torch.cat(weights), torch.stack(captions)


def _tokens(tokenizer: CLIPTokenizer, captions: list[str]) -> torch.Tensor:
    padded = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt")
    return padded.input_ids


# --- the evaluation


def draw(
    folder: Path, captions: list[str], seed: int, steps: int = 20, guidance: float = 3.0
) -> list[np.ndarray]:
    """What the model in `folder` draws from captions, (frames, h, w, 3) to 255 each."""
    pipeline = AnimateDiffPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    drawn = []
    for number, caption in enumerate(captions):
        noise = torch.Generator().manual_seed(seed + number)
        frames = pipeline(
            caption,
            num_frames=FRAMES,
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=noise,
            output_type="np",
        ).frames[0]
        drawn.append(frames * 255.0)
    return drawn


def evaluate(folder: Path, seed: int, count: int) -> dict[str, float]:
    """The shares of `count` clips that show what their captions say."""
    rng = random.Random(seed)
    clips = [make_clip(rng) for _ in range(count)]
    return score(clips, draw(folder, [clip.caption for clip in clips], seed))


if __name__ == "__main__":
    main(__doc__, "motion", train, evaluate, count=100)
