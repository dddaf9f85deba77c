from __future__ import annotations

import numpy as np
import psutil
import pytest
from PIL import Image, ImageDraw

from cog import CancelationException, InvalidInput
from tests.model_registry.runners.conftest import REGISTRY, Model

TARGET = "image_restoration.py:ImageRestoration"


@pytest.fixture(scope="module")
def enlarge():
    return Model(TARGET, REGISTRY / "starter" / "enlarge")


def network(folder, scale, side=None, half=False):
    """An ONNX file that repeats each pixel `scale` times, of any size or of one fixed size."""
    import onnx
    from onnx import TensorProto, helper

    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    sizes = [1.0, 1.0, float(scale), float(scale)]
    graph = helper.make_graph(
        [helper.make_node("Resize", ["image", "", "scales"], ["out"], mode="nearest")],
        "repeating",
        [helper.make_tensor_value_info("image", kind, [1, 3, side or "h", side or "w"])],
        [helper.make_tensor_value_info("out", kind, None)],
        [helper.make_tensor("scales", TensorProto.FLOAT, [4], sizes)],
    )
    folder.mkdir(exist_ok=True)
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    onnx.save(model, str(folder / f"by{scale}.onnx"))
    return folder


def opened(path):
    with Image.open(path) as image:
        image.load()
        return image


def drawn(width=90, height=60, mode="RGB"):
    """A red circle on blue, with a hole through which nothing is seen where there is alpha."""
    image = Image.new("RGBA", (width, height), (40, 60, 200, 255))
    draw = ImageDraw.Draw(image)
    draw.ellipse((20, 10, 60, 50), (220, 40, 40, 255))
    if mode in ("RGBA", "LA", "PA"):
        draw.rectangle((0, 0, 12, height), (0, 0, 0, 0))
    return image.convert(mode)


@pytest.fixture
def saved(tmp_path):
    def save(image, name="in.png", **how):
        image.save(tmp_path / name, **how)
        return tmp_path / name

    return save


@pytest.mark.parametrize("scale", [2, 4])
def test_a_picture_becomes_larger_and_stays_what_it_was(enlarge, saved, scale):
    image = drawn()
    made = opened(enlarge.run(image=str(saved(image)), scale=scale))
    assert made.mode == "RGB" and made.size == (90 * scale, 60 * scale)
    again = np.asarray(made.reduce(scale), float)
    assert np.abs(again - np.asarray(image, float)).mean() < 3


def test_the_same_picture_gives_the_same_bytes(enlarge, saved):
    path = str(saved(drawn()))
    once, again = (enlarge.run(image=path, scale=2).read_bytes() for _ in range(2))
    assert once == again


@pytest.mark.parametrize("scale", [2, 4])
def test_tiles_leave_no_seam(enlarge, monkeypatch, scale):
    noise = np.random.default_rng(0).integers(0, 256, (150, 190, 3), np.uint8)
    image = Image.fromarray(noise)
    used = enlarge.runner.networks[scale]
    assert used.tile[0] * used.tile[1] > 150 * 190
    whole = np.asarray(enlarge.runner.enlarged(image, scale), int)
    monkeypatch.setattr(used, "tile", (96, 80))
    tiled = np.asarray(enlarge.runner.enlarged(image, scale), int)
    assert np.abs(whole - tiled).max() <= 1


def test_each_tile_is_told(enlarge, saved, monkeypatch):
    monkeypatch.setattr(enlarge.runner.networks[2], "tile", (96, 96))
    enlarge.run(image=str(saved(drawn(250, 90))), scale=2)
    assert enlarge.told.steps == [(1, 3, "tile"), (2, 3, "tile"), (3, 3, "tile")]


@pytest.mark.parametrize("size", [(1, 1), (90, 60), (3000, 20), (20, 3000), (701, 503), (641, 40)])
def test_tiles_cover_the_picture_once_and_are_never_too_large(enlarge, monkeypatch, size):
    used, given = enlarge.runner.networks[2], []
    monkeypatch.setattr(used, "tile", (96, 96))
    monkeypatch.setattr(used, "run", lambda pixels: given.append(pixels) or _repeated(pixels))
    image = Image.effect_noise(size, 80).convert("RGB")
    made = enlarge.runner.enlarged(image, 2)
    assert np.array_equal(made, image.resize((size[0] * 2, size[1] * 2), Image.Resampling.NEAREST))
    assert max(each[0, 0].size for each in given) <= 96 * 96
    assert len({each.shape for each in given}) == 1


def test_memory_comes_back_after_a_large_picture(enlarge, saved):
    path = saved(drawn(600, 600))
    before = psutil.Process().memory_info().rss
    enlarge.run(image=path, scale=4)
    assert psutil.Process().memory_info().rss - before < 200_000_000  # of some 400 in the run


def test_a_large_picture_is_hardly_enlarged_twice(enlarge, monkeypatch):
    used, given = enlarge.runner.networks[4], []
    monkeypatch.setattr(used, "run", lambda pixels: given.append(pixels.size) or _repeated(pixels))
    monkeypatch.setattr(used, "scale", 2)
    enlarge.runner.enlarged(Image.new("RGB", (1344, 768)), 4)
    assert sum(given) < 1.04 * 3 * 1344 * 768


def test_a_network_is_trusted_where_the_edge_of_a_tile_is_out_of_its_sight(tmp_path, enlarge):
    (near,) = Model(TARGET, network(tmp_path / "weights", 3)).runner.networks.values()
    # The starters have 8 and 10 convolutions, of which each sees one pixel farther.
    assert near.overlap < 8 <= enlarge.runner.networks[2].overlap < 12
    assert 10 <= enlarge.runner.networks[4].overlap < 14


def _repeated(pixels):
    return pixels.repeat(2, 2).repeat(2, 3)


def test_a_cancel_stops_between_two_tiles(enlarge, saved, monkeypatch):
    told = []

    def cancel(self, done, total, unit):
        told.append(done)
        raise CancelationException()

    monkeypatch.setattr(enlarge.runner.networks[2], "tile", (64, 64))
    monkeypatch.setattr(type(enlarge.told), "progress", cancel)
    with pytest.raises(CancelationException):
        enlarge.run(image=str(saved(drawn())), scale=2)
    assert told == [1]


@pytest.mark.parametrize(
    ("mode", "made"), [("L", "L"), ("1", "L"), ("P", "RGB"), ("LA", "LA"), ("RGBA", "RGBA")]
)
def test_greys_stay_grey_and_transparency_stays(enlarge, saved, mode, made):
    whole = opened(enlarge.run(image=str(saved(drawn(mode=mode))), scale=2))
    assert whole.mode == made and whole.size == (180, 120)
    if "A" in made:
        alpha = np.asarray(whole.getchannel("A"))
        assert alpha[:, :20].max() < 20 and alpha[:, 32:].min() > 235


def test_what_is_behind_transparent_pixels_does_not_bleed_into_the_edge(enlarge):
    image = Image.new("RGBA", (40, 40), (255, 255, 255, 0))
    ImageDraw.Draw(image).rectangle((10, 10, 30, 30), (200, 0, 0, 255))
    pixels = np.asarray(enlarge.runner.enlarged(image, 4), int)
    edge = pixels[(pixels[..., 3] > 60) & (pixels[..., 3] < 220)]
    assert len(edge) and edge[:, 1].max() < 30


def test_a_cmyk_jpeg_and_a_turned_photo_come_out_upright_and_in_rgb(enlarge, saved):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    path = saved(drawn().convert("CMYK"), "in.jpg", exif=exif)
    made = opened(enlarge.run(image=str(path), scale=2))
    assert made.mode == "RGB" and made.size == (120, 180)


def test_the_first_frame_of_an_animation_is_taken(enlarge, saved):
    frames = [Image.new("P", (20, 10), colour) for colour in (0, 1)]
    path = saved(frames[0], "in.gif", save_all=True, append_images=frames[1:])
    assert opened(enlarge.run(image=str(path), scale=2)).size == (40, 20)


def test_one_pixel_becomes_many_of_its_colour(enlarge, saved):
    path = saved(Image.new("RGB", (1, 1), (200, 100, 50)))
    pixels = np.asarray(opened(enlarge.run(image=str(path), scale=4)), int)
    assert pixels.shape == (4, 4, 3) and np.abs(pixels - (200, 100, 50)).max() < 12


@pytest.mark.parametrize(("name", "kind"), [("webp", "WEBP"), ("png", "PNG"), ("jpg", "JPEG")])
def test_a_picture_has_the_format_asked_for(enlarge, saved, capsys, name, kind):
    path = enlarge.run(image=str(saved(drawn(mode="RGBA"))), scale=2, output_format=name)
    assert path.suffix == f".{name}" and opened(path).format == kind
    assert ("no transparency" in capsys.readouterr().out) is (name == "jpg")


def test_a_scale_that_no_network_has_is_reached_by_resizing_and_said(enlarge, saved, capsys):
    assert opened(enlarge.run(image=str(saved(drawn())), scale=3)).size == (270, 180)
    assert "Enlarged 4 times, then resized to 270 × 180" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("size", "scale", "name", "said"),
    [
        ((5000, 4000), 4, "png", "over the 100 million pixels allowed"),
        ((9000, 10), 2, "webp", "Choose png"),
    ],
)
def test_a_result_too_large_is_refused_before_any_work(enlarge, saved, size, scale, name, said):
    path = saved(Image.new("1", size))
    with pytest.raises(InvalidInput, match=said):
        enlarge.run(image=str(path), scale=scale, output_format=name)
    assert enlarge.told.steps == []


def test_what_is_no_picture_is_refused(enlarge, tmp_path):
    path = tmp_path / "in.png"
    path.write_text("no picture")
    with pytest.raises(InvalidInput, match="no picture"):
        enlarge.run(image=str(path))


@pytest.mark.parametrize(("side", "half"), [(None, False), (64, False), (64, True)])
def test_any_networks_scale_size_and_precision_are_found_out(tmp_path, side, half):
    model = Model(TARGET, network(tmp_path / "weights", 3, side, half))
    image = drawn(100, 70)
    made = model.runner.enlarged(image, 3)
    wanted = image.resize((300, 210), Image.Resampling.NEAREST)
    assert np.abs(np.asarray(made, int) - np.asarray(wanted, int)).max() <= 1


def test_a_folder_without_a_network_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no ONNX file"):
        Model(TARGET, tmp_path)
