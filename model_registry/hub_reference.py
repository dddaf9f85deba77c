"""How a person names a repository of the Hub, or one of its files. Asks nobody."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from errors import InvalidRequest

_PAGE = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/([^?#]*)([?#].*)?")
_REFERENCE = re.compile(
    r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(?:@(?P<revision>\w[\w./-]*))?(?::(?P<file>[^:?*]+))?"
)
_ONE_FILE = (".safetensors", ".gguf", ".ckpt", ".pt", ".bin", ".pth")
_OF_A_REVISION = ("tree", "blob", "resolve", "raw", "commit", "commits")
_OTHER_PAGES = {"datasets": "a dataset", "spaces": "a Space", "papers": "a paper"}


class Reference(NamedTuple):
    repo: str
    revision: str | None = None
    file: str = ""


def parsed(reference: str) -> Reference:
    """What `hf:owner/repo[@revision][:file]` names, or the address of a repository's page, or that
    of a file of it. Raises `InvalidRequest`.
    """
    text = reference.strip().removeprefix("hf:")
    page = _PAGE.fullmatch(text)
    if page:
        text = _of_page(unquote(page[1]), reference)
    found = _REFERENCE.fullmatch(text)
    if found is None:
        owner = "/" not in text and re.fullmatch(r"\w[\w.-]*", text)
        raise InvalidRequest(
            f"{reference!r} is no repository of the Hub. Write hf:owner/repo, or "
            "hf:owner/repo@revision, or hf:owner/repo:file for one of its files."
            + (" Its page shows the owner, such as openai-community/gpt2." if owner else "")
        )
    return Reference(found["repo"], found["revision"], found["file"] or "")


def _of_page(path: str, reference: str) -> str:
    """`owner/repo[@revision][:file]`, as the path of a page at the Hub names it. The page of a file
    that is no model by itself means its repository.
    """
    owner, *rest = path.strip("/").split("/")
    if owner in _OTHER_PAGES:
        raise InvalidRequest(
            f"{reference!r} is {_OTHER_PAGES[owner]} of the Hub, and no model. Write hf:owner/repo."
        )
    if len(rest) < 3 or rest[1] not in _OF_A_REVISION:
        return "/".join([owner, *rest[:1]])
    parts = 3 if rest[2] == "refs" else 1
    revision, file = "/".join(rest[2 : 2 + parts]), "/".join(rest[2 + parts :])
    named = f":{file}" if rest[1] != "tree" and file.endswith(_ONE_FILE) else ""
    return f"{owner}/{rest[0]}@{revision}{named}"
