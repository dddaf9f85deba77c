from __future__ import annotations

import json

import pytest
from packaging.version import Version

from api.models import slice_of
from api.pagination import PAGE_SIZE, Cursor


def test_a_model_is_described(http, server):
    model = http.get("models/local/echo").json()
    assert (model["owner"], model["name"]) == ("local", "echo")
    assert model["url"] == f"{server.url}/?model=local/echo"
    assert model["visibility"] == "public"
    assert isinstance(model["run_count"], int)
    assert "default_example" in model
    assert model["latest_version"]["openapi_schema"]["components"]["schemas"].keys() >= {
        "Input",
        "Output",
    }


def test_a_model_counts_its_runs(http):
    before = http.get("models/local/echo").json()["run_count"]
    http.run("local/echo", {"text": "a"})
    assert http.get("models/local/echo").json()["run_count"] == before + 1


def test_versions_are_listed_newest_first_and_found_by_id(http):
    versions = http.get("models/local/echo/versions").json()
    assert versions["previous"] is versions["next"] is None
    latest = http.get("models/local/echo").json()["latest_version"]
    assert versions["results"][0] == latest
    assert http.get(f"models/local/echo/versions/{latest['id']}").json() == latest
    assert Version(latest["cog_version"]) >= Version("0.3.9")


@pytest.mark.parametrize(
    "path",
    ["models/local/none", "models/local/none/versions", "models/local/echo/versions/latest"],
)
def test_what_does_not_exist_is_a_404(http, path):
    response = http.get(path)
    assert response.status_code == 404
    assert response.json()["title"] == "Not found"


def test_all_models_are_listed_in_either_direction(http):
    def names(direction):
        """Of all pages. By name: how often each has run may change meanwhile."""
        page = f"models?sort_by=latest_version_created_at&sort_direction={direction}"
        found = []
        while page:
            answered = http.get(page).json()
            found += [f"{each['owner']}/{each['name']}" for each in answered["results"]]
            page = answered["next"]
        return found

    newest_first = names("desc")
    assert "local/echo" in newest_first
    assert newest_first == names("asc")[::-1]


@pytest.mark.parametrize("query", ["sort_by=stars", "sort_direction=up", "cursor=x"])
def test_a_list_that_cannot_be_sorted_so_is_a_400(http, query):
    assert http.get(f"models?{query}").status_code == 400


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("echo", "text/plain"),
        (json.dumps("echo"), "text/plain"),
        (json.dumps("echo"), "application/json"),
    ],
)
def test_models_are_found_by_the_query_of_every_client(http, body, content_type):
    response = http.request("QUERY", "models", content=body, headers={"Content-Type": content_type})
    assert response.status_code == 200
    assert "echo" in [each["name"] for each in response.json()["results"]]


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_list_in_memory_is_walked_to_its_end_and_back(newest_first):
    items = [(float(n // 3), str(n)) for n in range(250)]
    wanted = sorted(items, reverse=newest_first)

    def at(cursor):
        return slice_of(items, lambda each: each, cursor, newest_first)

    first, older, newer = at(Cursor())
    assert newer is None
    second, older, newer = at(Cursor(before=older))
    third, end, newest = at(Cursor(before=older))
    assert [*first, *second, *third] == wanted
    assert end is None
    assert at(Cursor(after=newest))[0] == second
    assert at(Cursor(after=newer))[0] == first
    assert len(first) == PAGE_SIZE


def test_a_search_is_walked_to_its_end_by_its_links(http):
    """With the method of the search or with GET, as a client likes."""
    whole = http.request("QUERY", "models", content="local").json()
    assert whole["results"]
    everything = http.request("QUERY", "models", content="").json()
    assert "query=" in everything["next"]
    rest = http.get(everything["next"]).json()
    assert http.request("QUERY", everything["next"], content="").json() == rest
    names = [each["url"] for each in everything["results"] + rest["results"]]
    assert len(names) == len(set(names)) > len(everything["results"])
    assert http.get(rest["previous"]).json()["results"] == everything["results"]
    assert http.get("models", params={"query": "local"}).json() == whole
