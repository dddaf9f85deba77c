"""A git repository → a folder: over https alone, from public addresses, with nothing of it run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpcore

from errors import InvalidRequest
from model_registry.sizes import size
from model_registry.unpack import MOST_BYTES
from predictions.outgoing import public_addresses
from workers.tied import tied

TIMEOUT = 300.0
_LOOK_EVERY = 0.25
_BRANCH = re.compile(r"[A-Za-z0-9][\w./-]*")

# No prompt, no hook, no filter, no submodule, no redirect, no other protocol, nobody's settings.
_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "credential.helper": "",
    "http.followRedirects": "false",
    "protocol.allow": "never",
    "protocol.https.allow": "always",
    "submodule.recurse": "false",
}
_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "https",
    "GIT_ASKPASS": "false",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}


class Repository(NamedTuple):
    """`branch` may be a tag, "" for the usual one; `folder` is the model's place within."""

    address: str
    host: str
    port: int
    branch: str
    folder: str


def is_address(source: str) -> bool:
    """Whether a source is meant to be a repository, and not a path."""
    return "://" in source or "::" in source or bool(re.match(r"[\w.-]+@[\w.-]+:", source))


def parsed(source: str) -> Repository:
    """`https://host/path[#branch[:folder]]`. Raises `InvalidRequest`."""
    try:
        parts = urlsplit(source.strip())
        port = parts.port or 443
    except ValueError as error:
        raise InvalidRequest(f"{source!r} is no address: {error}.") from None
    if parts.scheme != "https" or not parts.hostname or re.search(r"[\s\0-\x1f]", source.strip()):
        raise InvalidRequest(
            f"{source!r} cannot be cloned. Write the https address of a git repository, such as "
            "https://github.com/owner/repo, and with a branch and a folder in it "
            "https://github.com/owner/repo#branch:folder."
        )
    if parts.username is not None or parts.password is not None:
        raise InvalidRequest(
            "The address holds a name or a password. Clone it yourself, and push the folder."
        )
    branch, _, folder = parts.fragment.partition(":")
    if branch and not _BRANCH.fullmatch(branch):
        raise InvalidRequest(f"{branch!r} is no name of a branch or tag.")
    address = parts._replace(fragment="").geturl()
    return Repository(address, parts.hostname, port, branch, folder)


async def clone(
    source: str,
    into: Path,
    allow_private: bool = False,
    *,
    timeout: float = TIMEOUT,
    most: int = MOST_BYTES,
    settings: Sequence[str] = (),
) -> Path:
    """Clones the newest commit into the folder `into`; gives the model's folder. What is cloned is
    bounded by `most` bytes and `timeout` seconds. `settings` are further ones of git, `name=value`.
    Raises `InvalidRequest`, and `ForbiddenAddress` for a host of this machine or its network.
    """
    repository = parsed(source)
    git = shutil.which("git")
    if git is None:
        raise InvalidRequest("There is no git on this machine. Install it, or push a folder.")
    given = [f"{name}={value}" for name, value in _SETTINGS.items()]
    if not allow_private:
        try:
            addresses = await public_addresses(repository.host, repository.port)
        except httpcore.ConnectError as error:
            raise InvalidRequest(f"{repository.address} cannot be cloned: {error}.") from None
        # What was looked at is what git connects to, whatever the name says a moment later.
        joined = ",".join(f"[{each}]" if each.version == 6 else str(each) for each in addresses)
        given.append(f"http.curloptResolve={repository.host}:{repository.port}:{joined}")
    options = [part for each in (*given, *settings) for part in ("-c", each)]
    named = ["--branch", repository.branch] if repository.branch else []
    target, home = into / "repository", into / "home"
    home.mkdir()
    command = [
        git, *options, "clone", "--quiet", "--depth", "1", "--single-branch", "--no-tags",
        "--no-recurse-submodules", "--template=", *named, "--", repository.address, str(target),
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *tied(command),
        env={**_ENVIRONMENT, "HOME": str(home), "PATH": f"{Path(git).parent}:{os.defpath}"},
        cwd=into,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        said = await asyncio.wait_for(_watched(process, into, most), timeout)
    except asyncio.TimeoutError:
        raise InvalidRequest(
            f"{repository.address} was not cloned within {timeout:g} s. Clone it yourself, and "
            "push the folder."
        ) from None
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if process.returncode:
        raise InvalidRequest(f"{repository.address} cannot be cloned: {_reason(said)}")
    return _within(target, repository)


async def _watched(process: asyncio.subprocess.Process, into: Path, most: int) -> str:
    """What git says, once it has ended. Raises `InvalidRequest` where there is too much of it."""
    assert process.stderr is not None
    saying = asyncio.ensure_future(_first(process.stderr, 100_000))
    try:
        while not (await asyncio.wait([saying], timeout=_LOOK_EVERY))[0]:
            if await asyncio.to_thread(_size, into) > most:
                raise InvalidRequest(
                    f"The repository has more than {size(most)}. Clone it yourself, and push the "
                    "folder."
                )
        await process.wait()
        return saying.result().decode(errors="replace")
    finally:
        saying.cancel()


def _size(folder: Path) -> int:
    total = 0
    for below, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(below, name)).st_size
    return total


async def _first(stream: asyncio.StreamReader, most: int) -> bytes:
    """The first `most` bytes of all that comes; the rest is read too, or its writer would wait."""
    kept = b""
    while chunk := await stream.read(1 << 16):
        kept = (kept + chunk)[:most]
    return kept


def _reason(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith("fatal:")]
    found = (fatal or lines or ["git ended without a word"])[-1]
    return found.removeprefix("fatal:").strip().rstrip(".") + "."


def _within(target: Path, repository: Repository) -> Path:
    folder = (target / repository.folder).resolve()
    if not folder.is_relative_to(target.resolve()) or not folder.is_dir():
        raise InvalidRequest(f"{repository.address} has no folder {repository.folder!r}.")
    if not (folder / "cog.yaml").is_file():
        place = f"in {repository.folder}" if repository.folder else "at its top"
        raise InvalidRequest(
            f"{repository.address} has no cog.yaml {place}. "
            "A folder within it is named as in https://github.com/owner/repo#branch:folder."
        )
    return folder
