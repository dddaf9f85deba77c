"""Models of Cog's first releases, whose inputs are decorators: imported, only read, and run."""

from __future__ import annotations

import pytest

from cog.signature import SignatureError
from cog.source import read_document
from cog.types import Path as FilePath

OLD = """
import pathlib
import cog
SIZES = {"small": 1, "large": 2}
class Predictor(cog.Predictor):
    def setup(self):
        self.times = 2
    @cog.input("picture", type=pathlib.Path, help="What to look at")
    @cog.input("size", type=str, options=SIZES.keys(), default="small")
    @cog.input("strength", type=float, default=4.1, min=-10, max=10, help="How much")
    @cog.input("count", int, 3)
    @cog.input("notes", type=str, default=None)
    def predict(self, picture, size, strength, count, notes=""):
        return [picture.name, size, strength, count * self.times, notes]
    """


@pytest.fixture(params=["imported", "only read"])
def documented(request, loaded, write):
    """The components of the document of `text`."""

    def documented(text):
        if request.param == "imported":
            document = loaded(text).document()
        else:
            document = read_document(str(write(predict=text)), "predict.py:Predictor")
        return document["components"]["schemas"]

    return documented


def test_its_inputs_are_those_that_decorate_it(documented):
    found = documented(OLD)
    assert found["Input"]["properties"] == {
        "picture": {
            "type": "string",
            "format": "uri",
            "title": "Picture",
            "description": "What to look at",
            "x-order": 0,
        },
        "size": {
            "allOf": [{"$ref": "#/components/schemas/size"}],
            "default": "small",
            "x-order": 1,
        },
        "strength": {
            "type": "number",
            "title": "Strength",
            "description": "How much",
            "default": 4.1,
            "minimum": -10,
            "maximum": 10,
            "x-order": 2,
        },
        "count": {"type": "integer", "title": "Count", "default": 3, "x-order": 3},
        "notes": {
            "type": "string",
            "title": "Notes",
            "default": None,
            "nullable": True,
            "x-order": 4,
        },
    }
    assert found["Input"]["required"] == ["picture"]
    assert found["size"]["enum"] == ["small", "large"]
    assert found["Output"] == {"title": "Output", "type": "object"}


def test_one_that_yields_gives_its_output_in_pieces(documented):
    found = documented(
        """
        import cog
        class Predictor(cog.Predictor):
            @cog.input("n", type=int, default=2)
            def predict(self, n):
                for i in range(n):
                    yield i
        """
    )
    assert found["Output"]["x-cog-array-type"] == "iterator"


def test_it_runs_with_what_its_decorators_say(loaded):
    runner = loaded(OLD)
    runner.setup()
    arguments = runner.arguments({"picture": "/tmp/dot.png", "count": 4})
    assert arguments["picture"] == FilePath("/tmp/dot.png")
    assert runner.call(**arguments) == ["dot.png", "small", 4.1, 8, None]


def test_a_parameter_that_no_decorator_declares_has_no_type(documented):
    with pytest.raises(SignatureError, match="'other' has no type"):
        documented(
            """
            import cog
            class Predictor(cog.Predictor):
                @cog.input("n", type=int)
                def predict(self, n, other): ...
            """
        )


def test_a_type_that_only_an_import_could_tell_is_named_with_its_line(write):
    folder = write(
        predict="""
        import cog, elsewhere
        class Predictor(cog.Predictor):
            @cog.input("n", type=elsewhere.Kind)
            def predict(self, n): ...
        """
    )
    with pytest.raises(SignatureError, match="predict.py, line 4: what cog.input"):
        read_document(str(folder), "predict.py:Predictor")


def test_the_module_of_that_name_does_not_hide_the_decorator(loaded):
    runner = loaded(OLD.replace("import cog\n", "import cog.input\nfrom cog.input import Input\n"))
    assert runner.document()["components"]["schemas"]["Input"]["required"] == ["picture"]
