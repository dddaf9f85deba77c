"""The models that ship: every spec in specs/, over its real runner."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cog.loading import load
from errors import InvalidInput
from model_registry import inputs, spec_files
from model_registry.catalog import Catalog

SPECS = sorted(spec_files.SPECS.glob("*/*.yaml"))
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shipped(described, tmp_path_factory):
    """Beside nothing that other tests have pushed, but described once for all of them."""
    folder = tmp_path_factory.mktemp("shipped")
    (described / "described").mkdir(exist_ok=True)
    (folder / "described").symlink_to(described / "described")
    return Catalog.load([], folder)


def test_no_spec_is_broken_or_hidden_by_another(shipped):
    assert [str(error) for error in shipped.broken] == []
    assert len(shipped.models()) == len(SPECS)


def test_every_model_says_what_it_is(shipped):
    for model in shipped.models():
        told = model.description and model.readme and model.licence and model.examples
        assert told, f"{model.id} lacks its description, readme, licence or examples"


def test_every_example_fits_its_model(shipped):
    for model in shipped.models():
        for example in model.examples:
            try:
                inputs.check(model.latest.schema, example.input)
            except InvalidInput as error:
                pytest.fail(f"{model.id}, {example.title!r}: {error}")


def test_every_default_fits_its_input(shipped):
    for model in shipped.models():
        schema = model.latest.schema
        defaults = {
            name: each["default"]
            for name, each in model.latest.input_schema["properties"].items()
            if each.get("default") is not None
        }
        needed = dict(model.examples[0].input)
        try:
            inputs.check(schema, {**needed, **defaults})
        except InvalidInput as error:
            pytest.fail(f"{model.id}: {error}")


def test_every_choice_of_weights_is_a_model_of_its_own_for_the_same_inputs(shipped):
    for model in shipped.models():
        takes = model.latest.input_schema["properties"]
        for name, models in model.variants.items():
            schemas = model.latest.schema["components"]["schemas"]
            assert set(inputs.resolve(takes[name], schemas)["enum"]) == set(models)
            assert models[takes[name]["default"]] == model.id
            for other in map(shipped.find, models.values()):
                assert {*takes} - {name} <= {*other.latest.input_schema["properties"]}


def test_every_runner_takes_exactly_the_declared_inputs(shipped):
    for model in shipped.models():
        code = model.latest.code
        runner = load(code.folder, code.target, code.concurrency)
        takes = set(runner.arguments({}))
        shown = model.latest.input_schema["properties"]
        assert {code.arguments.get(name, name) for name in shown} <= takes, model.id


def test_describing_and_finding_models_loads_nothing_heavy():
    heavy = ["torch", "transformers", "numpy", "PIL", "jsonschema", "gradio", "sqlalchemy"]
    code = "import sys, model_registry.catalog; print({*sys.argv[1:]} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code, *heavy], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
