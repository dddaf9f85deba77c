"""The call of a model as code, to be copied: what its form holds, or an example."""

from __future__ import annotations

import json
import mimetypes
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import PurePath
from typing import Any

from components.input_fields import MISSING, Field, InputKind
from components.input_values import Upload
from model_registry.spec import Model, Version

# The page knows best under which address it was reached: an element of atelier.js.
_ORIGIN = "http://ORIGIN"
HERE = "<page-origin></page-origin>"


def snippets_html(model: Model, version: Version, inputs: Mapping[str, Any]) -> str:
    """The same call in Python, JavaScript and on the command line."""
    called = json.dumps(inputs, indent=4, ensure_ascii=False)
    body = json.dumps({"input": inputs}, ensure_ascii=False).replace("'", "'\\''")
    python = (
        "# pip install replicate\n"
        "# REPLICATE_API_TOKEN may be anything, unless this app has tokens\n"
        "import replicate\n\n"
        f'client = replicate.Client(base_url="{_ORIGIN}")\n'
        f'output = client.run("{model.id}", input={_FILE.sub(_OPENED, _python(inputs))})'
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
        f'<h2>{name}</h2><div class="snippet"><button class="copy" type="button">Copy</button>'
        f'<pre tabindex="0"><code>{_with_origin(code)}</code></pre></div>'
        for name, code in (("Python", python), ("Node", javascript), ("Shell", shell))
    )


def of_example(model: Model, version: Version) -> dict[str, Any]:
    """Inputs that show the call: the first example's, else a word for each required input."""
    if model.examples:
        given = model.examples[0].input
        return {name: _said(name, value) for name, value in given.items()}
    properties = version.input_schema.get("properties", {})
    return {
        name: _PLACEHOLDERS.get(properties[name].get("type", "string"), "…")
        for name in version.input_schema.get("required", ())
    }


def of_form(fields: Sequence[Field], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What a form holds, as a call says it: neither what is as it is by default nor a secret.
    `inputs` is as `form.inputs` reads it.
    """
    return {
        field.name: "…" if field.kind is InputKind.SECRET else _said(field.name, value)
        for field in fields
        if (value := inputs.get(field.name, MISSING)) is not MISSING and value != field.default
    }


_PLACEHOLDERS: dict[str, Any] = {
    "integer": 1,
    "number": 1.0,
    "boolean": True,
    "array": [],
    "object": {},
}


_MARK = "\ue000"
"""Around the name and the type of a file; nobody writes it."""
_FILE = re.compile(f'"{_MARK}([^ ]+) ([^ ]+){_MARK}"')
_OPENED = r'open("\1", "rb")'
_READ = 'import { readFile } from "node:fs/promises";\n'
_LOADED = r'await readFile("\1")'
_ENCODED = r'''"data:\2;base64,'$(base64 < \1 | tr -d "\\n")'"'''
"""How each language hands over a file."""


def _said(name: str, value: Any) -> Any:
    """An input, where a file, which an example brings as a `data:` URI and a form as an upload, is
    the name of one that each language opens in its own way.
    """
    if isinstance(value, list):
        return [_said(name, each) for each in value]
    if isinstance(value, Upload):
        path = PurePath(value.path)
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        plain = re.fullmatch(r"\w[\w.-]*", path.name)
        return f"{_MARK}{path.name if plain else name + path.suffix} {kind}{_MARK}"
    if isinstance(value, str) and value.startswith("data:"):
        kind = re.split("[;,]", value[len("data:") :], maxsplit=1)[0] or "text/plain"
        return f"{_MARK}{name}{mimetypes.guess_extension(kind) or '.bin'} {kind}{_MARK}"
    return value


def _python(value: Any, margin: str = "") -> str:
    """A JSON value as Python writes it."""
    deeper = margin + "    "
    if isinstance(value, Mapping):
        around = "{}"
        parts = [f"{json.dumps(key)}: {_python(each, deeper)}" for key, each in value.items()]
    elif isinstance(value, list):
        around = "[]"
        parts = [_python(each, deeper) for each in value]
    else:
        is_word = isinstance(value, bool) or value is None
        return repr(value) if is_word else json.dumps(value, ensure_ascii=False)
    lines = "".join(f"\n{deeper}{part}," for part in parts)
    return f"{around[0]}{lines}\n{margin}{around[1]}" if parts else around


def _with_origin(code: str) -> str:
    return escape(code).replace(_ORIGIN, HERE)
