"""Numbers that stand for the meaning of texts: any encoder of transformers, with the layers after
it that a folder in the form of sentence-transformers names.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypedDict

from pretrained import beside, pretrained

from cog import BasePredictor, Input, InvalidInput, current_scope

AT_ONCE = 32
"""Texts that go through the model together."""


class Embedding(TypedDict):
    embedding: list[float]


class Embeddings(BasePredictor):
    def setup(self, weights: str, precision: str = "", trust_code: bool = False) -> None:
        """`weights` is a folder with a model and its tokenizer. Without a file `modules.json` an
        embedding is the mean over a text's tokens.
        """
        folder = Path(weights)
        self.model = pretrained("AutoModel", weights, precision, trust_code)
        if self.model.config.is_encoder_decoder:
            self.model = self.model.get_encoder()
        self.tokenizer = beside("AutoTokenizer", weights, trust_code)
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.layers = [_layer(folder, each) for each in _modules(folder)]
        said = _json(folder / "config_sentence_transformers.json")
        self.prompts: dict[str, str] = said.get("prompts") or {}
        self.usual_prompt = said.get("default_prompt_name")
        given = _json(folder / "sentence_bert_config.json").get("max_seq_length")
        known = getattr(self.model.config, "max_position_embeddings", None)
        self.reads = given or min(known or 512, self.tokenizer.model_max_length)

    def predict(
        self,
        text: str = Input(default="", description="One text to embed."),
        text_batch: str = Input(
            default="", description='Several texts, as a JSON list: ["one", "two"].'
        ),
        prompt_name: str = Input(
            default="",
            description="For models with words of their own before a text: which, such as query "
            "or document.",
        ),
        normalize: bool = Input(
            default=False, description="Bring every embedding to the length 1."
        ),
    ) -> list[Embedding]:
        """One embedding for each text, in their order."""
        import torch

        texts = _texts(text, text_batch)
        before = self._before(prompt_name)
        given = self.tokenizer([before + each for each in texts])["input_ids"]
        for number, tokens in enumerate(given, 1):
            if len(tokens) > self.reads:
                print(
                    f"Text {number} has {len(tokens)} tokens; this model reads the first "
                    f"{self.reads}, and what comes after has no effect."
                )
        current_scope().record_metric("input_token_count", sum(map(len, given)))
        # Texts of one length together, so that little is computed for the padding.
        order = sorted(range(len(texts)), key=lambda at: len(given[at]))
        found: dict[int, Any] = {}
        for start in range(0, len(order), AT_ONCE):
            batch = order[start : start + AT_ONCE]
            made = self._embedded([before + texts[at] for at in batch])
            if normalize:
                made = torch.nn.functional.normalize(made)
            found |= dict(zip(batch, made.tolist(), strict=True))
            current_scope().progress(len(found), len(texts), "text")
        return [{"embedding": found[at]} for at in range(len(texts))]

    def _embedded(self, texts: list[str]) -> Any:
        import torch

        tokens = self.tokenizer(
            texts,
            padding=True,
            truncation=True,
            max_length=self.reads,
            return_tensors="pt",
        ).to(self.model.device)
        with torch.no_grad():
            states = self.model(**tokens)[0].float()
            made = states, tokens["attention_mask"].float()
            for layer in self.layers:
                made = layer(*made) if isinstance(made, tuple) else layer(made)
        return made

    def _before(self, name: str) -> str:
        name = name or self.usual_prompt or ""
        if name and name not in self.prompts:
            known = ", ".join(sorted(self.prompts)) or "none: leave it empty"
            raise InvalidInput(f"prompt_name is {name!r}; this model knows {known}.")
        return self.prompts.get(name, "")


def _texts(text: str, batch: str) -> list[str]:
    if bool(text.strip()) == bool(batch.strip()):
        raise InvalidInput("Give one text as text, or several as text_batch, and not both.")
    if text.strip():
        return [text]
    try:
        texts = json.loads(batch)
    except ValueError:
        texts = None
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise InvalidInput('text_batch must be a JSON list of texts, such as ["one", "two"].')
    if not texts or not all(each.strip() for each in texts):
        raise InvalidInput("text_batch is empty, or one of its texts is.")
    return texts


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.is_file() else {}


def _modules(folder: Path) -> list[tuple[str, str]]:
    """The layers after the encoder: their kinds, and their folders."""
    path = folder / "modules.json"
    if not path.is_file():
        print("An embedding is the mean over a text's tokens: the folder says nothing else.")
        return [("Pooling", "")]
    modules = json.loads(path.read_text())
    return [
        (each["type"].rpartition(".")[2], each["path"])
        for each in modules
        if not each["type"].endswith(".Transformer")
    ]


def _layer(folder: Path, module: tuple[str, str]) -> Any:
    kind, place = module
    settings = _json(folder / place / "config.json") if place else {}
    if kind == "Pooling":
        return _Pooling(settings)
    if kind == "Dense":
        return _dense(folder / place, settings)
    if kind == "Normalize":
        return _normalized
    raise ValueError(
        f"The folder's modules.json asks for a layer {kind}; known: Pooling, Dense, Normalize."
    )


def _normalized(embedding: Any) -> Any:
    import torch

    return torch.nn.functional.normalize(embedding)


def _dense(folder: Path, settings: dict[str, Any]) -> Any:
    """A matrix and what bends its results."""
    import torch
    from safetensors.torch import load_file

    names = {"Identity": torch.nn.Identity, "Tanh": torch.nn.Tanh, "ReLU": torch.nn.ReLU}
    name = str(settings.get("activation_function", "torch.nn.Tanh")).rpartition(".")[2]
    bias = bool(settings.get("bias", True))
    layer = torch.nn.Linear(settings["in_features"], settings["out_features"], bias)
    file = folder / "model.safetensors"
    old = folder / "pytorch_model.bin"
    loaded = load_file(file) if file.is_file() else torch.load(old, weights_only=True)
    layer.load_state_dict({key.removeprefix("linear."): each for key, each in loaded.items()})
    if name not in names:
        raise ValueError(f"A dense layer ends in {name}; known are {', '.join(names)}.")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.nn.Sequential(layer, names[name]()).to(device)


class _Pooling:
    """One row for each text, out of one for each of its tokens."""

    def __init__(self, settings: dict[str, Any]) -> None:
        asked = [
            name
            for name in _POOLED
            if settings.get(f"pooling_mode_{name}") or settings.get("pooling_mode") == name
        ]
        other = [
            key for key, on in settings.items() if key.startswith("pooling_mode_") and on is True
        ]
        unknown = [key for key in other if key.removeprefix("pooling_mode_") not in _POOLED]
        if unknown:
            raise ValueError(f"The folder asks for {', '.join(unknown)}; known: {list(_POOLED)}.")
        self._ways = [_POOLED[name] for name in asked or ["mean_tokens"]]

    def __call__(self, states: Any, mask: Any) -> Any:
        import torch

        return torch.cat([way(states, mask[..., None]) for way in self._ways], -1)


def _mean(states: Any, mask: Any) -> Any:
    return (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9)


def _mean_by_root(states: Any, mask: Any) -> Any:
    return (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9).sqrt()


def _weighted(states: Any, mask: Any) -> Any:
    """Later tokens count more."""
    weights = mask * mask.cumsum(1)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1e-9)


def _max(states: Any, mask: Any) -> Any:
    return states.masked_fill(mask == 0, -1e9).amax(1)


def _first(states: Any, mask: Any) -> Any:
    at = mask[..., 0].argmax(1)
    return states[range(len(states)), at]


def _last(states: Any, mask: Any) -> Any:
    length = mask.shape[1]
    at = length - 1 - mask[..., 0].flip(1).argmax(1)
    return states[range(len(states)), at]


_POOLED = {
    "cls_token": _first,
    "max_tokens": _max,
    "mean_tokens": _mean,
    "mean_sqrt_len_tokens": _mean_by_root,
    "weightedmean_tokens": _weighted,
    "lasttoken": _last,
    "mean": _mean,
    "cls": _first,
    "max": _max,
}
"""By the names in the settings of a `Pooling`, old and new; in the order in which they are put side
by side.
"""
