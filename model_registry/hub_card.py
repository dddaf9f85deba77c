"""What the owner of a repository tells people in its README: one sentence, and the licence."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from model_registry.hub_facts import Facts

_LONGEST = 240
"""Letters of a description."""
_SHORTEST = 25
"""A shorter line is a title or a link."""
_READ = 20_000
"""Letters of the text that are looked at. Anybody writes them: no pattern may take long for any."""
_TOLD = re.compile(r"^(license(?:_name|_link)?):[ \t]*(\S[^\n]{0,300})", re.MULTILINE)
_NO_PROSE = re.compile(
    r"<!--.*?(-->|\Z)|```.*?(```|\Z)|<(style|script|table|details)\b.*?(</\3>|\Z)"
    r"|!\[[^\]\n]{0,300}\]\([^)\n]{0,500}\)|\[!\[[^\n]{0,500}?\)\]\([^)\n]{0,500}\)",
    re.DOTALL | re.IGNORECASE,
)
_LINK = re.compile(r"\[([^\]\[\n]{0,300})\](\([^)\n]{0,500}\)|\[[^\]\n]{0,100}\])")
_BLOCK = re.compile(r"</?(p|div|br|h\d|center|li|ul|ol|hr|tr|td)\b[^>]{0,500}>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^>]{0,500}>")
_OTHER_LINE = re.compile(r"\s*(#|\||[-*+] |\d+[.)] |>|={3,}|-{3,}|\[\w+\]:|:::)")
_SAYS_NOTHING = re.compile(
    r"more information needed|automatically generated|model card|table of contents|click here"
    r"|^(note|important|warning|update|news|paper|code|github|demo|license|licence)\b"
    r"|\bplease (see|refer|read|visit|join|follow)\b"
    r"|^(see|join|follow|read) |discord|disclaimer|https?://",
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
    front = {name: value.strip(" \t\r\"'") for name, value in _TOLD.findall(_parts(facts.card)[0])}
    given = [tag.partition(":")[2] for tag in facts.listing.tags if tag.startswith("license:")]
    name = next((each for each in [*given, front.get("license", "")] if each), "")
    link = front.get("license_link", "")
    found: dict[str, Any] = {
        "name": _LICENCES.get(name, name) or "not said: see the repository",
        "url": link if link.startswith("https://") else facts.page,
    }
    if name == "other":
        found["name"] = front.get("license_name", "")[:80] or "its own: see the repository"
    if _NON_COMMERCIAL.search(name) or _NON_COMMERCIAL.search(found["name"]):
        found["non_commercial"] = True
    if facts.listing.gated:
        found["gated"] = True
    return found


def _parts(card: str) -> tuple[str, str]:
    """What a README says for programs, and its text, which comes after that."""
    card = card.replace("\r\n", "\n").lstrip()
    begin, mark, rest = card.partition("---\n")
    if begin or not mark:
        return "", card
    front, mark, text = f"\n{rest}".partition("\n---")
    return (front, text) if mark else ("", card)


def _sentence(card: str) -> str:
    text = _NO_PROSE.sub(" ", _parts(card)[1][:_READ])
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
