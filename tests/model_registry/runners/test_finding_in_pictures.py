"""Models that say what a picture shows, or where; and what a recording sounds like."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from PIL import Image

from tests.model_registry.runners.conftest import REGISTRY, Model
from tests.tiny import framing, sorting

CAT = str(REGISTRY / "catalogue" / "pictures" / "cat.jpg")
KINDS = "image_classification.py:ImageClassification"
OWN_KINDS = "zero_shot_image_classification.py:ZeroShotImageClassification"
EMBEDDING = "image_embeddings.py:ImageEmbeddings"
THINGS = "object_detection.py:ObjectDetection"
OWN_THINGS = "zero_shot_object_detection.py:ZeroShotObjectDetection"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model of a maker's folder, set up once."""
    models = {}

    def made(target, maker):
        if (target, maker) not in models:
            folder = tmp_path_factory.mktemp("tiny")
            maker(folder)
            models[target, maker] = Model(target, folder)
        return models[target, maker]

    return made


def test_a_picture_is_sorted_into_what_the_model_knows(made):
    found = made(KINDS, sorting.pictures).run(image=CAT, top_k=2)
    assert [each["label"] for each in found] == ["cat", "sun"]
    assert found[0]["score"] > 0.7


@pytest.mark.parametrize("maker", [sorting.patches, sorting.channels])
def test_a_picture_becomes_numbers(made, maker):
    model = made(EMBEDDING, maker)
    (first, mean) = (model.run(image=CAT, pooling=way)["embedding"] for way in ("first", "mean"))
    assert len(first) == len(mean) == 16
    assert (first == mean) == (maker is sorting.channels)
    unit = model.run(image=CAT, normalize=True)["embedding"]
    assert np.linalg.norm(unit) == pytest.approx(1, abs=1e-4) != np.linalg.norm(first)


@pytest.mark.parametrize("maker", [sorting.clip, sorting.siglip])
def test_a_picture_is_held_against_words(made, maker):
    found = made(OWN_KINDS, maker).run(image=CAT, labels=["cat", "dog", "cat"])
    assert {each["label"] for each in found} == {"cat", "dog"}
    assert found[0]["score"] >= found[1]["score"]


def test_only_where_the_model_was_taught_so_the_scores_add_up(made):
    given = {"image": CAT, "labels": ["cat", "dog"]}
    (first, second) = made(OWN_KINDS, sorting.clip).run(**given)
    assert first["score"] + second["score"] == pytest.approx(1, abs=1e-3)
    apart = made(OWN_KINDS, sorting.siglip)
    (alone,) = apart.run(image=CAT, labels=["cat"])
    assert alone in apart.run(**given)


@pytest.mark.parametrize("maker", [sorting.clip, sorting.siglip])
def test_a_label_that_is_too_long_is_refused(made, maker):
    with pytest.raises(ValueError, match="label 'cat cat.*this model reads at most"):
        made(OWN_KINDS, maker).run(image=CAT, labels=["dog", "cat " * 60])


def test_things_are_framed(made):
    output = made(THINGS, sorting.yolos).run(image=CAT)
    assert [each["label"] for each in output["objects"]] == ["cat", "cat"]
    with Image.open(CAT) as given, Image.open(output["image"]) as shown:
        assert shown.size == given.size
        assert (np.asarray(shown) != np.asarray(given.convert("RGB"))).any()
        for each in output["objects"]:
            box = each["box"]
            assert 0 <= box["left"] <= box["right"] <= given.width
            assert 0 <= box["top"] <= box["bottom"] <= given.height


def test_a_frame_ends_at_the_edge_of_the_picture(made, monkeypatch):
    model = made(THINGS, sorting.yolos)
    finish = model.runner.processor.post_process_object_detection

    def beyond(*given, **settings):
        (found,) = finish(*given, **settings)
        return [{**found, "boxes": found["boxes"] * 100 - 20_000}]

    monkeypatch.setattr(model.runner.processor, "post_process_object_detection", beyond)
    with Image.open(CAT) as given:
        edges = {"left": 0, "top": 0, "right": given.width, "bottom": given.height}
    assert [each["box"] for each in model.run(image=CAT)["objects"]] == [edges, edges]


def test_nothing_found_is_said(made, capsys):
    output = made(THINGS, sorting.yolos).run(image=CAT, threshold=1)
    assert output["objects"] == [] and "Found nothing" in capsys.readouterr().out


@pytest.mark.parametrize(
    "maker, count",
    [(sorting.owlvit, 16), (sorting.grounding_dino, 4)],  # one for each patch, or query
)
def test_things_may_be_the_persons_own(made, maker, count):
    output = made(OWN_THINGS, maker).run(image=CAT, labels=["A cat.", "dog"], threshold=0)
    assert {each["label"].strip(" .") for each in output["objects"]} <= {"A cat", "dog"}
    assert len(output["objects"]) == count


@pytest.mark.parametrize(
    "target, maker, inputs",
    [
        (KINDS, sorting.pictures, {}),
        (EMBEDDING, sorting.patches, {}),
        (OWN_KINDS, sorting.clip, {"labels": ["cat"]}),
        (THINGS, sorting.yolos, {}),
        (OWN_THINGS, sorting.owlvit, {"labels": ["cat"]}),
    ],
)
def test_a_single_point_is_a_picture_and_a_text_is_none(made, target, maker, inputs, tmp_path):
    Image.new("RGB", (1, 1)).save(tmp_path / "point.png")
    assert made(target, maker).run(image=str(tmp_path / "point.png"), **inputs)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ValueError, match="image is no picture"):
        made(target, maker).run(image=str(tmp_path / "text.png"), **inputs)


@pytest.fixture(scope="module")
def hears(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ast")
    sorting.sounds(folder)
    return Model("audio_classification.py:AudioClassification", folder)


@pytest.mark.parametrize("seconds", [0.01, 3, 25])
def test_a_recording_is_sorted_into_what_the_model_knows(hears, tmp_path, seconds):
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, int(seconds * 16000))
    soundfile.write(tmp_path / "sound.wav", sound, 16000)
    found = hears.run(audio=str(tmp_path / "sound.wav"))
    assert [each["label"] for each in found] == ["rain", "music"]
    assert sum(each["score"] for each in found) == pytest.approx(1, abs=1e-3)
    assert hears.told.steps[-1][0] == pytest.approx(seconds, abs=0.1)


def test_a_single_kind_of_sound_may_be_absent(tmp_path):
    sorting.sounds(tmp_path, rain=-4.0)
    soundfile.write(tmp_path / "sound.wav", np.zeros(16000), 16000)
    hears = Model("audio_classification.py:AudioClassification", tmp_path)
    (found,) = hears.run(audio=str(tmp_path / "sound.wav"))
    assert found["label"] == "rain" and found["score"] < 0.2


def test_a_silent_file_is_refused(hears, tmp_path):
    (tmp_path / "sound.wav").write_text("nothing")
    with pytest.raises(ValueError, match="holds no sound"):
        hears.run(audio=str(tmp_path / "sound.wav"))


@pytest.mark.parametrize("kind", ["Detr", "TableTransformer", "ConditionalDetr"])
def test_a_resnet_with_the_names_of_timm_sees_the_same(kind, tmp_path):
    import torch

    before = framing.detr(tmp_path, kind)
    model = Model(THINGS, tmp_path)
    pixels = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        seen, saw = model.runner.model(pixels), before(pixels)
    assert torch.allclose(seen.logits, saw.logits, atol=1e-5)
    assert torch.allclose(seen.pred_boxes, saw.pred_boxes, atol=1e-5)
    assert {each["label"] for each in model.run(image=CAT, threshold=0)["objects"]} <= {
        "cat", "dog", "2",
    }  # fmt: skip
