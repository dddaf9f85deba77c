"""The calls that the page offers for copying are calls that work."""

from __future__ import annotations

import ast
import html
import json
import re
from dataclasses import replace

from components import input_fields, snippets
from components.input_values import Upload
from model_registry.spec import Example


def calls(model, inputs=None):
    inputs = snippets.of_example(model, model.latest) if inputs is None else inputs
    shown = snippets.snippets_html(model, model.latest, inputs)
    blocks = re.findall(r"<code>(.*?)</code>", shown, re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]+>", "http://x", block)) for block in blocks]


def test_the_python_call_is_python_for_every_model(catalog):
    for model in catalog.models():
        python, _, shell = calls(model)
        call = ast.parse(python)
        assert f'"{model.id}"' in python and call.body
        body = re.search(r"-d '(.*)'$", shell, re.DOTALL)[1].replace("'\\''", "'")
        # A file is read by the shell, between two quoted parts.
        given = json.loads(re.sub(r"'\$\(.*?\)'", "", body))["input"]
        assert given.keys() == snippets.of_example(model, model.latest).keys()


def test_a_call_without_an_example_names_each_required_input(catalog):
    model = catalog.find("local/every-input")
    assert snippets.of_example(model, model.latest) == {"prompt": "…"}


def test_any_json_is_the_same_in_python(catalog):
    inputs = {
        "a": True,
        "b": None,
        "c": 'is: true, "or" \\ not\n',
        "d": [1.5, [], [False]],
        "e": {},
    }
    python, _, shell = calls(catalog.find("local/echo"), inputs)
    given = ast.literal_eval(python.partition("input=")[2].removesuffix(")"))
    assert given == inputs == json.loads(re.search(r"-d '(.*)'$", shell, re.DOTALL)[1])["input"]


def test_a_file_in_an_example_is_opened_as_each_language_does(catalog):
    example = Example("One", {"image": "data:image/png;base64,iVBORw=="})
    model = replace(catalog.find("local/image-in-out"), examples=(example,))
    python, node, shell = calls(model)
    assert 'open("image.png", "rb")' in python
    assert 'await readFile("image.png")' in node
    assert """"data:image/png;base64,'$(base64 < image.png | tr -d "\\n")'\"""" in shell
    assert "iVBORw" not in python + node + shell


def test_what_a_form_holds_is_called_without_defaults_secrets_and_paths_of_this_machine(catalog):
    version = catalog.find("local/every-input").latest
    fields = input_fields.fields(version.schema)
    secret = next(each.name for each in fields if each.kind is input_fields.InputKind.SECRET)
    file = next(each.name for each in fields if each.kind is input_fields.InputKind.IMAGE)
    same = next(each for each in fields if each.kind is input_fields.InputKind.SLIDER)
    held = {
        "prompt": "a fox",
        secret: "hush",
        file: Upload("/home/me/my cat's.png"),
        same.name: same.default,
    }
    python, node, shell = calls(catalog.find("local/every-input"), snippets.of_form(fields, held))
    assert f'open("{file}.png", "rb")' in python and f'readFile("{file}.png")' in node
    assert f"base64 < {file}.png" in shell
    for each in (python, node, shell):
        assert "a fox" in each and same.name not in each
        assert "hush" not in each and "/home/me" not in each


def test_an_upload_keeps_its_name_where_every_shell_takes_it(catalog):
    model = catalog.find("local/image-in-out")
    fields = input_fields.fields(model.latest.schema)
    python, *_ = calls(model, snippets.of_form(fields, {"image": Upload("/tmp/x/cat-1.webp")}))
    assert 'open("cat-1.webp", "rb")' in python
