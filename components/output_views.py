"""A prediction's output → text, pictures, players, files, JSON. One row of `VIEWS` per kind."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import PurePosixPath
from typing import Any

import gradio as gr

from components import wording
from components.house_rules import QUIET, markup
from components.page_files import ShownFile, named
from components.theme import WAVEFORM
from model_registry.spec import Version
from predictions.references import reference_of, references


class ViewKind(enum.Enum):
    TEXT = "text"
    IMAGE = "image"
    COMPARED = "compared"
    GALLERY = "gallery"
    AUDIO = "audio"
    VIDEO = "video"
    MODEL = "model"
    FILES = "files"
    JSON = "json"
    VERSION = "version"


DRAWN = ("png", "jpeg", "gif", "webp", "avif", "bmp")
MODEL_SUFFIXES = (".glb", ".gltf", ".obj", ".stl", ".ply", ".splat")


@dataclass(frozen=True)
class View:
    """One thing to show. `value` is text, JSON text, a version's reference, one `ShownFile`, or a
    tuple of them for galleries and files, and for what is compared: before, after.
    """

    kind: ViewKind
    value: Any
    label: str = ""


def kind_of(file: ShownFile) -> ViewKind:
    """What a file is shown as, by its type. Pictures that browsers cannot draw are files, and so
    is one that is gone.
    """
    family, _, subtype = file.content_type.partition("/")
    if family == "model" or PurePosixPath(file.name).suffix.lower() in MODEL_SUFFIXES:
        return ViewKind.MODEL
    if family == "image" and subtype not in DRAWN:
        return ViewKind.FILES
    return {"image": ViewKind.IMAGE, "audio": ViewKind.AUDIO, "video": ViewKind.VIDEO}.get(
        family, ViewKind.FILES
    )


def views(version: Version | None, output: Any, files: Mapping[str, ShownFile]) -> tuple[View, ...]:
    """What to show for an output, in order. `version` is None when nobody knows it any more;
    `files` holds `references(output)`.
    """
    if version is not None and version.concatenates and isinstance(output, (list, tuple)):
        text = "".join(each if isinstance(each, str) else json.dumps(each) for each in output)
        return (View(ViewKind.TEXT, text),) if text else ()
    if version is not None and version.code.trains and isinstance(output, Mapping):
        made = output.get("version")
        rest = {name: value for name, value in output.items() if name != "version"}
        new = (View(ViewKind.VERSION, made, "version"),) if made else ()
        return (*new, *_views(rest, files, ""))
    return _views(output, files, "")


def compared(
    shown: tuple[View, ...], inputs: Any, files: Mapping[str, ShownFile]
) -> tuple[View, ...]:
    """One picture that was made of one picture beside that; anything else as it is. `files` holds
    `references(inputs)`.
    """
    given = [files[each] for each in references(inputs) if each in files]
    pictures = [each for each in given if each.path and kind_of(each) is ViewKind.IMAGE]
    if len(shown) != 1 or shown[0].kind is not ViewKind.IMAGE or len(pictures) != 1:
        return shown
    return (View(ViewKind.COMPARED, (pictures[0], shown[0].value), shown[0].label),)


def _views(value: Any, files: Mapping[str, ShownFile], label: str) -> tuple[View, ...]:
    if value is None or value in ((), [], {}, ""):
        return ()
    if isinstance(value, str):
        return (View(ViewKind.TEXT, value, label),)
    if isinstance(value, Mapping):
        if (reference := reference_of(value)) is not None:
            return _file_views((reference,), files, label)
        return _field_views(value, files, label)
    if isinstance(value, (list, tuple)):
        return _list_views(value, files, label)
    return (View(ViewKind.TEXT, json.dumps(value), label),)


def _field_views(
    value: Mapping[str, Any], files: Mapping[str, ShownFile], label: str
) -> tuple[View, ...]:
    """Objects field by field; one inside another only where it holds files, else as JSON."""
    if label and not references(value):
        return (View(ViewKind.JSON, as_json(value), label),)
    prefix = f"{label}." if label else ""
    return tuple(
        view for name, each in value.items() for view in _views(each, files, prefix + str(name))
    )


def _list_views(
    value: list[Any] | tuple[Any, ...], files: Mapping[str, ShownFile], label: str
) -> tuple[View, ...]:
    if all(isinstance(each, str) for each in value):
        return (View(ViewKind.TEXT, "\n\n".join(value), label),)
    found = [reference for each in value if (reference := reference_of(each)) is not None]
    if len(found) == len(value):
        return _file_views(tuple(found), files, label)
    if all(isinstance(each, Mapping) and {"start", "end", "text"} <= each.keys() for each in value):
        lines = View(ViewKind.TEXT, "\n\n".join(_transcript_line(each) for each in value), label)
        return (lines, *_file_views(tuple(sorted(references(value))), files, label))
    if references(value):
        return tuple(
            view
            for at, each in enumerate(value, 1)
            for view in _views(each, files, f"{label} {at}".strip())
        )
    return (View(ViewKind.JSON, as_json(value), label),)


def _file_views(
    given: tuple[str, ...], files: Mapping[str, ShownFile], label: str
) -> tuple[View, ...]:
    shown = [files.get(each) or named(each) for each in given]
    kinds = [kind_of(each) if each.path else ViewKind.FILES for each in shown]
    if len(shown) > 1 and all(kind is ViewKind.IMAGE for kind in kinds):
        return (View(ViewKind.GALLERY, tuple(shown), label),)
    named_apart = len(shown) > 1
    players = tuple(
        View(kind, file, label or (file.name if named_apart else ""))
        for file, kind in zip(shown, kinds, strict=True)
        if kind is not ViewKind.FILES
    )
    rest = tuple(file for file, kind in zip(shown, kinds, strict=True) if kind is ViewKind.FILES)
    return (*players, View(ViewKind.FILES, rest, label)) if rest else players


def _transcript_line(segment: Mapping[str, Any]) -> str:
    minutes, rest = divmod(float(segment["start"] or 0), 60)
    return f"`{minutes:.0f}:{rest:04.1f}` {str(segment['text']).strip()}"


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


# --- views → components


def _text(view: View) -> None:
    gr.Markdown(view.value, line_breaks=True, elem_classes=["reading"], buttons=["copy"])


def _image(view: View) -> None:
    gr.Image(
        view.value.path,
        show_label=False,
        interactive=False,
        buttons=["download", "fullscreen"],
        elem_classes=["picture"],
    )


def _compared(view: View) -> None:
    before, after = view.value
    gr.ImageSlider(
        (before.path, after.path),
        show_label=False,
        interactive=False,
        buttons=["download", "fullscreen"],
        elem_classes=["picture"],
    )


def _gallery(view: View) -> None:
    columns = 2 if len(view.value) <= 4 else 3
    gr.Gallery(
        [each.path for each in view.value],
        show_label=False,
        interactive=False,
        columns=columns,
        object_fit="contain",
        height="auto",
        buttons=["download", "fullscreen"],
        elem_classes=["picture"],
    )


def _audio(view: View) -> None:
    gr.Audio(
        view.value.path,
        show_label=False,
        interactive=False,
        waveform_options=WAVEFORM,
        buttons=["download"],
        elem_classes=["player"],
    )


def _video(view: View) -> None:
    gr.Video(
        view.value.path,
        show_label=False,
        interactive=False,
        buttons=["download"],
        elem_classes=["picture"],
    )


def _model(view: View) -> None:
    solid = gr.Model3D(show_label=False, interactive=False, height=480, elem_classes=["picture"])
    # Gradio draws nothing when a value is there from the start of a part that is drawn late.
    once = gr.Timer(0.1)
    once.tick(lambda: (view.value.path, gr.Timer(active=False)), None, [solid, once], **QUIET)


def _files(view: View) -> None:
    markup(files_html(view.value), elem_classes=["files"])


def _json(view: View) -> None:
    gr.Code(
        view.value,
        language="json",
        interactive=False,
        show_label=False,
        show_line_numbers=False,
        max_lines=24,
        buttons=["copy"],
    )


def _version(view: View) -> None:
    """The version that a training has made, with the way to its form."""
    reference = escape(view.value)
    markup(f'<a href="/?model={reference}">{reference}</a>', elem_classes=["version"])


VIEWS: Mapping[ViewKind, Callable[[View], None]] = {
    ViewKind.TEXT: _text,
    ViewKind.IMAGE: _image,
    ViewKind.COMPARED: _compared,
    ViewKind.GALLERY: _gallery,
    ViewKind.AUDIO: _audio,
    ViewKind.VIDEO: _video,
    ViewKind.MODEL: _model,
    ViewKind.FILES: _files,
    ViewKind.JSON: _json,
    ViewKind.VERSION: _version,
}


def draw(given: tuple[View, ...]) -> None:
    """Adds the views to the page, each under its label."""
    for view in given:
        if view.label:
            gr.Markdown(view.label, elem_classes=["caption"])
        VIEWS[view.kind](view)


def files_html(files: tuple[ShownFile, ...]) -> str:
    """Links that save the files."""
    return "".join(
        f'<a href="{escape(each.url)}" download="{escape(each.name)}">{escape(each.name)}'
        f"{f' <small>{wording.size(each.size)}</small>' if each.size is not None else ''}</a>"
        for each in files
    )


def save_html(file: ShownFile) -> str:
    return f'<a href="{escape(file.url)}" download="{escape(file.name)}">↓ Save</a>'
