from __future__ import annotations

import ctypes
import importlib
import io

import numpy as np
import pytest
from PIL import Image

from cog import CancelationException
from errors import InvalidInput
from model_registry import inputs
from tests.model_registry.runners.conftest import REGISTRY

PROMPT = "a red circle moving left on a blue background"

# diffusers hands torch tensors to numpy in a way that numpy 2 is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def opened(path):
    """Every frame of a video, (frames, h, w, 3) to 255, and its stream."""
    import av

    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        return np.stack([f.to_ndarray(format="rgb24") for f in file.decode(stream)]), stream


M_PERTURB = -6
"""As malloc.h has it."""


@pytest.fixture
def fill_memory():
    """Has what a program is given of memory filled with a byte: what reads there before it wrote
    gives something else with another.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        pytest.skip("only glibc fills the memory that it gives")
    yield lambda byte: mallopt(M_PERTURB, byte)
    mallopt(M_PERTURB, 0)


@pytest.fixture
def write(moving_shapes):
    """What runners of video write with; its folder is on the path once one of them is loaded."""
    return importlib.import_module("video_writing").write


def test_the_file_is_what_browsers_play_and_its_length_follows_the_frames_a_second(moving_shapes):
    import av

    path = moving_shapes.run(prompt=PROMPT, seed=1, num_inference_steps=1, fps=4)
    frames, stream = opened(path)
    assert path.suffix == ".mp4"
    assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
    assert stream.average_rate == 4
    assert frames.shape[1:] == (64, 64, 3)
    with av.open(str(path)) as file:
        assert file.duration / av.time_base == pytest.approx(len(frames) / 4, abs=0.01)


def test_frames_are_enlarged_only_when_that_is_asked_for(moving_shapes):
    plain, large = (
        opened(moving_shapes.run(prompt=PROMPT, seed=1, num_inference_steps=2, enlarge=factor))[0]
        for factor in (1, 3)
    )
    assert large.shape[1:3] == (192, 192)
    shrunk = large.reshape(len(large), 64, 3, 64, 3, 3).mean((2, 4))
    assert np.abs(shrunk - plain).mean() < 12


def test_colours_come_back_as_they_were(write, tmp_path):
    colours = [(222, 44, 44), (48, 164, 72), (44, 88, 214), (248, 216, 56), (24, 24, 28)]
    write([Image.new("RGB", (33, 64), each) for each in colours], tmp_path / "out.mp4", fps=8)
    frames, _ = opened(tmp_path / "out.mp4")
    assert frames.shape == (5, 64, 32, 3)
    assert np.abs(frames.mean((1, 2)) - np.array(colours)).max() < 6


@pytest.mark.parametrize("width", [64, 240, 320])
def test_the_same_frames_give_the_same_bytes_whatever_lay_in_memory(
    write, fill_memory, tmp_path, width
):
    noise, tone = np.random.default_rng(0), np.sin(np.arange(8000, dtype=np.float32) / 9)
    scene = noise.normal(128, 20, (64, width, 3))
    moving = [np.roll(scene, number, 1) + noise.normal(0, 10, scene.shape) for number in range(8)]
    frames = [Image.fromarray(each.clip(0, 255).astype(np.uint8)) for each in moving]
    made = []
    for byte in (0x55, 0xAA):
        fill_memory(byte)
        path = tmp_path / f"{byte}.mp4"
        write(frames, path, fps=8, sound=(tone[None], 16000))
        made.append(path.read_bytes())
    assert made[0] == made[1]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(moving_shapes, fill_memory):
    made = []
    for seed, byte in ((7, 0x55), (7, 0xAA), (8, 0xAA)):
        fill_memory(byte)
        path = moving_shapes.run(prompt=PROMPT, seed=seed, num_inference_steps=2)
        made.append(path.read_bytes())
    once, again, other = made
    assert once == again != other


def test_every_step_is_told_and_the_frame_in_the_middle_is_shown(moving_shapes):
    moving_shapes.run(prompt=PROMPT, seed=1, num_inference_steps=3)
    assert moving_shapes.told.steps == [(step, 3, "step") for step in range(1, 4)]
    with Image.open(io.BytesIO(moving_shapes.told.previews[0])) as picture:
        assert picture.size == (256, 256)


def test_a_run_ends_at_the_step_at_which_it_is_canceled(moving_shapes, monkeypatch):
    def stop(told, done, total, unit):
        told.steps.append(done)
        raise CancelationException

    monkeypatch.setattr(type(moving_shapes.told), "progress", stop)
    with pytest.raises(CancelationException):
        moving_shapes.run(prompt=PROMPT, num_inference_steps=50)
    assert moving_shapes.told.steps == [1]


def test_more_frames_than_the_model_was_made_for_are_refused(moving_shapes):
    with pytest.raises(ValueError, match=r"num_frames is 33; this model makes \d+ at most"):
        moving_shapes.run(prompt=PROMPT, num_frames=33)


def test_more_pixels_than_fit_into_memory_are_refused(tiny_wan):
    with pytest.raises(ValueError, match="too many to hold in memory"):
        tiny_wan.run(prompt=PROMPT, num_frames=513, width=2048, height=2048)


@pytest.mark.parametrize("name", ["num_frames", "fps", "width", "height", "enlarge"])
@pytest.mark.parametrize("value", [0, -8])
def test_no_length_size_or_speed_may_be_nothing(moving_shapes, name, value):
    with pytest.raises(InvalidInput, match=name):
        inputs.check(moving_shapes.loaded.document(), {"prompt": PROMPT, name: value})


@pytest.mark.parametrize("prompt", ["", "🙂🙂", "zxqv blorp", "\x00", "日本語", "red " * 2500])
def test_any_prompt_gives_a_video(moving_shapes, prompt):
    frames, _ = opened(moving_shapes.run(prompt=prompt, seed=1, num_inference_steps=1))
    assert frames.shape[1:] == (64, 64, 3)


def test_words_that_mean_nothing_to_it_are_told(moving_shapes, capsys):
    moving_shapes.run(prompt="a red elephant on blue", num_inference_steps=1)
    assert "never taught: elephant." in capsys.readouterr().out


def test_an_autoencoder_of_videos_and_a_transformer_run_the_same_way(tiny_wan, capsys):
    path = tiny_wan.run(
        prompt=PROMPT,
        negative_prompt="green",
        num_frames=10,
        width=70,
        height=48,
        fps=16,
        num_inference_steps=2,
    )
    frames, stream = opened(path)
    assert frames.shape == (9, 48, 64, 3)
    assert stream.average_rate == 16
    assert tiny_wan.told.steps[-1] == (2, 2, "step")
    assert tiny_wan.told.previews
    told = capsys.readouterr().out
    assert "The video has 9 frames, not 10" in told
    assert "The width is 64, not 70" in told


def test_latents_of_a_video_packed_in_a_row_still_give_a_preview(tiny_ltx):
    path = tiny_ltx.run(prompt=PROMPT, num_frames=9, width=64, height=32, num_inference_steps=2)
    assert opened(path)[0].shape == (9, 32, 64, 3)
    with Image.open(io.BytesIO(tiny_ltx.told.previews[0])) as picture:
        assert picture.size == (256, 128)


def test_a_pipeline_of_pictures_is_refused(moving_shapes):
    with pytest.raises(ValueError, match="StableDiffusionPipeline, which makes no video"):
        moving_shapes.runner.__class__().setup(str(REGISTRY / "starter" / "shapes"))
