"""The contract's table of errors (§1.4), row by row."""

from __future__ import annotations

import pytest

from tests.api.conftest import Http, Server

ECHO = {"text": "hi"}
CREATE = "POST models/local/echo/predictions"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, own_catalog):
    """A server with tokens, asked without one."""
    with (
        Server(tmp_path_factory.mktemp("guarded"), own_catalog(), ["ada r8_ada"]) as running,
        Http(base_url=f"{running.url}/v1/", timeout=70) as client,
    ):
        yield client


def refused(response, status, title):
    """The problem document of an answer, of the shape that every error has."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert isinstance(problem, dict) and problem["status"] == status
    assert isinstance(problem["detail"], str) and problem["detail"]
    assert problem["title"] == title
    return problem


@pytest.mark.parametrize(
    ("token", "said"), [(None, "No token was passed"), ("Bearer r8_bob", "not valid")]
)
def test_no_token_and_a_bad_token(guarded, token, said):
    headers = {"Authorization": token} if token else {}
    for path in ("account", "predictions", "predictions/x", "files", "models/local/echo"):
        response = guarded.get(path, headers=headers)
        assert said in refused(response, 401, "Unauthenticated")["detail"]
        assert "retry-after" not in response.headers


@pytest.mark.parametrize(
    ("call", "named"),
    [
        ("GET predictions/nothing", "Prediction 'nothing'"),
        ("POST predictions/nothing/cancel", "Prediction 'nothing'"),
        ("GET trainings/nothing", "'nothing'"),
        ("POST trainings/nothing/cancel", "'nothing'"),
        ("GET models/no/body", "'no/body'"),
        ("GET models/no/body/versions", "'no/body'"),
        ("GET models/no/body/readme", "'no/body'"),
        ("GET models/no/body/examples", "'no/body'"),
        ("GET models/local/echo/versions/nothing", "'nothing'"),
        ("POST models/no/body/predictions", "'no/body'"),
        ("GET files/nothing", "File not found"),
        ("DELETE files/nothing", "File not found"),
        ("GET files/nothing/download", "File not found"),
        ("GET outputs/nothing/a.png", "File not found"),
        ("GET deployments/no/body", "'no/body'"),
        ("PATCH deployments/no/body", "'no/body'"),
        ("DELETE deployments/no/body", "'no/body'"),
        ("POST deployments/no/body/predictions", "'no/body'"),
        ("GET collections/nothing", "'nothing'"),
        ("GET streams/nothing", "'nothing'"),
        ("GET nothing", "/v1/nothing"),
    ],
)
def test_what_is_unknown(http, call, named):
    body = {"input": {}} if call.startswith("POST") else {}
    response = http.request(*call.split(), json=body)
    assert named in refused(response, 404, "Not found")["detail"]


@pytest.mark.parametrize("version", ["latest", "0" * 64, "no/body", "local/echo:latest", ""])
def test_an_unknown_version_on_create(http, version):
    answers = [http.post("predictions", json={"version": version, "input": ECHO})]
    if version and "/" not in version:
        body = {"input": ECHO, "destination": "local/echo"}
        answers += [http.post(f"models/local/echo/versions/{version}/trainings", json=body)]
    for each in answers:
        assert version in refused(each, 422, "Invalid version or not permitted")["detail"]


@pytest.mark.parametrize(
    ("inputs", "kind", "field"),
    [
        ({}, "required", "input"),
        ({"prompt": "p", "size": "huge"}, "enum", "input.size"),
        ({"prompt": "p", "steps": 51}, "number_lte", "input.steps"),
        ({"prompt": "p", "steps": 0}, "number_gte", "input.steps"),
        ({"prompt": 7.5}, "invalid_type", "input.prompt"),
        ({"prompt": "p", "upscale": "no"}, "invalid_type", "input.upscale"),
        ({"prompt": "p", "strength": -1}, "number_gte", "input.strength"),
        ({"prompt": "p", "words": ["a", {}]}, "invalid_type", "input.words.1"),
        ({"prompt": "p", "more": 1}, "additional_property_not_allowed", "input"),
    ],
)
def test_an_input_that_fails_the_schema(http, inputs, kind, field):
    response = http.post("models/local/every-input/predictions", json={"input": inputs})
    problem = refused(response, 422, "Input validation failed")
    (invalid,) = problem["invalid_fields"]
    assert (invalid["type"], invalid["field"]) == (kind, field) and invalid["description"]
    assert problem["detail"] == f"- {field}: {invalid['description']}\n"


@pytest.mark.parametrize(
    "call",
    [
        CREATE,
        "POST predictions",
        "POST deployments",
        "POST models",
        "PATCH models/local/echo",
        "POST models/local/echo/versions/x/trainings",
        "QUERY models",
    ],
)
def test_a_body_that_is_not_json(http, call):
    content = b'"no end' if call.startswith("QUERY") else b"{"
    refused(http.request(*call.split(), content=content), 400, "Bad request")


def test_an_id_that_no_model_has_is_not_called_badly_written(http):
    answer = http.post("predictions", json={"version": "0" * 64, "input": ECHO})
    assert refused(answer, 422, "Invalid version or not permitted")["detail"].endswith("has it.")


@pytest.mark.parametrize(
    ("text", "half"),
    [
        (r"\ud83d", "d83d"),
        (r"\uD83d and more", "D83d"),
        (r"\ud83d\ude00 \ude00", "de00"),
        (r"\\\ud83d", "d83d"),
    ],
)
def test_half_a_letter_is_named(http, text, half):
    content = '{"input":{"text":"' + text + '"}}'
    detail = refused(http.request(*CREATE.split(), content=content), 400, "Bad request")["detail"]
    assert f"{half} is half a letter" in detail


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (CREATE, {"input": ECHO}),
        ("POST predictions", {"version": "local/echo", "input": ECHO}),
        (
            "POST deployments",
            {
                "name": "a",
                "model": "local/echo",
                "hardware": "cpu",
                "min_instances": 0,
                "max_instances": 1,
            },
        ),
        ("PATCH models/local/echo", {}),
        ("POST models/local/echo/versions/x/trainings", {"input": {}, "destination": "a/b"}),
    ],
)
def test_an_unknown_top_level_key(http, call, body):
    response = http.request(*call.split(), json={**body, "surprise": 1})
    problem = refused(response, 422, "Input validation failed")
    (invalid,) = problem["invalid_fields"]
    assert (invalid["type"], invalid["field"]) == ("additional_property_not_allowed", "")
    assert "surprise" in problem["detail"]


def test_a_file_that_is_too_large(http, server):
    content = bytes(server.settings.max_file_size + 1)
    problem = refused(http.post("files", files={"content": content}), 413, "File too large")
    assert "at most 20 MB" in problem["detail"]
    uri = "data:application/octet-stream;base64," + "A" * (4 * len(content) // 3 + 4)
    body = {"input": {"image": uri}}
    refused(http.post("models/local/image-in-out/predictions", json=body), 413, "File too large")


def test_nobody_is_limited_and_nobody_pays(http):
    """Rows 429 and 402: a local server has neither, and asks for no patience."""
    answers = [http.post(*CREATE.split()[1:], json={"input": ECHO}) for _ in range(50)]
    assert {each.status_code for each in answers} == {201}
    assert not [name for name in answers[0].headers if "ratelimit" in name or name == "retry-after"]


@pytest.mark.parametrize(
    ("model", "inputs", "said"),
    [
        ("fails-midway", {}, "It went wrong midway."),
        ("fails-in-setup", {}, "could not be set up"),
        ("exits", {}, "exited with code"),
        ("wrong-type", {"kind": "object"}, "The model returned"),
    ],
)
def test_a_model_that_fails_is_no_error_of_http(http, model, inputs, said):
    prediction = http.run(f"local/{model}", inputs)
    assert prediction["status"] == "failed"
    assert said in prediction["error"]
    assert prediction["completed_at"]
    assert http.get(f"predictions/{prediction['id']}").status_code == 200
