from __future__ import annotations

import pytest
from PIL import Image

from tests.model_registry.runners.conftest import REGISTRY, Model
from tests.tiny import hub_repos

CAT = str(REGISTRY / "catalogue" / "pictures" / "cat.jpg")
MAKERS = {"chooses": hub_repos.vilt, "writes": hub_repos.blip_answers}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    made = {}

    def model(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            MAKERS[name](folder)
            made[name] = Model("visual_question_answering.py:VisualQuestionAnswering", folder)
        return made[name]

    return model


@pytest.fixture(params=MAKERS)
def model(request, models):
    return models(request.param)


def test_a_question_is_answered_by_what_the_model_knows(models):
    answers = models("chooses").run(image=CAT, question="is it a cat?")
    assert {each["answer"] for each in answers} == {"yes", "no", "two"}
    scores = [each["score"] for each in answers]
    assert scores == sorted(scores, reverse=True)
    (best,) = models("chooses").run(image=CAT, question="is it a cat?", top_k=1)
    assert best == answers[0]


def test_a_question_is_answered_in_words(models, capsys):
    (answer,) = models("writes").run(image=CAT, question="is it a cat?")
    assert answer["score"] is None and isinstance(answer["answer"], str)
    assert "writes one answer" in capsys.readouterr().out


def test_an_empty_question_is_refused(model):
    with pytest.raises(ValueError, match="question is empty"):
        model.run(image=CAT, question=" ")


def test_a_question_that_is_too_long_is_refused(model):
    with pytest.raises(ValueError, match=r"has 2000\d\d tokens; this model reads at most \d\d\."):
        model.run(image=CAT, question="?" * 200_000)


def test_a_single_point_is_a_picture_too(model, tmp_path):
    Image.new("RGB", (1, 1)).save(tmp_path / "point.png")
    assert model.run(image=str(tmp_path / "point.png"), question="is it a cat?")
