from __future__ import annotations

import threading

import pytest

from cog import CancelationException
from tests.model_registry.runners.conftest import Model
from tests.tiny import hub_repos


def loaded(folder, make, *more, by_sentence=False):
    make(folder, *more)
    model = Model("text_to_text.py:TextToText", folder)
    model.runner.by_sentence = by_sentence
    return model


@pytest.fixture(scope="module")
def german(tmp_path_factory):
    return loaded(tmp_path_factory.mktemp("german"), hub_repos.translator, by_sentence=True)


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    return loaded(tmp_path_factory.mktemp("summary"), hub_repos.summariser)


@pytest.fixture(scope="module")
def tongues(tmp_path_factory):
    return loaded(tmp_path_factory.mktemp("tongues"), hub_repos.many_tongues, by_sentence=True)


def test_a_text_is_translated_sentence_by_sentence_and_keeps_its_paragraphs(german):
    pieces = german.run(text="the cat is red. The dog was big.\n\nThe sun is blue.", max_tokens=5)
    assert len(pieces) == 5
    assert pieces[1] == " " and pieces[3] == "\n\n"
    assert [done for done, total, _ in german.told.steps] == [1, 2, 3]
    assert german.told.metrics["input_token_count"] > 3


def test_a_text_of_any_length_is_translated(german):
    german.run(text="The cat is red. " * 40, max_tokens=1, num_beams=1)
    assert german.told.steps[-1][:2] == (40, 40)


def test_a_sentence_that_is_too_long_is_cut_between_two_words(german):
    asked = []
    read = german.runner._read
    german.runner._read = lambda text: asked.append(text) or read(text)
    text = "the big red cat sees the small blue dog " * 9
    german.run(text=text, max_tokens=1, num_beams=1)
    del german.runner._read
    assert len(asked) > 1 and " ".join(asked) == text.strip()


def test_one_beam_streams(summary):
    pieces = summary.run(text="the cat is red. The dog was big.", max_tokens=40, num_beams=1)
    assert len(pieces) > 1
    whole = summary.run(text="the cat is red. The dog was big.", max_tokens=40, num_beams=3)
    assert len(whole) == 1
    assert 0 < summary.told.metrics["output_token_count"] <= 40


def test_the_same_seed_gives_the_same_text(summary):
    asked = {"text": "the cat", "temperature": 2, "max_tokens": 20}
    assert summary.run(**asked, seed=1) == summary.run(**asked, seed=1)
    assert summary.run(**asked, seed=1) != summary.run(**asked, seed=2)


def test_a_prefix_comes_before_the_text(summary):
    summary.run(text="the cat", max_tokens=2)
    plain = summary.told.metrics["input_token_count"]
    summary.run(text="the cat", prefix="summarize: ", max_tokens=2)
    assert summary.told.metrics["input_token_count"] == plain + len("summarize: ")


def test_a_text_that_the_model_cannot_read_at_once_is_refused(summary):
    with pytest.raises(ValueError, match="has 20000. tokens; this model reads at most 256"):
        summary.run(text="x" * 200_000)


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_text_is_refused(summary, text):
    with pytest.raises(ValueError, match="text is empty"):
        summary.run(text=text)


def test_the_language_to_write_is_begun_with(tongues):
    seen = []
    written = tongues.runner.model.generate

    def generate(**settings):
        seen.append(settings["forced_bos_token_id"])
        return written(**settings)

    tongues.runner.model.generate = generate
    tongues.run(text="the cat", source_language="eng_Latn", target_language="fra_Latn")
    assert seen == [tongues.runner.tokenizer.convert_tokens_to_ids("fra_Latn")]


@pytest.mark.parametrize(
    "given, reason",
    [
        ({}, "target_language is empty; this model writes ace_Arab, "),
        ({"target_language": "Klingon"}, "target_language is 'Klingon'; this model knows ace"),
        ({"target_language": "fra_Latn", "source_language": "en"}, "source_language is 'en'"),
    ],
)
def test_a_language_that_a_model_does_not_know_is_refused(tongues, given, reason):
    with pytest.raises(ValueError, match=reason):
        tongues.run(text="the cat", **given)


def test_a_language_where_there_is_no_choice_is_refused(german):
    with pytest.raises(ValueError, match="does one thing only"):
        german.run(text="the cat", target_language="deu")


def test_a_translator_into_several_languages_is_told_which(tmp_path):
    model = loaded(tmp_path, hub_repos.translator, ">>deu<<", ">>fra<<")
    one, other = (
        model.run(text="the cat", target_language=each, max_tokens=8) for each in ("deu", "fra")
    )
    assert one and other
    mark = model.runner.tokenizer.convert_tokens_to_ids(">>fra<<")
    assert model.runner.tokenizer(">>fra<< the cat")["input_ids"][0] == mark
    with pytest.raises(ValueError, match="writes deu, fra. Choose one"):
        model.run(text="the cat")
    with pytest.raises(ValueError, match="hears the language itself"):
        model.run(text="the cat", target_language="deu", source_language="fra")


def test_a_cancel_ends_the_writing(summary):
    running = threading.active_count()
    arguments = {"text": "the cat", "max_tokens": 200, "num_beams": 1}
    pieces = summary.loaded.call(**summary.loaded.arguments(arguments))
    next(pieces)
    with pytest.raises(CancelationException):
        pieces.throw(CancelationException())
    assert threading.active_count() == running
