"""What a cog.yaml names to be installed, as lines that an installer reads anywhere."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

import pytest

from errors import BrokenModel
from model_registry import requirements
from model_registry.fingerprint import Fingerprints


@pytest.fixture
def read(tmp_path):
    """The lines for a `build`, of a folder with these files."""

    def read(build, **files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return requirements.read(tmp_path, build, "local/one", Fingerprints(Path(os.devnull)))

    return read


def from_file(read, text, **files):
    return read({"python_requirements": "requirements.txt"}, **{"requirements.txt": text}, **files)


def test_inline_packages_are_lines(read):
    assert read({"python_packages": ["nowhere==1.0", "elsewhere>=2"]}) == (
        "nowhere==1.0",
        "elsewhere>=2",
    )
    assert read({}) == read({"python_packages": []}) == ()


def test_a_file_loses_its_comments_and_gains_what_it_includes(read):
    text = "# ours\n\n--extra-index-url https://example.org/simple\n-r more.txt\nnowhere==1 # why\n"
    text += "elsewhere==2 \\\n    --hash=sha256:abc\nfar @ https://example.org/far.whl\n"
    assert from_file(read, text, **{"more.txt": "inner[extra]==3; python_version > '3'\n"}) == (
        "--extra-index-url https://example.org/simple",
        "inner[extra]==3; python_version > '3'",
        "nowhere==1",
        "elsewhere==2      --hash=sha256:abc",
        "far @ https://example.org/far.whl",
    )


def test_where_one_package_comes_from_is_a_line_of_its_own(read):
    packages = [
        "nowhere==1 --extra-index-url=https://example.org/a",
        "elsewhere==2 --index-url https://example.org/b",
        "far==3 -f https://example.org/c",
    ]
    assert read({"python_packages": packages}) == (
        "--extra-index-url https://example.org/a",
        "nowhere==1",
        "--extra-index-url https://example.org/b",
        "elsewhere==2",
        "--find-links https://example.org/c",
        "far==3",
    )


def test_what_lies_in_the_folder_is_named_so_that_it_is_found_from_anywhere(read, tmp_path):
    text = "--find-links ./wheels\n-f=wheels\n-c limits.txt\n./wheels/a.whl\nb.whl\n-e .\n"
    files = {"limits.txt": "", "wheels/a.whl": "", "b.whl": ""}
    assert tuple(line.partition(" # ")[0] for line in from_file(read, text, **files)) == (
        f"--find-links {tmp_path}/wheels",
        f"--find-links {tmp_path}/wheels",
        f"-c {tmp_path}/limits.txt",
        f"file://{tmp_path}/wheels/a.whl",
        f"file://{tmp_path}/b.whl",
        f"-e {tmp_path}",
    )


@pytest.mark.parametrize("line", ["./wheels/a.whl", "-f wheels", "-c limits.txt", "./package"])
def test_what_was_replaced_under_its_name_is_another_requirement(read, line):
    files = {"limits.txt": "x<1", "wheels/a.whl": "one", "package/setup.py": "one"}
    once = from_file(read, f"nowhere\n{line}\n", **files)
    assert from_file(read, f"nowhere\n{line}\n", **files) == once
    other = {name: text + "!" for name, text in files.items()}
    assert from_file(read, f"nowhere\n{line}\n", **other) != once


def test_what_is_editable_is_another_requirement_when_it_asks_for_others(read):
    once = from_file(read, "-e .", **{"pyproject.toml": "one", "a.py": "one"})
    assert from_file(read, "-e .", **{"a.py": "other"}) == once
    assert from_file(read, "-e .", **{"pyproject.toml": "other"}) != once


def test_what_the_app_satisfies_is_not_installed_again(read):
    numpy = version("numpy")
    here = ["numpy", "numpy>=1", f"numpy=={numpy}", "nowhere; python_version < '3'", "PyYAML"]
    assert read({"python_packages": here}) == ()
    assert read({"python_packages": [*here, "--find-links https://example.org"]}) == ()
    assert read({"python_packages": ["numpy==1.0"]}) == ("numpy==1.0",)
    assert read({"python_packages": ["numpy", "nowhere"]}) == ("numpy", "nowhere")
    assert read({"python_packages": ["httpx[http2]"]}) == ("httpx[http2]",)


def test_cog_itself_is_not_installed(read):
    assert read({"python_packages": ["cog==0.9.20"]}) == ()
    assert from_file(read, "cog>=0.16\nnowhere\n") == ("nowhere",)


@pytest.mark.parametrize(
    ("build", "files", "said"),
    [
        ({"python_packages": "numpy"}, {}, "cog.yaml: build.python_packages is 'numpy'"),
        ({"python_packages": [5]}, {}, "cog.yaml: build.python_packages is [5]"),
        ({"python_packages": ["a b"]}, {}, "cog.yaml: build.python_packages: 'a b' names no"),
        ({"python_requirements": 5}, {}, "cog.yaml: build.python_requirements is 5"),
        ({"python_requirements": "r.txt"}, {}, "python_requirements: r.txt does not exist"),
        ({"python_requirements": "../r.txt"}, {}, "../r.txt leads out of the folder"),
        ({"python_requirements": "r.txt"}, {"r.txt": "ok\n\nnumpy=="}, "r.txt, line 3: 'numpy=='"),
        ({"python_requirements": "r.txt"}, {"r.txt": "-r /etc/passwd"}, "line 1: /etc/passwd lea"),
        ({"python_requirements": "r.txt"}, {"r.txt": "-r r.txt"}, "leads back to itself"),
        ({"python_requirements": "r.txt"}, {"r.txt": "./a.whl"}, "line 1: ./a.whl does not exist"),
        ({"python_packages": ["a"], "python_requirements": "r.txt"}, {}, "keep one"),
    ],
)
def test_what_cannot_be_installed_is_named_with_its_line(read, build, files, said):
    with pytest.raises(BrokenModel) as caught:
        read(build, **files)
    assert said in caught.value.reason
