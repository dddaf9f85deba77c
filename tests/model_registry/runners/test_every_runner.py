"""What holds for every runner of the catalogue, each on tiny weights and as its spec says: a seed
gives its bytes, and a cancel ends a run within one step and leaves nothing behind.

Of the runners whose packages are here: `test_own_environments` runs this file in the environments
of the others.
"""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest

from cog import CancelationException
from cog.scope import Scope, entered
from model_registry import inputs
from tests.model_registry.runners.conftest import Model, Told
from tests.tiny_catalogue import DOWNLOADING, SMALL, TINY, installed

pytestmark = [
    # EnCodec and DAC ask torch for its old weight norm; Dia's tokenizer is told a length that only
    # counts where texts are cut.
    pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning"),
    pytest.mark.filterwarnings("ignore:`max_length` is ignored:UserWarning"),
    # diffusers hands torch tensors to numpy in a way that numpy 2 is about to drop.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

SLOW = (
    "text_to_video:VideoByForm", "image_edit:ImagesEdit", "shap_e:ShapEPoints", "voice_dia:Dia",
    "stable_video:StableVideo",
)  # fmt: skip
"""Others of the same kind stand for them in `make test`."""
AT_ONCE = "background_removal"
"""Its one step is a network that is run once."""
CERTAIN = ("transcription", "speech_to_text")
"""At temperature 0, any seed gives the same."""
USED = {"steps", "output_token_count", "audio_seconds", "faces"}
"""Figures of which each runner tells one at least."""


def one_of_each_runner():
    names = {}
    for spec in DOWNLOADING:
        if installed(spec):
            names.setdefault(spec["runner"], spec["name"])
    return [
        pytest.param(
            name,
            runner.partition(":")[0],
            id=runner,
            marks=[pytest.mark.heavy] if runner in SLOW else [],
        )
        for runner, name in names.items()
    ]


class Canceling(Told):
    """Cancels at the first step."""

    def progress(self, done, total, unit):
        super().progress(done, total, unit)
        raise CancelationException


@pytest.mark.parametrize("name, runner", one_of_each_runner())
def test_a_seed_gives_its_bytes_and_a_cancel_takes_one_step(name, runner, versions, tmp_path):
    version = versions[name]
    model = tiny(version, tmp_path)
    seeded = "seed" in version.input_schema["properties"]

    def given(seed):
        asked = {**SMALL[name], "seed": seed} if seeded else SMALL[name]
        checked = inputs.check(version.schema, asked)
        names = version.code.arguments
        return {names.get(key, key): as_file(each, tmp_path / key) for key, each in checked.items()}

    once = contents(model.run(**given(1)))
    if runner != AT_ONCE:
        assert USED & model.told.metrics.keys()
        assert len(canceled(model, given(2)).steps) <= 1
    if seeded and runner not in CERTAIN:
        assert model.told.metrics["seed"] == 1
        assert contents(model.run(**given(2))) != once
    assert contents(model.run(**given(1))) == once


def tiny(version, folder):
    """The version set up as a child does it, on the tiny twins of its repositories."""
    folders = {}
    for weights in version.weights:
        folders[weights.place] = made = folder / "weights" / weights.repo
        if not made.exists():
            made.mkdir(parents=True)
            TINY[weights.repo](made)
    options = dict(version.code.options)
    if "parts" in options:
        parts = options["parts"].items()
        options["parts"] = {role: str(folders[place]) for role, place in parts}
    return Model(version.code.target, folders[version.code.weights], **options)


def canceled(model, given):
    """What a run has told that was canceled at its first step, or at the first piece of output."""
    told, loaded = Canceling(), model.loaded
    with pytest.raises(CancelationException), entered(Scope("test", told)):
        output = loaded.call(**loaded.arguments(given))
        if loaded.is_async:
            asyncio.run(left(output))
        elif loaded.is_iterator:
            next(output)
            output.throw(CancelationException())
    return told


async def left(output):
    """What becomes of an asynchronous run when it is canceled at its first piece."""
    await anext(output)
    await output.aclose()
    raise CancelationException


def as_file(value, path):
    """What comes as a data URI, as the file that the app makes of it."""
    if isinstance(value, list):
        return [as_file(each, path) for each in value]
    if not isinstance(value, str) or not value.startswith("data:"):
        return value
    kind, _, content = value.partition(";base64,")
    file = path.with_suffix(f".{kind.rpartition('/')[2]}")
    file.write_bytes(base64.b64decode(content))
    return str(file)


def contents(output):
    """An output with its files as bytes."""
    if isinstance(output, Path):
        return output.read_bytes()
    if isinstance(output, list):
        return [contents(each) for each in output]
    if isinstance(output, dict):
        return {key: contents(each) for key, each in output.items()}
    return contents(vars(output)) if hasattr(output, "__dict__") else output
