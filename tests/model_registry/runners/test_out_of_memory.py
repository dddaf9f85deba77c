"""Memory that runs out in any runner of the catalogue, while it loads and at any place of a run: it
is told as that, so that the pool can try with less and say what was needed.
"""

from __future__ import annotations

import contextlib

import faster_whisper
import onnxruntime
import pytest
import torch
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode

from cog.running_out import is_out_of_memory
from model_registry import inputs
from model_registry.hub_tasks import OF_TRANSFORMERS
from tests.model_registry.runners import test_every_runner as every
from tests.model_registry.runners.conftest import REGISTRY, Model
from tests.test_added_models import TASKS
from tests.tiny_catalogue import DOWNLOADING, SMALL

pytestmark = every.pytestmark

QUICK = ("text_generation", "super_resolution", "transcription", "background_removal")
"""One of each library; the others are heavy."""
HEAVY = [pytest.mark.heavy]

ON_A_GPU = "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 23.6 GiB"
IN_CTRANSLATE2 = "CUDA failed with error out of memory"
IN_ONNXRUNTIME = (
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running Conv "
    "node. Failed to allocate memory for requested buffer of size 2684354560"
)


class RunsOut:
    """Raises from its `at`-th call on; 0: only counts them."""

    def __init__(self, at=0):
        self.at = at
        self.count = 0

    def __call__(self, error):
        self.count += 1
        if 0 < self.at <= self.count:
            raise error


@contextlib.contextmanager
def computing(called):
    """Each layer, and each run of a network that another library computes, first calls this."""

    def first(error, function):
        def call(*args, **settings):
            called(error)
            return function(*args, **settings)

        return call

    on_a_gpu = torch.OutOfMemoryError(ON_A_GPU)
    in_ctranslate2, in_onnxruntime = RuntimeError(IN_CTRANSLATE2), RuntimeError(IN_ONNXRUNTIME)
    hook = register_module_forward_pre_hook(lambda module, given: called(on_a_gpu))
    with pytest.MonkeyPatch.context() as patch:
        for owner, name, error in (
            (torch.nn.functional, "conv2d", on_a_gpu),
            (faster_whisper.WhisperModel, "encode", in_ctranslate2),
            (onnxruntime.InferenceSession, "run", in_onnxruntime),
        ):
            patch.setattr(owner, name, first(error, getattr(owner, name)))
        try:
            yield
        finally:
            hook.remove()


TAKING = {"aten::_to_copy", "aten::clone", "aten::copy_", "aten::empty_like", "aten::zeros_like"}


class Loading(TorchDispatchMode):
    """Each operation of torch that takes memory, and lets errors through, first calls this."""

    def __init__(self, called):
        super().__init__()
        self._called = called

    def __torch_dispatch__(self, operation, types, given=(), settings=None):
        if operation.name().partition(".")[0] in TAKING:
            self._called(torch.OutOfMemoryError(ON_A_GPU))
        return operation(*given, **(settings or {}))


def one_of_each_runner():
    return [
        pytest.param(*each.values, id=each.id, marks=[] if each.values[1] in QUICK else HEAVY)
        for each in every.one_of_each_runner()
    ]


def tasks_of_the_hub():
    known = {spec["runner"] for spec in DOWNLOADING}
    # What is made for a tag is of the first kind that has it.
    first = {tag: task for task in reversed(OF_TRANSFORMERS) for tag in task.tags}
    return [
        pytest.param(task.runner, tag, dict(task.setup), id=f"{task.runner} {tag}")
        for tag, task in first.items()
        if tag in TASKS and task.runner not in known
    ]


@pytest.mark.parametrize("name, runner", one_of_each_runner())
def test_memory_that_runs_out_is_told_as_that_wherever_it_does(name, runner, versions, tmp_path):
    version = versions[name]
    asked = SMALL[name]
    if "seed" in version.input_schema["properties"]:
        asked = {**asked, "seed": 1}
    checked, names = inputs.check(version.schema, asked), version.code.arguments
    given = {names.get(key, key): each for key, each in checked.items()}
    tells_wherever_it_runs_out(lambda: every.tiny(version, tmp_path), given, tmp_path)


@pytest.mark.heavy
@pytest.mark.parametrize("runner, tag, options", tasks_of_the_hub())
def test_so_it_is_in_the_runners_of_any_repository(runner, tag, options, tmp_path):
    (weights := tmp_path / "weights").mkdir()
    make, given = TASKS[tag]
    make(weights)
    if given == "audio":
        given = {"audio": str(REGISTRY / "starter" / "listen" / "lights.wav")}
    target = runner.replace(":", ".py:")
    tells_wherever_it_runs_out(lambda: Model(target, weights, **options), given, tmp_path)


def tells_wherever_it_runs_out(made, given, folder):
    """Sets the model up and runs it, with room and with less and less of it."""
    model = made()
    given = {key: every.as_file(each, folder / key) for key, each in given.items()}
    with computing(ran := RunsOut()):
        usual = every.contents(model.run(**given))
    assert ran.count
    for at in (1, ran.count // 2 + 1, ran.count):
        with computing(RunsOut(at)), pytest.raises(Exception) as raised:
            model.run(**given)
        assert is_out_of_memory(raised.value), (at, raised.value)
    assert every.contents(model.run(**given)) == usual, "it has left something behind"

    with Loading(loaded := RunsOut()):
        made()
    for at in (loaded.count // 2 + 1, loaded.count) if loaded.count else ():
        with Loading(RunsOut(at)), pytest.raises(Exception) as raised:
            made()
        assert is_out_of_memory(raised.value), (at, raised.value)
