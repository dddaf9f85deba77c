"""The app over two models whose weights are on the Hub, one free, one with conditions, and those of
the folders that are named.

python -m tests.components.weights_app --data DIR --port 0      (HF_ENDPOINT names a stand-in)
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace

import app
from model_registry.catalog import Catalog
from model_registry.spec import Licence, Weights
from settings import parse

WEIGHS = """
import os
from cog import BasePredictor, Input

class Weighs(BasePredictor):
    def setup(self, weights: str):
        self.size = os.path.getsize(os.path.join(weights, "model.safetensors"))

    def predict(self, by: int = Input(default=1, ge=1, le=9)) -> str:
        return f"It weighs {self.size * by}."
"""
LICENCES = {
    "free": Licence("Apache-2.0"),
    "conditional": Licence(
        "Sample Non-Commercial 1.0",
        "https://example.com/terms",
        non_commercial=True,
        territory="not in the EU, the UK or South Korea",
    ),
}


def main(arguments: list[str]) -> None:
    settings = parse(arguments)
    settings = replace(settings, hub=replace(settings.hub, pause=0.01, reserve=0))
    settings.data.mkdir(parents=True, exist_ok=True)
    models = []
    for name in LICENCES:
        folder = settings.data / "models" / "ada" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cog.yaml").write_text("predict: predict.py:Weighs")
        (folder / "predict.py").write_text(WEIGHS)
    folders = [settings.data / "models", *settings.models]
    loaded = Catalog.load(folders, settings.data, specs=settings.data)
    for model in loaded.models():
        if model.owner != "ada":
            models.append(model)
            continue
        code = replace(model.latest.code, weights="hub:")
        weights = Weights("", f"somebody/{model.name}", size=8_000_000)
        version = replace(model.latest, code=code, weights=(weights,))
        licence = LICENCES[model.name]
        models.append(replace(model, versions=(version,), licence=licence, category="text"))
    app.set_environment(settings)
    listening = app.listen(settings.host, settings.port)
    asyncio.run(app.serve(settings, Catalog(models), listening))


if __name__ == "__main__":
    main(sys.argv[1:])
