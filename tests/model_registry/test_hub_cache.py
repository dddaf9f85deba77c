"""Repositories on disk: what counts as whole, who holds what, and what may go."""

from __future__ import annotations

import fcntl

import pytest

from errors import InUse
from model_registry.hub_cache import HubCache
from model_registry.listing import HubFile

REPO = "somebody/something"
FILE = HubFile("model.safetensors", 5, "a" * 64)


@pytest.fixture
def cache(tmp_path):
    """A cache with the one file in it, whole."""
    cache = HubCache(tmp_path / "hub")
    cache.blob(REPO, FILE).parent.mkdir(parents=True)
    cache.blob(REPO, FILE).write_bytes(b"12345")
    cache.link(REPO, "c" * 40, FILE)
    with cache.alone([cache.lock(REPO, FILE)]) as held:
        assert held
    return cache


def test_half_a_file_under_the_name_of_a_whole_one_does_not_count(cache):
    assert cache.downloaded(REPO, "c" * 40, FILE) == 5
    cache.blob(REPO, FILE).write_bytes(b"123")
    assert not cache.holds(REPO, FILE)
    assert cache.downloaded(REPO, "c" * 40, FILE) == 0


def test_what_anybody_downloads_cannot_be_removed(cache):
    with (
        cache.alone([cache.lock(REPO, FILE)]),
        pytest.raises(InUse, match="something is downloaded by another program"),
    ):
        cache.remove(REPO)
    assert cache.has(REPO, "c" * 40, FILE)
    cache.remove(REPO)
    assert not list(cache.root.rglob("*something*"))


def test_a_lock_that_was_removed_holds_nobody_back_and_lets_nobody_in(cache, monkeypatch):
    path = cache.lock(REPO, FILE)
    with cache.alone([path]) as first:
        path.unlink()
        with cache.alone([path]) as second:
            assert first and second

    locked = fcntl.flock

    def too_late(*asked):
        path.unlink()
        locked(*asked)

    monkeypatch.setattr(fcntl, "flock", too_late)
    with cache.alone([path]) as held:
        assert not held


def test_a_repository_that_lies_elsewhere_is_not_removed_from_there(cache, tmp_path):
    cache.folder(REPO).rename(tmp_path / "elsewhere")
    cache.folder(REPO).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InUse, match="is a link to .*elsewhere.* by hand"):
        cache.remove(REPO)
    assert cache.has(REPO, "c" * 40, FILE)
