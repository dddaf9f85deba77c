"""The document that describes the API, held against the API itself."""

from __future__ import annotations

import re
import subprocess
import sys

import jsonschema
import pytest
from starlette.routing import Mount

import api.app
from api.openapi import OPERATIONS, document
from model_registry.catalog import Catalog
from model_registry.published import Published
from tests.api.conftest import ENDED, Server
from tests.conftest import MODELS

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance"
)


def test_every_endpoint_is_described_and_nothing_else(server):
    application = api.app.build(server.service)
    (version_1,) = [
        each.app
        for each in application.router.routes
        if isinstance(each, Mount) and each.path == "/v1"
    ]
    routes = {(method, each.path) for each in version_1.routes for method in each.app.methods}
    missing = {each for each in routes if each[0] != "QUERY"} ^ set(OPERATIONS)
    assert missing == {("GET", "/openapi.json"), ("GET", "/docs")}


def test_every_reference_in_the_document_leads_somewhere():
    described = document("http://x")
    schemas = described["components"]["schemas"]

    def references(value):
        if isinstance(value, dict):
            if "$ref" in value:
                yield value["$ref"].rpartition("/")[2]
            for each in value.values():
                yield from references(each)
        elif isinstance(value, list):
            for each in value:
                yield from references(each)

    assert set(references(described)) <= set(schemas)


def test_the_page_asks_no_other_host_and_names_every_path(http):
    page = http.get("docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "src=" not in page.text and "@import" not in page.text
    for _, path in OPERATIONS:
        assert path in page.text


@pytest.mark.heavy
def test_a_fuzzer_finds_no_fault_and_nothing_undeclared(tmp_path_factory, described):
    """Answers are held to the document: their status, type and schema."""
    catalog = Catalog.load([MODELS], described)
    # What it makes is nobody else's.
    catalog.published = Published(tmp_path_factory.mktemp("pushed"), catalog.__contains__)
    with Server(tmp_path_factory.mktemp("fuzzed"), catalog) as fuzzed:
        done = subprocess.run(
            [
                sys.executable, "-m", "schemathesis.cli", "run", f"{fuzzed.url}/v1/openapi.json",
                "--checks", CHECKS, "--max-examples", "12", "--seed", "1", "--no-color",
                "--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all",
                "--request-timeout", "70",
            ],
            cwd=tmp_path_factory.mktemp("schemathesis"),
            capture_output=True,
            text=True,
            timeout=110,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def trained(http):
    """A training that has ended."""
    version = http.get("models/local/trains").json()["latest_version"]["id"]
    body = {"destination": "local/trains", "input": {"word": "cats"}}
    training = http.post(f"models/local/trains/versions/{version}/trainings", json=body).json()
    while training["status"] not in ENDED:
        training = http.get(f"trainings/{training['id']}").json()
    assert training["status"] == "succeeded", training
    return training


def test_real_answers_are_as_the_document_says(http):
    described = document("http://x")
    made = http.run("local/counts", {"n": 2})
    failed = http.run("local/fails-midway", {})
    upload = http.post("files", files={"content": ("a.txt", b"a")}).json()
    training = trained(http)
    latest = http.get("models/local/echo").json()["latest_version"]["id"]
    trains = http.get("models/local/trains").json()["latest_version"]["id"]
    training = http.post(
        f"models/local/trains/versions/{trains}/trainings",
        json={"destination": "local/trains", "input": {"word": "x", "ending": "raises"}},
    ).json()
    asked = {"name": "described", "model": "local/echo", "version": latest, "hardware": "cpu"}
    http.post("deployments", json={**asked, "min_instances": 0, "max_instances": 1})
    values = {
        "/predictions/{id}": [made["id"], failed["id"]],
        "/trainings/{id}": [training["id"]],
        "/files/{id}": [upload["id"]],
        "/collections/{slug}": [http.get("collections").json()["results"][0]["slug"]],
    }
    for (method, path), operation in OPERATIONS.items():
        schema = operation.answers.get(200)
        if method != "GET" or schema is None or "/" in schema:
            continue
        named = path.replace("{owner}/{name}", "atelier/described")
        if path.startswith("/models/"):
            named = path.replace("{owner}/{name}", "local/echo").replace("{version}", latest)
        for value in values.get(path, [""]):
            query = "?query=echo" if path == "/search" else ""
            answer = http.get(re.sub(r"{\w+}", value, named).lstrip("/") + query)
            assert answer.status_code == 200, (path, answer.text)
            wanted = {"$ref": f"#/components/schemas/{schema}", **described}
            jsonschema.validate(answer.json(), wanted)
