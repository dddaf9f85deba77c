"""Specs: what each key becomes, and reasons that name file and key."""

from __future__ import annotations

import textwrap

import pytest

from cog import Input
from cog.schema import document
from errors import BrokenModel, InvalidInput
from model_registry import inputs, spec_files
from model_registry.overlay import overlay
from model_registry.spec import Rung, Weights

RUNNER = """
from cog import Input
class Runner:
    async def run(
        self,
        prompt: str,
        steps: int = Input(default=20, ge=1, le=50),
        size: str = Input(default="s", choices=["s", "m", "l"]),
        seed: int | None = None,
    ) -> str: ...
"""
BASE = "name: somebody/something\nrunner: family:Runner\n"


@pytest.fixture
def read(tmp_path, monkeypatch, prints, descriptions):
    """Writes a spec beside one runner and reads it."""
    here = tmp_path / "model_registry"
    (here / "runners").mkdir(parents=True)
    (here / "runners" / "family.py").write_text(RUNNER)
    (here / "starter" / "one").mkdir(parents=True)
    (here / "starter" / "one" / "weights.bin").write_text("weights")
    (here / "starter" / "one" / "README.md").write_text("# One")
    monkeypatch.setattr(spec_files, "HERE", here)
    monkeypatch.setattr(spec_files, "RUNNERS", here / "runners")
    spec = here / "specs" / "language" / "something.yaml"
    spec.parent.mkdir(parents=True)

    def read(text=BASE):
        spec.write_text(textwrap.dedent(text))
        return spec_files.read(spec, prints, descriptions)

    read.here = here
    return read


def test_a_spec_becomes_a_model(read):
    model = read(
        BASE
        + """
description: Says something.
weights: {path: starter/one}
licence: {name: Apache-2.0, url: "https://example.com", gated: true}
readme: starter/one/README.md
toy: true
memory: 1.5GB
gpu: true
heavy: true
stand_in_for: somebody/closed
concurrency: 3
environment: {THREADS: 2}
inputs: {steps: {default: 4, maximum: 8}}
examples: [{title: First, input: {prompt: hello}}]
"""
    )
    assert (model.id, model.category, model.description) == (
        "somebody/something",
        "language",
        "Says something.",
    )
    assert (model.toy, model.stand_in_for, model.readme) == (True, "somebody/closed", "# One")
    assert model.licence.name == "Apache-2.0" and model.licence.gated
    assert model.examples[0].input == {"prompt": "hello"}
    version = model.latest
    assert (version.memory, version.gpu, version.heavy) == (1_500_000_000, True, True)
    assert version.code.target == "family.py:Runner"
    assert version.code.weights == str(read.here / "starter" / "one")
    assert (version.code.concurrency, version.code.environment) == (3, {"THREADS": "2"})
    assert inputs.check(version.schema, {"prompt": "a"}) == {"prompt": "a", "steps": 4, "size": "s"}


def test_a_version_is_its_spec_its_runner_and_its_weights(read):
    text = BASE + "weights: {path: starter/one}\n"
    first = read(text).latest.id
    assert read(text).latest.id == first
    assert read(text + "toy: true\n").latest.id != first
    (read.here / "starter" / "one" / "weights.bin").write_text("others")
    second = read(text).latest.id
    assert second != first
    (read.here / "runners" / "family.py").write_text(RUNNER + "\n# Better now.")
    assert read(text).latest.id not in (first, second)


def test_what_a_runner_imports_from_beside_it_belongs_to_the_version(read):
    runners = read.here / "runners"
    (runners / "family.py").write_text("from shared import SIZE\n" + RUNNER)
    (runners / "shared.py").write_text("import deeper\nSIZE = 1\n")
    (runners / "deeper.py").write_text("")
    (runners / "other.py").write_text("")
    ids = [read().latest.id]
    for name in ("shared", "deeper", "other"):
        with (runners / f"{name}.py").open("a") as file:
            file.write("OTHER = 2\n")
        ids.append(read().latest.id)
    assert len(set(ids)) == 3 and ids[2] == ids[3]


def test_an_input_with_another_range_is_checked_by_it(read):
    schema = read(BASE + "inputs: {steps: {default: 4, maximum: 8}}").latest.schema
    with pytest.raises(InvalidInput, match="less than or equal to 8"):
        inputs.check(schema, {"prompt": "a", "steps": 9})


def test_an_input_with_other_choices_is_checked_by_them(read):
    schema = read(BASE + "inputs: {size: {enum: [s, xl]}, seed: {enum: [1, 2]}}").latest.schema
    properties = schema["components"]["schemas"]["Input"]["properties"]
    assert properties["size"]["allOf"] == [{"$ref": "#/components/schemas/size"}]
    assert inputs.check(schema, {"prompt": "a", "size": "xl", "seed": 2})["seed"] == 2
    with pytest.raises(InvalidInput) as caught:
        inputs.check(schema, {"prompt": "a", "size": "m", "seed": 3})
    assert {(each.field, each.kind) for each in caught.value.problems} == {
        ("size", "enum"),
        ("seed", "enum"),
    }


def test_an_input_with_a_default_need_not_be_given(read):
    schema = read(BASE + "inputs: {prompt: {default: hello}}").latest.schema
    assert "required" not in schema["components"]["schemas"]["Input"]
    assert inputs.check(schema, {})["prompt"] == "hello"


def test_an_input_that_is_taken_away_is_unknown(read):
    schema = read(BASE + "inputs: {seed: null}").latest.schema
    with pytest.raises(InvalidInput, match="no input 'seed'"):
        inputs.check(schema, {"prompt": "a", "seed": 3})


def test_the_runners_own_document_stays_as_it_was():
    def run(size: str = Input(default="s", choices=["s", "l"])) -> str: ...

    before = document(run)
    after = document(run)
    overlay(after, {"size": {"enum": ["s"], "default": "s"}}, "somebody/something")
    assert after == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a spec must be a mapping"),
        ("- a", "a spec must be a mapping"),
        ("a: b\nname: [", "something.yaml, line 2: "),
        ("runner: family:Runner", "name is missing"),
        ("name: somebody/something", "runner is missing"),
        ("name: something\nrunner: family:Runner", "name must be owner/name"),
        ("name: a/b/c\nrunner: family:Runner", "name must be owner/name"),
        ("name: a b/c\nrunner: family:Runner", "name must be owner/name"),
        ("name: a/b\nrunner: family", "runner file:Class"),
        ("name: a/b\nrunner: ../family:Runner", "runner file:Class"),
        ("name: a/b\nrunner: nowhere:Runner", "there is no runner 'nowhere'"),
        ("name: a/b\nrunner: family:Absent", "has no Absent"),
        (BASE + "nmae: x", "unknown key 'nmae'; allowed are name, "),
        (BASE + "toy: maybe", "toy must be a bool, not 'maybe'"),
        (BASE + "memory: 300", "memory must be a str"),
        (BASE + "memory: much", "memory is 'much'"),
        (BASE + "weights: starter/one", "weights must be a dict"),
        (BASE + "weights: {path: starter/none}", "weights folder starter/none does not exist"),
        (BASE + "weights: {paht: starter/one}", "weights is {'paht'"),
        (BASE + "readme: nowhere.md", "readme nowhere.md does not exist"),
        (BASE + "licence: {url: x}", "licence: "),
        (BASE + "licence: {name: x, free: true}", "licence: "),
        (BASE + "inputs: {stesp: {default: 4}}", "no 'stesp', only prompt, steps, size, seed"),
        (BASE + "inputs: {steps: 4}", "steps is 4; allowed are default, "),
        (BASE + "inputs: {steps: {maxium: 4}}", "allowed are default, "),
        (BASE + "inputs: {prompt: null}", "prompt cannot be taken away"),
        (BASE + "examples: [{title: x}]", "an example must have a title and an input"),
    ],
)
def test_a_bad_spec_is_refused_by_file_and_key(read, text, said):
    with pytest.raises(BrokenModel) as caught:
        read(text)
    assert said in str(caught.value)
    assert "something.yaml" in str(caught.value) or "family.py" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_of_the_hub_leave_a_place_in_the_code_until_their_folder_is_known(read):
    model = read(
        BASE
        + """
weights: {repo: somebody/base, revision: 0123456789abcdef0123456789abcdef01234567, size: 7GB}
parts:
  refiner: {repo: somebody/refiner, files: ["*.safetensors"]}
setup: {scheduler: euler}
precisions: {bf16: 8GB, 4bit: 3GB}
spreads: true
packages: [somepackage==1.0]
verified: tiny
"""
    )
    version = model.latest
    assert version.weights == (
        Weights("", "somebody/base", "0123456789abcdef0123456789abcdef01234567", (), 7_000_000_000),
        Weights("refiner", "somebody/refiner", None, ("*.safetensors",)),
    )
    assert version.code.weights == "hub:"
    assert version.code.options == {"scheduler": "euler", "parts": {"refiner": "hub:refiner"}}
    assert version.code.packages == ("somepackage==1.0",)
    assert version.ladder == (Rung("bf16", 8_000_000_000), Rung("4bit", 3_000_000_000))
    assert model.verified == "tiny" and version.spreads


@pytest.mark.parametrize(
    "lines, reason",
    [
        ("weights: {repo: nobody}", "repo is 'nobody'; write it owner/name"),
        ("weights: {repo: a/b, revision: main}", "must be a commit, 40 hex digits"),
        ("weights: {repo: a/b, branch: main}", "allowed are repo, revision, files and size"),
        ("parts: {refiner: a/b}", "parts: refiner is 'a/b'"),
        ("precisions: {bf16: much}", "precisions: bf16 is 'much'; write it like 700MB"),
        ("verified: yes please", "allowed are tiny, gpu, weights"),
    ],
)
def test_what_makes_no_sense_about_weights_is_refused(read, lines, reason):
    with pytest.raises(BrokenModel, match=reason):
        read(BASE + lines)


def test_an_input_can_have_another_name_than_the_runners(read):
    model = read(BASE + "inputs: {prompt: {name: text}, size: {name: format, enum: [s, m]}}")
    described = model.latest.input_schema
    assert list(described["properties"]) == ["text", "steps", "format", "seed"]
    assert described["required"] == ["text"]
    assert described["properties"]["text"]["title"] == "Text"
    assert model.latest.schema["components"]["schemas"]["format"]["enum"] == ["s", "m"]
    assert model.latest.code.arguments == {"text": "prompt", "format": "size"}
    assert inputs.check(model.latest.schema, {"text": "a", "format": "m"})["format"] == "m"


def test_two_inputs_of_one_name_are_refused(read):
    with pytest.raises(BrokenModel, match="two would be called 'steps'"):
        read(BASE + "inputs: {prompt: {name: steps}}")


def test_an_input_can_be_moved_and_a_bound_taken_away(read):
    model = read(BASE + "inputs: {seed: {order: 0}, steps: {maximum: null}}")
    properties = model.latest.input_schema["properties"]
    assert list(properties) == ["seed", "prompt", "steps", "size"]
    assert [each["x-order"] for each in properties.values()] == [0, 1, 2, 3]
    assert "maximum" not in properties["steps"] and properties["steps"]["minimum"] == 1
