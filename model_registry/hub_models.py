"""Any model of the Hub: a repository → a spec in the data folder, and a model in the catalog."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from errors import BrokenModel, CannotDownload, InvalidRequest
from model_registry import (
    hub_adapters,
    hub_checkpoints,
    hub_choice,
    hub_companions,
    hub_gguf,
    hub_headers,
    hub_lacks,
    spec_files,
)
from model_registry.description import Descriptions
from model_registry.fingerprint import Fingerprints
from model_registry.hub import Hub, Trouble
from model_registry.hub_facts import READ, Facts
from model_registry.hub_recipe import recipe
from model_registry.hub_reference import parsed
from model_registry.listing import HubFile, Listing
from model_registry.spec import Model
from settings import HubSettings

FOLDER = "hub_models"
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
        """Reads `hf:owner/repo[@revision][:file]`, pins its commit, writes a spec and gives its
        model.

        `name` is what it is to be called, else as the repository and the file that was named, or
        hf-owner/repo where another model has that name. `trust_remote_code` is the full commit
        whose code a person agrees to run. Blocks. Raises `InvalidRequest`, `CannotDownload`,
        `BrokenModel`.
        """
        asked, revision, file = parsed(reference)
        if trust_remote_code and not re.fullmatch(r"[0-9a-f]{40}", trust_remote_code):
            raise InvalidRequest(
                f"To trust code names the commit that was read, in 40 hex digits, and not "
                f"{trust_remote_code!r}."
            )
        if self._offline:
            raise CannotDownload(
                f"{asked} cannot be looked at: Atelier was started with --offline. Start it "
                "without."
            )
        facts = self._facts(asked, revision or trust_remote_code or None, file)
        repo = facts.repo
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
        if asked != repo:
            spec["description"] += f" {asked} is called {repo} now."
        called = self._name(name, repo, file)
        return self._written({"name": called, **spec}, description)

    def remove(self, name: str) -> bool:
        """Forgets an added model; its weights stay on disk. Whether there was one."""
        file = self.file(name)
        with suppress(FileNotFoundError):
            file.unlink()
            return True
        return False

    def _spec(self, facts: Facts, trusted: bool, unsafe_formats: bool) -> dict[str, Any]:
        if (known := hub_adapters.base_of(facts)) is not None and not facts.file:
            base = self._facts(*known)
            try:
                made = recipe(base, False, unsafe_formats)
            except BrokenModel as error:
                raise hub_adapters.refused(facts, base.repo, error) from None
            return hub_adapters.laid_over(facts, made, unsafe_formats)
        if (file := hub_choice.gguf(facts)) is not None:
            files = hub_choice.parts(facts, file)
            return hub_gguf.spec_of(facts, files, [self._header(facts, each) for each in files])
        if facts.file or hub_lacks.may_be_checkpoints(facts):
            file = hub_choice.checkpoint(facts)
            assert file is not None
            header = self._header(facts, file)
            family = hub_checkpoints.family_of(facts, header)
            return hub_checkpoints.spec_of(facts, file, header, family, self._facts(family.base))
        spec = recipe(facts, trusted, unsafe_formats)
        if (needed := hub_companions.of(spec)) is None:
            return spec
        role, repo = needed
        return hub_companions.joined(spec, role, self._facts(repo), unsafe_formats)

    def _header(self, facts: Facts, file: HubFile) -> hub_headers.Header:
        with Hub(self._settings) as hub:
            try:
                return hub_headers.read(hub, facts.listing, file.path)
            except ValueError as error:
                raise facts.refusal(f"{file.path} cannot be read: {error}.") from None

    def _facts(self, repo: str, revision: str | None = None, file: str = "") -> Facts:
        with Hub(self._settings) as hub:
            listing = hub.listing(repo, revision)
            if listing.renamed:
                listing = hub.listing(listing.renamed, listing.commit)
            there = {file.path for file in listing.files}
            read = {path for path in READ if path in there}
            if "source.spm" in there and "vocab.json" in there:
                read.add("vocab.json")  # names the languages that a Marian writes
            found = {path: _json(hub, listing, path) for path in sorted(read)}
            card = _text(hub, listing, "README.md") if "README.md" in there else ""
        return Facts(listing, found, f"{self._settings.endpoint}/{listing.repo}", card, file)

    def _name(self, asked: str, repo: str, file: str) -> str:
        if asked:
            if not _NAME.fullmatch(asked):
                raise InvalidRequest(
                    f"The name is {asked!r}; it must be owner/name, of letters, digits, -, _ and ."
                )
            if self._is_free(asked):
                return asked
            raise InvalidRequest(f"The name {asked} is taken by another model. Choose another.")
        if file:  # there may be others of the repository already
            repo += "-" + re.sub(r"[^A-Za-z0-9._-]+", "-", PurePosixPath(file).stem)
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


def _text(hub: Hub, listing: Listing, path: str) -> str:
    """A file for people; empty where it cannot be had, as its terms may say."""
    try:
        return hub.read(listing.repo, listing.commit, path).decode(errors="replace")
    except Trouble:
        raise
    except CannotDownload:
        return ""


def _json(hub: Hub, listing: Listing, path: str) -> Any:
    try:
        held = json.loads(hub.read(listing.repo, listing.commit, path))
    except ValueError as error:
        raise BrokenModel(f"hf:{listing.repo}", f"{path} is no JSON: {error}.") from None
    if not isinstance(held, list if path == "modules.json" else dict):
        raise BrokenModel(f"hf:{listing.repo}", f"{path} holds {str(held)[:40]}, and no settings.")
    return held
