"""What lies at a point or in a box of a picture, or all that there is, cut out."""

from __future__ import annotations

import numpy
import pytest
from PIL import Image

from cog import InvalidInput
from tests.model_registry.runners.conftest import REGISTRY, Model
from tests.tiny import cutting

CAT = REGISTRY / "catalogue" / "pictures" / "cat.jpg"


@pytest.fixture(scope="module", params=["sam", "sam_2"])
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    getattr(cutting, request.param)(folder)
    return Model("mask_generation.py:MaskGeneration", folder)


def pixels(path):
    with Image.open(path) as picture:
        return numpy.asarray(picture)


def places(output):
    return pixels(output["mask"])


def test_a_point_is_cut_out_as_the_library_does_it(tmp_path):
    import torch
    from transformers import SamModel
    from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil
    from transformers.models.sam.processing_sam import SamProcessor

    cutting.sam(tmp_path)
    found = places(Model("mask_generation.py:MaskGeneration", tmp_path).run(
        image=str(CAT), points=["40,50"]
    ))  # fmt: skip
    processor = SamProcessor(SamImageProcessorPil.from_pretrained(tmp_path))
    given = processor(pixels(CAT), input_points=[[[40, 50]]], return_tensors="pt")
    sizes = given.pop("original_sizes"), given.pop("reshaped_input_sizes")
    with torch.no_grad():
        made = SamModel.from_pretrained(tmp_path).eval()(**given)
    (masks,) = processor.image_processor.post_process_masks(made.pred_masks, *sizes)
    best = masks[0, made.iou_scores[0, 0].argmax()].numpy()
    assert ((found > 0) == best).mean() > 0.97
    assert 0 < best.mean() < 1


def test_what_is_marked_changes_what_is_cut_out(model):
    one = model.run(image=str(CAT), points=["40,50"])
    (part,) = one["parts"]
    where = places(one) == part["value"]
    assert where.shape == pixels(CAT).shape[:2]
    assert part["share"] == pytest.approx(where.mean(), abs=1e-3)
    rows, columns = where.any(1).nonzero()[0], where.any(0).nonzero()[0]
    assert part["box"] == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    boxed = places(model.run(image=str(CAT), box="200,100,300,250"))
    beside = places(model.run(image=str(CAT), points=["40,50"], points_beside=["300,200"]))
    assert (boxed != places(one)).any() and (beside != places(one)).any()


def test_without_marks_all_that_there_is_is_cut_out(model, monkeypatch):
    monkeypatch.setattr(model.module, "STABLE", 0)
    monkeypatch.setattr(model.module, "AT_ONCE", 5)
    decoder = model.runner.model.mask_decoder
    decoder.iou_prediction_head.proj_out.bias.data += 0.5
    for each in decoder.output_hypernetworks_mlps:  # so small a model is sure of no pixel
        each.proj_out.weight.data *= 1e7
    found = model.run(image=str(CAT), threshold=0, points_per_side=4)
    assert [done for done, *_ in model.told.steps] == [5, 10, 15, 16]
    shares = [each["share"] for each in found["parts"]]
    assert shares == sorted(shares, reverse=True) and shares
    assert {*numpy.unique(places(found))} <= {0, *(each["value"] for each in found["parts"])}
    assert model.run(image=str(CAT), threshold=1, points_per_side=1)["parts"] == []


@pytest.mark.parametrize(
    ("marks", "reason"),
    [
        ({"points": ["here"]}, "points has 'here'; it must be x,y in pixels"),
        ({"points": ["5000,1"]}, "which is not within the picture of"),
        ({"box": "1,2,3"}, "it must be left,top,right,bottom in pixels"),
        ({"box": "9,2,3,9"}, "and left less than right"),
        ({"points_beside": ["1,1"]}, "needs a point or a box"),
    ],
)
def test_marks_that_mean_nothing_are_refused(model, marks, reason):
    with pytest.raises(InvalidInput, match=reason):
        model.run(image=str(CAT), **marks)
