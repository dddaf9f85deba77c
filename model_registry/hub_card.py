"""What the owner of a repository tells people in its README: one sentence, and the licence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from typing import Any

import yaml

from model_registry.hub_facts import Facts

_LONGEST = 240
"""Letters of a description."""
_SHORTEST = 25
"""A shorter line is a title or a link."""
_FRONT = re.compile(r"\A\s*---\s*\n(.*?)\n---\s*(\n|\Z)", re.DOTALL)
_NO_PROSE = re.compile(
    r"<!--.*?-->|```.*?(```|\Z)|<(style|script|table|details)\b.*?</\2>|\$\$.*?\$\$"
    r"|!\[[^\]]*\]\([^)]*\)|\[!\[.*?\)\]\([^)]*\)",
    re.DOTALL | re.IGNORECASE,
)
_LINK = re.compile(r"!?\[([^\]]*)\](\([^)]*\)|\[[^\]]*\])")
_BLOCK = re.compile(r"</?(p|div|br|h\d|center|li|ul|ol|hr|tr|td)\b[^>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^>]*>")
_OTHER_LINE = re.compile(r"\s*(#|\||[-*+] |\d+[.)] |>|={3,}|-{3,}|\[\w+\]:|:::)")
_SAYS_NOTHING = re.compile(
    r"more information needed|automatically generated|model card|table of contents|click here"
    r"|^(note|important|warning|update|news|paper|code|github|demo|license|licence)\b"
    r"|\bplease (see|refer|read|visit|join|follow)\b|discord|disclaimer|^(see|join|follow|read) ",
    re.IGNORECASE,
)
_END = re.compile(r"(?<=[.!?])(?<!\b[A-Z]\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bvs\.)\s+(?=[A-Z\"'(])")
_NON_COMMERCIAL = re.compile(r"(^|[-_ ])nc([-_. ]|$)|non-?commercial|research", re.IGNORECASE)
_LICENCES = {"apache-2.0": "Apache-2.0", "mit": "MIT", "bsd-3-clause": "BSD-3-Clause"}


def described(facts: Facts, what: str) -> str:
    """The first sentence of its README that says something; else what it is for."""
    return _sentence(facts.card) or f"{facts.repo} of the Hub: {what}."


def licence(facts: Facts) -> dict[str, Any]:
    """What the owner says of who may do what with it."""
    front = _front(facts.card)
    given = [tag.partition(":")[2] for tag in facts.listing.tags if tag.startswith("license:")]
    name = next((each for each in [*given, str(front.get("license") or "")] if each), "")
    link = str(front.get("license_link") or "")
    found: dict[str, Any] = {
        "name": _LICENCES.get(name, name) or "not said: see the repository",
        "url": link if link.startswith("https://") else facts.page,
    }
    if name == "other":
        own = str(front.get("license_name") or "").strip()[:80]
        found["name"] = own or "its own: see the repository"
    if _NON_COMMERCIAL.search(name) or _NON_COMMERCIAL.search(found["name"]):
        found["non_commercial"] = True
    if facts.listing.gated:
        found["gated"] = True
    return found


def _front(card: str) -> Mapping[str, Any]:
    """What a README says for programs, before its text."""
    found = _FRONT.match(card)
    try:
        held = yaml.safe_load(found[1]) if found else None
    except yaml.YAMLError:
        return {}
    return held if isinstance(held, dict) else {}


def _sentence(card: str) -> str:
    text = _NO_PROSE.sub(" ", _FRONT.sub("", card, count=1)[:100_000])
    for paragraph in _paragraphs(_BLOCK.sub("\n\n", text)):
        for sentence in _END.split(paragraph):
            if len(sentence) >= _SHORTEST and not _SAYS_NOTHING.search(sentence):
                return _bounded(sentence)
    return ""


def _paragraphs(text: str) -> list[str]:
    """Those of prose, as plain text in one line each."""
    found = []
    for block in re.split(r"\n\s*\n", text):
        lines = [line for line in block.splitlines() if not _OTHER_LINE.match(line)]
        plain = _TAG.sub("", _LINK.sub(r"\1", " ".join(lines)))
        plain = re.sub(r"(?<!\w)[*_`]+|[*_`]+(?!\w)|\*\*", "", unescape(plain))
        found.append(" ".join(plain.split()))
    return found


def _bounded(sentence: str) -> str:
    if len(sentence) <= _LONGEST:
        return sentence if sentence[-1] in ".!?" else f"{sentence.rstrip(':;,')}."
    return sentence[:_LONGEST].rpartition(" ")[0].rstrip(",;:") + " …"
