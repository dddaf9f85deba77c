"""How repositories of the Hub are named, and what names none."""

from __future__ import annotations

import pytest

from errors import InvalidRequest
from model_registry.hub_reference import Reference, parsed


@pytest.mark.parametrize(
    "reference, expected",
    [
        ("hf:owner/repo", ("owner/repo", None)),
        ("owner/repo", ("owner/repo", None)),
        (" hf:owner/repo@v1.0 ", ("owner/repo", "v1.0")),
        ("hf:owner/repo@refs/pr/1", ("owner/repo", "refs/pr/1")),
        ("https://huggingface.co/owner/repo", ("owner/repo", None)),
        ("https://huggingface.co/owner/re.po-1/tree/main", ("owner/re.po-1", "main")),
        ("https://huggingface.co/owner/repo/tree/main/onnx", ("owner/repo", "main")),
        ("https://huggingface.co/owner/repo/tree/refs%2Fpr%2F1", ("owner/repo", "refs/pr/1")),
        ("https://huggingface.co/owner/repo/blob/main/config.json", ("owner/repo", "main")),
        (
            "hf.co/owner/repo/resolve/v1.0/a/model.safetensors?download=true",
            ("owner/repo", "v1.0", "a/model.safetensors"),
        ),
        (
            "https://huggingface.co/owner/repo/blob/refs%2Fpr%2F1/q.gguf",
            ("owner/repo", "refs/pr/1", "q.gguf"),
        ),
        ("hf:owner/repo:a/b c-[1].safetensors", ("owner/repo", None, "a/b c-[1].safetensors")),
        ("hf:owner/repo@v1.0:q.gguf", ("owner/repo", "v1.0", "q.gguf")),
        ("https://huggingface.co/owner/repo/discussions/3#a", ("owner/repo", None)),
        ("https://huggingface.co/owner/repo/?library=transformers", ("owner/repo", None)),
    ],
)
def test_a_repository_is_named_in_several_ways(reference, expected):
    repo, revision, *file = expected
    assert parsed(reference) == Reference(repo, revision, *file)


@pytest.mark.parametrize(
    "reference", ["", "repo", "hf:repo", "hf:a/b/c", "hf:../up", "hf:a/b:", "https://example.com/a"]
)
def test_what_names_no_repository_is_refused(reference):
    with pytest.raises(InvalidRequest, match="Write hf:owner/repo"):
        parsed(reference)


@pytest.mark.parametrize(
    "reference, reason",
    [
        ("hf:gpt2", "Its page shows the owner, such as openai-community/gpt2"),
        ("https://huggingface.co/gpt2", "Its page shows the owner"),
        ("https://huggingface.co/datasets/owner/data", "is a dataset of the Hub, and no model"),
        ("huggingface.co/spaces/owner/space/tree/main", "is a Space of the Hub, and no model"),
    ],
)
def test_what_is_something_else_is_told_so(reference, reason):
    with pytest.raises(InvalidRequest, match=reason):
        parsed(reference)
