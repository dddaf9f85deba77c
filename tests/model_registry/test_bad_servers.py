"""Downloads from servers and proxies that break off, begin anew, lie or send nothing: each ends,
whole or with a sentence, and never with more bytes than it is worth.
"""

from __future__ import annotations

import gzip
import os

import pytest

from errors import CannotDownload
from model_registry.fetch import Fetch
from model_registry.spec import Weights
from settings import HubSettings
from tests import hub_stand_in
from tests.hub_stand_in import LARGE, hub

REPO = "somebody/something"
SIZE = 8 * LARGE
PIECE = 3 * LARGE


class Answer:
    """One request for the large file, the `number`th from 1 on, for what is from `start` on."""

    def __init__(self, handler, content, number):
        self.handler, self.content, self.number = handler, content, number
        self.start = handler._range(len(content))[0]
        self.sent = 0

    def send(self, body, status=206, length=None, **headers):
        """Cuts the connection where the `length` promised is more than the body; "" promises
        nothing.
        """
        length = len(body) if length is None else length
        self.handler.send_response(status)
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), value)
        if length != "":
            self.handler.send_header("Content-Length", str(length))
        self.handler.end_headers()
        self.handler.wfile.write(body)
        self.sent += len(body)
        self.handler.close_connection = length != len(body)

    def rest(self):
        return self.content[self.start :]


def cuts(answer):
    answer.send(answer.rest()[:PIECE], length=len(answer.rest()))


def sends_short_bodies(answer):
    answer.send(answer.rest()[:PIECE])


def promises_nothing(answer):
    answer.send(answer.rest()[:PIECE], length="")


def sends_nothing(answer):
    answer.send(b"")


def begins_anew(answer):
    answer.send(answer.content, status=200)


def begins_anew_and_cuts(answer):
    answer.send(answer.content[:PIECE], status=200, length=SIZE)


def begins_anew_under_another_name(answer):
    answer.send(answer.content[:PIECE], length=SIZE, Content_Range=f"bytes 0-{PIECE - 1}/{SIZE}")


def cuts_and_then_begins_anew(answer):
    (cuts if answer.number == 1 else begins_anew)(answer)


def damages(answer):
    answer.send(bytes(len(answer.rest())))


def damages_and_cuts(answer):
    answer.send(bytes(min(PIECE, len(answer.rest()))), length=len(answer.rest()))


def changes_in_the_middle(answer):
    if answer.number == 1:
        answer.send(bytes(PIECE), length=SIZE, ETag='"old"')
    else:
        answer.send(answer.rest(), ETag='"new"')


def sends_too_much(answer):
    answer.send(answer.rest() + b"more")


def compresses(answer):
    answer.send(gzip.compress(answer.content), status=200, Content_Encoding="gzip")


def asks_for_much_patience(answer):
    answer.send(b"", status=429, Retry_After="86400")


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(os.urandom(SIZE))
    return folder


@pytest.fixture
def download(tmp_path, repository, monkeypatch):
    """Downloads from a server that answers so for the named file; the folder."""
    usual = hub_stand_in._Handler._file

    def download(answer, spoilt="model.safetensors"):
        given = []

        def file(handler, repo, served, name):
            if name != spoilt:
                return usual(handler, repo, served, name)
            content = (repository / name).read_bytes()
            given.append(Answer(handler, content, len(given) + 1))
            answer(given[-1])

        monkeypatch.setattr(hub_stand_in._Handler, "_file", file)
        with hub({REPO: repository}) as stand_in:
            settings = HubSettings(tmp_path / "hub", stand_in.address, pause=0.001, reserve=0)
            fetch = Fetch(Weights("", REPO), tmp_path, settings, lambda said: None)
            try:
                with fetch._hub:
                    return fetch.run()
            finally:
                download.times = sum(each.sent for each in given) / SIZE

    return download


@pytest.mark.parametrize(
    ("answer", "times"),
    [
        (cuts, 1),
        (sends_short_bodies, 1),
        (promises_nothing, 1),
        (cuts_and_then_begins_anew, 2.4),
        (changes_in_the_middle, 2),
        (compresses, 1.1),
    ],
)
def test_what_can_be_had_comes_whole(download, repository, answer, times):
    folder = download(answer)
    for name in ("config.json", "model.safetensors"):
        with open(f"{folder}/{name}", "rb") as file:
            assert file.read() == (repository / name).read_bytes()
    assert download.times <= times


@pytest.mark.parametrize(
    ("answer", "said", "times"),
    [
        (sends_nothing, "without content", 0),
        (begins_anew_and_cuts, "cannot be reached|begun anew", 4),
        (begins_anew_under_another_name, "cannot be reached|begun anew", 4),
        (damages, "damaged, twice", 2),
        (damages_and_cuts, "damaged, twice", 2),
        (sends_too_much, "damaged, twice", 2.1),
        (asks_for_much_patience, "answered 429 .* in 86400 seconds", 0),
    ],
)
def test_what_cannot_be_had_ends_with_a_sentence(download, tmp_path, answer, said, times):
    with pytest.raises(CannotDownload, match=said):
        download(answer)
    assert download.times <= times
    assert not list(tmp_path.rglob("snapshots/*/model.safetensors"))


def test_a_small_file_has_a_hash_to_be_checked_as_well(download):
    with pytest.raises(CannotDownload, match="config.json .* damaged, twice"):
        download(damages, spoilt="config.json")
