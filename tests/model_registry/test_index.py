"""What there is, what is gone, and what a reference means."""

from __future__ import annotations

from dataclasses import replace

import pytest

from errors import BrokenModel, InvalidVersion, NotFound
from model_registry.index import Index
from model_registry.spec import Code, Damaged, Model, Version

OLD, NEW, OTHER = "a" * 64, "b" * 64, "c" * 64


def version(id, name="local/echo", created_at=1.0):
    return Version(id, name, created_at, {}, Code("", ""))


def model(name="local/echo", *ids, **fields):
    owner, _, short = name.partition("/")
    return Model(owner, short, tuple(version(id, name) for id in ids), **fields)


@pytest.fixture
def index():
    """Of local/echo with two versions, and local/says with one."""
    return Index([model("local/echo", NEW, OLD), model("local/says", OTHER)])


def test_every_form_of_a_reference_leads_to_the_version(index):
    newest, older = index.find("local/echo").versions
    for reference in ("local/echo", f"local/echo:{NEW}", NEW):
        assert index.resolve(reference) is newest
    for reference in (f"local/echo:{OLD}", OLD):
        assert index.resolve(reference) is older


@pytest.mark.parametrize(
    ("reference", "error", "message"),
    [
        ("local/ecco", NotFound, "Did you mean 'local/echo'"),
        ("local/echo:", InvalidVersion, "Give `owner/name`"),
        ("local/echo:latest", InvalidVersion, "Give `owner/name`"),
        ("local/echo:" + "0" * 64, InvalidVersion, "no such version here; its latest is b"),
        ("local/echo:" + OTHER, InvalidVersion, "no such version here; its latest is b"),
        ("0" * 64, InvalidVersion, "No model has it"),
        ("", InvalidVersion, "Give `owner/name`"),
    ],
)
def test_what_leads_nowhere_is_refused_with_a_hint(index, reference, error, message):
    with pytest.raises(error, match=message):
        index.resolve(reference)


def test_every_word_of_a_search_must_occur_and_names_come_first():
    story = model("local/story", OLD, description="Writes about cats.")
    cats = model("local/cats", NEW, description="Draws them.")
    index = Index([story, cats])
    assert index.search("CATS") == (cats, story)
    assert index.search("cats writes") == (story,)
    assert index.search("dogs") == ()
    assert index.search("") == index.models()


def test_the_featured_come_first_then_starters_then_by_category_and_name():
    index = Index(
        [
            model("b/b", "1", category="text"),
            model("a/a", "2", category="text"),
            model("z/z", "3", category="image"),
            model("s/s", "4", category="text", toy=True),
            model("f/f", "5", category="video", featured=True),
        ]
    )
    assert [each.id for each in index.models()] == ["f/f", "s/s", "z/z", "a/a", "b/b"]
    assert index.categories() == ("video", "text", "image")


@pytest.mark.parametrize(
    ("published", "reason"), [(False, "folder of local/echo has changed"), (True, "was deleted")]
)
def test_what_has_been_replaced_is_gone_until_it_is_there_again(index, published, reason):
    index.add(model("local/echo", NEW, published=published))
    assert index.is_gone(OLD) and not index.is_gone(NEW)
    for reference in (OLD, f"local/echo:{OLD}"):
        with pytest.raises(InvalidVersion, match=f"{reason}.* latest .*{NEW}"):
            index.resolve(reference)
    index.add(model("local/echo", OLD))
    assert index.resolve(OLD).id == OLD
    assert index.is_gone(NEW) and not index.is_gone(OLD)


def test_what_is_removed_is_not_found_and_its_versions_are_gone(index):
    index.remove("local/echo")
    assert "local/echo" not in index and index.is_gone(OLD) and index.is_gone(NEW)
    for reference in ("local/echo", NEW):
        with pytest.raises(NotFound, match="'local/echo' does not exist"):
            index.resolve(reference)


def test_what_is_broken_is_refused_with_its_reason_until_it_is_whole(index):
    index.add_broken(BrokenModel("local/echo", "a comma is missing."))
    assert [each.reason for each in index.broken] == ["a comma is missing."]
    for reference in ("local/echo", NEW):
        with pytest.raises(BrokenModel, match="a comma is missing"):
            index.resolve(reference)
    index.add(model("local/echo", NEW))
    assert index.broken == () and index.resolve("local/echo").id == NEW


def test_a_model_without_a_version_is_known_and_cannot_be_run():
    soon = model("ada/soon")
    index = Index([soon])
    assert index.empty() == (soon,) and index.known("ada/soon") == soon and "ada/soon" in index
    assert index.models() == ()
    with pytest.raises(NotFound, match="has no version yet"):
        index.resolve("ada/soon")
    index.add(model("ada/soon", NEW))
    assert index.empty() == () and index.resolve("ada/soon").id == NEW


def test_a_damaged_version_is_refused_and_the_older_one_runs_by_its_id():
    damaged = Damaged(NEW, 2.0, "Its folder is not whole.")
    index = Index([model("ada/say", OLD, damaged=(damaged,))])
    for reference in ("ada/say", f"ada/say:{NEW}", NEW):
        with pytest.raises(BrokenModel, match="not whole"):
            index.resolve(reference)
    assert index.resolve(OLD).id == OLD


def test_trained_versions_stay_whatever_becomes_of_the_others(index):
    trained = version("d" * 64, created_at=5.0)
    index.add_trained(trained)
    index.add_trained(trained)
    assert index.find("local/echo").versions[0] is trained
    index.add(model("local/echo", OLD))
    assert [each.id for each in index.find("local/echo").versions] == [trained.id, OLD]
    index.remove_trained(trained)
    assert [each.id for each in index.find("local/echo").versions] == [OLD]
    assert index.is_gone(trained.id)


def test_a_trained_version_waits_for_its_model_and_may_be_its_only_one():
    trained = version(NEW, "ada/tuned")
    index = Index()
    index.add_trained(trained)
    assert index.models() == () and "ada/tuned" not in index
    index.add(model("ada/tuned"))
    assert index.resolve("ada/tuned") is trained and index.empty() == ()
    index.remove_trained(trained)
    assert index.models() == () and index.known("ada/tuned") == model("ada/tuned")


def test_a_version_is_found_as_it_is_now(index):
    settled = replace(index.resolve(NEW), created_at=7.0)
    index.add(replace(index.find("local/echo"), versions=(settled,)))
    assert index.resolve(NEW) is settled


def test_another_owner_of_the_same_name_is_the_nearest(index):
    with pytest.raises(NotFound, match="Did you mean 'local/says'"):
        index.find("somebody-else/says")
