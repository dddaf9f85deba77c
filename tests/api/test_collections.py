"""The catalogue's categories as collections, and the search over everything."""

from __future__ import annotations

import pytest


def test_every_category_is_a_collection_with_its_models(http):
    listed = http.get("collections").json()["results"]
    assert listed and all(each.keys() == {"name", "slug", "description"} for each in listed)
    collection = http.get(f"collections/{listed[0]['slug']}").json()
    assert collection["slug"] == listed[0]["slug"] and "full_description" in collection
    assert all(model["latest_version"]["id"] for model in collection["models"])


def test_an_unknown_collection_is_a_404_that_names_those_there_are(http):
    response = http.get("collections/none")
    assert response.status_code == 404 and "There are" in response.json()["detail"]


def test_a_search_finds_models_by_their_names(http):
    found = http.get("search", params={"query": "echo"}).json()
    assert found.keys() == {"query", "models", "collections", "pages"}
    assert found["models"][0]["model"]["name"] == "echo"
    assert found["models"][0]["metadata"].keys() == {"score", "tags", "generated_description"}
    assert len(http.get("search?query=local&limit=2").json()["models"]) == 2


@pytest.mark.parametrize("asked", ["", "?query=", "?query=a&limit=0", "?query=a&limit=x"])
def test_a_search_for_nothing_is_a_400(http, asked):
    response = http.get(f"search{asked}")
    assert response.status_code == 400 and response.json()["detail"]


def test_an_example_that_was_run_here_is_shown_with_what_it_gave(http, server):
    example = server.service.catalog.find("local/echo").examples[0]
    ran = http.run("local/echo", dict(example.input))
    shown = http.get("models/local/echo/examples").json()["results"]
    assert ran["id"] in [each["id"] for each in shown]
    assert http.get("models/local/echo").json()["default_example"]["output"] == ran["output"]
    assert http.get("models/local/progress/examples").json()["results"] == []
