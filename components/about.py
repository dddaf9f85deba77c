"""What stands below a model's form: how to call it from code, its versions, its README."""

from __future__ import annotations

import json
import mimetypes
import re
from datetime import datetime, timezone
from html import escape
from typing import Any

import gradio as gr

from components.house_rules import markup
from model_registry.spec import Model, Version

# The page knows best under which address it was reached.
_FILL_ORIGIN = """
element.querySelectorAll('.origin').forEach((each) => { each.textContent = location.origin; });
element.querySelectorAll('.copy').forEach((button) => button.addEventListener('click', () => {
    atelier.copy(button.parentElement.querySelector('code').innerText);
    button.textContent = 'copied';
}));
"""
_ORIGIN = "http://ORIGIN"


def draw(model: Model, version: Version) -> None:
    """Adds the sections, closed, to the page being built."""
    with gr.Accordion("from code", open=False, elem_classes=["quiet"]):
        markup(snippets_html(model, version), js=_FILL_ORIGIN, elem_classes=["snippets"])
    with gr.Accordion("versions", open=False, elem_classes=["quiet"]):
        markup(versions_html(model, version), elem_classes=["versions"])
    if model.readme:
        with gr.Accordion("readme", open=False, elem_classes=["quiet"]):
            gr.Markdown(model.readme, elem_classes=["readme"])


def snippets_html(model: Model, version: Version) -> str:
    """The same call in Python, JavaScript and on the command line."""
    inputs = example_inputs(model, version)
    called = json.dumps(inputs, indent=4, ensure_ascii=False)
    body = json.dumps({"input": inputs}, ensure_ascii=False).replace("'", "'\\''")
    python = (
        "# pip install replicate\n"
        "# REPLICATE_API_TOKEN may be anything, unless this app has tokens\n"
        "import replicate\n\n"
        f'client = replicate.Client(base_url="{_ORIGIN}")\n'
        f'output = client.run("{model.id}", input={_FILE.sub(_OPENED, _python(called))})'
    )
    if version.concatenates:
        python += '\nprint("".join(output))'
    javascript = (
        "// npm install replicate\n"
        f'{_READ if _FILE.search(called) else ""}import Replicate from "replicate";\n\n'
        f'const replicate = new Replicate({{ baseUrl: "{_ORIGIN}/v1" }});\n'
        f'const output = await replicate.run("{model.id}", '
        f"{{ input: {_FILE.sub(_LOADED, called)} }});"
    )
    shell = (
        f"curl {_ORIGIN}/v1/models/{model.id}/predictions \\\n"
        "  -H 'Content-Type: application/json' -H 'Prefer: wait' \\\n"
        f"  -d '{_FILE.sub(_ENCODED, body)}'"
    )
    return "".join(
        f'<h3>{name}</h3><div class="snippet"><button class="copy" type="button">copy</button>'
        f"<pre><code>{_with_origin(code)}</code></pre></div>"
        for name, code in (("Python", python), ("Node", javascript), ("Shell", shell))
    )


def example_inputs(model: Model, version: Version) -> dict[str, Any]:
    """Inputs that show the call: the first example's, else a word for each required input."""
    if model.examples:
        return {name: _as_file(value) for name, value in model.examples[0].input.items()}
    properties = version.input_schema.get("properties", {})
    return {
        name: _PLACEHOLDERS.get(properties[name].get("type", "string"), "…")
        for name in version.input_schema.get("required", ())
    }


def versions_html(model: Model, version: Version) -> str:
    """Each version with the reference that pins it; the one that is shown is marked."""
    rows = []
    for each in model.versions:
        day = datetime.fromtimestamp(each.created_at, timezone.utc).date().isoformat()
        shown = " · shown here" if each.id == version.id else ""
        if each.origin:
            shown += f' · <a href="/?prediction={escape(each.origin.training)}">trained</a>'
            shown += f" from {escape(each.origin.parent[:-52])}"
        reference = f"{escape(model.id)}:{each.id}"
        rows.append(
            f'<li><a href="/?model={reference}"><code>{reference}</code></a>'
            f"<small>{day}{shown}</small></li>"
        )
    return f"<ul>{''.join(rows)}</ul>"


_PLACEHOLDERS: dict[str, Any] = {
    "integer": 1,
    "number": 1.0,
    "boolean": True,
    "array": [],
    "object": {},
}


_FILE = re.compile(r'"<(input\.\w+) ([\w/.+-]+)>"')
_OPENED = r'open("\1", "rb")'
_READ = 'import { readFile } from "node:fs/promises";\n'
_LOADED = r'await readFile("\1")'
_ENCODED = r'''"data:\2;base64,'$(base64 < \1 | tr -d "\\n")'"'''
"""How each language hands over a file that an example brings as a `data:` URI."""


def _as_file(value: Any) -> Any:
    """A `data:` URI as the name of a file, which each language opens in its own way."""
    if not isinstance(value, str) or not value.startswith("data:"):
        return value
    kind = value[len("data:") :].partition(";")[0]
    return f"<input{mimetypes.guess_extension(kind) or '.bin'} {kind}>"


def _python(called: str) -> str:
    words = {"true": "True", "false": "False", "null": "None"}
    lines = []
    for line in called.splitlines():
        for json_word, python_word in words.items():
            if line.rstrip(",").endswith(f": {json_word}"):
                line = line.replace(f": {json_word}", f": {python_word}")
        lines.append(line)
    return "\n".join(lines)


def _with_origin(code: str) -> str:
    return escape(code).replace(_ORIGIN, '<span class="origin"></span>')
