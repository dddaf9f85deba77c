"""What the History tab writes."""

from __future__ import annotations

from cog.encoding import FILE
from components import history_rows
from predictions.prediction import Prediction, Status
from predictions.store import Totals


def prediction(**known):
    given = {"input": {"prompt": "a fox"}, **known}
    return Prediction(id="p1", model="a/b", version="v", created_at=100.0, **given)


def test_a_row_says_what_it_was_and_how_it_went():
    row = history_rows.row_html(
        prediction(status=Status.SUCCEEDED, predict_time=1.6, cost=0.001), "language", 160.0
    )
    for part in ("?prediction=p1", "a fox", "succeeded", "1.6 s", "$0.0010", "1 min ago", "¶"):
        assert part in row


def test_a_picture_is_its_own_sign():
    row = history_rows.row_html(prediction(output=[{FILE: "f1/out.png"}]), "image", 160.0)
    assert '<img src="/v1/outputs/f1/out.png"' in row


def test_a_picture_that_was_given_is_the_sign_of_what_is_none():
    row = history_rows.row_html(prediction(input={"image": {FILE: "f1/in.png"}}), "vision", 160.0)
    assert '<img src="/v1/outputs/f1/in.png"' in row


def test_the_row_that_is_opened_is_marked():
    assert "aria-current" in history_rows.row_html(prediction(), "", 160.0, is_opened=True)
    assert "aria-current" not in history_rows.row_html(prediction(), "", 160.0)


def test_the_first_words_are_the_prompt_else_the_files_else_the_first_text_else_all():
    assert history_rows.first_words({"n": 1, "other": "x", "prompt": " a\n fox "}) == "a fox"
    assert history_rows.first_words({"n": 1, "other": "x"}) == "x"
    given = {"image": {FILE: "f1/in.png"}, "output_format": "png"}
    assert history_rows.first_words(given) == "in.png"
    assert history_rows.first_words({"n": 1, "m": 2}) == "n 1, m 2"


def test_what_people_typed_cannot_break_out_of_the_page():
    bad = prediction(input={"prompt": "<script>", "<b>": ["<i>"]}, hardware="<u>")
    written = history_rows.row_html(bad, "", 160.0) + history_rows.head_html(bad, 160.0)
    written += history_rows.inputs_html(bad.input, {})
    assert not {"<script>", "<b>", "<i>", "<u>"} & set(written.replace(">", "> ").split())
    assert "&lt;script&gt;" in written


def test_totals():
    assert "1 run · 1.6 s compute · $0.0010" in history_rows.totals_html(Totals(1, 1.6, 0.001))
    assert "1,200 runs" in history_rows.totals_html(Totals(1200, 1.6, 0.001))


def test_a_training_is_called_one_and_says_where_its_weights_go():
    training = prediction(destination="a/tuned")
    assert ">training</span> a fox" in history_rows.row_html(training, "", 160.0)
    head = history_rows.head_html(training, 160.0)
    assert 'training · into <a href="/?model=a/tuned">a/tuned</a>' in head
    assert "training" not in history_rows.row_html(prediction(), "", 160.0)
