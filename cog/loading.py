"""Finds the runner in a model's file and calls it: class, duck type or plain function, old names or
new.
"""

from __future__ import annotations

import copy
import importlib.util
import inspect
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_origin

from cog.schema import document
from cog.signature import SignatureError, parameters, returned, strip
from cog.types import UNSET

DEFAULT_NAMES = ("Runner", "Predictor")
METHODS = ("run", "predict")


class LoadedRunner:
    """One runner, ready to be set up and called.

    `is_iterator`: a call gives an iterator (an asynchronous one where `is_async`). `concurrency` is
    how many calls may overlap; only asynchronous runners may have more than one.
    """

    def __init__(
        self, owner: Any, function: Callable[..., Any], train: Any, concurrency: int | None
    ) -> None:
        self._owner = owner
        self._function = function
        self._train = train
        self._parameters = {each.name: each for each in parameters(function)}
        is_coroutine = inspect.iscoroutinefunction(function)
        # A plain function may give an iterator that it has not made itself: its type tells.
        gives = None if is_coroutine else get_origin(strip(returned(function)))
        gives_async = inspect.isasyncgenfunction(function) or _is(gives, AsyncIterator)
        self.is_async = is_coroutine or gives_async
        self.is_iterator = (
            gives_async or inspect.isgeneratorfunction(function) or _is(gives, Iterator)
        )
        if inspect.iscoroutinefunction(getattr(owner, "setup", None)) and not self.is_async:
            raise SignatureError(
                f"setup() is async, but {function.__name__}() is not; make both async."
            )
        self.concurrency = self._declared(concurrency)

    def _declared(self, given: int | None) -> int:
        """How many calls may overlap: COG_MAX_CONCURRENCY > given > decorator > 1."""
        variable = os.environ.get("COG_MAX_CONCURRENCY")
        if variable and self.is_async:
            return max(1, int(variable))
        declared = given or int(getattr(self._function, "__cog_concurrency__", 1))
        if declared > 1 and not self.is_async:
            raise refuse_overlap(self._function.__name__, declared)
        return declared

    def document(self) -> dict[str, Any]:
        """The OpenAPI document. Raises `SignatureError`."""
        return document(self._function, self._train)

    def setup(
        self,
        weights: str | None = None,
        precision: str = "",
        options: Mapping[str, Any] | None = None,
    ) -> Any:
        """Sets the runner up; gives a coroutine to await where `setup` is asynchronous.

        `weights` reaches a `setup` that asks for it; None there means the variable COG_WEIGHTS, if
        set. `precision` too reaches only who asks; `options` are passed on as they are.
        """
        setup = getattr(self._owner, "setup", None)
        if setup is None:
            return None
        asked = inspect.signature(setup).parameters
        given = dict(options or {})
        if "weights" in asked:
            given["weights"] = weights or os.environ.get("COG_WEIGHTS")
        if precision and "precision" in asked:
            given["precision"] = precision
        return setup(**given)

    def healthcheck(self) -> Any:
        """What the model's own `healthcheck` gives, maybe to be awaited; True where it has none."""
        check = getattr(self._owner, "healthcheck", None)
        return check() if inspect.ismethod(check) or inspect.isroutine(check) else True

    def arguments(
        self, inputs: dict[str, Any], own: Callable[[Path], Path] = lambda path: path
    ) -> dict[str, Any]:
        """The arguments of a call for JSON inputs: files as `Path`s, secrets as `Secret`s, missing
        ones by default. `own` gives for each file that comes in the one that the model is to have.
        """
        arguments = {}
        for name, parameter in self._parameters.items():
            if name in inputs:
                arguments[name] = _with_files(parameter.value(inputs[name]), own)
            elif parameter.default is UNSET:
                arguments[name] = None
            else:
                arguments[name] = parameter.value(copy.deepcopy(parameter.default))
        return arguments

    def call(self, **arguments: Any) -> Any:
        """The value, or what gives it: a generator, a coroutine, an asynchronous generator."""
        return self._function(**arguments)


def _with_files(value: Any, own: Callable[[Path], Path]) -> Any:
    if isinstance(value, list):
        return [_with_files(each, own) for each in value]
    return type(value)(own(value)) if isinstance(value, Path) else value


def refuse_overlap(name: str, declared: int) -> SignatureError:
    """What is wrong with runs that are to overlap and cannot."""
    return SignatureError(f"{name}() declares {declared} runs at once, but is not async.")


def load(
    folder: str, target: str, concurrency: int | None = None, train: str | None = None
) -> LoadedRunner:
    """Imports `target` (`path/to/file.py:Name`) of the model in `folder` and makes the runner.

    Raises `SignatureError` for a signature that cannot be served, and whatever the model's code
    raises.
    """
    file, _, name = target.partition(":")
    module = _module(folder, file)
    found = _find(module, name, file)
    owner = found() if isinstance(found, type) else found
    function = owner if inspect.isroutine(found) else _method(owner, found)
    trainer = None
    if train is not None:
        train_file, _, train_name = train.partition(":")
        training = module if train_file == file else _module(folder, train_file)
        trainer = _trainer(_find(training, train_name or "train", train_file))
    return LoadedRunner(owner, function, trainer, concurrency)


def load_trainer(folder: str, target: str) -> LoadedRunner:
    """As `load`, of what trains: a function, or a class with `train()`, and `setup()` if it needs
    one.
    """
    file, _, name = target.partition(":")
    found = _find(_module(folder, file), name or "train", file)
    owner = found() if isinstance(found, type) else found
    return LoadedRunner(owner, _trainer(owner), None, None)


def _is(origin: Any, kind: type) -> bool:
    return isinstance(origin, type) and issubclass(origin, kind)


def _module(folder: str, file: str) -> Any:
    path = Path(folder, file)
    for entry in (str(path.parent), str(folder)):
        if entry not in sys.path:
            sys.path.insert(0, entry)
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    # Registered under its own name: what the model pickles must be found again.
    sys.modules[path.stem] = module
    specification.loader.exec_module(module)
    return module


def _find(module: Any, name: str, file: str) -> Any:
    names = (name,) if name else DEFAULT_NAMES
    for each in names:
        if hasattr(module, each):
            return getattr(module, each)
    raise SignatureError(f"{file} has no {' or '.join(names)}; cog.yaml must name what is there.")


def _trainer(found: Any) -> Callable[..., Any]:
    method = found if inspect.isroutine(found) else getattr(found, "train", None)
    if not callable(method):
        shown = getattr(found, "__name__", type(found).__name__)
        raise SignatureError(f"{shown} has no train(); give it one, or name a function.")
    trained: Callable[..., Any] = method
    return trained


def _method(owner: Any, found: Any) -> Callable[..., Any]:
    from cog import BaseRunner

    own = [name for name in METHODS if callable(getattr(owner, name, None))]
    shown = getattr(found, "__name__", type(owner).__name__)
    if len(own) == 2:
        raise SignatureError(f"{shown} has both run() and predict(); keep one.")
    if own:
        method: Callable[..., Any] = getattr(owner, own[0])
        return method
    if callable(owner) and not isinstance(owner, BaseRunner):
        called: Callable[..., Any] = owner.__call__
        return called
    raise SignatureError(f"{shown} has neither run() nor predict().")
