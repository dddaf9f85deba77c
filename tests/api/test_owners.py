"""With tokens, what one makes does not exist for the others."""

from __future__ import annotations

import hashlib

import pytest
from replicate.webhook import InvalidSignatureError, Webhooks, WebhookSigningSecret

from api.authentication import Tokens
from errors import CannotStart
from tests.api.conftest import Http, Server
from tests.receiver import receiving

LINES = ["ada r8_ada", f"bob sha256:{hashlib.sha256(b'r8_bob').hexdigest()}", "admin r8_admin"]


@pytest.fixture(scope="module")
def closed(tmp_path_factory, own_catalog):
    with Server(tmp_path_factory.mktemp("owners"), own_catalog(), LINES) as running:
        yield running


def client_of(closed, name):
    headers = {"Authorization": f"Bearer r8_{name}"}
    return Http(base_url=f"{closed.url}/v1/", timeout=70, headers=headers)


@pytest.fixture
def ada(closed):
    with client_of(closed, "ada") as client:
        yield client


@pytest.fixture
def bob(closed):
    with client_of(closed, "bob") as client:
        yield client


@pytest.fixture
def admin(closed):
    with client_of(closed, "admin") as client:
        yield client


def listed(client, path):
    return [each["id"] for each in client.get(path).json()["results"]]


def test_a_prediction_is_there_for_its_owner_and_the_admin_alone(ada, bob, admin):
    made = ada.run("local/echo", {"text": "mine"})
    path = f"predictions/{made['id']}"
    assert ada.get(path).status_code == admin.get(path).status_code == 200
    assert bob.get(path).status_code == bob.post(f"{path}/cancel").status_code == 404
    assert made["id"] in listed(ada, "predictions") and made["id"] in listed(admin, "predictions")
    assert made["id"] not in listed(bob, "predictions")


def test_a_running_prediction_cannot_be_canceled_by_another(ada, bob):
    made = ada.create("local/never-ends", {})
    assert bob.post(f"predictions/{made['id']}/cancel").status_code == 404
    assert ada.get(f"predictions/{made['id']}").json()["status"] != "canceled"
    assert ada.post(f"predictions/{made['id']}/cancel").json()["status"] == "canceled"


def test_an_upload_is_its_owners_and_no_input_of_others(ada, bob):
    upload = ada.post("files", files={"content": ("dot.txt", b"dot")}).json()
    path = f"files/{upload['id']}"
    assert ada.get(path).status_code == 200
    assert bob.get(path).status_code == bob.delete(path).status_code == 404
    assert upload["id"] in listed(ada, "files") and upload["id"] not in listed(bob, "files")
    body = {"input": {"image": upload["urls"]["get"]}}
    refused = bob.post("models/local/image-in-out/predictions", json=body)
    assert refused.status_code == 422 and "does not exist" in refused.json()["detail"]


def test_webhooks_are_signed_with_a_secret_of_the_owners_own(ada, bob):
    secrets = [client.get("webhooks/default/secret").json()["key"] for client in (ada, bob)]
    assert len({*secrets}) == 2
    with receiving() as receiver:
        filtered = {"webhook": receiver.url, "webhook_events_filter": ["completed"]}
        ada.create("local/echo", {"text": "mine"}, "wait", **filtered)
        (message,) = receiver.until(lambda messages: messages)
    own, other = (WebhookSigningSecret(key=each) for each in secrets)
    validate, body = Webhooks.validate, message.body.decode()
    validate(headers=message.headers, body=body, secret=own)
    with pytest.raises(InvalidSignatureError):
        validate(headers=message.headers, body=body, secret=other)


def test_a_training_is_there_for_its_owner_alone(admin, bob):
    version = admin.get("models/local/trains").json()["latest_version"]["id"]
    into = {"destination": "local/trains", "input": {"word": "x", "ending": "never"}}
    at = f"models/local/trains/versions/{version}/trainings"
    refused = bob.post(at, json=into)
    assert refused.status_code == 422 and "is another's" in refused.json()["detail"]
    made = admin.post(at, json=into).json()
    path = f"trainings/{made['id']}"
    assert bob.get(path).status_code == bob.post(f"{path}/cancel").status_code == 404
    assert made["id"] not in listed(bob, "trainings") + listed(bob, "predictions")
    assert made["id"] in listed(admin, "trainings")
    assert admin.post(f"{path}/cancel").json()["status"] == "canceled"


def test_a_deployment_of_another_is_not_run_by_any_of_its_names(ada, bob):
    asked = {"name": "own", "model": "local/echo", "hardware": "cpu"}
    ada.post("deployments", json={**asked, "min_instances": 0, "max_instances": 1})
    body = {"input": {"text": "hi"}}
    for path in ("deployments/ada/own", "models/ada/own"):
        assert ada.post(f"{path}/predictions", json=body).status_code == 201
        assert bob.post(f"{path}/predictions", json=body).status_code == 404
    change = {"max_instances": 0}
    assert bob.patch("deployments/ada/own", json=change).status_code == 404
    assert bob.delete("deployments/ada/own").status_code == 404
    assert ada.delete("deployments/ada/own").status_code == 204


def test_an_output_of_another_is_no_input_and_not_to_be_looked_up(ada, bob):
    made = ada.until(ada.create("local/files", {}))
    file_id = made["output"][0].split("/")[-2]
    assert bob.get(f"files/{file_id}").status_code == 404
    body = {"input": {"image": made["output"][0]}}
    assert bob.post("models/local/image-in-out/predictions", json=body).status_code == 422
    assert bob.get("models/local/files/examples").json()["results"] == []


def test_the_account_is_called_like_the_token(bob):
    assert bob.get("account").json()["username"] == "bob"


def test_no_token_lies_in_the_data_folder(closed, ada):
    ada.run("local/echo", {"text": "mine"})
    for path in closed.settings.data.rglob("*"):
        if path.is_file():
            assert b"r8_ada" not in path.read_bytes(), path


@pytest.mark.parametrize(
    "lines, reason",
    [
        (["# nobody", ""], "holds no token"),
        (["a b secret-c"], "line 1, has 3 words"),
        (["ada secret-a", "no/slash secret-b"], "line 2: a name has up to 64 letters"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_its_token_is_not(lines, reason):
    with pytest.raises(CannotStart, match=reason) as error:
        Tokens.read(lines, "the file")
    assert "secret" not in str(error.value)


def test_a_token_without_a_name_is_called_after_its_digest():
    digest = hashlib.sha256(b"sesame").hexdigest()
    assert Tokens.read(["sesame"], "the file").name_of("sesame") == f"token-{digest[:8]}"
