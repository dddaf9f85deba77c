"""The calls that the page offers for copying are calls that work."""

from __future__ import annotations

import ast
import html
import json
import re
from dataclasses import replace

from components import about
from model_registry.spec import Example, Origin


def snippets(model):
    shown = about.snippets_html(model, model.latest)
    blocks = re.findall(r"<code>(.*?)</code>", shown, re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]+>", "http://x", block)) for block in blocks]


def test_the_python_call_is_python_for_every_model(catalog):
    for model in catalog.models():
        python, _, shell = snippets(model)
        call = ast.parse(python)
        assert f'"{model.id}"' in python and call.body
        body = re.search(r"-d '(.*)'$", shell, re.DOTALL)[1].replace("'\\''", "'")
        # A file is read by the shell, between two quoted parts.
        given = json.loads(re.sub(r"'\$\(.*?\)'", "", body))["input"]
        assert given.keys() == about.example_inputs(model, model.latest).keys()


def test_a_call_without_an_example_names_each_required_input(catalog):
    model = catalog.find("local/every-input")
    assert about.example_inputs(model, model.latest) == {"prompt": "…"}


def test_json_words_become_python_words_but_texts_stay():
    assert about._python('{\n    "a": true,\n    "b": null,\n    "c": "is: true"\n}') == (
        '{\n    "a": True,\n    "b": None,\n    "c": "is: true"\n}'
    )


def test_each_version_is_listed_with_the_reference_that_pins_it(catalog):
    model = catalog.find("local/echo")
    assert f"local/echo:{model.latest.id}" in about.versions_html(model, model.latest)


def test_a_file_in_an_example_is_opened_as_each_language_does(catalog):
    example = Example("One", {"image": "data:image/png;base64,iVBORw=="})
    model = replace(catalog.find("local/image-in-out"), examples=(example,))
    python, node, shell = snippets(model)
    assert 'open("input.png", "rb")' in python
    assert 'await readFile("input.png")' in node
    assert """"data:image/png;base64,'$(base64 < input.png | tr -d "\\n")'\"""" in shell
    assert "iVBORw" not in python + node + shell


def test_a_trained_version_leads_to_its_training_and_names_its_parent(catalog):
    model = catalog.find("local/echo")
    origin = Origin(f"local/echo:{'a' * 64}", "t1", {})
    trained = replace(model.latest, id="b" * 64, origin=origin)
    model = replace(model, versions=(trained, *model.versions))
    shown = about.versions_html(model, trained)
    assert shown.count("trained") == 1 and 'href="/?prediction=t1"' in shown
    assert f"from local/echo:{'a' * 12}" in shown and "a" * 13 not in shown
