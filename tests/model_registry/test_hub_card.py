"""What a README says of a model: one sentence that says something, and the licence."""

from __future__ import annotations

import pytest

from model_registry.hub_card import described, licence
from model_registry.hub_facts import Facts
from model_registry.listing import Listing


def facts(card, *tags, gated=False):
    listing = Listing("tiny/model", "c" * 40, (), gated=gated, tags=tags)
    return Facts(listing, {}, "https://hub/tiny/model", card)


GENERIC = "tiny/model of the Hub: depth."
FRONT = "---\nlicense: mit\ntags:\n- a\n---\n"
SENTENCE = "Tiny tells how far away things in a picture are."
CARDS = {
    "a plain one": (f"{FRONT}# Tiny\n\n{SENTENCE} It was taught on nothing.\n", SENTENCE),
    "badges, a picture and links": (
        f"{FRONT}# Tiny\n[![Paper](https://a/b.svg)](https://c)\n![a cat](cat.png)\n\n"
        "**Tiny** tells [how far away](https://d) `things` in a <b>picture</b> are.\n",
        SENTENCE,
    ),
    "HTML around it": (
        f'<p align="center"><img src="a.png"/></p>\n<div>\n<h1>Tiny</h1>\n<p>{SENTENCE}</p></div>',
        SENTENCE,
    ),
    "what says nothing before it": (
        "# Model Card for Model ID\n\n<!-- Provide a quick summary of what the model is -->\n\n"
        "This is the model card of a transformers model. This model card has been automatically "
        f"generated.\n\n[More Information Needed]\n\nNote: read the paper first.\n\n{SENTENCE}",
        SENTENCE,
    ),
    "lists, tables and code": (
        f"- a list of several words that go on\n\n| a | table of words |\n|---|---|\n\n"
        "```python\nprint('a long line of code that is no sentence')\n```\n"
        f"> a quoted remark here\n\n{SENTENCE}",
        SENTENCE,
    ),
    "an address": (f"Model info on another page: https://a/b/c\n\n{SENTENCE}", SENTENCE),
    "abbreviations and entities": (
        "Tiny reads e.g. German &amp; French texts of J. S. Bach. Then it sings.",
        "Tiny reads e.g. German & French texts of J. S. Bach.",
    ),
    "a sentence that does not end": ("Tiny is a model of everything, and more:\n\n- a", "Tiny is a "
                                     "model of everything, and more."),
    "nothing": ("", GENERIC),
    "nothing but a title": (f"{FRONT}# A very long title that is no sentence at all\n", GENERIC),
    "a front that does not end": (f"---\nlicense: mit\n\n{SENTENCE}", SENTENCE),
    "lines of another system": (f"{FRONT}{SENTENCE}\n".replace("\n", "\r\n"), SENTENCE),
}  # fmt: skip


@pytest.mark.parametrize("case", CARDS)
def test_the_first_sentence_that_says_something_describes_a_model(case):
    card, sentence = CARDS[case]
    assert described(facts(card), "depth") == sentence


def test_a_description_is_bounded():
    said = described(facts("Tiny is " + "very " * 10_000 + "small."), "depth")
    assert said.startswith("Tiny is very") and said.endswith(" …") and len(said) < 250


@pytest.mark.timeout(30)
def test_a_card_that_is_hard_to_read_takes_no_time():
    hard = (
        "<a",
        "[![",
        "<!--",
        "<table",
        "- - -\n",
        "![a](",
        "[a](",
        "---\n",
        "\n",
        "e.g. A",
        "*a",
    )
    for each in hard:
        described(facts(each * 10**5), "depth")
        licence(facts(each * 10**5))


def test_a_licence_of_its_own_goes_by_its_name():
    card = "---\nlicense: other\nlicense_name: tiny-non-commercial\nlicense_link: {}\n---\n"
    found = licence(facts(card.format("https://a/b"), "license:other", gated=True))
    assert found == {
        "name": "tiny-non-commercial",
        "url": "https://a/b",
        "non_commercial": True,
        "gated": True,
    }
    found = licence(facts(card.format("LICENSE"), "license:other"))
    assert found["url"] == "https://hub/tiny/model" and "gated" not in found
    assert licence(facts("---\nlicense: apache-2.0\n---\n"))["name"] == "Apache-2.0"
    assert licence(facts("", "license:other"))["name"] == "its own: see the repository"
    assert licence(facts("---\n- a\n---\n"))["name"] == "not said: see the repository"
