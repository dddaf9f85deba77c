"""Trains `starter/shapes`: a very small Stable Diffusion that draws one shape on a background.

    python -m model_registry.starter.train.shapes
    python -m model_registry.starter.train.shapes --evaluate

Two stages: an autoencoder, whose reconstructions are the ceiling of what the model can draw and are
measured before the second stage is paid for; then text encoder and denoiser together on its
latents. Pictures and captions are made as training goes. The evaluation draws from captions and
looks, without any network, at what came out.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from model_registry.starter.train.training import Run, Stage, cosine, descend, main, set_rate

BARS = {"all right": (0.9, 1.0)}
"""Shape, colour and background as asked for, in nine pictures of ten."""

AUTOENCODER_STEPS = 2_400
DENOISER_STEPS = 11_000
POOL = 12_288
"""Pictures, encoded once: encoding is dear, and noise makes every look at one a new one."""

# --- the pictures

SIZE = 64
COLOURS = {
    "red": (222, 44, 44),
    "orange": (244, 140, 32),
    "yellow": (248, 216, 56),
    "green": (48, 164, 72),
    "blue": (44, 88, 214),
    "purple": (132, 60, 178),
    "black": (24, 24, 28),
    "white": (248, 248, 248),
}
RADII = {"small": 0.2, "": 0.28, "big": 0.38}
PALETTE = torch.tensor(list(COLOURS.values()), dtype=torch.float32) / 127.5 - 1


def _turning(
    corners: int, radii: tuple[float, ...], turn: float = 0.0
) -> list[tuple[float, float]]:
    """Points around the centre, the first one straight up, their distances from `radii` in turn."""
    angles = [turn + 2 * math.pi * corner / corners for corner in range(corners)]
    return [
        (radii[i % len(radii)] * math.sin(a), -radii[i % len(radii)] * math.cos(a))
        for i, a in enumerate(angles)
    ]


def _heart() -> list[tuple[float, float]]:
    turns = [2 * math.pi * i / 48 for i in range(48)]
    return [
        (
            0.95 * math.sin(t) ** 3,
            -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 16
            - 0.1,
        )
        for t in turns
    ]


def _cross(arm: float = 0.32, reach: float = 0.95) -> list[tuple[float, float]]:
    quarter = [(arm, -reach), (arm, -arm), (reach, -arm)]
    points = []
    for _ in range(4):
        points += quarter
        quarter = [(-y, x) for x, y in quarter]
    return points


OUTLINES = {
    "circle": _turning(64, (0.95,)),
    "square": _turning(4, (1.16,), math.pi / 4),
    "triangle": [(0.0, -1.0), (1.0, 0.8), (-1.0, 0.8)],
    "star": _turning(10, (1.15, 0.46)),
    "heart": _heart(),
    "cross": _cross(),
}
SHAPES = list(OUTLINES)
WORDS = [*COLOURS, *SHAPES, "small", "big", "background", "a", "an", "on"]
"""All that captions are made of: what the model is taught."""

GRID, REACH = (
    128,
    3.0,
)  # each outline's distance field is tabled over [-REACH, REACH] in both directions


def _distances(outline: list[tuple[float, float]]) -> torch.Tensor:
    """The signed distance to an outline (inside is negative) at every point of the table."""
    axis = (torch.arange(GRID) + 0.5) / GRID * 2 * REACH - REACH
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    nearest = torch.full((GRID, GRID), 1e9)
    inside = torch.zeros(GRID, GRID, dtype=torch.bool)
    for (ax, ay), (bx, by) in zip(outline, outline[1:] + outline[:1], strict=True):
        along = (
            ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2)
        ).clamp(0, 1)
        nearest = torch.minimum(
            nearest, torch.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay))
        )
        if ay != by:  # a ray to the right crosses this edge: inside and outside change places
            inside ^= ((ay > y) != (by > y)) & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    return torch.where(inside, -nearest, nearest)


TABLES = torch.stack([_distances(outline) for outline in OUTLINES.values()])[:, None]


@dataclass(frozen=True)
class Scene:
    """One captioned picture. Colours and shapes are indices; a caption may leave a colour open."""

    caption: str
    shape: int
    colour: int
    background: int
    radius: float
    x: float
    y: float
    says_colour: bool = True
    says_background: bool = True


def make_scene(rng: random.Random) -> Scene:
    shape = rng.randrange(len(SHAPES))
    colour, background = rng.sample(range(len(COLOURS)), 2)
    size = rng.choice(("small", "", "", "big"))
    says_colour, says_background = rng.random() < 0.92, rng.random() < 0.9
    colours = list(COLOURS)
    thing = " ".join(
        word for word in (size, colours[colour] if says_colour else "", SHAPES[shape]) if word
    )
    if rng.random() < 0.9:
        thing = f"{'an' if thing[0] in 'aeiou' else 'a'} {thing}"
    if says_background:
        ground = colours[background]
        article = "an" if ground[0] in "aeiou" else "a"
        thing += rng.choice(
            (f" on {article} {ground} background",) * 4
            + (f" on {ground}", f", {ground} background")
        )
    jitter = lambda amount: rng.uniform(-amount, amount)  # noqa: E731
    return Scene(
        thing,
        shape,
        colour,
        background,
        RADII[size] * (1 + jitter(0.06)),
        0.5 + jitter(0.03),
        0.5 + jitter(0.03),
        says_colour,
        says_background,
    )


def render(scenes: list[Scene]) -> torch.Tensor:
    """The pictures, (n, 3, 64, 64) from -1 to 1, with soft edges one pixel wide."""
    place = torch.tensor([(s.x, s.y, s.radius) for s in scenes])
    axis = (torch.arange(SIZE) + 0.5) / SIZE
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    across = (torch.stack((x, y), -1)[None] - place[:, None, None, :2]) / place[:, None, None, 2:]
    tables = TABLES[[s.shape for s in scenes]]
    distance = F.grid_sample(tables, across / REACH, align_corners=False, padding_mode="border")
    cover = (0.5 - distance * place[:, 2, None, None, None] * SIZE).clamp(0, 1)
    front = PALETTE[[s.colour for s in scenes]][:, :, None, None]
    back = PALETTE[[s.background for s in scenes]][:, :, None, None]
    return back * (1 - cover) + front * cover


# --- the checker: what is on a picture, found without any network


def _framed(mask: np.ndarray, cells: int = 24) -> np.ndarray:
    """A mask cut to its bounding square and brought to one size: place and size do not matter."""
    rows, columns = np.nonzero(mask)
    half = max(np.ptp(rows), np.ptp(columns)) / 2 + 0.5
    steps = (np.arange(cells) + 0.5) / cells * 2 * half - half
    pick = [
        np.clip((steps + (at.min() + at.max() + 1) / 2).astype(int), 0, SIZE - 1)
        for at in (rows, columns)
    ]
    return mask[np.ix_(*pick)]


def see(picture: np.ndarray) -> tuple[int, int, int] | None:
    """(shape, colour, background) of an (h, w, 3) picture to 255; None if nothing stands out."""
    palette = np.array(list(COLOURS.values()), float)
    nearest = ((picture[:, :, None].astype(float) - palette) ** 2).sum(-1).argmin(-1)
    edge = np.concatenate((nearest[0], nearest[-1], nearest[:, 0], nearest[:, -1]))
    background = int(Counter(edge.tolist()).most_common(1)[0][0])
    mask = ((picture - palette[background]) ** 2).sum(-1) > 60**2
    if mask.sum() < 60:
        return None
    inner = Counter(nearest[mask].tolist())
    inner.pop(background, None)
    if not inner:
        return None
    colour = int(inner.most_common(1)[0][0])
    # Half-way between the two colours lies the edge.
    way = palette[colour] - palette[background]
    mask &= ((picture - palette[background]) @ way) / (way @ way) > 0.5
    if mask.sum() < 60:
        return None
    framed = _framed(mask)
    overlaps = [
        max((framed & t).sum() / (framed | t).sum() for t in templates)
        for templates in _templates()
    ]
    return int(np.argmax(overlaps)), colour, background


_TEMPLATES: list[list[np.ndarray]] = []


def _templates() -> list[list[np.ndarray]]:
    if not _TEMPLATES:
        for shape in range(len(SHAPES)):
            scenes = [Scene("", shape, 6, 7, radius, 0.5, 0.5) for radius in RADII.values()]
            _TEMPLATES.append([_framed((each.mean(0) < 0).numpy()) for each in render(scenes)])
    return _TEMPLATES


def score(scenes: list[Scene], pictures: list[np.ndarray]) -> dict[str, float]:
    """The shares of pictures that have what their captions say."""
    right: Counter[str] = Counter()
    for scene, picture in zip(scenes, pictures, strict=True):
        shape, colour, background = see(picture) or (-1, -1, -1)
        hits = {
            "shape": shape == scene.shape,
            "colour": colour == scene.colour or not scene.says_colour,
            "background": background == scene.background or not scene.says_background,
        }
        right.update({**hits, "all right": all(hits.values())})
    return {
        name: round(right[name] / len(scenes), 3)
        for name in ("shape", "colour", "background", "all right")
    }


def as_arrays(pictures: torch.Tensor) -> list[np.ndarray]:
    return list(((pictures.clamp(-1, 1) + 1) * 127.5).permute(0, 2, 3, 1).float().numpy())


# --- the parts


def make_autoencoder() -> AutoencoderTiny:
    return AutoencoderTiny(
        latent_channels=4,
        encoder_block_out_channels=(32, 32, 32),
        decoder_block_out_channels=(32, 32, 32),
        num_encoder_blocks=(1, 1, 2),
        num_decoder_blocks=(2, 2, 1),
    )


def make_tokenizer() -> CLIPTokenizer:
    """In CLIP's own format: single bytes, and merges that build each of our words from its left."""
    from tokenizers.pre_tokenizers import ByteLevel

    letters = sorted(ByteLevel.alphabet())
    vocabulary = letters + [letter + "</w>" for letter in letters]
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        parts = [*word[:-1], word[-1] + "</w>"]
        for (
            pair
        ) in merges:  # what earlier words already join comes first, as it will when text is read
            parts = _joined(parts, pair)
        while len(parts) > 1:
            merges.append((parts[0], parts[1]))
            vocabulary.append(parts[0] + parts[1])
            parts = _joined(parts, merges[-1])
    vocabulary = list(dict.fromkeys(vocabulary)) + ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={token: number for number, token in enumerate(vocabulary)},
        merges=merges,
        model_max_length=24,
        pad_token="<|endoftext|>",
    )


def _joined(parts: list[str], pair: tuple[str, str]) -> list[str]:
    joined: list[str] = []
    for part in parts:
        if joined and (joined[-1], part) == pair:
            joined[-1] += part
        else:
            joined.append(part)
    return joined


def make_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=tokenizer.model_max_length,
        projection_dim=128,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def make_denoiser() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=SIZE // 4,
        in_channels=4,
        out_channels=4,
        block_out_channels=(48, 96),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=128,
        attention_head_dim=2,
        norm_num_groups=16,
    )


def make_scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
    )


# --- the recipe


def train(run: Run) -> None:
    autoencoder = train_autoencoder(run)
    pipeline = train_denoiser(run, autoencoder)
    pipeline.to("cpu", torch.float16).save_pretrained(run.out)
    (run.out / "taught.txt").write_text(" ".join(WORDS) + "\n")


def train_autoencoder(run: Run, batch: int = 16, peak: float = 1.5e-3) -> AutoencoderTiny:
    torch.manual_seed(run.seed)
    model = make_autoencoder().to(run.device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.99), weight_decay=1e-4)
    stage = Stage(run, "autoencoder", AUTOENCODER_STEPS, {"model": model, "optimizer": optimizer})
    encode, decode = run.compiled(model.encoder), run.compiled(model.decoder)
    for step in stage:
        if step.share > 0.75:  # the latents stand; the decoder alone learns on
            model.encoder.requires_grad_(False)
        set_rate(optimizer, peak * min(1, (step.number + 1) / 50) * (1 - step.share) ** 0.8 + 1e-5)
        pictures = render([make_scene(step.rng) for _ in range(batch)])
        pictures = pictures.to(run.device, memory_format=torch.channels_last)
        # Edges are few pixels, and all that tells one shape from another.
        spread = F.max_pool2d(pictures, 5, 1, 2) + F.max_pool2d(-pictures, 5, 1, 2)
        weight = 1 + 4 * (spread.amax(1, keepdim=True) > 0.1)
        with torch.autocast(run.device, torch.bfloat16):
            latents = encode(pictures)
            redrawn = decode(latents + 0.05 * torch.randn_like(latents))
        error = redrawn.float() - pictures
        loss = (weight * (error.abs() + 2 * error**2)).mean() + 1e-3 * (latents.float() ** 2).mean()
        descend(loss, model.parameters(), optimizer)
        stage.note(loss=loss, squared_error=(error**2).mean())
    model.eval().requires_grad_(False)
    measure_ceiling(model, run)
    return model


@torch.no_grad()
def measure_ceiling(model: AutoencoderTiny, run: Run) -> None:
    """Sets the latents' scale, and prints what is right in the autoencoder's reconstructions."""
    rng = random.Random(f"{run.seed} ceiling")
    scenes = [make_scene(rng) for _ in range(300)]
    pictures = render(scenes).to(run.device)
    latents = model.encode(pictures).latents
    redrawn = model.decode(latents).sample
    model.register_to_config(scaling_factor=round(1 / latents.std().item(), 4))
    error = ((redrawn.clamp(-1, 1) - pictures) ** 2).mean().item()
    figures = score(scenes, as_arrays(redrawn.cpu()))
    print("ceiling:", figures, f"{10 * math.log10(4 / error):.1f} dB", flush=True)


def train_denoiser(
    run: Run, autoencoder: AutoencoderTiny, batch: int = 32, peak: float = 1.5e-3
) -> StableDiffusionPipeline:
    torch.manual_seed(run.seed)
    tokenizer, scheduler = make_tokenizer(), make_scheduler()
    text_encoder = make_text_encoder(tokenizer).to(run.device)
    denoiser = make_denoiser().to(run.device, memory_format=torch.channels_last)
    both = torch.nn.ModuleList((text_encoder, denoiser))
    # The shipped weights are a running mean: single steps are noisy at this learning rate.
    mean = torch.optim.swa_utils.AveragedModel(
        both, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998)
    )
    optimizer = torch.optim.AdamW(both.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    parts = {"both": both, "mean": mean, "optimizer": optimizer}
    stage = Stage(run, "denoiser", DENOISER_STEPS, parts)
    pool = encode_pool(run, autoencoder, tokenizer)
    empty = _words(tokenizer, [""]).to(run.device)
    alphas = scheduler.alphas_cumprod.to(run.device)
    for step in stage:
        set_rate(optimizer, cosine(step.share, peak))
        chosen = torch.randint(0, len(pool[0]), (batch,))
        latents, captions = (part[chosen].to(run.device) for part in pool)
        latents = latents.to(memory_format=torch.channels_last)
        captions[torch.rand(batch) < 0.1] = empty  # what guidance leads away from
        times = torch.randint(0, len(alphas), (batch,)).to(run.device)
        noise = torch.randn_like(latents)
        keep, add = (
            part.sqrt()[:, None, None, None] for part in (alphas[times], 1 - alphas[times])
        )
        # So few latents: plain attention is quicker there than the blockwise kernel. And never
        # compiled: on the CPU no gradient came back from there to the words.
        with torch.autocast(run.device, torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            noisy = keep * latents + add * noise
            predicted = denoiser(noisy, times, text_encoder(captions)[0]).sample
            loss = F.mse_loss(predicted.float(), keep * noise - add * latents)
            descend(loss, both.parameters(), optimizer)
        mean.update_parameters(both)
        stage.note(loss=loss)
    text_encoder, denoiser = mean.module
    return StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=denoiser,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


@torch.no_grad()
def encode_pool(
    run: Run, autoencoder: AutoencoderTiny, tokenizer: CLIPTokenizer
) -> tuple[torch.Tensor, torch.Tensor]:
    """The latents of many pictures, and their captions as tokens."""
    rng = random.Random(f"{run.seed} pool")
    scenes = [make_scene(rng) for _ in range(max(64, round(POOL * min(1, 10 * run.part))))]
    latents = []
    for start in range(0, len(scenes), 64):
        with torch.autocast(run.device, torch.bfloat16):
            pictures = render(scenes[start : start + 64])
            pictures = pictures.to(run.device, memory_format=torch.channels_last)
            latents.append(autoencoder.encode(pictures).latents.float().cpu())
    captions = _words(tokenizer, [caption_to_learn(scene, rng) for scene in scenes])
    return torch.cat(latents) * autoencoder.config.scaling_factor, captions


def caption_to_learn(scene: Scene, rng: random.Random) -> str:
    """Now and then a single word of what is there: what negative prompts are made of."""
    if rng.random() > 0.1:
        return scene.caption
    colours = list(COLOURS)
    ground = f"{colours[scene.background]} background"
    return rng.choice((colours[scene.colour], SHAPES[scene.shape], ground))


def _words(tokenizer: CLIPTokenizer, captions: list[str]) -> torch.Tensor:
    padded = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt")
    return padded.input_ids


# --- the evaluation


def draw(folder: Path, captions: list[str], seed: int, negative: str = "") -> list[np.ndarray]:
    """What the model in `folder` draws with its usual settings, (h, w, 3) to 255 each."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    drawn: list[np.ndarray] = []
    for start in range(0, len(captions), 16):
        some = captions[start : start + 16]
        pictures = pipeline(
            some,
            negative_prompt=[negative] * len(some),
            num_inference_steps=20,
            guidance_scale=3.0,
            generator=torch.Generator().manual_seed(seed + start),
        ).images
        drawn += [np.array(picture, float) for picture in pictures]
    return drawn


def evaluate(folder: Path, seed: int, count: int) -> dict[str, float]:
    """The shares of `count` pictures that show what their captions say."""
    rng = random.Random(seed)
    scenes = [make_scene(rng) for _ in range(count)]
    return score(scenes, draw(folder, [scene.caption for scene in scenes], seed))


if __name__ == "__main__":
    main(__doc__, "shapes", train, evaluate, count=192)
