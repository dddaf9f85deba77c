"""Trainings over HTTP, and through the official Python client."""

from __future__ import annotations

import shutil

import httpx
import pytest
from replicate.pagination import paginate

from model_registry.catalog import Catalog
from tests.api.conftest import ENDED, Http, Server
from tests.conftest import MODELS
from tests.receiver import receiving

INTO = "local/trains"


def of_own_models(data):
    """A catalog of these tests' own models: trainings leave versions behind."""
    for name in ("trains", "echo", "never-ends"):
        shutil.copytree(MODELS / name, data / "folders" / name)
    return Catalog.load([data / "folders"], data, data)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    return of_own_models(tmp_path_factory.mktemp("trainings"))


@pytest.fixture(scope="module")
def server(tmp_path_factory, catalog):
    with Server(tmp_path_factory.mktemp("trainings-server"), catalog) as running:
        yield running


@pytest.fixture(scope="module")
def http(server):
    with Http(base_url=f"{server.url}/v1/", timeout=70) as client:
        yield client


@pytest.fixture(scope="module")
def parent(catalog):
    """The version that is trained."""
    return next(each.id for each in catalog.find(INTO).versions if each.origin is None)


@pytest.fixture
def path(parent):
    return f"models/{INTO}/versions/{parent}/trainings"


def ended(http, training):
    while training["status"] not in ENDED:
        training = http.get(f"trainings/{training['id']}").json()
    return training


def create(http, path, inputs, destination=INTO, **more):
    body = {"destination": destination, "input": inputs, **more}
    answer = http.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_training_is_answered_at_once_and_ends_with_a_version(http, path, parent, server):
    made = create(http, path, {"word": "cats"})
    base = f"{server.url}/v1/trainings/{made['id']}"
    assert made["status"] == "starting" and made["output"] is None and made["logs"] == ""
    assert made["model"] == INTO and made["version"] == parent and made["destination"] == INTO
    assert made["urls"]["get"] == base and made["urls"]["cancel"] == f"{base}/cancel"
    assert set(made["urls"]) == {"get", "cancel", "web"} and made["source"] == "api"
    training = ended(http, made)
    assert training["status"] == "succeeded" and training["metrics"]["loss"] == 0.5
    name, _, version = training["output"]["version"].partition(":")
    assert name == INTO and len(version) == 64
    assert httpx.get(training["output"]["weights"]).text == "cats"
    versions = http.get(f"models/{INTO}/versions").json()["results"]
    assert [each["id"] for each in versions][0] == version
    body = {"version": version, "input": {}}
    run = http.post("predictions", json=body, headers={"Prefer": "wait"}).json()
    assert run["output"] == "I know cats" and run["version"] == version


def test_the_official_client_creates_gets_lists_and_cancels(client, parent):
    training = client.trainings.create(
        model=INTO, version=parent, input={"word": "dogs"}, destination=INTO
    )
    while training.status not in ENDED:
        training.reload()
    assert client.run(training.output["version"], input={}) == "I know dogs"
    other = client.trainings.create(
        f"{INTO}:{parent}", input={"word": "x", "ending": "never"}, destination=INTO
    )
    assert client.trainings.get(other.id).id == other.id
    other.cancel()
    assert other.status == "canceled"
    assert [each.id for each in client.trainings.list()][:2] == [other.id, training.id]


def test_a_failed_training_says_why(http, path):
    training = ended(http, create(http, path, {"word": "x", "ending": "raises"}))
    assert training["status"] == "failed" and training["error"] == "It cannot be learnt."
    assert "learning x" in training["logs"]


def test_a_file_is_an_input_of_a_training(client, http, path, tmp_path):
    (tmp_path / "more.txt").write_text("and mice")
    with (tmp_path / "more.txt").open("rb") as opened:
        inputs = {"word": "cats", "more": opened}
        version = path.split("/")[4]
        training = client.trainings.create(
            model=INTO, version=version, input=inputs, destination=INTO
        )
    done = ended(http, http.get(f"trainings/{training.id}").json())
    assert httpx.get(done["output"]["weights"]).text == "cats and mice"


def test_trainings_are_no_predictions_and_predictions_no_trainings(http, path):
    training = ended(http, create(http, path, {"word": "cats"}))
    prediction = http.run("local/echo", {"text": "hi"})
    for kind, own, other in (
        ("predictions", prediction, training),
        ("trainings", training, prediction),
    ):
        listed = [each["id"] for each in http.get(kind).json()["results"]]
        assert own["id"] in listed and other["id"] not in listed
        assert http.get(f"{kind}/{other['id']}").status_code == 404
        assert http.post(f"{kind}/{other['id']}/cancel").status_code == 404


def test_a_canceled_training_is_canceled_at_once_and_again(http, path):
    made = create(http, path, {"word": "x", "ending": "never"})
    for _ in range(2):
        canceled = http.post(f"trainings/{made['id']}/cancel")
        assert canceled.status_code == 200 and canceled.json()["status"] == "canceled"


@pytest.mark.parametrize(
    "change, said",
    [
        ({"destination": "local/nobody"}, "'local/nobody' cannot take the weights"),
        ({"destination": ""}, "destination ''"),
        ({"destination": None}, "destination"),
        ({"input": {}}, "word"),
        ({"input": {"word": "x", "ending": "sadly"}}, "ending"),
        ({"stray": 1}, "stray"),
        ({"webhook": "nowhere"}, "no address"),
    ],
)
def test_a_create_that_makes_no_sense_is_refused(http, path, change, said):
    refused = http.post(path, json={"destination": INTO, "input": {"word": "x"}, **change})
    assert refused.status_code == 422 and said in refused.json()["detail"]


def test_what_cannot_be_trained_is_refused(http, catalog, path, parent):
    body = {"destination": INTO, "input": {"word": "x"}}
    echo = catalog.find("local/echo").latest.id
    refused = http.post(f"models/local/echo/versions/{echo}/trainings", json=body)
    assert refused.status_code == 422 and "no `train:`" in refused.json()["detail"]
    assert http.post(path.replace(parent, "0" * 64), json=body).status_code == 422
    assert http.post(path.replace("trains", "nobody", 1), json=body).status_code == 404
    assert http.get("trainings/nothing").status_code == 404


def test_a_webhook_hears_of_the_training(http, path):
    with receiving() as receiver:
        webhook = {"webhook": receiver.url, "webhook_events_filter": ["completed"]}
        made = create(http, path, {"word": "cats"}, **webhook)
        (message,) = receiver.until(lambda messages: messages)
    told = message.prediction
    assert told["id"] == made["id"] and told["status"] == "succeeded"
    assert told["urls"]["get"].endswith(f"/v1/trainings/{made['id']}")
    assert told["output"]["version"].startswith(f"{INTO}:")


def test_a_training_is_its_owners_and_makes_no_version_of_anothers_model(tmp_path, path):
    with Server(tmp_path, of_own_models(tmp_path), ["ada r8_ada", "admin r8_admin"]) as closed:

        def client_of(name):
            headers = {"Authorization": f"Bearer r8_{name}"}
            return Http(base_url=f"{closed.url}/v1/", timeout=70, headers=headers)

        with client_of("ada") as ada, client_of("admin") as admin:
            made = create(admin, path, {"word": "cats"})
            assert ada.get(f"trainings/{made['id']}").status_code == 404
            assert ada.post(f"trainings/{made['id']}/cancel").status_code == 404
            assert ada.get("trainings").json()["results"] == []
            assert ended(admin, made)["status"] == "succeeded"
            refused = ada.post(path, json={"destination": INTO, "input": {"word": "x"}})
            assert refused.status_code == 422 and "is another's" in refused.json()["detail"]


def test_the_official_client_pages_through_trainings(http, path, client):
    made = [create(http, path, {"word": "x", "ending": "raises"})["id"] for _ in range(101)]
    listed = [each.id for page in paginate(client.trainings.list) for each in page]
    assert listed[:101] == made[::-1]
