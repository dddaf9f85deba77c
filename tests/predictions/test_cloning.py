"""Models from git repositories: a real git, and a real server that speaks its protocol over TLS."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from errors import AlreadyExists, BrokenModel, InvalidRequest
from model_registry.published import Published
from predictions import cloning, publishing
from predictions.cloning import clone, is_address, parsed
from predictions.outgoing import ForbiddenAddress

needs_git = pytest.mark.skipif(
    not (shutil.which("git") and shutil.which("openssl")), reason="needs git and openssl"
)


def git(*arguments, cwd):
    quiet = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    names = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    command = ["git", *names, "-c", "protocol.file.allow=always", *arguments]
    subprocess.run(command, cwd=cwd, check=True, capture_output=True, env={**os.environ, **quiet})


class Answers(BaseHTTPRequestHandler):
    """Hands each request to git's own server."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", self.path.replace("/moved", "/say"))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",  # whoever runs this owns the repositories
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }
        backend = subprocess.run(
            ["git", "http-backend"], input=sent, capture_output=True, env=environment, check=True
        )
        head, _, body = backend.stdout.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().splitlines()]
        self.send_response(int(dict(headers).get("Status", "200").split()[0]))
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Serves /say, a model at its top on main and in deep/model of another branch."""
    folder = tmp_path_factory.mktemp("served")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=models.test", "-addext",
         "subjectAltName=DNS:models.test,DNS:localhost",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    work = folder / "repositories" / "say"
    work.mkdir(parents=True)
    git("init", "--quiet", cwd=work)
    (work / "cog.yaml").write_text("predict: predict.py:Predictor")
    (work / "predict.py").write_text("def Predictor(text: str) -> str:\n    return 'one ' + text")
    (work / ".gitattributes").write_text("*.py filter=harm\n")
    git("add", ".", cwd=work)
    git("commit", "--quiet", "-m", "one", cwd=work)
    git("checkout", "--quiet", "-b", "other", cwd=work)
    (work / "deep" / "model").mkdir(parents=True)
    for name in ("cog.yaml", "predict.py"):
        (work / name).rename(work / "deep" / "model" / name)
    (work / "deep" / "out").symlink_to("/etc")
    git("add", "-A", ".", cwd=work)
    git("commit", "--quiet", "-m", "two", cwd=work)
    git("checkout", "--quiet", "main", cwd=work)
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    listening.root = folder / "repositories"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    listening.settings = (f"http.sslCAInfo={certificate}",)
    yield listening
    listening.shutdown()
    thread.join()
    listening.server_close()


@pytest.fixture
def address(server, monkeypatch):
    """The server by a name that only the look before the connection knows."""

    async def known(host, port):
        assert host == "models.test"
        return [ipaddress.ip_address("127.0.0.1")]

    monkeypatch.setattr(cloning, "public_addresses", known)
    return f"https://models.test:{server.server_port}"


@needs_git
async def test_a_repository_is_cloned_from_the_very_address_that_was_looked_at(
    server, address, tmp_path
):
    folder = await clone(f"{address}/say", tmp_path, settings=server.settings)
    assert (folder / "predict.py").read_text().startswith("def Predictor")
    assert not list((folder / ".git" / "hooks").glob("*"))
    pushed, is_new = Published(tmp_path / "data").push(folder, "ada/say")
    assert is_new and not (Path(pushed.latest.code.folder) / ".git").exists()


@needs_git
async def test_a_branch_and_a_folder_in_it_may_be_named(server, address, tmp_path):
    source = f"{address}/say#other:deep/model"
    folder = await clone(source, tmp_path, settings=server.settings)
    assert folder.name == "model" and (folder / "cog.yaml").exists()


@needs_git
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/say#other", r"no cog\.yaml at its top"),
        ("/say#other:deep/out", "no folder 'deep/out'"),
        ("/say#main:../..", "no folder"),
        ("/say#none", "none not found"),
        ("/none", "not found"),
        ("/moved", "returned error: 302"),
    ],
)
async def test_what_cannot_be_cloned_says_why(server, address, tmp_path, path, said):
    with pytest.raises(InvalidRequest, match=said):
        await clone(address + path, tmp_path, settings=server.settings)


@needs_git
async def test_a_certificate_that_nobody_vouches_for_is_refused(address, tmp_path):
    with pytest.raises(InvalidRequest, match="certificate"):
        await clone(f"{address}/say", tmp_path)


@needs_git
async def test_a_repository_that_is_too_large_or_too_slow_is_given_up(
    server, address, tmp_path, monkeypatch
):
    monkeypatch.setattr(cloning, "_LOOK_EVERY", 0.0)
    with pytest.raises(InvalidRequest, match="more than 0 B"):
        await clone(f"{address}/say", tmp_path, most=0, settings=server.settings)
    (tmp_path / "slow").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(InvalidRequest, match="not cloned within 0.5 s"):
            await clone(f"https://models.test:{port}/x", tmp_path / "slow", timeout=0.5)


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "169.254.169.254", "10.0.0.1", "2130706433"]
)
async def test_an_address_of_this_machine_or_its_network_is_not_even_called(host, tmp_path):
    published = Published(tmp_path / "data")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        port = listening.getsockname()[1]
        with pytest.raises(ForbiddenAddress, match="--allow-private-webhooks"):
            await publishing.push(published, f"https://{host}:{port}/x", "ada/say")
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert not list((published.records.root / "incoming").iterdir())


@pytest.mark.parametrize(
    "source",
    [
        "http://host/x", "ssh://host/x", "git://host/x", "file:///etc", "ext::sh -c id",
        "git@host:owner/repo", "https:///x", "https://host:99999/x", "https://host/a b",
        "https://me:secret@host/x", "https://host/x#--upload-pack=id", "ftp://host/x",
    ],
)  # fmt: skip
async def test_odd_addresses_are_refused(source, tmp_path):
    assert is_address(source)
    with pytest.raises(InvalidRequest) as refused:
        await publishing.push(Published(tmp_path / "data"), source, "ada/say")
    assert "secret" not in str(refused.value)


def test_a_path_is_no_address():
    for path in ("models/say", "/models/say", "~/say.zip", "C:/models", "./a@b"):
        assert not is_address(path)
    assert parsed("https://host/x#v1.0:a/b")[3:] == ("v1.0", "a/b")


async def test_a_zip_is_pushed_by_its_path_and_its_traces_go(tmp_path):
    folder = tmp_path / "say"
    folder.mkdir()
    (folder / "cog.yaml").write_text("predict: predict.py:Predictor")
    (folder / "predict.py").write_text("def Predictor(text: str) -> str: ...")
    published = Published(tmp_path / "data", {"taken/name"}.__contains__)
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", folder)
    model, is_new = await publishing.push(published, packed, "ada/say")
    assert is_new and (await publishing.push(published, str(folder), "ada/say"))[0] == model
    with pytest.raises(AlreadyExists):
        await publishing.push(published, packed, "taken/name")
    with pytest.raises(InvalidRequest, match="Say what to push"):
        await publishing.push(published, " ", "ada/say")
    (folder / "cog.yaml").write_text("predict: [")
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", folder)
    with pytest.raises(BrokenModel, match=r"cog\.yaml, line 1"):
        await publishing.push(published, packed, "ada/say")
    assert not list((published.records.root / "incoming").iterdir())
