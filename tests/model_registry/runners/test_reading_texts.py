"""Models that read a text and write none: kinds, names, answers, hidden words, order."""

from __future__ import annotations

import pytest

from tests.model_registry.runners.conftest import Model
from tests.tiny import sorting

KINDS = "text_classification.py:TextClassification"
BY_WORD = "text_ranking_by_word.py:TextRankingByWord"
RANKING = "text_ranking.py:TextRanking"
OWN_KINDS = "zero_shot_classification.py:ZeroShotClassification"
NAMES = "token_classification.py:TokenClassification"
MASK = "fill_mask.py:FillMask"
ANSWERS = "question_answering.py:QuestionAnswering"
LONG = "the cat is red . " * 400


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model of a maker's folder, set up once."""
    models = {}

    def made(target, maker, *given, **config):
        key = (target, maker, given, *config.items())
        if key not in models:
            folder = tmp_path_factory.mktemp("tiny")
            maker(folder, *given, **config)
            models[key] = Model(target, folder)
        return models[key]

    return made


def test_a_text_is_sorted_into_what_the_model_knows(made):
    found = made(KINDS, sorting.moods).run(text="the sun is on .")
    assert [each["label"] for each in found] == ["glad", "sad", "cross"]
    assert sum(each["score"] for each in found) == pytest.approx(1, abs=1e-3)
    assert len(made(KINDS, sorting.moods).run(text="the sun", top_k=1)) == 1


def test_where_several_kinds_may_hold_each_is_weighed_for_itself(made):
    several = {"problem_type": "multi_label_classification"}
    found = made(KINDS, sorting.moods, 4.0, 4.0, -4.0, **several).run(text="the sun")
    assert [each["score"] > 0.9 for each in found] == [True, True, False]


@pytest.mark.parametrize(
    "target, maker, inputs",
    [
        (KINDS, sorting.moods, {"text": LONG}),
        (RANKING, sorting.reranker, {"query": "cat", "documents": [LONG]}),
        (OWN_KINDS, sorting.entailment, {"text": LONG, "labels": ["cats"]}),
        (MASK, sorting.masked_roberta, {"text": f"the <mask> {LONG}"}),
    ],
)
def test_of_a_text_that_is_too_long_is_said_what_was_read(made, target, maker, inputs, capsys):
    assert made(target, maker).run(**inputs)
    assert "this model reads the first 6" in capsys.readouterr().out


def test_texts_are_brought_in_order(made):
    documents = ["the moon", "a cat", "the big house in the tree"] * 7
    found = made(RANKING, sorting.reranker).run(query="a dog", documents=documents, top_k=20)
    scores = [each["score"] for each in found]
    assert len(found) == 20 and scores == sorted(scores, reverse=True)
    assert all(documents[each["index"]] == each["document"] for each in found)
    alone = made(RANKING, sorting.reranker).run(query="a dog", documents=["a cat"])
    together = {each["document"]: each["score"] for each in found}
    assert alone[0]["score"] == pytest.approx(together["a cat"], abs=1e-4)


def test_kinds_may_be_the_persons_own(made):
    model = made(OWN_KINDS, sorting.entailment)
    found = model.run(text="the cat sees", labels=["dogs", "moons", " dogs "])
    assert {each["label"] for each in found} == {"dogs", "moons"}
    assert sum(each["score"] for each in found) == pytest.approx(1, abs=1e-3)
    apart = model.run(text="the cat sees", labels=["dogs", "moons"], multi_label=True)
    (alone,) = model.run(text="the cat sees", labels=["dogs"])
    assert alone in apart


def test_what_gives_no_choice_is_refused(made):
    model = made(OWN_KINDS, sorting.entailment)
    with pytest.raises(ValueError, match="labels has 0 names"):
        model.run(text="the cat", labels=[" "])
    with pytest.raises(ValueError, match="it must have {} where a label belongs"):
        model.run(text="the cat", labels=["dogs"], template="about")


def test_a_model_without_entailment_is_refused(made):
    with pytest.raises(ValueError, match="must know entailment; its labels are glad, sad, cross"):
        made(OWN_KINDS, sorting.moods)


def test_names_are_found_with_their_places(made):
    text = "the cat sees"
    found = made(NAMES, sorting.names).run(text=text)
    assert {each["label"] for each in found} == {"LOC"}
    assert all(text[each["start"] : each["end"]] == each["word"] for each in found)
    assert made(NAMES, sorting.names).run(text=text, threshold=1) == []


def test_names_are_found_to_the_end_of_a_long_text(made):
    found = made(NAMES, sorting.names).run(text=LONG)
    assert found[-1]["end"] == len(LONG.rstrip())


def test_a_hidden_word_is_guessed(made):
    found = made(MASK, sorting.masked).run(text="the [MASK] is red", top_k=3)
    assert found[0]["word"] == "moon" and found[0]["text"] == "the moon is red"
    assert len(found) == 3
    assert made(MASK, sorting.masked).run(text="the <mask> is red", top_k=3) == found


@pytest.mark.parametrize("text, count", [("the cat", 0), ("[MASK] and [MASK]", 2)])
def test_exactly_one_word_is_hidden(made, text, count):
    with pytest.raises(ValueError, match=rf"has {count} masks; write exactly one \[MASK\]"):
        made(MASK, sorting.masked).run(text=text)


def test_a_mask_that_is_not_read_is_refused(made):
    with pytest.raises(ValueError, match="mask lies behind the first 64 tokens"):
        made(MASK, sorting.masked).run(text=f"{LONG} [MASK]")


def test_an_answer_is_a_piece_of_the_text(made):
    context = "the red cat sees the moon . " * 30
    found = made(ANSWERS, sorting.answers).run(question="what ?", context=context, top_k=4)
    assert found and all(context[a["start"] : a["end"]] == a["answer"] for a in found)
    assert all(a["answer"].strip() == a["answer"] != "" for a in found)  # of whole words
    assert len({(each["start"], each["end"]) for each in found}) == len(found)


def test_a_question_without_room_for_a_text_is_refused(made):
    with pytest.raises(ValueError, match="question leaves no room"):
        made(ANSWERS, sorting.answers).run(question=LONG, context="the cat")


@pytest.mark.parametrize(
    "target, maker, inputs",
    [
        (KINDS, sorting.moods, {"text": " "}),
        (RANKING, sorting.reranker, {"query": " ", "documents": ["a"]}),
        (RANKING, sorting.reranker, {"query": "a", "documents": ["a", ""]}),
        (OWN_KINDS, sorting.entailment, {"text": "", "labels": ["cats"]}),
        (NAMES, sorting.names, {"text": " "}),
        (MASK, sorting.masked, {"text": ""}),
        (ANSWERS, sorting.answers, {"question": "", "context": "a"}),
        (ANSWERS, sorting.answers, {"question": "a", "context": ""}),
    ],
)
def test_nothing_is_refused(made, target, maker, inputs):
    with pytest.raises(ValueError, match="empty"):
        made(target, maker).run(**inputs)


def test_weights_of_another_class_are_refused_or_told(tmp_path, capsys):
    sorting.masked(tmp_path)
    Model(KINDS, tmp_path)  # without what sorts
    assert "lack classifier.bias, classifier.weight: random" in capsys.readouterr().out
    weights = tmp_path / "model.safetensors"
    from safetensors.torch import load_file, save_file

    there = load_file(weights)
    kept = {name: each for name, each in there.items() if "word_embeddings" not in name}
    save_file(kept, weights, {"format": "pt"})
    with pytest.raises(ValueError, match="not those of a BertForSequenceClassification: 2.% of"):
        Model(KINDS, tmp_path)


def test_a_text_is_ranked_by_the_word_that_would_come_next(tmp_path):
    import torch

    sorting.reranker_by_word(tmp_path)
    model = Model(BY_WORD, tmp_path, form="qwen3")
    runner, documents = model.runner, ["a dog", "the moon is big and red", "a cat"]
    found = model.run(query="what is red?", documents=documents, top_k=2)
    assert [each["document"] for each in found] == [documents[each["index"]] for each in found]
    assert len(found) == 2 and found[0]["score"] >= found[1]["score"]

    def alone(document, instruction):
        text = (
            "<|im_start|>system\nJudge whether the Document meets the requirements based on the "
            'Query and the Instruct provided. Note that the answer can only be "yes" or "no".'
            f"<|im_end|>\n<|im_start|>user\n<Instruct>: {instruction}\n<Query>: what is red?\n"
            f"<Document>: {document}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
        )
        tokens = runner.tokenizer(text, return_tensors="pt", add_special_tokens=False)
        no, yes = (runner.tokenizer.convert_tokens_to_ids(each) for each in ("no", "yes"))
        with torch.no_grad():
            logits = runner.model(tokens["input_ids"]).logits[0, -1]
        return logits[[no, yes]].softmax(0)[1].item()

    usual = "Given a web search query, retrieve relevant passages that answer the query"
    for each in found:
        assert each["score"] == pytest.approx(alone(each["document"], usual), abs=1e-3)
    (own,) = model.run(query="what is red?", documents=["a dog"], instruction="Find animals.")
    assert own["score"] == pytest.approx(alone("a dog", "Find animals."), abs=1e-3)


def test_of_a_text_that_is_too_long_to_be_ranked_the_end_of_the_question_form_stays(
    tmp_path, capsys
):
    sorting.reranker_by_word(tmp_path)
    model = Model(BY_WORD, tmp_path, form="mxbai")
    (found,) = model.run(query="red?", documents=["the cat is red . " * 200])
    assert 0 < found["score"] < 1
    assert "and what comes after has no effect" in capsys.readouterr().out
    assert model.told.metrics["input_token_count"] == model.runner.reads
