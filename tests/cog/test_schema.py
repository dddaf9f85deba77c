"""A signature → Replicate's OpenAPI dialect: what stands around inputs and outputs."""

# No `from __future__ import annotations` here: both spellings of annotations are tested.
from collections.abc import Iterator

import cog
from cog import Input, Path
from cog.schema import document
from tests.cog.annotated import FILE, Nested


def test_the_document_has_what_clients_look_for():
    def predict(size: str = Input(choices=["s", "l"])) -> str: ...

    found = document(predict)
    assert found["openapi"] == "3.0.2"
    assert set(found["components"]["schemas"]) == {
        "Input", "Output", "size", "Status", "PredictionRequest", "PredictionResponse",
        "HTTPValidationError", "ValidationError",
    }  # fmt: skip
    assert found["components"]["schemas"]["Status"]["enum"] == [
        "starting",
        "processing",
        "succeeded",
        "canceled",
        "failed",
    ]


def test_every_reference_of_the_document_leads_somewhere():
    def predict(size: str = Input(choices=["s", "l"])) -> Nested: ...

    def train(size: int = Input(choices=[1, 2])) -> Path: ...

    found = document(predict, train)

    def references(part):
        if isinstance(part, dict):
            if "$ref" in part:
                yield part["$ref"]
            for inner in part.values():
                yield from references(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from references(inner)

    for reference in references(found):
        prefix, _, name = reference.rpartition("/")
        assert prefix == "#/components/schemas"
        assert name in found["components"]["schemas"]


def test_streaming_is_marked_on_the_operation():
    @cog.streaming
    def predict(text: str) -> Iterator[str]: ...

    assert document(predict)["paths"]["/predictions"]["post"]["x-cog-streaming"] is True


def test_training_has_inputs_and_outputs_of_its_own():
    def predict(size: str = Input(choices=["s", "l"])) -> str: ...

    def train(data: Path, size: int = Input(choices=[1, 2])) -> Path: ...

    found = document(predict, train)
    parts = found["components"]["schemas"]
    assert parts["TrainingInput"]["required"] == ["data", "size"]
    assert parts["TrainingOutput"] == {**FILE, "title": "TrainingOutput"}
    assert "/trainings" in found["paths"]
    assert {"TrainingRequest", "TrainingResponse"} <= set(parts)
    assert parts["size"]["enum"] == ["s", "l"]
    (reference,) = parts["TrainingInput"]["properties"]["size"]["allOf"]
    assert parts[reference["$ref"].rpartition("/")[2]]["enum"] == [1, 2]
