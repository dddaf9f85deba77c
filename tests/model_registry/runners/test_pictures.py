from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from PIL import Image

from cog import InvalidInput
from tests.model_registry.runners.conftest import REGISTRY


@pytest.fixture(scope="module")
def pictures():
    found = importlib.util.spec_from_file_location("pictures", REGISTRY / "runners/pictures.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_grey_of_16_bits_keeps_its_shades(pictures, tmp_path):
    shades = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    Image.fromarray(shades).save(tmp_path / "in.png")
    picture = pictures.opened(tmp_path / "in.png")
    assert picture.mode == "L" and (np.asarray(picture) == shades >> 8).all()


@pytest.mark.parametrize(
    ("kind", "white"), [("int32", 65535), ("int32", 255), ("float32", 1.0), ("float32", 255.0)]
)
def test_grey_of_32_bits_keeps_its_shades(pictures, tmp_path, kind, white):
    shades = np.linspace(0, white, 64).reshape(8, 8).astype(kind)
    Image.fromarray(shades).save(tmp_path / "in.tiff")
    picture = np.asarray(pictures.opened(tmp_path / "in.tiff").convert("L"), int)
    assert np.abs(picture - shades * (255 / white)).max() <= 1


def test_shades_that_are_no_numbers_are_black(pictures, tmp_path):
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(tmp_path / "in.tiff")
    assert pictures.opened(tmp_path / "in.tiff").getextrema() == (0, 0)


def test_what_is_transparent_in_a_mask_was_not_painted(pictures, tmp_path):
    mask = Image.new("RGBA", (4, 2), (255, 255, 255, 0))
    mask.paste((255, 255, 255, 255), (2, 0, 4, 2))
    mask.save(tmp_path / "mask.png")
    painted = pictures.painted(tmp_path / "mask.png")
    assert painted.mode == "L" and list(painted.tobytes()) == [0, 0, 255, 255] * 2


def test_the_first_frame_is_taken_and_that_is_said(pictures, tmp_path, capsys):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    frames[0].save(tmp_path / "in.gif", save_all=True, append_images=frames[1:])
    picture = pictures.opened(tmp_path / "in.gif")
    assert picture.convert("RGB").getpixel((0, 0)) == (255, 0, 0)
    assert "image holds several pictures; the first is taken." in capsys.readouterr().out


def test_a_photo_is_turned_as_it_was_taken(pictures, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.new("RGB", (30, 20)).save(tmp_path / "in.jpg", exif=exif)
    assert pictures.opened(tmp_path / "in.jpg").size == (20, 30)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "LAB", "CMYK"])
def test_on_white_is_red_green_and_blue(pictures, mode):
    picture = pictures.on_white(Image.new(mode, (2, 2)))
    assert picture.mode == "RGB"
    if mode in ("RGBA", "LA"):
        assert picture.getpixel((0, 0)) == (255, 255, 255)


def test_what_is_no_picture_cut_off_or_too_large_is_refused(pictures, tmp_path):
    path = tmp_path / "in.png"
    path.write_bytes(b"")
    with pytest.raises(InvalidInput, match="mask is no picture that can be read"):
        pictures.opened(path, "mask")
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InvalidInput, match="no picture"):
        pictures.opened(path)
    for side in (9_000, 14_000):
        Image.new("1", (side, side)).save(path)
        with pytest.raises(InvalidInput, match="million"):
            pictures.opened(path)
