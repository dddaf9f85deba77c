"""The structure, held against docs/architecture.md: its tree, and which way imports point."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# From the top down: a package may import itself and what stands below it.
LAYERS = ("app", "components api", "predictions", "workers", "model_registry", "cog")
EVERYWHERE = {"errors", "settings", "command_line"}
ONLY_IN = {
    "gradio": {"components", "app"},
    "fastapi": {"api", "app"},
    "starlette": {"api", "app"},
    "uvicorn": {"api", "app"},
    "sqlalchemy": {"predictions"},
    "jsonschema": {"model_registry"},
    "psutil": {"workers", "model_registry"},  # there in runners, which are a child's code
}
HEAVY = {"torch", "transformers", "diffusers", "onnxruntime", "ctranslate2", "faster_whisper"}
PACKAGES = [name for layer in LAYERS for name in layer.split()]


def sources():
    yield ROOT / "app.py"
    yield ROOT / "settings.py"
    yield ROOT / "command_line.py"
    yield ROOT / "errors.py"
    for package in PACKAGES[1:]:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "starter" not in path.parts:
                yield path


def owner(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path, module_level=False):
    """The top-level names of all packages that a file imports."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if module_level else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("path", list(sources()), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path):
    layer = {name: depth for depth, names in enumerate(LAYERS) for name in names.split()}
    here = owner(path)
    for name in imports(path):
        if name in layer and name != here:
            assert here not in EVERYWHERE, f"{here} imports {name}"
            assert layer[name] > layer[here], f"{here} may not import {name}"
        if name in ONLY_IN:
            assert here in ONLY_IN[name], f"{here} may not import {name}"
    assert not HEAVY & set(imports(path, module_level=True)), "heavy imports belong in setup()"


def test_families_of_models_do_not_import_each_other():
    files = {path.stem: path for path in (ROOT / "model_registry" / "runners").glob("*.py")}
    families = {
        name
        for name, path in files.items()
        if re.search(r"\((BasePredictor|BaseRunner)\)", path.read_text())
    }
    assert len(families) > 40
    for name, path in files.items():
        assert not families & set(imports(path)), f"{name} imports another family"


def test_cog_needs_nothing_but_the_standard_library():
    for path in (ROOT / "cog").rglob("*.py"):
        for name in imports(path):
            assert name == "cog" or name in sys.stdlib_module_names, f"{path}: {name}"


def test_the_environment_is_read_in_one_place():
    # These set up or pass on a child's environment; they read no setting from it.
    passed_on = {
        "process.py", "describer.py", "surroundings.py", "loading.py", "installing.py", "pget.py",
    }  # fmt: skip
    allowed = {"settings.py", "app.py", *passed_on}
    for path in sources():
        if "runners" not in path.parts and path.name not in allowed:
            assert "os.environ" not in path.read_text(), path


def test_the_whole_app_imports_without_torch():
    code = (
        "import app, api.app, components.page, predictions.service, sys;"
        f"print([name for name in {sorted(HEAVY)} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_tree_in_the_document_is_the_tree_of_files():
    text = (ROOT / "docs" / "architecture.md").read_text()
    tree = re.search(r"```\n(app\.py.*?)```", text, re.DOTALL)[1]
    folder, listed = ROOT, set()
    for line in tree.splitlines():
        name = line.split()[0]
        if line.startswith("  "):
            path = folder / name
        else:
            path = folder = ROOT / name
        assert path.exists(), f"{name} is in the document, but there is no such file"
        listed.add(path)
    for package in PACKAGES[1:-1]:
        for path in (ROOT / package).glob("*.py"):
            assert path in listed or path.name == "__init__.py", f"the document lacks {path}"
