"""LoRA weights as people name them → a file of safetensors on this machine. Knows no pipeline. No
runner: runners of pictures import it.

A repository of the Hub (`owner/name`, `owner/name/file.safetensors`, with or without
`huggingface.co/` before it), or the address of a file. What was fetched stays for the next run.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import urllib.parse
from pathlib import Path
from typing import Any

from cog import InvalidInput
from cog.addresses import PUBLIC_ONLY, addresses, is_public, refusal

ALLOWED = (
    "Give a repository of the Hub (owner/name, or owner/name/file.safetensors where it has several)"
    " or the https address of a .safetensors file."
)
LARGEST = 8 << 30
"""Bytes of a LoRA that is fetched by address; the largest there are take about 2 GB."""
USUAL = ("pytorch_lora_weights.safetensors", "lora.safetensors")
"""Names that a repository's LoRA goes by, where it has other files as well."""

_HUB = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/", re.IGNORECASE)
_REPO = re.compile(r"([\w.-]+/[\w.-]+)(?:/(?:(?:resolve|blob)/([\w.-]+)/)?(.+\.safetensors))?/?")


def fetched(reference: str) -> Path:
    """The file that `reference` names, downloaded if it is not here yet. Raises `InvalidInput`."""
    reference = reference.strip()
    named = _HUB.sub("", reference, count=1)
    on_hub = _REPO.fullmatch(named)
    if on_hub and not named.startswith(("http:", "https:")):
        return _of_hub(on_hub[1], on_hub[3], on_hub[2])
    if re.match(r"https?://", reference) and named == reference:
        return _of_address(reference)
    raise InvalidInput(f"{reference!r} names no LoRA weights. {ALLOWED}")


def checked(path: Path, name: str) -> Path:
    """`path`, if it is a file of safetensors: no other form can be read without running what is in
    it. Raises `InvalidInput`, calling it `name`.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np"):
            return path
    except (SafetensorError, OSError) as error:
        raise InvalidInput(f"{name} is no file of safetensors ({error}). {ALLOWED}") from None


def _of_hub(repo: str, file: str | None, revision: str | None) -> Path:
    import huggingface_hub
    from huggingface_hub import errors

    try:
        if file is None:
            file = _lora_in(repo)
        print(f"LoRA: {repo}/{file}")
        path = huggingface_hub.hf_hub_download(repo, file, revision=revision)
    except errors.GatedRepoError:
        raise InvalidInput(
            f"{repo} is gated: accept its terms on the Hub and give Atelier your token (HF_TOKEN)."
        ) from None
    except errors.RepositoryNotFoundError:
        raise InvalidInput(f"The Hub has no repository {repo}, or it is private.") from None
    except errors.RemoteEntryNotFoundError:
        raise InvalidInput(f"The repository {repo} has no file {file}.") from None
    except (errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError):
        raise InvalidInput(_offline(repo)) from None
    except _unanswered():
        raise InvalidInput(_offline(repo)) from None
    return checked(Path(path), f"{repo}/{file}")


def _unanswered() -> tuple[type[Exception], ...]:
    """What the Hub's library lets through where no server answers: it is not of its own making."""
    from huggingface_hub import errors

    return tuple(kind for kind in errors.HfHubHTTPError.__bases__ if kind is not OSError)


def _lora_in(repo: str) -> str:
    """The one file of LoRA weights that a repository has. Raises `InvalidInput`."""
    import huggingface_hub
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        names = _kept(repo)
    else:
        names = huggingface_hub.HfApi().list_repo_files(repo)
    found = [name for name in names if name.endswith(".safetensors")]
    usual = [name for name in USUAL if name in found]
    if len(found) == 1 or usual:
        return (usual or found)[0]
    if not found:
        raise InvalidInput(f"The repository {repo} has no .safetensors file. {ALLOWED}")
    raise InvalidInput(
        f"The repository {repo} has {len(found)} .safetensors files; name the one you mean, "
        f"like {repo}/{found[0]}."
    )


def _kept(repo: str) -> list[str]:
    """The files of a repository that earlier runs have downloaded. Raises `InvalidInput`."""
    import huggingface_hub

    for each in huggingface_hub.scan_cache_dir().repos:
        if each.repo_id == repo:
            return sorted({file.file_name for kept in each.revisions for file in kept.files})
    raise InvalidInput(_offline(repo))


def _offline(name: str) -> str:
    return (
        f"{name} is not on this machine, and it cannot be fetched: Atelier runs with --offline, or "
        "the Hub does not answer."
    )


def _of_address(address: str) -> Path:
    """The file at an address. It is kept by that address, as things have one version there."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HOME) / "lora"
    path = folder / f"{hashlib.sha256(address.encode()).hexdigest()[:32]}.safetensors"
    name = urllib.parse.urlsplit(address).path.rpartition("/")[2] or address
    print(f"LoRA: {name}")
    if path.is_file():
        return path
    if constants.HF_HUB_OFFLINE:
        raise InvalidInput(_offline(address))
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    try:
        _download(address, part)
        checked(part, name).replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _download(address: str, path: Path) -> None:
    """Writes what is at the address, and prints each tenth of it. Raises `InvalidInput`."""
    import httpx

    try:
        with (
            _client() as client,
            client.stream("GET", address) as answer,
            path.open("wb") as file,
        ):
            if answer.status_code >= 400:
                raise InvalidInput(f"{address} answered {answer.status_code}, not a file.")
            size = int(answer.headers.get("content-length") or 0)
            done = tenths = 0
            for chunk in answer.iter_bytes(1 << 20):
                file.write(chunk)
                done += len(chunk)
                if max(done, size) > LARGEST:
                    raise InvalidInput(f"{address} is too large; {LARGEST >> 30} GB are allowed.")
                if size and done * 10 // size > tenths:
                    tenths = done * 10 // size
                    print(f"LoRA: {done / 1e6:.1f} of {size / 1e6:.1f} MB")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise InvalidInput(f"{address} cannot be fetched: {reason}.") from None


def _client() -> Any:
    """An `httpx.Client` that connects to public addresses only, where that is asked for."""
    import httpcore
    import httpx

    class Guarded(httpcore.SyncBackend):
        def connect_tcp(self, host: str, port: int, *rest: Any, **more: Any) -> Any:
            try:
                found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError) as error:
                raise httpcore.ConnectError(f"{host} cannot be resolved ({error})") from None
            resolved = addresses(found)
            for address in resolved:
                if not is_public(address):
                    raise InvalidInput(refusal(host, address))
            # The very address that was looked at: a name may mean another the next time.
            return super().connect_tcp(str(resolved[0]), port, *rest, **more)

    options: dict[str, Any] = {"follow_redirects": True, "timeout": 30}
    if not os.environ.get(PUBLIC_ONLY):
        return httpx.Client(**options)
    transport = httpx.HTTPTransport()
    transport._pool._network_backend = Guarded()
    return httpx.Client(transport=transport, **options)
