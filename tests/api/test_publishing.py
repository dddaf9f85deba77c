"""Models that are pushed, described and deleted over HTTP, and who may do so."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from model_registry.catalog import Catalog
from tests.api.conftest import Http, Server

CODE = "def Predictor(text: str) -> str:\n    return {!r} + text\n"
NEW = {"owner": "ada", "visibility": "private", "hardware": "cpu"}


def say(folder, says):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cog.yaml").write_text("predict: predict.py:Predictor")
    (folder / "predict.py").write_text(CODE.format(says))
    return folder


def of_one_folder(folder):
    """A catalog of one live folder, and nothing else yet."""
    say(folder / "models" / "live", "live ")
    return Catalog.load([folder / "models"], folder, specs=folder / "none")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    return of_one_folder(tmp_path_factory.mktemp("pushed"))


@pytest.fixture(scope="module")
def pushed(tmp_path_factory, catalog):
    with (
        Server(tmp_path_factory.mktemp("data"), catalog) as server,
        Http(base_url=f"{server.url}/v1/", timeout=70) as client,
    ):
        yield client


def test_a_model_is_made_empty_then_pushed_to_described_and_deleted(pushed, catalog, tmp_path):
    links = {"github_url": "https://github.com/x/y", "paper_url": None, "description": "Soon."}
    made = pushed.post("models", json={**NEW, "name": "say", **links})
    assert made.status_code == 201, made.text
    model = made.json()
    assert model["latest_version"] is None and model["visibility"] == "private"
    assert model["github_url"] == links["github_url"] and model["description"] == "Soon."
    assert pushed.post("models", json={**NEW, "name": "say"}).status_code == 409
    assert pushed.get("models/ada/say").json() == model
    assert model in pushed.get("models").json()["results"]
    assert pushed.get("models/ada/say/versions").json()["results"] == []
    refused = pushed.post("models/ada/say/predictions", json={"input": {}})
    assert refused.status_code == 404 and "no version yet" in refused.json()["detail"]

    catalog.published.push(say(tmp_path / "say", "one "), "ada/say")
    assert pushed.run("ada/say", {"text": "x"})["output"] == "one x"
    first = pushed.get("models/ada/say").json()["latest_version"]["id"]
    catalog.published.push(say(tmp_path / "say", "two "), "ada/say")
    assert pushed.run("ada/say", {"text": "x"})["output"] == "two x"
    listed = [each["id"] for each in pushed.get("models/ada/say/versions").json()["results"]]
    assert listed[1:] == [first]

    changed = pushed.patch("models/ada/say", json={"description": "Says.", "readme": "# Hello"})
    assert changed.status_code == 200, changed.text
    assert changed.json()["description"] == "Says."
    assert changed.json()["github_url"] == links["github_url"]
    assert pushed.get("models/ada/say/readme").text == "# Hello"
    back = pushed.patch("models/ada/say", json={"github_url": None, "readme": None}).json()
    assert back["github_url"] is None and back["description"] == "Says."
    assert pushed.get("models/ada/say/readme").status_code == 404
    assert pushed.patch("models/ada/say", json={"owner": "bob"}).status_code == 422

    assert pushed.delete("models/ada/say").status_code == 400
    for version in listed:
        gone = pushed.delete(f"models/ada/say/versions/{version}")
        assert gone.status_code == 202 and gone.content == b""
        assert pushed.get(f"models/ada/say/versions/{version}").status_code == 404
    assert pushed.get("models/ada/say").json()["latest_version"] is None
    assert pushed.delete("models/ada/say").status_code == 204
    assert pushed.get("models/ada/say").status_code == 404


def test_a_version_in_use_stays(pushed, catalog, tmp_path):
    folder = tmp_path / "waits"
    say(folder, "")
    (folder / "predict.py").write_text(
        "import time\n\ndef Predictor(text: str) -> str:\n    time.sleep(1000)\n"
    )
    first = catalog.published.push(folder, "ada/waits")[0].latest.id
    running = pushed.create("ada/waits", {"text": "x"})
    refused = pushed.delete(f"models/ada/waits/versions/{first}")
    assert refused.status_code == 409 and "prediction" in refused.json()["detail"]
    pushed.post(f"predictions/{running['id']}/cancel")
    asked = {"name": "kept", "model": "ada/waits", "version": first, "hardware": "cpu"}
    pushed.post("deployments", json={**asked, "min_instances": 0, "max_instances": 1})
    refused = pushed.delete(f"models/ada/waits/versions/{first}")
    assert refused.status_code == 409 and "atelier/kept" in refused.json()["detail"]
    assert pushed.delete("deployments/atelier/kept").status_code == 204
    assert pushed.delete(f"models/ada/waits/versions/{first}").status_code == 202
    missing = pushed.post("predictions", json={"version": first, "input": {"text": "x"}})
    assert missing.status_code == 422


def test_what_was_not_pushed_is_not_changed_so(pushed):
    version = pushed.get("models/local/live").json()["latest_version"]["id"]
    for refused in (
        pushed.patch("models/local/live", json={"description": "x"}),
        pushed.delete("models/local/live"),
        pushed.delete(f"models/local/live/versions/{version}"),
    ):
        assert refused.status_code == 400 and "its folder" in refused.json()["detail"]
    taken = pushed.post("models", json={**NEW, "owner": "local", "name": "live"})
    assert taken.status_code == 409
    assert pushed.post("models", json={**NEW, "name": "../x"}).status_code == 400
    assert pushed.delete("models/ada/none").status_code == 404


def test_a_public_model_is_not_deleted(pushed):
    made = pushed.post("models", json={**NEW, "visibility": "public", "name": "seen"})
    assert made.json()["visibility"] == "public"
    refused = pushed.delete("models/ada/seen")
    assert refused.status_code == 400 and "is public" in refused.json()["detail"]
    assert pushed.get("models/ada/seen").status_code == 200


def test_a_page_of_another_site_changes_nothing_in_its_visitors_name(pushed):
    body = {**NEW, "name": "forged"}
    for site in ("cross-site", "same-site"):
        refused = pushed.post("models", json=body, headers={"Sec-Fetch-Site": site})
        assert refused.status_code == 403 and "Another site" in refused.json()["detail"]
    own = pushed.post("models", json=body, headers={"Sec-Fetch-Site": "same-origin"})
    assert own.status_code == 201


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_what_the_disk_has_no_room_for_is_a_503_and_can_be_asked_again(pushed, catalog):
    assert pushed.post("models", json={**NEW, "name": "wide"}).status_code == 201
    about = catalog.published.records.root / "models" / "ada+wide.json"
    on_the_way = about.with_name(f".{about.name}")
    on_the_way.symlink_to("/dev/full")
    refused = pushed.patch("models/ada/wide", json={"description": "Wider."})
    assert refused.status_code == 503, refused.text
    assert "No space left on device. Make room" in refused.json()["detail"]
    on_the_way.unlink()
    assert pushed.get("models/ada/wide").json()["description"] == ""
    changed = pushed.patch("models/ada/wide", json={"description": "Wider."})
    assert changed.json()["description"] == "Wider."


def test_only_the_operator_changes_the_catalogue(tmp_path):
    tokens = ["ada secret-a", "admin secret-b"]
    with Server(tmp_path, of_one_folder(tmp_path), tokens) as server:

        def ask(method, path, token, body=None):
            headers = {"Authorization": f"Bearer {token}"}
            return httpx.request(method, f"{server.url}/v1/{path}", json=body, headers=headers)

        new = {**NEW, "name": "guarded"}
        assert ask("POST", "models", "secret-a", new).status_code == 403
        assert ask("POST", "models", "secret-b", new).status_code == 201
        for method, path, body in (
            ("PATCH", "models/ada/guarded", {"description": "x"}),
            ("DELETE", "models/ada/guarded", None),
            ("DELETE", "models/ada/guarded/versions/x", None),
        ):
            assert ask(method, path, "secret-a", body).status_code == 403
        assert ask("DELETE", "models/ada/guarded", "secret-b").status_code == 204


def test_where_everybody_may_look_in_nobody_without_a_token_is_the_operator(tmp_path):
    with Server(tmp_path, of_one_folder(tmp_path), everybody_operates=False) as server:
        refused = httpx.post(f"{server.url}/v1/models", json={**NEW, "name": "shared"})
        assert refused.status_code == 403 and "operator" in refused.json()["detail"]
