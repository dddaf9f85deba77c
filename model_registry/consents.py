"""Licences that a person has to accept before a model is used here for the first time."""

from __future__ import annotations

import time
from pathlib import Path

from errors import ConsentNeeded
from model_registry.ledger import Ledger
from model_registry.spec import Licence, Model


class Consents:
    """Kept per model, in `consents.json` of the data folder: who has the page has the say."""

    def __init__(self, data: Path) -> None:
        self._ledger = Ledger(data / "consents.json")

    def needed(self, model: Model) -> bool:
        """Whether the model downloads weights under terms that nobody here has accepted yet."""
        return asks_consent(model) and not self._holds(model)

    def given_at(self, model: Model) -> float | None:
        """When the licence was accepted, in Unix seconds."""
        return float(self._ledger.get(model.id)["at"]) if self._holds(model) else None

    def check(self, model: Model) -> None:
        """Raises `ConsentNeeded`."""
        if model.licence is not None and self.needed(model):
            raise ConsentNeeded(model.id, " ".join(terms(model.licence)))

    def give(self, model: Model) -> None:
        if model.licence is not None and not self._holds(model):
            self._ledger.forget(model.id)
            self._ledger.settle(model.id, {"at": time.time(), "terms": terms(model.licence)})

    def _holds(self, model: Model) -> bool:
        """A consent to other terms than today's is none."""
        given = self._ledger.get(model.id)
        if model.licence is None or not isinstance(given, dict):
            return False
        return bool(given.get("terms") == terms(model.licence))


def asks_consent(model: Model) -> bool:
    licence = model.licence
    downloads = any(version.weights for version in model.versions)
    return bool(
        downloads
        and licence is not None
        and (licence.non_commercial or licence.gated or licence.territory)
    )


def terms(licence: Licence) -> list[str]:
    """What a person must know before accepting, a sentence each."""
    said = [f"{licence.name}{f', {licence.url}' if licence.url else ''}."]
    if licence.non_commercial:
        said.append("For non-commercial use only.")
    if licence.territory:
        said.append(f"Where it may be used: {licence.territory}.")
    if licence.gated:
        said.append("Its owner lets only those download it who have accepted its terms there, too.")
    return said
