"""The families of models that make videos, each on a tiny checkpoint of its own classes."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from PIL import Image

from cog.loading import load
from errors import InvalidInput as Refused
from model_registry import inputs
from tests.model_registry.runners.conftest import REGISTRY, Model, Told
from tests.tiny.video import FISH, ICON, TINY

XT = "stabilityai/stable-video-diffusion-img2vid-xt"
SMALL = {"prompt": "a fox", "width": 64, "height": 64, "num_inference_steps": 2, "seed": 1}

# diffusers hands torch tensors to numpy in a way that numpy 2 is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


class Set(Model):
    """A runner that is set up with what a spec may say besides the weights."""

    def __init__(self, target, folder, options):
        self.loaded = load(str(REGISTRY / "runners"), target)
        self.module = sys.modules[target.partition(".")[0]]
        self.runner = self.loaded._owner
        self.loaded.setup(str(folder), options=options)
        self.told = Told()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model by its repository and runner, made and loaded once."""
    made = {}

    def folder(repo):
        if repo not in made:
            made[repo] = tmp_path_factory.mktemp(repo.replace("/", "-"))
            TINY[repo](made[repo])
        return made[repo]

    def model(repo, target, **options):
        if (repo, target) not in made:
            if "parts" in options:
                parts = options["parts"].items()
                options["parts"] = {name: str(folder(each)) for name, each in parts}
            made[repo, target] = Set(target, folder(repo), options)
        return made[repo, target]

    return model


@pytest.fixture
def two_experts(model):
    return model(
        "Wan-AI/Wan2.2-T2V-A14B-Diffusers",
        "text_to_video.py:VideoByForm",
        settings={"guidance_scale_2": 3.0},
    )


@pytest.fixture
def service(model):
    return model("Wan-AI/Wan2.2-TI2V-5B-Diffusers", "text_to_video.py:VideoOfService")


@pytest.fixture
def stable(model):
    return model(
        "stabilityai/stable-video-diffusion-img2vid",
        "stable_video.py:StableVideo",
        variant="fp16",
        parts={"xt": XT},
    )


@pytest.fixture
def ltx(model):
    return model("Lightricks/LTX-Video", "text_to_video.py:ImageToVideo")


@pytest.fixture
def by_area(model):
    return model("Lightricks/LTX-Video", "text_to_video_by_area.py:VideoByArea")


@pytest.fixture
def ltx_2(model):
    settings = {"stg_scale": 0.0, "audio_stg_scale": 0.0, "spatio_temporal_guidance_blocks": None}
    return model("Lightricks/LTX-2", "text_to_video.py:ImageToVideo", settings=settings)


def opened(path):
    import av

    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        return np.stack([f.to_ndarray(format="rgb24") for f in file.decode(stream)])


@pytest.mark.parametrize(
    "repo, size, frames, kind",
    [
        ("hunyuanvideo-community/HunyuanVideo", (80, 80), 5, "HunyuanVideoPipeline"),
        ("zai-org/CogVideoX-5b", (80, 64), 9, "CogVideoXPipeline"),
        ("Wan-AI/Wan2.1-T2V-1.3B-Diffusers", (80, 64), 5, "WanPipeline"),
        ("Wan-AI/Wan2.2-TI2V-5B-Diffusers", (64, 64), 5, "WanPipeline"),
    ],
)
def test_lengths_and_sizes_are_brought_to_what_the_family_makes(
    model, capsys, repo, size, frames, kind
):
    runner = model(repo, "text_to_video.py:TextToVideo")
    assert type(runner.runner.video.pipeline).__name__ == kind
    made = opened(runner.run(**SMALL | {"width": 75, "height": 70}, num_frames=frames + 1))
    assert made.shape == (frames, size[1], size[0], 3)
    told = capsys.readouterr().out
    assert f"The video has {frames} frames, not {frames + 1}: this model needs " in told
    assert f"The width is {size[0]}, not 75: this model needs a multiple of " in told
    assert runner.told.steps == [(1, 2, "step"), (2, 2, "step")]
    assert runner.told.metrics["frames"] == frames
    with Image.open(io.BytesIO(runner.told.previews[0])) as picture:
        assert max(picture.size) >= 200


def test_two_experts_share_the_steps_and_the_shift_decides_where(two_experts):
    small = {"num_inference_steps": 4, "seed": 1, "num_frames": 5}
    pipeline = two_experts.runner.video.pipeline
    worked = []
    hooks = [
        part.register_forward_hook(lambda *_, name=name: worked.append(name))
        for name, part in pipeline.components.items()
        if name.startswith("transformer")
    ]
    two_experts.module.AREAS["480p"] = 64 * 64
    first = two_experts.run(prompt="a fox", aspect_ratio="1:1", shift=1, **small).read_bytes()
    few = worked.count("transformer")
    worked.clear()
    other = two_experts.run(prompt="a fox", aspect_ratio="1:1", shift=12, **small).read_bytes()
    assert 0 < few < worked.count("transformer") < 8
    assert first != other
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("kind", ["ltx", "ltx_2", "service"])
def test_a_picture_decides_how_the_video_begins_and_its_form(request, capsys, kind):
    runner = request.getfixturevalue(kind)
    name = "first_frame_image" if kind == "service" else "image"
    given = {"prompt": "a fox", "num_inference_steps": 2, "seed": 1, "num_frames": 9, "width": 128}
    with_fish, again, with_icon, without = (
        runner.run(**given, **picture).read_bytes()
        for picture in ({name: FISH}, {name: FISH}, {name: ICON}, {"height": 96})
    )
    assert with_fish == again
    assert len({with_fish, with_icon, without}) == 3
    assert "The image, 200 × 150, is taken at 128 × 96." in capsys.readouterr().out


def test_an_area_is_divided_by_the_proportion_asked_for_or_that_of_the_picture(by_area):
    given = {"prompt": "a fox", "steps": 2, "length": 9, "seed": 1, "target_size": 128}
    for asked, size in (
        ({}, (96, 160)),
        ({"aspect_ratio": "9:21"}, (192, 96)),
        ({"aspect_ratio": "9:21", "image": FISH}, (96, 160)),
    ):
        (made,) = by_area.run(**given, **asked)
        assert opened(made).shape == (9, *size, 3)


def test_noise_lies_on_the_picture_as_asked_and_only_for_the_run(by_area):
    given = {"prompt": "a fox", "steps": 2, "length": 9, "seed": 1, "target_size": 64}
    none, much, again = (
        by_area.run(**given, image=FISH, image_noise_scale=scale)[0].read_bytes()
        for scale in (0, 1, 0)
    )
    assert none == again != much
    assert not by_area.runner.video.from_picture.transformer._forward_pre_hooks


def test_which_version_answers_is_said(by_area, capsys):
    given = {"prompt": "a fox", "steps": 2, "length": 9, "target_size": 64}
    by_area.run(**given)
    assert "those of 0.9, which answers for 0.9.1" in capsys.readouterr().out
    by_area.run(**given, model="0.9")
    assert "answers for" not in capsys.readouterr().out


def test_a_model_that_makes_pictures_move_needs_one(model):
    runner = model("Wan-AI/Wan2.2-I2V-A14B-Diffusers", "text_to_video.py:ImageToVideo")
    assert type(runner.runner.video.pipeline).__name__ == "WanImageToVideoPipeline"
    with pytest.raises(ValueError, match="This model makes a picture move; give it one as image"):
        runner.run(**SMALL)
    frames = opened(runner.run(**SMALL, num_frames=5, image=FISH))
    assert frames.shape == (5, 64, 64, 3)


def test_a_model_of_words_alone_refuses_a_picture(model):
    runner = model("Wan-AI/Wan2.1-T2V-1.3B-Diffusers", "text_to_video.py:ImageToVideo")
    with pytest.raises(ValueError, match="cannot start from a picture; leave image empty"):
        runner.run(**SMALL, image=FISH)


def test_sound_comes_in_the_same_file(ltx_2):
    import av

    made = ltx_2.run(**SMALL, num_frames=17, fps=8)
    assert ltx_2.told.previews
    with av.open(str(made)) as file:
        heard = file.streams.audio[0]
        assert (heard.codec_context.name, heard.rate, heard.channels) == ("aac", 24000, 2)
        seconds = sum(frame.samples for frame in file.decode(heard)) / 24000
    assert seconds == pytest.approx(17 / 8, abs=0.2)


def test_what_the_stand_in_for_a_service_cannot_do_is_refused_or_said(service, capsys):
    with pytest.raises(ValueError, match="cannot put a given person into a video"):
        service.run(**SMALL, subject_reference=FISH)
    service.run(**SMALL, num_frames=5)
    assert "no prompt optimizer runs here" in capsys.readouterr().out
    service.run(**SMALL, num_frames=5, prompt_optimizer=False)
    assert "optimizer" not in capsys.readouterr().out


def test_a_schedule_that_cannot_be_of_one_step_says_so(ltx):
    with pytest.raises(ValueError, match="num_inference_steps is 1; this model needs 2 at least"):
        ltx.run(**SMALL | {"num_inference_steps": 1})


def test_further_arguments_that_the_pipeline_does_not_take_are_refused(ltx):
    with pytest.raises(ValueError, match="A LTXPipeline takes no guidance_scale_2"):
        ltx.runner.__class__().setup(ltx.runner.video.weights, settings={"guidance_scale_2": 3})


def test_each_length_is_a_model_of_its_own(stable):
    given = {"input_image": ICON, "sizing_strategy": "use_image_dimensions", "seed": 1}
    given |= {"num_inference_steps": 1}
    short, long, again = (
        opened(stable.run(**given, video_length=length))
        for length in ("14_frames_with_svd", "25_frames_with_svd_xt", "14_frames_with_svd")
    )
    assert short.shape == (14, 64, 64, 3)
    assert long.shape == (25, 64, 64, 3)
    assert (short == again).all()
    assert stable.told.steps == [(1, 1, "step")]
    assert stable.told.previews


def test_a_picture_is_sized_as_asked(stable):
    size = stable.module._size
    assert size(Image.new("RGB", (4000, 3000)), "crop_to_16_9") == (1024, 576)
    assert size(Image.new("RGB", (4000, 3000)), "maintain_aspect_ratio") == (896, 640)
    assert size(Image.new("RGB", (1, 1)), "maintain_aspect_ratio") == (768, 768)
    assert size(Image.new("RGB", (12000, 1)), "maintain_aspect_ratio") == (1536, 384)
    assert size(Image.new("RGB", (500, 300)), "use_image_dimensions") == (512, 320)
    with pytest.raises(ValueError, match="4000 × 3000 pixels; a frame may have 2 million"):
        size(Image.new("RGB", (4000, 3000)), "use_image_dimensions")


@pytest.mark.parametrize(
    "kind, name", [("stable", "input_image"), ("service", "first_frame_image")]
)
def test_what_is_no_picture_or_far_too_large_is_refused(request, tmp_path, kind, name):
    runner = request.getfixturevalue(kind)
    given = {} if kind == "stable" else SMALL
    nothing = tmp_path / "nothing.png"
    nothing.write_bytes(b"no picture")
    huge = tmp_path / "huge.png"
    Image.new("1", (12000, 12000)).save(huge)
    for file in (nothing, huge):
        with pytest.raises(ValueError, match="image"):
            runner.run(**given, **{name: str(file)})


@pytest.mark.parametrize(
    ("given", "side", "made"),
    [((1, 200), {"width": 32}, (128, 32)), ((200, 1), {"height": 32}, (32, 128))],
)
def test_no_side_grows_beyond_four_times_the_one_asked_for(ltx, tmp_path, given, side, made):
    Image.new("RGB", given).save(tmp_path / "long.png")
    asked = {"prompt": "a fox", "num_inference_steps": 2, "num_frames": 9, "seed": 1}
    frames = opened(ltx.run(**asked, **side, image=str(tmp_path / "long.png")))
    assert frames.shape[1:3] == made


def test_no_side_is_too_short_for_an_autoencoder_that_mirrors_its_edges(ltx_2, capsys):
    frames = opened(ltx_2.run(**SMALL | {"width": 16}, num_frames=9))
    assert frames.shape == (9, 64, 64, 3)
    assert "needs a multiple of 32, 64 or more." in capsys.readouterr().out


def test_a_picture_of_one_pixel_moves(ltx, tmp_path):
    Image.new("RGB", (1, 1), "red").save(tmp_path / "one.png")
    frames = opened(ltx.run(**SMALL, num_frames=9, image=str(tmp_path / "one.png")))
    assert frames.shape == (9, 64, 64, 3)


@pytest.mark.parametrize("prompt", ["", "fox " * 50_000])
def test_a_prompt_of_any_length_gives_a_video(service, capsys, prompt):
    frames = opened(service.run(**SMALL | {"prompt": prompt}, num_frames=5))
    assert frames.shape == (5, 64, 64, 3)
    assert ("the rest has no effect" in capsys.readouterr().out) == bool(prompt)


@pytest.mark.parametrize("value", [0, -4])
def test_no_length_may_be_nothing(service, value):
    with pytest.raises(Refused, match="num_frames"):
        inputs.check(service.loaded.document(), {"prompt": "a fox", "num_frames": value})


def test_more_than_memory_holds_is_refused_before_it_is_made(two_experts, ltx):
    with pytest.raises(ValueError, match="too many to hold in memory"):
        ltx.run(prompt="a fox", num_frames=513, width=2048, height=2048)
