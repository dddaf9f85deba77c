"""Any model of the Hub: a repository → a spec in the data folder, and a model in the catalog."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml

from errors import BrokenModel, CannotDownload, InvalidRequest
from model_registry import hub_adapters, spec_files
from model_registry.description import Descriptions
from model_registry.fingerprint import Fingerprints
from model_registry.hub import Hub
from model_registry.hub_facts import READ, Facts
from model_registry.hub_recipe import recipe
from model_registry.listing import Listing
from model_registry.spec import Model
from settings import HubSettings

FOLDER = "hub_models"
_PAGE = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/([^?#]*)([?#].*)?")
_REFERENCE = re.compile(r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(?:@(?P<revision>\w[\w./-]*))?")
_OF_A_REVISION = ("tree", "blob", "resolve", "raw", "commit", "commits")
_OTHER_PAGES = {"datasets": "a dataset", "spaces": "a Space", "papers": "a paper"}
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class HubModels:
    """Those that a person has added. `taken` says whether another model has a name already."""

    def __init__(
        self, data: Path, settings: HubSettings, offline: bool, taken: Callable[[str], bool]
    ) -> None:
        self._data = data
        self._settings = settings
        self._offline = offline
        self._taken = taken

    def file(self, name: str) -> Path:
        """Where the spec of the added model `owner/name` lies, or would."""
        return self._data / FOLDER / f"{name}.yaml"

    async def add(self, reference: str, **options: Any) -> Model:
        """As `make`, beside the event loop."""
        return await asyncio.to_thread(self.make, reference, **options)

    def make(
        self,
        reference: str,
        *,
        name: str = "",
        description: str = "",
        trust_remote_code: str = "",
        unsafe_formats: bool = False,
    ) -> Model:
        """Reads `hf:owner/repo[@revision]`, pins its commit, writes a spec and gives its model.

        `name` is what it is to be called, else as the repository, or hf-owner/repo where another
        model has that name. `trust_remote_code` is the full commit whose code a person agrees to
        run. Blocks. Raises `InvalidRequest`, `CannotDownload`, `BrokenModel`.
        """
        repo, revision = parsed(reference)
        if trust_remote_code and not re.fullmatch(r"[0-9a-f]{40}", trust_remote_code):
            raise InvalidRequest(
                f"To trust code names the commit that was read, in 40 hex digits, and not "
                f"{trust_remote_code!r}."
            )
        if self._offline:
            raise CannotDownload(
                f"{repo} cannot be looked at: Atelier was started with --offline. Start it without."
            )
        facts = self._facts(repo, revision or trust_remote_code or None)
        commit = facts.listing.commit
        if trust_remote_code not in ("", commit):
            raise InvalidRequest(
                f"{repo} is at {commit}, and the code to trust is that of {trust_remote_code}. "
                f"Read what has changed, or ask for hf:{repo}@{trust_remote_code}."
            )
        try:
            spec = self._spec(facts, bool(trust_remote_code), unsafe_formats)
        except BrokenModel as error:
            if known := _in_catalogue(repo):
                reason = f"{error.reason} The catalogue has it already, as {known}."
                raise BrokenModel(error.model, reason) from None
            raise
        called = self._name(name, repo)
        return self._written({"name": called, **spec}, description)

    def remove(self, name: str) -> bool:
        """Forgets an added model; its weights stay on disk. Whether there was one."""
        file = self.file(name)
        with suppress(FileNotFoundError):
            file.unlink()
            return True
        return False

    def _spec(self, facts: Facts, trusted: bool, unsafe_formats: bool) -> dict[str, Any]:
        if (known := hub_adapters.base_of(facts)) is None:
            return recipe(facts, trusted, unsafe_formats)
        base = self._facts(*known)
        try:
            made = recipe(base, False, unsafe_formats)
        except BrokenModel as error:
            raise hub_adapters.refused(facts, base.repo, error) from None
        return hub_adapters.laid_over(facts, made, unsafe_formats)

    def _facts(self, repo: str, revision: str | None) -> Facts:
        with Hub(self._settings) as hub:
            listing = hub.listing(repo, revision)
            there = {file.path for file in listing.files}
            read = {path for path in READ if path in there}
            if "source.spm" in there and "vocab.json" in there:
                read.add("vocab.json")  # names the languages that a Marian writes
            found = {path: _json(hub, listing, path) for path in sorted(read)}
        return Facts(listing, found, f"{self._settings.endpoint}/{repo}")

    def _name(self, asked: str, repo: str) -> str:
        if asked:
            if not _NAME.fullmatch(asked):
                raise InvalidRequest(
                    f"The name is {asked!r}; it must be owner/name, of letters, digits, -, _ and ."
                )
            if self._is_free(asked):
                return asked
            raise InvalidRequest(f"The name {asked} is taken by another model. Choose another.")
        return repo if self._is_free(repo) else f"hf-{repo}"

    def _is_free(self, name: str) -> bool:
        return self.file(name).exists() or not self._taken(name)

    def _written(self, spec: dict[str, Any], description: str) -> Model:
        """The model of a spec, which is kept only if it can be read."""
        if description:
            spec["description"] = description
        file = self.file(spec["name"])
        # Of the same name elsewhere: the name is part of what a version's id is made from.
        fresh = file.parent / f".{os.getpid()}" / file.name
        fresh.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(yaml.safe_dump(spec, sort_keys=False, allow_unicode=True))
        try:
            model = read(fresh, self._data)
            fresh.replace(file)
        finally:
            fresh.unlink(missing_ok=True)
            fresh.parent.rmdir()
        return model


def read(file: Path, data: Path) -> Model:
    """The model of an added spec. Raises `BrokenModel`."""
    prints = Fingerprints(data / "fingerprints.json")
    return spec_files.read(file, prints, Descriptions(data / "described"))


def specs(data: Path) -> list[Path]:
    """The specs of all models that were added."""
    return sorted((data / FOLDER).glob("[!.]*/[!.]*.yaml"))


def _in_catalogue(repo: str) -> str:
    """The name of a model of ours whose weights are those of `repo`; empty if there is none."""
    named = re.compile(rf"\brepo: {re.escape(repo)}[\s,}}]")
    for path in sorted(spec_files.SPECS.glob("*/*.yaml")):
        text = path.read_text()
        if named.search(text):
            return str(yaml.safe_load(text)["name"])
    return ""


def parsed(reference: str) -> tuple[str, str | None]:
    """Repository and revision of `hf:owner/repo[@revision]`, or of its page's address, or of that
    of a file of it. Raises `InvalidRequest`.
    """
    text = reference.strip().removeprefix("hf:")
    page = _PAGE.fullmatch(text)
    if page:
        text = _of_page(unquote(page[1]), reference)
    found = _REFERENCE.fullmatch(text)
    if found is None:
        owner = "/" not in text and re.fullmatch(r"\w[\w.-]*", text)
        raise InvalidRequest(
            f"{reference!r} is no repository of the Hub. Write hf:owner/repo, or "
            "hf:owner/repo@revision."
            + (" Its page shows the owner, such as openai-community/gpt2." if owner else "")
        )
    return found["repo"], found["revision"]


def _of_page(path: str, reference: str) -> str:
    """`owner/repo[@revision]`, as the path of a page at the Hub names it."""
    owner, *rest = path.strip("/").split("/")
    if owner in _OTHER_PAGES:
        raise InvalidRequest(
            f"{reference!r} is {_OTHER_PAGES[owner]} of the Hub, and no model. Write hf:owner/repo."
        )
    if len(rest) < 3 or rest[1] not in _OF_A_REVISION:
        return "/".join([owner, *rest[:1]])
    revision = "/".join(rest[2:5]) if rest[2] == "refs" else rest[2]
    return f"{owner}/{rest[0]}@{revision}"


def _json(hub: Hub, listing: Listing, path: str) -> Any:
    try:
        held = json.loads(hub.read(listing.repo, listing.commit, path))
    except ValueError as error:
        raise BrokenModel(f"hf:{listing.repo}", f"{path} is no JSON: {error}.") from None
    if not isinstance(held, list if path == "modules.json" else dict):
        raise BrokenModel(f"hf:{listing.repo}", f"{path} holds {str(held)[:40]}, and no settings.")
    return held
