from __future__ import annotations

import json
import random

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cog import InvalidInput
from tests.model_registry.runners.conftest import REGISTRY, Model

TARGET = "background_removal.py:BackgroundRemoval"


@pytest.fixture(scope="module")
def cutout():
    return Model(TARGET, REGISTRY / "starter" / "cutout")


def opened(path):
    with Image.open(path) as image:
        image.load()
        return image


def disc(size=(200, 150), mode="RGB"):
    """A yellow disc on blue, left of the middle."""
    image = Image.new("RGB", size, (40, 60, 200))
    ImageDraw.Draw(image).ellipse((30, 30, 110, 110), (250, 210, 40))
    return image.convert(mode)


@pytest.fixture
def saved(tmp_path):
    def save(image, name="in.png", **how):
        image.save(tmp_path / name, **how)
        return str(tmp_path / name)

    return save


def network(folder, size=None, logits=False, name="model.onnx"):
    """An ONNX file whose mask is the first colour as it comes in, of any size or of a fixed one."""
    import onnx
    from onnx import TensorProto, helper

    folder.mkdir(exist_ok=True, parents=True)
    height, width = size or ("h", "w")
    nodes = [helper.make_node("Slice", ["image", "from", "to", "along"], ["mask"])]
    bounds = {"from": 0, "to": 1, "along": 1}
    graph = helper.make_graph(
        nodes,
        "first",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, height, width])],
        [helper.make_tensor_value_info("mask", TensorProto.FLOAT, None)],
        [helper.make_tensor(key, TensorProto.INT64, [1], [at]) for key, at in bounds.items()],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), str(folder / name))
    mean, deviation = (0.5, 0.05) if logits else (0.0, 1.0)
    settings = {"image_mean": [mean] * 3, "image_std": [deviation] * 3}
    settings["size"] = {"width": 40, "height": 30}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def test_a_thing_stays_with_its_own_pixels_and_its_background_goes(cutout, saved):
    image = disc()
    made = opened(cutout.run(image=saved(image)))
    assert made.mode == "RGBA" and made.size == image.size and made.format == "PNG"
    pixels = np.asarray(made)
    assert (pixels[..., :3] == np.asarray(image)).all()
    assert pixels[70, 70, 3] > 240 and pixels[20, 180, 3] < 15
    assert 0.1 < cutout.told.metrics["share_kept"] < 0.25


def test_the_same_picture_gives_the_same_bytes(cutout, saved):
    path = saved(disc())
    assert cutout.run(image=path).read_bytes() == cutout.run(image=path).read_bytes()


def test_a_threshold_gives_hard_edges(cutout, saved):
    soft = np.asarray(opened(cutout.run(image=saved(disc()))).getchannel("A"))
    hard = np.asarray(opened(cutout.run(image=saved(disc()), threshold=0.5)).getchannel("A"))
    assert set(np.unique(hard)) == {0, 255} and len(np.unique(soft)) > 10


def test_a_network_sees_a_picture_as_large_as_it_is_told(tmp_path, saved, monkeypatch):
    any_size = Model(TARGET, network(tmp_path / "any"))
    seen = []
    resize = Image.Image.resize
    monkeypatch.setattr(
        Image.Image,
        "resize",
        lambda image, size, *how: seen.append(size) or resize(image, size, *how),
    )
    for resolution in ("", "96x64", "100X70"):
        any_size.run(image=saved(disc()), resolution=resolution)
    assert seen[::2] == [(40, 30), (96, 64), (96, 64)]
    with pytest.raises(InvalidInput, match="this network sees 64x32 only"):
        fixed = Model(TARGET, network(tmp_path / "fixed", size=(32, 64)))
        fixed.run(image=saved(disc()), resolution="96x64")
    for wrong in ("1024", "0x0", "axb", "9999x9999", "64x64x64"):
        with pytest.raises(InvalidInput, match="width and height such as 1024x1024"):
            any_size.run(image=saved(disc()), resolution=wrong)


def test_a_colour_can_stand_behind(cutout, saved):
    made = opened(cutout.run(image=saved(disc()), background_color="white"))
    assert made.mode == "RGB" and min(made.getpixel((180, 20))) > 240
    half = opened(cutout.run(image=saved(disc()), background_color="#00ff0080"))
    assert half.mode == "RGBA" and 120 < half.getpixel((180, 20))[3] < 140


def test_the_mask_alone_can_be_had(cutout, saved):
    made = opened(cutout.run(image=saved(disc()), only_mask=True))
    assert made.mode == "L" and made.size == (200, 150)
    assert made.getpixel((70, 70)) > 240 and made.getpixel((180, 20)) < 15


def test_where_nothing_is_nothing_is_found_and_that_is_said(cutout, saved, capsys):
    path = saved(Image.new("RGB", (120, 90), (90, 140, 200)))
    made = opened(cutout.run(image=path))
    assert np.asarray(made.getchannel("A")).mean() < 2
    assert "Found nothing to cut out" in capsys.readouterr().out


def test_what_was_transparent_stays_so(cutout, saved):
    image = disc(mode="RGBA")
    image.paste((0, 0, 0, 0), (60, 60, 80, 80))
    alpha = np.asarray(opened(cutout.run(image=saved(image))).getchannel("A"))
    assert alpha[60:80, 60:80].max() == 0


@pytest.mark.parametrize(
    ("mode", "name"),
    [("L", "in.png"), ("P", "in.gif"), ("CMYK", "in.jpg"), ("1", "in.png"), ("LA", "in.png")],
)
def test_every_kind_of_picture_is_taken(cutout, saved, mode, name):
    assert opened(cutout.run(image=saved(disc(mode=mode), name))).size == (200, 150)


def test_a_turned_photo_is_cut_upright(cutout, saved):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    assert opened(cutout.run(image=saved(disc(), "in.jpg", exif=exif))).size == (150, 200)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (5000, 4000)])
def test_any_size_is_taken(cutout, saved, size):
    assert opened(cutout.run(image=saved(Image.new("L", size, 128)))).size == size


def test_what_is_no_picture_and_what_is_no_colour_are_refused(cutout, saved, tmp_path):
    (tmp_path / "no.png").write_bytes(random.Random(0).randbytes(500))
    with pytest.raises(InvalidInput, match="no picture"):
        cutout.run(image=str(tmp_path / "no.png"))
    with pytest.raises(InvalidInput, match="write a name such as white"):
        cutout.run(image=saved(disc()), background_color="blorp")


@pytest.mark.parametrize("size", [None, (24, 32)])
@pytest.mark.parametrize("logits", [False, True])
def test_any_networks_size_scaling_and_range_are_found_out(tmp_path, size, logits):
    model = Model(TARGET, network(tmp_path / "weights", size, logits))
    assert model.runner.networks[""].size == ((32, 24) if size else (40, 30))
    image = Image.new("RGB", (80, 60), (0, 90, 90))
    image.paste((255, 90, 90), (0, 0, 40, 60))
    mask = np.asarray(model.runner.networks[""].mask(image))
    assert mask.shape == (60, 80) and mask[:, :30].min() > 250 and mask[:, 50:].max() < 5


def test_a_network_may_lie_where_others_put_it_but_must_be_one(tmp_path):
    folder = tmp_path / "weights"
    network(folder / "onnx")
    network(folder / "onnx", name="model_quantized.onnx")
    assert Model(TARGET, folder).runner.networks[""].size == (40, 30)
    (folder / "onnx" / "model.onnx").rename(folder / "onnx" / "other.onnx")
    with pytest.raises(ValueError, match="other.onnx"):
        Model(TARGET, folder)


@pytest.fixture(scope="module")
def rembg(tmp_path_factory):
    from tests.tiny.restoration import TINY

    folder = tmp_path_factory.mktemp("rembg")
    TINY["tomjackson2023/rembg"](folder)
    fine = tmp_path_factory.mktemp("birefnet")
    TINY["onnx-community/BiRefNet-ONNX"](fine)
    networks = {
        "u2net": {"file": "u2net.onnx", "size": {"width": 320, "height": 320}},
        "isnet": {
            "file": "isnet-general-use.onnx",
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [1.0, 1.0, 1.0],
        },
        "birefnet": {"file": "fine:onnx/model_fp16.onnx"},
    }
    return Model(TARGET, folder, parts={"fine": str(fine)}, networks=networks)


@pytest.mark.parametrize(
    ("name", "side"), [("", 320), ("u2net", 320), ("isnet", 1024), ("birefnet", 1024)]
)
def test_of_several_networks_one_is_chosen_and_each_is_given_what_it_expects(
    rembg, saved, name, side
):
    image = Image.new("RGB", (80, 60), (40, 60, 200))
    image.paste((255, 0, 0), (0, 0, 40, 60))
    made = opened(rembg.run(image=saved(image), model=name))
    alpha = np.asarray(made.getchannel("A"))
    assert alpha[:, :35].min() > 240 and alpha[:, 45:].max() < 15
    assert rembg.runner.networks[name or "u2net"].size == (side, side)


def test_a_network_that_is_not_there_is_refused(rembg, saved):
    with pytest.raises(InvalidInput, match="allowed are u2net, isnet, birefnet"):
        rembg.run(image=saved(disc()), model="nothing")
