from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cog import InvalidInput
from tests.model_registry.runners.conftest import Model
from tests.tiny import restoration
from tests.tiny.restoration import FACE, TINY

TARGET = "super_resolution.py:SuperResolution"
NETWORKS = {"compact": "realesr-general-x4v3.pth", "large": "photos:RealESRGAN_x4plus.safetensors"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}
    for repo, make in TINY.items():
        made[repo] = tmp_path_factory.mktemp(repo.replace("/", "--"))
        make(made[repo])
    return made


@pytest.fixture(scope="module")
def enlarge(folders):
    parts = {
        "photos": str(folders["Comfy-Org/Real-ESRGAN_repackaged"]),
        "finder": str(folders["opencv/face_detection_yunet"]),
        "faces": str(folders["facefusion/models-3.0.0"]),
    }
    return Model(
        TARGET,
        folders["jhj0517/realesr-general-x4v3"],
        parts=parts,
        networks=NETWORKS,
        faces="faces:gfpgan_1.4.onnx",
    )


@pytest.fixture
def saved(tmp_path):
    def save(image, name="in.png", **how):
        image.save(tmp_path / name, **how)
        return str(tmp_path / name)

    return save


def opened(path):
    with Image.open(path) as image:
        image.load()
        return image


def noise(width, height):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize("version", ["compact", "large", ""])
def test_a_photo_becomes_larger_as_a_png(enlarge, saved, version):
    made = opened(enlarge.run(image=saved(noise(30, 20)), version=version))
    assert made.format == "PNG" and made.mode == "RGB" and made.size == (120, 80)
    assert np.asarray(made).std() > 1


@pytest.mark.parametrize("version", ["compact", "large"])
def test_tiles_leave_no_seam(enlarge, saved, version):
    path = saved(noise(150, 130))
    whole, tiled = (
        np.asarray(opened(enlarge.run(image=path, version=version, tile=tile)), int)
        for tile in (0, 128)
    )
    assert len(enlarge.told.steps) == 4
    assert np.abs(whole - tiled).max() <= 1


@pytest.mark.parametrize(("scale", "size"), [(2, (60, 40)), (0.5, (15, 10)), (10, (300, 200))])
def test_any_scale_is_reached_and_said(enlarge, saved, capsys, scale, size):
    assert opened(enlarge.run(image=saved(noise(30, 20)), scale=scale)).size == size
    assert f"Enlarged 4 times, then resized to {size[0]} × {size[1]}" in capsys.readouterr().out


def test_transparency_and_grey_stay(enlarge, saved):
    image = noise(30, 20).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 10, 20))
    # What the tiny network makes of a plain surface is not white; that it is another will do.
    alpha = np.asarray(opened(enlarge.run(image=saved(image))).getchannel("A"), int)
    assert abs(alpha[:, 4:30].mean() - alpha[:, 50:].mean()) > 100
    assert opened(enlarge.run(image=saved(noise(30, 20).convert("L")))).mode == "L"


@pytest.mark.parametrize("version", ["compact", "large"])
@pytest.mark.parametrize("size", [(1, 1), (1, 50)])
def test_a_single_pixel_and_a_line_are_taken(enlarge, saved, version, size):
    made = opened(enlarge.run(image=saved(noise(*size)), version=version))
    assert made.size == (4 * size[0], 4 * size[1])


@pytest.mark.parametrize(
    ("size", "scale", "said"),
    [
        ((12_000, 12_000), 2, "12000 × 12000 pixels; allowed are 64 million"),
        ((5000, 4001), 2, "over the 100 million pixels allowed"),
        ((8, 8), 0, "scale is 0"),
    ],
)
def test_what_is_too_large_or_nothing_is_refused_before_any_work(enlarge, saved, size, scale, said):
    with pytest.raises(InvalidInput, match=said):
        enlarge.run(image=saved(Image.new("1", size)), scale=scale)
    assert enlarge.told.steps == []


def test_no_picture_and_an_unknown_version_are_refused(enlarge, saved, tmp_path):
    (tmp_path / "no.png").write_text("no picture")
    with pytest.raises(InvalidInput, match="no picture"):
        enlarge.run(image=str(tmp_path / "no.png"))
    with pytest.raises(InvalidInput, match="allowed are compact, large"):
        enlarge.run(image=saved(noise(8, 8)), version="tiny")


def test_faces_are_made_better_where_they_are_and_transparency_stays(enlarge, saved):
    image = Image.new("RGBA", (320, 240), (40, 60, 200, 255))
    ImageDraw.Draw(image).rectangle((144, 112, 160, 128), fill=(255, 0, 0, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))
    path = saved(image)
    plain, better = (
        np.asarray(opened(enlarge.run(image=path, scale=1, face_enhance=on)), int)
        for on in (False, True)
    )
    assert enlarge.told.metrics["faces"] == 1 and enlarge.told.steps[-1] == (1, 1, "face")
    changed = np.abs(plain[..., :3] - better[..., :3]).max(-1) > 20
    assert changed[120, 152], "the tiny network turns colours into their opposites"
    rows, columns = np.nonzero(changed)
    assert abs(rows.mean() - 120) < FACE / 16 and abs(columns.mean() - 152) < FACE / 16
    assert not changed[:20].any() and not changed[:, :50].any()
    assert (plain[..., 3] == better[..., 3]).all()


def test_a_photo_without_faces_says_so(enlarge, saved, capsys):
    enlarge.run(image=saved(noise(30, 20)), face_enhance=True)
    assert "No face was found" in capsys.readouterr().out


def test_without_a_network_for_faces_they_are_refused(folders, saved):
    model = Model(TARGET, folders["Comfy-Org/Real-ESRGAN_repackaged"])
    with pytest.raises(InvalidInput, match="leave face_enhance off"):
        model.run(image=saved(noise(8, 8)), face_enhance=True)


OLD = {
    "conv_first": "model.0",
    "body.0.rdb": "model.1.sub.0.RDB",
    "conv_body": "model.1.sub.1",
    "conv_up1": "model.3",
    "conv_up2": "model.6",
    "conv_hr": "model.8",
    "conv_last": "model.10",
}


def test_layers_may_have_the_names_that_the_first_esrgan_gave_them(
    enlarge, folders, tmp_path, saved
):
    from safetensors.torch import save_file

    renamed = {}
    for name, tensor in restoration.tensors_of_rrdb().items():
        new, old = next(pair for pair in OLD.items() if name.startswith(pair[0]))
        name = name.replace(new, old)
        if "RDB" in name:
            name = name.replace(".weight", ".0.weight").replace(".bias", ".0.bias")
        renamed[name] = tensor
    (tmp_path / "weights").mkdir()
    save_file(renamed, tmp_path / "weights" / "old.safetensors")
    path = saved(noise(30, 20))
    made = Model(TARGET, tmp_path / "weights").run(image=path)
    assert made.read_bytes() == enlarge.run(image=path, version="large").read_bytes()


def test_a_network_that_folds_pixels_enlarges_less(tmp_path, saved):
    from safetensors.torch import save_file

    save_file(restoration.tensors_of_rrdb(fold=2), tmp_path / "x2.safetensors")
    made = opened(Model(TARGET, tmp_path).run(image=saved(noise(31, 21)), scale=2))
    assert made.size == (62, 42)


def test_a_file_of_weights_that_would_run_code_is_not_opened(tmp_path, capsys):
    import torch

    class Harm:
        def __reduce__(self):
            return (print, ("harm",))

    torch.save({"params": Harm()}, tmp_path / "harm.pth")
    with pytest.raises(ValueError, match="more than tensors"):
        Model(TARGET, tmp_path)
    assert "harm" not in capsys.readouterr().out


def test_weights_of_another_network_are_refused(tmp_path):
    import torch
    from safetensors.torch import save_file

    save_file({"encoder.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="no network of Real-ESRGAN"):
        Model(TARGET, tmp_path)
