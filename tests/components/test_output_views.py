"""Outputs → views: what a model gave is shown as what it is."""

from __future__ import annotations

import gradio as gr
import pytest

from cog.encoding import FILE
from components.output_views import (
    VIEWS,
    View,
    ViewKind,
    compared,
    draw,
    files_html,
    kind_of,
    views,
)
from components.page_files import ShownFile, named
from model_registry.spec import Code, Version
from predictions.references import references


def file(name, content_type, path="/tmp/file"):
    return ShownFile(f"/v1/outputs/id/{name}", name, content_type, path, 12)


FILES = {
    "i/a.png": file("a.png", "image/png"),
    "i/b.png": file("b.png", "image/png"),
    "i/s.wav": file("s.wav", "audio/wav"),
    "i/c.mp4": file("c.mp4", "video/mp4"),
    "i/m.glb": file("m.glb", "model/gltf-binary"),
    "i/d.zip": file("d.zip", "application/zip"),
    "i/v.svg": file("v.svg", "image/svg+xml"),
    "i/p.html": file("p.html", "text/html"),
}


def ref(reference):
    return {FILE: reference}


def shown(output):
    return [(view.kind, view.label) for view in views(None, output, FILES)]


def version(output_schema):
    schema = {"components": {"schemas": {"Output": output_schema}}}
    return Version(id="0" * 64, model="a/b", created_at=0, schema=schema, code=Code(".", "p.py:P"))


CONCATENATED = version({"x-cog-array-type": "iterator", "x-cog-array-display": "concatenate"})


def test_every_kind_of_view_can_be_drawn():
    assert set(VIEWS) == set(ViewKind)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (None, []),
        ("", []),
        ((), []),
        ("words", [(ViewKind.TEXT, "")]),
        (4.5, [(ViewKind.TEXT, "")]),
        (False, [(ViewKind.TEXT, "")]),
        (0, [(ViewKind.TEXT, "")]),
        (ref("i/a.png"), [(ViewKind.IMAGE, "")]),
        ([ref("i/a.png")], [(ViewKind.IMAGE, "")]),
        ([ref("i/a.png"), ref("i/b.png")], [(ViewKind.GALLERY, "")]),
        (ref("i/s.wav"), [(ViewKind.AUDIO, "")]),
        (ref("i/c.mp4"), [(ViewKind.VIDEO, "")]),
        (ref("i/m.glb"), [(ViewKind.MODEL, "")]),
        (ref("i/d.zip"), [(ViewKind.FILES, "")]),
        (ref("i/v.svg"), [(ViewKind.FILES, "")]),
        (ref("i/p.html"), [(ViewKind.FILES, "")]),
        (ref("i/gone.png"), [(ViewKind.FILES, "")]),
        ([ref("i/a.png"), ref("i/s.wav")], [(ViewKind.IMAGE, "a.png"), (ViewKind.AUDIO, "s.wav")]),
        ([ref("i/d.zip"), ref("i/p.html")], [(ViewKind.FILES, "")]),
        ([1, 2], [(ViewKind.JSON, "")]),
        ([{"a": 1}], [(ViewKind.JSON, "")]),
        (
            {"text": "hi", "image": ref("i/a.png"), "none": None, "more": {"a": 1}},
            [(ViewKind.TEXT, "text"), (ViewKind.IMAGE, "image"), (ViewKind.JSON, "more")],
        ),
        ({"deep": {"audio": ref("i/s.wav")}}, [(ViewKind.AUDIO, "deep.audio")]),
        ([{"image": ref("i/a.png")}], [(ViewKind.IMAGE, "1.image")]),
    ],
)
def test_each_output_is_shown_as_what_it_is(output, expected):
    assert shown(output) == expected


def test_pieces_of_a_text_are_joined_with_nothing_between():
    assert views(CONCATENATED, ("Once", " upon", " a"), {}) == (View(ViewKind.TEXT, "Once upon a"),)
    assert views(CONCATENATED, (), {}) == ()


def test_a_list_of_texts_stays_a_list():
    assert views(None, ["a", "b"], {}) == (View(ViewKind.TEXT, "a\n\nb"),)


def test_a_transcript_is_lines_with_times():
    segments = [{"start": 0, "end": 2, "text": " Hello"}, {"start": 62.5, "end": 63, "text": "you"}]
    assert views(None, segments, {})[0].value == "`0:00.0` Hello\n\n`1:02.5` you"


def test_a_transcript_is_followed_by_its_files():
    segments = [{"start": 0, "end": 2, "text": "Hello", "subtitles": ref("i/d.zip")}]
    assert shown(segments) == [(ViewKind.TEXT, ""), (ViewKind.FILES, "")]


def test_references_are_found_wherever_they_are():
    value = {"a": [ref("1/x"), {"b": ref("2/y")}], "c": "3/z", "d": (ref("1/x"),)}
    assert references(value) == {"1/x", "2/y"}


def test_a_file_known_by_name_alone_still_has_a_kind_and_an_address():
    known = named("abc/my picture.png")
    assert kind_of(known) is ViewKind.IMAGE
    assert known.url == "/v1/outputs/abc/my%20picture.png"


def test_names_of_files_cannot_break_out_of_the_page():
    bad = ShownFile("/v1/outputs/i/x", '"><script>', "application/zip")
    assert "<script>" not in files_html((bad,))


async def test_all_views_are_drawn_with_their_labels(tmp_path):
    from PIL import Image

    picture = tmp_path / "a.png"
    Image.new("RGB", (4, 4)).save(picture)
    image = file("a.png", "image/png", str(picture))
    given = (
        View(ViewKind.TEXT, "hi", "text"),
        View(ViewKind.IMAGE, image),
        View(ViewKind.GALLERY, (image, image)),
        View(ViewKind.FILES, (image,)),
        View(ViewKind.JSON, "{}"),
    )
    with gr.Blocks(analytics_enabled=False) as page:
        draw(given)
    names = [type(block).__name__ for block in page.blocks.values()]
    assert [name for name in names if name not in ("Blocks", "Column", "Row", "Form")] == [
        "Markdown", "Markdown", "Image", "Gallery", "HTML", "Code",
    ]  # fmt: skip


def test_one_picture_made_of_one_picture_is_shown_beside_it():
    before = ShownFile("/a", "a.png", "image/png", "/tmp/a.png")
    after = ShownFile("/b", "b.png", "image/png", "/tmp/b.png")
    mask = ShownFile("/m", "m.png", "image/png", "/tmp/m.png")
    files = {"1/a.png": before, "2/m.png": mask}
    shown = (View(ViewKind.IMAGE, after),)
    one = {"image": {FILE: "1/a.png"}, "prompt": "brighter"}
    assert compared(shown, one, files) == (View(ViewKind.COMPARED, (before, after)),)
    for inputs, expected in (
        ({"prompt": "a cat"}, shown),
        ({**one, "mask": {FILE: "2/m.png"}}, shown),
        (one, (View(ViewKind.TEXT, "a cat"),)),
        (one, (*shown, *shown)),
    ):
        assert compared(expected, inputs, files) == expected


def test_what_a_training_gave_is_a_version_to_open_and_weights_to_save():
    code = Code(".", "train.py", trains=True)
    schema = {"components": {"schemas": {"Output": {"type": "string", "format": "uri"}}}}
    trainer = Version(id="0:train", model="a/b", created_at=0, schema=schema, code=code)
    output = {"version": "a/b:1234", "weights": ref("i/d.zip")}
    shown = [(view.kind, view.value) for view in views(trainer, output, FILES)]
    assert shown == [(ViewKind.VERSION, "a/b:1234"), (ViewKind.FILES, (FILES["i/d.zip"],))]
