"""Which classes the installed libraries have, read from their files: nothing is imported."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_MAPPINGS = "models/auto/modeling_auto.py"
JOINED = str.maketrans("", "", "-_.")
"""What one library writes between parts of a name and another does not."""


@cache
def transformers_mappings() -> Mapping[str, Mapping[str, frozenset[str]]]:
    """For each of transformers' automatic classes the kinds of model (`model_type`) that it loads,
    and as which classes: `{"MODEL_FOR_CAUSAL_LM": {"llama": {"LlamaForCausalLM"}}}`.
    """
    tree = ast.parse((_package("transformers") / _MAPPINGS).read_text())
    found = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        name = node.targets[0].id
        if name.endswith("_MAPPING_NAMES") and isinstance(node.value, ast.Call):
            found[name.removesuffix("_MAPPING_NAMES")] = _pairs(node.value)
    return found


@cache
def pipelines() -> frozenset[str]:
    """The names of diffusers' pipelines."""
    text = (_package("diffusers") / "__init__.py").read_text()
    found = re.findall(r'"(\w+Pipeline\w*)"', text)
    return frozenset(name for name in found if not name.endswith(("Output", "Blocks")))


@cache
def parts() -> frozenset[str]:
    """The names of diffusers' models, schedulers and adapters, of which pipelines are made."""
    text = (_package("diffusers") / "__init__.py").read_text()
    return frozenset(re.findall(r'"([A-Z]\w+)"', text)) - pipelines()


@cache
def quantizers() -> frozenset[str]:
    """The ways of quantizing that transformers knows (`quant_method`)."""
    text = (_package("transformers") / "quantizers/auto.py").read_text()
    known = text.partition("AUTO_QUANTIZER_MAPPING = {")[2].partition("}")[0]
    return frozenset(re.findall(r'^ +"([\w-]+)":', known, re.MULTILINE))


@cache
def gguf_kinds() -> frozenset[str]:
    """The architectures of GGUF that transformers reads as models that write, without what joins
    the parts of their names (`qwen2moe`).
    """
    files = {
        "integrations/ggml.py": "GGUF_CONFIG_MAPPING",
        "integrations/gguf/gguf_config_mapping.py": "GGUF_CONFIG_ARCHS",
    }
    named: set[str] = set()
    for path, name in files.items():
        file = _package("transformers") / path
        for node in ast.parse(file.read_text()).body if file.is_file() else ():
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
                keys = node.value.keys if isinstance(node.value, ast.Dict) else ()
                named |= {str(key.value) for key in keys if isinstance(key, ast.Constant)}
    write = {kind.translate(JOINED) for kind in transformers_mappings()["MODEL_FOR_CAUSAL_LM"]}
    return frozenset(each.translate(JOINED) for each in named) & write


@cache
def has_class(kind: str) -> bool:
    """Whether transformers has a class of that name, whatever it is for."""
    pattern = re.compile(rf"^class {re.escape(kind)}\b", re.MULTILINE)
    files = (_package("transformers") / "models").glob("*/modeling_*.py")
    return any(pattern.search(file.read_text()) for file in files)


@cache
def call_of(pipeline: str) -> Mapping[str, bool]:
    """What a call of diffusers' pipeline takes → whether it has to be given."""
    for file in sorted((_package("diffusers") / "pipelines").rglob("*.py")):
        text = file.read_text()
        if not re.search(rf"^class {pipeline}\b", text, re.MULTILINE):
            continue
        (kind,) = (
            node
            for node in ast.parse(text).body
            if isinstance(node, ast.ClassDef) and node.name == pipeline
        )
        for node in kind.body:
            if isinstance(node, ast.FunctionDef) and node.name == "__call__":
                return _arguments(node.args)
        bases = (call_of(base.id) for base in kind.bases if isinstance(base, ast.Name))
        return next(filter(None, bases), {})
    return {}


def _arguments(signature: ast.arguments) -> Mapping[str, bool]:
    names = [each.arg for each in (*signature.posonlyargs, *signature.args)]
    needed = len(names) - len(signature.defaults)
    found = {name: at < needed for at, name in enumerate(names) if name != "self"}
    for each, default in zip(signature.kwonlyargs, signature.kw_defaults, strict=True):
        found[each.arg] = default is None
    return found


@cache
def version(package: str) -> str:
    from importlib.metadata import version

    return version(package)


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    assert found is not None and found.origin is not None
    return Path(found.origin).parent


def _pairs(call: ast.Call) -> Mapping[str, frozenset[str]]:
    """What `OrderedDict([("llama", "LlamaForCausalLM"), …])` says; a class may be several."""
    if not call.args or not isinstance(call.args[0], ast.List):
        return {}
    pairs = (each.elts for each in call.args[0].elts if isinstance(each, ast.Tuple))
    return {
        key.value: frozenset(
            node.value
            for node in ast.walk(value)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        )
        for key, value in pairs
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }
