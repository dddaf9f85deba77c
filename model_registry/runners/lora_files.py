"""LoRA weights as people name them → a file of safetensors on this machine. Knows no pipeline. No
runner: runners of pictures import it.

A repository of the Hub (`owner/name`, `owner/name/file.safetensors`, with or without
`huggingface.co/` before it), a model of CivitAI, or the address of a file or of a tar that holds
one. What was fetched stays for the next run.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import tarfile
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cog import InvalidInput
from cog.addresses import PUBLIC_ONLY, addresses, is_public, refusal

ALLOWED = (
    "Give a repository of the Hub (owner/name, or owner/name/file.safetensors where it has "
    "several), a model of CivitAI (civitai.com/models/number), or the https address of a "
    ".safetensors file, or of a .tar file with one in it."
)
LARGEST = 8 << 30
"""Bytes of a LoRA that is fetched by address; the largest there are take about 2 GB."""
USUAL = ("pytorch_lora_weights.safetensors", "lora.safetensors")
"""Names that a repository's LoRA goes by, where it has other files as well."""

CIVITAI = "https://civitai.com"

_CIVITAI = re.compile(
    r"(?:https?://)?(?:www\.)?civitai\.com/"
    r"(?:models/(\d+)(?:/[^/?]*)?/?(?:\?(?:.*&)?modelVersionId=(\d+).*)?|(api/download/.+))",
    re.IGNORECASE,
)
_HUB = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/", re.IGNORECASE)
_DOWN = re.compile(r"lora_A\b|lora_down\b|\bdown\.weight$|lora\.down\b")
"""In the names of the weights that a layer's input meets first, as the formats have them."""
_REPO = re.compile(
    r"([\w.-]+/[\w.-]+)(?:/(?:(?:resolve|blob)/([\w.-]+)/)?(.+?\.safetensors)|/tree/main)?/?(?:\?.*)?"
)
"""As it is written, or as the Hub's pages and their buttons address it."""


@dataclass(frozen=True)
class Tokens:
    """With which who asks may fetch what others may not; None is this machine's own, if any."""

    hub: str | None = None
    civitai: str | None = None


NO_TOKENS = Tokens()


def fetched(reference: str, tokens: Tokens = NO_TOKENS) -> Path:
    """The file that `reference` names, downloaded if it is not here yet. Raises `InvalidInput`."""
    reference = reference.strip()
    named = _HUB.sub("", reference, count=1)
    if on_civitai := _CIVITAI.fullmatch(reference):
        return _of_address(_civitai_address(*on_civitai.groups()), tokens.civitai)
    on_hub = _REPO.fullmatch(named)
    if on_hub and not named.startswith(("http:", "https:")):
        return _of_hub(on_hub[1], on_hub[3], on_hub[2], tokens.hub)
    if re.match(r"https?://", reference) and named == reference:
        return _of_address(reference)
    raise InvalidInput(f"{reference[:80]!r} names no LoRA weights. {ALLOWED}")


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


def widths(path: Path) -> set[int]:
    """How much goes into the layers of these weights; empty where it cannot be told."""
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        names = [name for name in file.keys() if _DOWN.search(name)]  # noqa: SIM118
        shapes = [file.get_slice(name).get_shape() for name in names]
    return {shape[1] for shape in shapes if len(shape) > 1}


def _civitai_address(model: str | None, version: str | None, download: str | None) -> str:
    """Where a model's file is. As Replicate does, a number without a version is taken for one."""
    path = download or f"api/download/models/{version or model}?type=Model&format=SafeTensor"
    return f"{CIVITAI}/{path}"


def _of_hub(repo: str, file: str | None, revision: str | None, token: str | None) -> Path:
    import huggingface_hub
    from huggingface_hub import errors

    try:
        if file is None:
            file = _lora_in(repo, token)
        print(f"LoRA: {repo}/{file}")
        path = huggingface_hub.hf_hub_download(repo, file, revision=revision, token=token)
    except errors.GatedRepoError:
        raise InvalidInput(
            f"{repo} is gated: accept its terms on the Hub, and give your token as hf_api_token, "
            "where the model has that, or to Atelier (HF_TOKEN)."
        ) from None
    except errors.HFValidationError:
        raise InvalidInput(f"{repo[:80]!r} names no repository of the Hub. {ALLOWED}") from None
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


def _lora_in(repo: str, token: str | None) -> str:
    """The one file of LoRA weights that a repository has. Raises `InvalidInput`."""
    import huggingface_hub
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        names = _kept(repo)
    else:
        names = huggingface_hub.HfApi(token=token).list_repo_files(repo)
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


def _of_address(address: str, token: str | None = None) -> Path:
    """The file at an address. It is kept by that address, as things have one version there, and for
    those who have the token.
    """
    from huggingface_hub import constants

    folder = Path(constants.HF_HOME) / "lora"
    key = f"{token} {address}" if token else address
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.safetensors"
    name = urllib.parse.urlsplit(address).path.rpartition("/")[2] or address
    print(f"LoRA: {name}")
    if path.is_file():
        return path
    if constants.HF_HUB_OFFLINE:
        raise InvalidInput(_offline(address))
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    try:
        _download(address, part, token)
        if tarfile.is_tarfile(part):
            _unpack(part, name)
        checked(part, name).replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _unpack(path: Path, name: str) -> None:
    """Puts the one file of safetensors that a tar holds in its place, as trainings give it."""
    inner = path.with_name(f"{path.name}.inner")
    with tarfile.open(path) as tar:
        found = [each for each in tar if each.isfile() and each.name.endswith(".safetensors")]
        if len(found) != 1:
            raise InvalidInput(f"{name} holds {len(found)} .safetensors files; it must hold one.")
        if found[0].size > LARGEST:
            raise InvalidInput(f"{name} is too large; {LARGEST >> 30} GB are allowed.")
        try:
            with inner.open("wb") as file:
                shutil.copyfileobj(tar.extractfile(found[0]), file)  # type: ignore[arg-type]
            inner.replace(path)
        finally:
            inner.unlink(missing_ok=True)


def _download(address: str, path: Path, token: str | None) -> None:
    """Writes what is at the address, and prints each tenth of it. Raises `InvalidInput`."""
    import httpx

    # Never sent on to where a redirect leads: the library drops it at another host.
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    locked = address.startswith(CIVITAI) and not token
    hint = " Some models there ask for a token: give it as civitai_api_token." if locked else ""
    try:
        with (
            _client() as client,
            client.stream("GET", address, headers=headers) as answer,
            path.open("wb") as file,
        ):
            if answer.status_code >= 400:
                raise InvalidInput(f"{address} answered {answer.status_code}, not a file.{hint}")
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
