"""A folder with cog.yaml → a model, or a reason that names file and key."""

from __future__ import annotations

import sys

import pytest

from errors import BrokenModel
from model_registry import cog_folder

TARGET = "predict: predict.py:Predictor\n"


@pytest.fixture
def read(write, prints, descriptions):
    """Writes a folder and reads it as `local/one`."""

    def read(cog=TARGET, **files):
        return cog_folder.read(write("one", cog, **files), "local", "one", prints, descriptions)

    return read


def test_a_folder_becomes_a_model(read):
    model = read(**{"README.md": "# One\n\nIt echoes.\n\nAnd more."})
    assert (model.id, model.category, model.description) == ("local/one", "local", "It echoes.")
    assert model.readme.startswith("# One")
    assert model.warnings == ()
    version = model.latest
    assert len(version.id) == 64 and set(version.id) <= set("0123456789abcdef")
    assert version.input_schema["required"] == ["text"]
    assert version.output_schema["type"] == "string"
    assert (version.code.target, version.gpu, version.heavy) == (
        "predict.py:Predictor",
        False,
        False,
    )


def test_what_cog_yaml_says_reaches_the_code(read):
    model = read(
        """
        predict: predict.py:Predictor
        image: r8.im/somebody/something
        environment: [GREETING=hello=there, EMPTY=]
        concurrency: {max: 3, default_target: 2}
        build: {gpu: true}
        """,
        predict="""
        import os
        class Predictor:
            async def predict(self, text: str = os.environ["GREETING"]) -> str: ...
        """,
    )
    version = model.latest
    assert version.code.environment == {"GREETING": "hello=there", "EMPTY": ""}
    assert version.code.concurrency == 3
    assert version.gpu
    # It was set before the model was imported.
    assert version.input_schema["properties"]["text"]["default"] == "hello=there"


def test_code_that_imports_torch_is_heavy(read):
    later = "class Predictor:\n    def setup(self):\n        import torch\n"
    assert read(predict=later + "    def predict(self) -> str: ...\n").latest.heavy


def test_training_is_described_too(read):
    model = read(
        TARGET + "train: train.py:train\n", **{"train.py": "def train(n: int) -> str: ..."}
    )
    assert model.latest.schema["components"]["schemas"]["TrainingInput"]["required"] == ["n"]
    trainer = model.latest.trainer
    assert trainer.code.target == "train.py:train" and trainer.code.trains
    assert trainer.input_schema["required"] == ["n"]
    assert model.latest.input_schema != trainer.input_schema and trainer.id != model.latest.id


def test_without_training_there_is_no_trainer(read):
    assert read(TARGET).latest.trainer is None


def test_examples_may_lie_beside_the_code(read):
    (example,) = read(**{"examples.yaml": "- {title: A greeting, input: {text: hello}}"}).examples
    assert (example.title, example.input) == ("A greeting", {"text": "hello"})


def test_the_model_is_never_imported_into_this_process(read):
    read(predict="import sys\nsys.imported_here = True\ndef Predictor(text: str) -> str: ...")
    assert not hasattr(sys, "imported_here")


@pytest.mark.parametrize(
    ("build", "said"),
    [
        ("{python_version: '3.7'}", "asks for Python 3.7"),
        ("{system_packages: [ffmpeg, git]}", "nobody installs here: ffmpeg, git."),
        ("{run: [make everything]}", "never executed here: make everything."),
        ("{run: [{command: make this, mounts: []}, echo]}", "here: make this; echo."),
        ("{pre_install: [make everything]}", "never executed"),
        ("{fast: true}", "says build.fast, which Cog has given up"),
    ],
)
def test_what_this_machine_does_not_give_is_a_warning(read, build, said):
    (warning,) = read(f"{TARGET}build: {build}").warnings
    assert said in warning


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (
            "{name: base, target: /src/weights, source: {uri: 'hf://ada/base'}}",
            "put base (hf://ada/base) into weights.",
        ),
        (
            "{name: base, target: /models/base, source: [{uri: a.bin}, {uri: b.bin}]}",
            "at /models/base, outside of its folder: base (a.bin, b.bin).",
        ),
    ],
)
def test_managed_weights_are_named_with_their_place(read, weights, said):
    (warning,) = read(f"{TARGET}weights: [{weights}]").warnings
    assert said in warning


def test_managed_weights_that_are_there_need_no_warning(read):
    weights = "{name: base, target: /src/weights.bin, source: {uri: 'hf://ada/base'}}"
    assert read(f"{TARGET}weights: [{weights}]", **{"weights.bin": ""}).warnings == ()


def test_a_default_that_does_not_fit_is_a_warning_and_no_refusal(read):
    model = read(
        predict="""
        from cog import Input
        def Predictor(
            size: str = Input(default="huge", choices=["small", "large"]),
            steps: int = Input(default=80, le=50),
            strength: float = Input(default=0.5, le=1),
        ) -> str: ...
        """
    )
    assert [warning.partition(" does not fit")[0] for warning in model.warnings] == [
        "The default of its input 'size'",
        "The default of its input 'steps'",
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (r'str = Input(default="\ud800")', "half a character"),
        (r'str = Input(description="\ud800")', "half a character"),
        ("int = Input(default=2**70)", "past 64 bits"),
    ],
)
def test_what_can_be_sent_to_nobody_is_refused_with_its_reason(read, given, said):
    with pytest.raises(BrokenModel, match=f"predict.py:Predictor: .*{said}"):
        read(predict=f"from cog import Input\ndef Predictor(text: {given}) -> str: ...")


NEEDS = "import nowhere\ndef Predictor(text: str) -> str: ..."


def test_a_model_with_packages_of_its_own_is_drawn_from_its_source(read):
    model = read(TARGET + "build: {python_packages: [nowhere==1.0]}", predict=NEEDS)
    assert model.latest.provisional
    assert model.latest.code.packages == ("nowhere==1.0",)
    assert model.latest.input_schema["required"] == ["text"]
    (warning,) = model.warnings
    assert "nowhere==1.0" in warning and "first run" in warning


def test_packages_that_the_app_has_need_no_environment(read):
    model = read(TARGET + "build: {python_packages: [numpy>=1, pillow]}")
    assert (model.latest.code.packages, model.latest.provisional) == ((), False)
    assert model.warnings == ()


def test_a_package_that_nobody_names_is_asked_for(read):
    with pytest.raises(BrokenModel, match=r"No module named 'nowhere'.*python_packages in cog"):
        read(predict=NEEDS)


def test_a_signature_that_only_an_import_could_tell_says_what_to_do(read):
    with pytest.raises(BrokenModel, match=r"line 2: the type of 'x' is nowhere.*Cog write \.cog/"):
        read(
            TARGET + "build: {python_packages: [nowhere==1.0]}",
            predict="import nowhere\ndef Predictor(x: nowhere.T) -> str: ...",
        )


OLD_DOCUMENT = """
{"components": {"schemas": {
  "Input": {"properties": {"size": {"allOf": [{"$ref": "#/components/schemas/size"}]}}},
  "size": {"type": "string", "enum": ["s", "l"]},
  "Output": {"$ref": "#/components/schemas/Answer"}, "Answer": {"type": "string"}}}}
"""


@pytest.mark.parametrize("packages", ["[nowhere==1.0]", "[]"])
def test_what_cannot_be_loaded_may_bring_the_document_that_cog_has_written(write, read, packages):
    (write() / ".cog").mkdir()
    (write() / ".cog" / "openapi_schema.json").write_text(OLD_DOCUMENT)
    cog = f"{TARGET}build: {{python_packages: {packages}}}"
    model = read(cog, predict="import nowhere\ndef Predictor(x: nowhere.T) -> str: ...")
    assert model.latest.input_schema["properties"]["size"]["x-order"] == 0
    assert model.latest.output_schema["type"] == "string"
    assert "It cannot be loaded here" in model.warnings[0]
    # What can be loaded is believed, not the document.
    assert read(cog).latest.input_schema["required"] == ["text"]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("{", "Expecting"),
        ("[]", "must be"),
        ("{}", "lacks 'components'"),
        ('{"components": {"schemas": {"Input": {"$ref": "#/x/y"}}}}', "lacks 'y'"),
        ('{"components": {"schemas": {"Input": {"properties": {"a": {}}}}}}', "'a' has no type"),
    ],
)
def test_a_document_that_is_none_is_refused(write, read, document, said):
    (write() / ".cog").mkdir()
    (write() / ".cog" / "openapi_schema.json").write_text(document)
    with pytest.raises(BrokenModel, match=said) as caught:
        read(predict=NEEDS)
    assert ".cog/openapi_schema.json" in caught.value.reason


def test_a_python_version_without_quotes_is_understood(read):
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert read(f"{TARGET}build: {{python_version: '{here}'}}").warnings == ()
    # YAML takes 3.10 for the number 3.1.
    warnings = read(f"{TARGET}build: {{python_version: 3.10}}").warnings
    assert not any("3.1;" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("cog", "said"),
    [
        ("", "cog.yaml must be a mapping"),
        ("- a", "cog.yaml must be a mapping"),
        ("predict: [", "cog.yaml, line 1: "),
        ("a: b\n\tc: d", "cog.yaml, line 2: "),
        ("build: {gpu: true}", "must say `predict: "),
        ("predict: 5", "must say `predict: "),
        (TARGET + "run: predict.py:Runner", "both `run:` and `predict:`"),
        ("predict: nowhere.py:Predictor", "predict: nowhere.py does not exist"),
        ("run: nowhere.py", "run: nowhere.py does not exist"),
        ("predict: ../../../etc/passwd:x", "leads out of the folder"),
        (TARGET + "predictor: x", "unknown key predictor; allowed are build, "),
        (TARGET + "5: x", "unknown key 5"),
        (TARGET + "build: {cudaa: '12'}", "unknown key build.cudaa; allowed are cuda, "),
        (TARGET + "build: [a]", "build must be a mapping"),
        (TARGET + "train: 5", "train is 5"),
        (TARGET + "train: train.py:train", "train: train.py does not exist"),
        (TARGET + "train: ../train.py:train", "leads out of the folder"),
        (TARGET + "environment: {A: b}", "environment must be a list of NAME=value"),
        (TARGET + "environment: [A]", "environment must be a list of NAME=value"),
        (TARGET + "environment: [PATH=/x]", "PATH may not be set"),
        (TARGET + "environment: [LD_LIBRARY_PATH=/x]", "LD_LIBRARY_PATH may not be set"),
        (TARGET + "environment: [CUDA_VISIBLE_DEVICES=0]", "CUDA_VISIBLE_DEVICES may not be set"),
        (TARGET + "environment: [REPLICATE_API_TOKEN=x]", "REPLICATE_API_TOKEN may not be set"),
        (TARGET + "concurrency: 4", "concurrency is 4"),
        (TARGET + "concurrency: {max: many}", "concurrency.max is 'many'"),
        (TARGET + "concurrency: {max: 0}", "concurrency.max is 0"),
        (TARGET + "concurrency: {max: 4}", "declares 4 runs at once, but is not async"),
        ("predict: predict.py:Absent", "has no Absent"),
    ],
)
def test_a_bad_cog_yaml_is_refused_by_key(read, cog, said):
    with pytest.raises(BrokenModel) as caught:
        read(cog)
    assert said in caught.value.reason
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("local/one cannot be used: ")


@pytest.mark.parametrize("examples", ["5", "text", "[5]", "- {title: a}", "- {input: 5}", "a: [b]"])
def test_bad_examples_are_refused(read, examples):
    with pytest.raises(BrokenModel, match=r"examples\.yaml: "):
        read(**{"examples.yaml": examples})


def test_a_cog_yaml_that_is_no_text_is_refused(write, prints, descriptions):
    folder = write()
    (folder / "cog.yaml").write_bytes(b"predict: \xff\xfe")
    with pytest.raises(BrokenModel, match=r"cog\.yaml cannot be read"):
        cog_folder.read(folder, "local", "one", prints, descriptions)


def test_any_readme_is_survived(write, prints, descriptions):
    folder = write()
    (folder / "README.md").write_bytes(b"# \xff\n\n![x](y)\nFirst words.")
    model = cog_folder.read(folder, "local", "one", prints, descriptions)
    assert model.description == "First words."


def test_an_example_may_hold_a_file_of_the_folder(write, read):
    (write() / "one.png").write_bytes(b"\x89PNG")
    examples = (
        "- title: One\n  input: {text: hi, image: {file: one.png}, more: [{file: one.png}]}\n"
    )
    (example,) = read(**{"examples.yaml": examples}).examples
    picture = "data:image/png;base64,iVBORw=="
    assert example.input == {"text": "hi", "image": picture, "more": [picture]}


@pytest.mark.parametrize("name", ["nowhere.png", "../../secret", "/etc/passwd"])
def test_an_examples_file_must_be_in_the_folder(read, name):
    examples = f"- title: One\n  input: {{image: {{file: {name}}}}}\n"
    with pytest.raises(BrokenModel, match="examples.yaml: an example's file"):
        read(**{"examples.yaml": examples})
