"""What is said before a first run and on the Models page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.consent_panel import consent_html, download_words
from components.facts import weights_words
from components.models_tab import question_html, rows_html, totals_html
from model_registry.downloads import Downloads, Progress
from model_registry.inventory import Held, Inventory
from model_registry.shelf import Extent
from model_registry.spec import Code, Licence, Model, Version, Weights
from settings import HubSettings

SCHEMA = {"components": {"schemas": {"Input": {}, "Output": {}}}}
LICENCE = Licence("NC <1>", "https://example.com/nc", non_commercial=True, gated=True)


@pytest.fixture
def model():
    weights = Weights("", "somebody/something", size=33_700_000_000)
    version = Version("0" * 64, "ada/thing", 0.0, SCHEMA, Code("", ""), weights=(weights,))
    return Model("ada", "thing", (version,), licence=LICENCE)


@pytest.fixture
def downloads(tmp_path):
    return Downloads(HubSettings(), tmp_path)


def test_the_panel_says_conditions_size_room_and_source_and_escapes_them(model, downloads):
    said = consent_html(model, model.latest, downloads)
    for part in (
        "ada / thing", "For non-commercial use only.", "Gated:", "33.7 GB", "HF_TOKEN is not set",
        'href="https://huggingface.co/somebody/something"', 'href="https://example.com/nc"',
        "NC &lt;1&gt;", "asked once",
    ):  # fmt: skip
        assert part in said
    assert "rel=" in said


def test_the_panel_says_what_stands_in_the_way(model, tmp_path):
    offline = Downloads(HubSettings(given_token="hf_me"), tmp_path, offline=True)
    said = consent_html(model, model.latest, offline)
    assert "--offline" in said and "HF_TOKEN" not in said
    vast = replace(model.latest.weights[0], size=10**18)
    said = consent_html(model, replace(model.latest, weights=(vast,)), offline)
    assert "no room" in said


def test_a_licence_that_is_no_link_is_only_a_name(model, downloads):
    sly = replace(model, licence=replace(LICENCE, url="javascript:alert(1)"))
    assert "javascript" not in consent_html(sly, sly.latest, downloads)


def test_what_a_first_run_downloads_is_said_in_the_facts(model, downloads):
    assert weights_words(model.latest, downloads).startswith("downloads 33.7 GB first · ")
    unsized = replace(model.latest, weights=(Weights("", "somebody/something"),))
    assert weights_words(unsized, downloads).startswith("downloads its weights first · ")
    assert weights_words(replace(model.latest, weights=()), downloads) == ""


def test_how_much_of_a_download_is_left_is_said():
    assert download_words(Extent(None, 0)) == "size unknown until the Hub is asked"
    assert download_words(Extent(5_000_000, 0)) == "5.0 MB"
    assert download_words(Extent(5_000_000, 2_000_000)) == "5.0 MB, 2.0 MB of it is on disk already"
    assert download_words(Extent(5_000_000, 5_000_000)) == "5.0 MB, all of it is on disk"


def test_a_row_says_size_users_licence_consent_and_last_use(model, downloads):
    held = Held("somebody/something", 33_700_000_000, 0, (model,))
    inventory = Inventory((held,), 2, 7_000_000_000, 50_000_000_000)
    said = rows_html(inventory, {}, downloads.consents, 1000.0)
    for part in ("somebody/something", "33.7 GB", "ada/thing", "not accepted yet", "never used"):
        assert part in said
    downloads.consents.give(model)
    said = rows_html(inventory, {"ada/thing": 940.0}, downloads.consents, 1000.0)
    assert " · accepted 20" in said and "used 1 min ago" in said
    said = totals_html(inventory, "/some/where")
    for part in ("33.7 GB in 1 repository", "50.0 GB of disk left", "/some/where", "keep 7.0 GB"):
        assert part in said
    assert "ada/thing will download it again" in question_html(held)


def test_what_is_on_its_way_shows_how_far_it_is_and_cannot_be_removed(model, downloads):
    running = Progress(12_000_000_000, 33_700_000_000, 85e6)
    held = Held("somebody/something", 12_000_000_000, 21_700_000_000, (model,), running)
    said = rows_html(Inventory((held,), 0, 0, 1), {}, downloads.consents, 1000.0)
    assert "12.0 of 33.7 GB · 85 MB/s · 4 min left" in said and 'value="35"' in said
    assert "<button" not in said
    held = replace(held, running=None)
    said = rows_html(Inventory((held,), 0, 0, 1), {}, downloads.consents, 1000.0)
    assert "21.7 GB are still missing" in said and "<button" in said


def test_an_empty_disk_says_so(downloads):
    assert "No weights on disk" in rows_html(Inventory((), 0, 0, 1), {}, downloads.consents, 0.0)
