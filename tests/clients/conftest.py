"""Official clients that live outside the tests' own environment, driving a real server.

`make test` installs them: Python's 2.x beside, not into, the environment of the tests, which has
1.x; Node's below tests/clients. A test gives a few lines of the client's language and gets what
they `give`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest
import replicate

from model_registry.catalog import Catalog
from tests.clients.recording import RecordingServer
from tests.conftest import MODELS
from tests.receiver import receiving

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PYTHON_2 = ROOT / ".venv" / "replicate-2" / "bin" / "python"
NODE = shutil.which("node")


@pytest.fixture(scope="session")
def server(tmp_path_factory, described):
    # A catalog of its own: what is pushed is taken up by the loop of one server.
    catalog = Catalog.load([MODELS], described)
    with RecordingServer(tmp_path_factory.mktemp("clients"), catalog) as running:
        yield running


@pytest.fixture
def asked(server):
    """What the server was asked in this test so far, the newest last; taken when it is called."""
    server.taken()
    return server.taken


@pytest.fixture
def client(server):
    """Python's official client 1.x, which lives in the environment of the tests."""
    client = replicate.Client(api_token="any", base_url=server.url)
    client.poll_interval = 0.01
    yield client
    client._client.close()


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def python_2(server, tmp_path):
    """Runs lines of Python with `client`, version 2 of the official client."""
    if not PYTHON_2.exists():
        pytest.fail("Python's client 2.x is not installed: run `make clients`.")
    prelude = (
        "import io, json, pathlib, replicate\n"
        f"client = replicate.Replicate(bearer_token='any', base_url={server.url + '/v1'!r})\n"
        "give = lambda value: print('GIVEN ' + json.dumps(value))\n"
    )
    given = {"REPLICATE_BASE_URL": f"{server.url}/v1", "REPLICATE_API_TOKEN": "any"}

    def run(lines, **values):
        return _given([PYTHON_2, "-c"], prelude + _assigned(values, "{} = {}\n"), lines, given)

    return run


@pytest.fixture
def node(server):
    """Runs lines of JavaScript with `replicate`, the official client."""
    if NODE is None or not (HERE / "node_modules" / "replicate").is_dir():
        pytest.fail("Node's client is not installed: run `make clients`, which needs Node.js.")
    prelude = (
        "import Replicate, { validateWebhook } from 'replicate';\n"
        "import { readFile } from 'node:fs/promises';\n"
        f"const replicate = new Replicate({{auth: 'any', baseUrl: '{server.url}/v1'}});\n"
        "const give = (value) => console.log('GIVEN ' + JSON.stringify(value ?? null));\n"
    )

    def run(lines, **values):
        written = prelude + _assigned(values, "const {} = {};\n")
        return _given([NODE, "--input-type=module", "-e"], written, lines, {})

    return run


def _assigned(values, form):
    return "".join(form.format(name, json.dumps(value)) for name, value in values.items())


def _given(command, prelude, lines, environment):
    done = subprocess.run(
        [*map(str, command), prelude + textwrap.dedent(lines)],
        cwd=HERE,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )
    given = [line for line in done.stdout.splitlines() if line.startswith("GIVEN ")]
    assert given and done.returncode == 0, done.stdout + done.stderr
    return json.loads(given[-1].removeprefix("GIVEN "))
