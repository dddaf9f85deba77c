"""Deployments over HTTP, and through the official Python client."""

from __future__ import annotations

import pytest
from replicate.exceptions import ReplicateError

from tests.api.conftest import Http, Server


@pytest.fixture
def asked(http):
    version = http.get("models/local/echo").json()["latest_version"]["id"]
    return {
        "name": "my-echo",
        "model": "local/echo",
        "version": version,
        "hardware": "cpu",
        "min_instances": 0,
        "max_instances": 2,
    }


@pytest.fixture
def deployed(http, asked):
    made = http.post("deployments", json=asked)
    assert made.status_code == 200, made.text
    yield made.json()
    http.delete("deployments/atelier/my-echo")


def test_a_deployment_is_made_read_and_listed(http, deployed, asked):
    release = deployed["current_release"]
    assert (release["number"], release["model"]) == (1, "local/echo")
    assert release["configuration"] == {
        "hardware": "cpu",
        "min_instances": 0,
        "max_instances": 2,
    }
    assert release["created_by"]["name"]
    assert http.get("deployments/atelier/my-echo").json() == deployed
    assert deployed in http.get("deployments").json()["results"]


def test_a_change_is_the_next_release(http, deployed):
    changed = http.patch("deployments/atelier/my-echo", json={"max_instances": 3}).json()
    release = changed["current_release"]
    assert (release["number"], release["configuration"]["max_instances"]) == (2, 3)


def test_a_deployment_is_run_as_itself_and_as_a_model(http, deployed):
    for path in ("deployments/atelier/my-echo", "models/atelier/my-echo"):
        body = {"input": {"text": "hi"}}
        made = http.post(f"{path}/predictions", json=body, headers={"Prefer": "wait"}).json()
        assert (made["output"], made["deployment"]) == ("hi", "atelier/my-echo")
        assert made["model"] == "local/echo"


def test_what_is_scaled_to_nothing_takes_no_predictions(http, deployed):
    http.patch("deployments/atelier/my-echo", json={"max_instances": 0})
    refused = http.post("deployments/atelier/my-echo/predictions", json={"input": {"text": "a"}})
    assert refused.status_code == 400 and "max_instances 0" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"name": "My Echo"}, 422, "no name"),
        ({"hardware": "abacus"}, 422, "not known"),
        ({"min_instances": 6}, 422, "5"),
        ({"min_instances": 2, "max_instances": 1}, 422, "more than max_instances"),
        ({"model": "local/none"}, 404, "does not exist"),
        ({"version": "0" * 64}, 422, "no such version"),
        ({"extra": 1}, 422, "extra"),
        ({"hardware": None}, 422, "hardware"),
    ],
)
def test_what_makes_no_deployment_is_refused(http, asked, change, status, said):
    refused = http.post("deployments", json={**asked, **change})
    assert refused.status_code == status and said in refused.json()["detail"]


def test_a_name_is_taken_once(http, deployed, asked):
    assert http.post("deployments", json=asked).status_code == 409


def test_a_deleted_one_is_gone(http, deployed):
    assert http.delete("deployments/atelier/my-echo").status_code == 204
    assert http.get("deployments/atelier/my-echo").status_code == 404
    gone = http.post("deployments/atelier/my-echo/predictions", json={"input": {"text": "a"}})
    assert gone.status_code == 404


def test_deployments_belong_to_their_token(tmp_path_factory, own_catalog, asked):
    lines = ["ada r8_ada", "bob r8_bob"]
    with Server(tmp_path_factory.mktemp("deployed"), own_catalog(), lines) as running:
        clients = [
            Http(base_url=f"{running.url}/v1/", headers={"Authorization": f"Bearer r8_{name}"})
            for name in ("ada", "bob")
        ]
        ada, bob = clients
        assert ada.post("deployments", json=asked).json()["owner"] == "ada"
        assert ada.get("deployments/ada/my-echo").status_code == 200
        assert bob.get("deployments/ada/my-echo").status_code == 404
        assert bob.get("deployments").json()["results"] == []
        refused = bob.post("deployments", json={**asked, "owner": "ada"})
        assert refused.status_code == 422 and "belong to 'bob'" in refused.json()["detail"]
        for client in clients:
            client.close()


def test_the_official_client_deploys_and_runs(client):
    latest = client.models.get("local/echo").latest_version.id
    made = client.deployments.create(
        name="by-client",
        model="local/echo",
        version=latest,
        hardware="gpu-a100-large",
        min_instances=0,
        max_instances=5,
    )
    assert client.run(f"{made.owner}/{made.name}", input={"text": "hi"}) == "hi"
    prediction = made.predictions.create(input={"text": "ho"})
    prediction.wait()
    assert prediction.output == "ho"
    assert client.deployments.update(made.owner, made.name, max_instances=2).name == "by-client"
    assert "by-client" in [each.name for each in client.deployments.list().results]
    assert client.deployments.delete(made.owner, made.name) is True
    with pytest.raises(ReplicateError):
        client.deployments.get(f"{made.owner}/{made.name}")
