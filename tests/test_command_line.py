"""What a person may have meant on the command line, told in one line."""

from __future__ import annotations

import errno
import socket

import pytest

import settings
from app import listen, make_data_folder
from errors import CannotStart


def refused(*arguments, parse=settings.parse, **environment):
    with pytest.raises(CannotStart) as caught:
        parse(arguments, environment)
    (line,) = str(caught.value).splitlines()
    return line


def test_a_misspelt_option_or_command_is_told_with_what_was_meant():
    assert refused("--prot", "80") == (
        "There is no option --prot. Did you mean --port? `app.py --help` shows what there is."
    )
    assert refused("--prot=80").startswith("There is no option --prot. Did you mean --port?")
    assert refused("pul", "x").startswith("There is no command pul. Did you mean pull?")
    assert refused("help").startswith("There is no command help. `app.py --help`")
    assert "pull has to come before every option" in refused("--offline", "pull", "a/b")


def test_the_commands_take_what_they_say_they_take():
    assert refused(parse=settings.parse_push).startswith(
        "the following arguments are required: DIR, owner/name. `app.py push --help`"
    )
    assert "--unsafe-formats?" in refused("hf:a/b", "--unsafe-frmats", parse=settings.parse_add)
    assert "'c/d' is one word too many" in refused("a", "a/b", "c/d", parse=settings.parse_push)


def test_an_option_that_is_empty_is_told_since_no_tokens_would_let_everybody_in():
    for given in (["--tokens", ""], ["--tokens="], ["--port", "0", "--tokens", ""]):
        assert refused(*given).startswith("--tokens is empty.")
    assert settings.parse([], {"ATELIER_TOKENS": ""}).tokens is None


def test_a_variable_that_is_almost_a_setting_is_told():
    assert refused(ATELIER_TOKEN="tokens") == (
        "There is no variable ATELIER_TOKEN. Did you mean ATELIER_TOKENS?"
    )
    assert "ATELIER_SPARES?" in refused(ATELIER_SPARE="0")
    # A service of this name on Kubernetes, and what the app tells its own children.
    others = {"ATELIER_SERVICE_HOST": "10.0.0.1", "ATELIER_MEMORY": "1", "ATELIER": "x"}
    assert settings.parse([], others) == settings.parse([], {})


def test_a_switch_that_is_neither_on_nor_off_is_told():
    assert refused(ATELIER_OFFLINE="ture") == "ATELIER_OFFLINE is 'ture'; it must be 1 or 0."
    assert settings.parse([], {"ATELIER_OFFLINE": "Yes"}).offline
    assert not settings.parse([], {"ATELIER_OFFLINE": "no"}).offline
    assert settings.parse([], {"HF_HUB_OFFLINE": "1"}).offline


def test_a_link_through_the_network_is_not_made_where_the_network_is_not_asked():
    assert "leave one out" in refused("--share", "--offline")


@pytest.mark.parametrize("address", ["models.lan", "ftp://models.lan", "https://", "https://a:b"])
def test_what_is_no_address_is_given_to_nobody_as_one(address):
    assert f"--public-url is {address!r}; write a whole address" in refused("--public-url", address)


def test_the_address_under_which_others_reach_the_app_may_have_a_path():
    given = settings.parse(["--public-url", "https://lan.example/models/"], {})
    assert given.public_url == "https://lan.example/models"
    (note,) = given.notes
    assert "only the API" in note and "a host name of its own" in note
    assert not settings.parse(["--public-url", "https://lan.example/"], {}).notes


def test_what_zero_gpu_does_not_do_here_is_told_on_a_space():
    space = {"SPACE_ID": "ada/atelier", "SPACES_ZERO_GPU": "true"}
    (note,) = settings.parse([], space).notes
    assert "they get the CPU" in note
    assert not settings.parse([], {"SPACE_ID": "ada/atelier"}).notes


def test_no_more_processes_are_kept_ready_than_makes_sense():
    assert "a whole number from 0 to 64" in refused("--spares", "1000000")


def test_who_cannot_listen_is_told_what_would_do():
    for host in ("name.invalid", "192.0.2.1"):
        with pytest.raises(CannotStart, match="Give a --host that this machine has"):
            listen(host, 0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match="give another --port"):
            listen("127.0.0.1", port)


def test_a_port_of_the_system_is_told_as_such(monkeypatch):
    def refuse(self, address):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(CannotStart, match="a --port from 1024 on"):
        listen("127.0.0.1", 80)


def test_what_people_wrote_is_not_for_all_who_have_an_account_on_the_machine(tmp_path):
    make_data_folder(tmp_path / "new" / "data")
    assert (tmp_path / "new" / "data").stat().st_mode & 0o077 == 0
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o755)
    make_data_folder(tmp_path / "shared")
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o755
