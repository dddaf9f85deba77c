"""What only Stable Diffusion XL takes: samplers, masks, the refiner and the watermark."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cog import InvalidInput
from tests.model_registry.runners.drawn_models import PROMPT, SMALL, DrawnModels, disc, size_of

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SETTINGS = {"prompt": PROMPT, "seed": 1, **SMALL["sdxl"]}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return DrawnModels(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="module")
def sdxl(drawn):
    return drawn("sdxl")


def pixels(path):
    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB"), float)


def test_each_sampler_draws_its_own_picture(sdxl):
    from tests.model_registry.runners.conftest import REGISTRY

    names = ["DDIM", "DPMSolverMultistep", "HeunDiscrete", "KarrasDPM"]
    names += ["K_EULER_ANCESTRAL", "K_EULER", "PNDM"]
    assert f"enum: [{', '.join(names)}]" in (REGISTRY / "specs/image/sdxl.yaml").read_text()
    pictures = {sdxl.run(**SETTINGS, scheduler=name)[0].read_bytes() for name in names}
    assert len(pictures) == len(names)


def test_a_picture_is_drawn_over_in_its_own_shape(sdxl, tmp_path, capsys):
    image = disc(tmp_path / "given.png", (330, 300))
    (path,) = sdxl.run(**SETTINGS, image=image, prompt_strength=0.5)
    assert size_of(path) == (328, 304)
    assert "width and height are not used" in capsys.readouterr().out
    assert sdxl.model.told.steps == [(1, 2, "step"), (2, 2, "step")]


def test_a_mask_keeps_what_is_black_in_it(sdxl, tmp_path):
    image = disc(tmp_path / "given.png", (256, 256))
    mask = Image.new("L", (256, 256))
    mask.paste(255, (128, 0, 256, 256))
    mask.save(tmp_path / "mask.png")
    inputs = {**SETTINGS, "image": image, "mask": str(tmp_path / "mask.png"), "seed": 4}
    runs = [
        pixels(sdxl.run(**{**inputs, "prompt": prompt}, apply_watermark=False)[0])
        for prompt in (PROMPT, "a green star")
    ]
    changed = np.abs(runs[0] - runs[1]).mean(2)
    assert changed[:, 160:].max() > 0
    assert changed[:, :96].mean() < changed[:, 160:].mean()


def test_the_refiner_does_the_last_steps_or_some_more(sdxl):
    (plain,) = sdxl.run(**SETTINGS)
    (ensemble,) = sdxl.run(**SETTINGS, refine="expert_ensemble_refiner", high_noise_frac=0.5)
    assert sdxl.model.told.metrics["steps"] == 4
    (refined,) = sdxl.run(**SETTINGS, refine="base_image_refiner", refine_steps=7)
    assert sdxl.model.told.steps[0] == (1, 6, "step")
    assert sdxl.model.told.steps[-1] == (6, 6, "step")
    assert len({path.read_bytes() for path in (plain, ensemble, refined)}) == 3


def test_progress_never_goes_back_though_a_sampler_takes_more_steps_than_asked(sdxl):
    sampling = {"scheduler": "HeunDiscrete", "refine": "expert_ensemble_refiner"}
    sdxl.run(**{**SETTINGS, "num_inference_steps": 6}, **sampling, num_outputs=2)
    shares = [done / total for done, total, _ in sdxl.model.told.steps]
    assert shares == sorted(shares) and shares[-1] == 1 and len(shares) > 12


def test_each_of_several_refined_pictures_is_the_one_that_its_own_seed_gives(sdxl):
    refining = {"refine": "expert_ensemble_refiner", "high_noise_frac": 0.5}
    several = sdxl.run(**SETTINGS, **refining, num_outputs=2)
    assert sdxl.model.told.steps[-1] == (8, 8, "step")
    (alone,) = sdxl.run(**{**SETTINGS, "seed": 2}, **refining)
    assert several[1].read_bytes() == alone.read_bytes()


def test_a_mask_without_an_image_is_refused(sdxl, tmp_path):
    with pytest.raises(InvalidInput, match="give the image as well"):
        sdxl.run(**SETTINGS, mask=disc(tmp_path / "mask.png"))


def test_a_mask_that_is_black_all_over_is_refused(sdxl, tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "mask.png")
    image = disc(tmp_path / "given.png", (256, 256))
    with pytest.raises(InvalidInput, match="black all over"):
        sdxl.run(**SETTINGS, image=image, mask=str(tmp_path / "mask.png"))


def test_distilled_weights_take_the_place_of_the_models_own(drawn, sdxl):
    own = sdxl.model.runner.painter.pipeline.unet
    distilled = drawn("sdxl-lightning-4step").model.runner.painter.pipeline.unet
    assert distilled.config.block_out_channels == own.config.block_out_channels
    assert not any(each.is_meta for each in distilled.parameters())
    assert (distilled.conv_in.weight != own.conv_in.weight).any()
    pipeline = drawn("sdxl-lightning-4step").model.runner.painter.pipeline
    drawn("sdxl-lightning-4step").run(prompt=PROMPT, **SMALL["sdxl-lightning-4step"])
    assert pipeline.scheduler.config.timestep_spacing == "trailing"


def bits_of(picture):
    """What a detector reads: in each block, on which half of the scale its largest value lies."""
    red, green, blue = np.moveaxis(np.asarray(picture, float), 2, 0)
    plane = 0.492 * (blue - 0.299 * red - 0.587 * green - 0.114 * blue) + 0.5
    averages = (plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2]) / 2
    votes = [[] for _ in range(48)]
    rows, columns = averages.shape[0] // 4, averages.shape[1] // 4
    for number in range(rows * columns):
        row, column = divmod(number, columns)
        block = abs(averages[row * 4 : row * 4 + 4, column * 4 : column * 4 + 4]).ravel()
        votes[number % 48].append(block[1:].max() % 36 > 18)
    return "".join("1" if np.mean(each) > 0.5 else "0" for each in votes)


def test_the_watermark_is_there_to_be_read_and_can_be_left_out(sdxl):
    from watermark import BITS

    large = {**SETTINGS, "width": 512, "height": 512, "num_inference_steps": 2}
    wanted = "".join(map(str, BITS))
    read = {
        applied: bits_of(Image.open(sdxl.run(**large, apply_watermark=applied)[0]))
        for applied in (True, False)
    }
    same = {applied: sum(map(str.__eq__, bits, wanted)) for applied, bits in read.items()}
    assert same[True] >= 46 and same[False] < 40
