"""Texts as models that only read them take them. No runner: those that read import it."""

from __future__ import annotations

from typing import Any

from pretrained import on_device

from cog import InvalidInput, current_scope


def room(model: Any, tokenizer: Any) -> int:
    """How many tokens the model reads at once."""
    known = getattr(model.config, "max_position_embeddings", None) or 512
    for name, layer in model.named_modules():
        # RoBERTa and its kin count places from after that of the padding.
        if name.endswith(".position_embeddings") and getattr(layer, "padding_idx", None):
            known -= layer.padding_idx + 1
            break
    return int(min(known, tokenizer.model_max_length))


def read(model: Any, tokenizer: Any, texts: list[str], beside: list[str] | None = None) -> Any:
    """The texts, each with the one `beside` it where that is given, as one batch on the model's
    device. Prints what is too long: its end is left out.
    """
    most = room(model, tokenizer)
    pairs = (texts, beside) if beside is not None else (texts,)
    given = tokenizer(*pairs, padding=False)["input_ids"]
    current_scope().record_metric("input_token_count", sum(map(len, given)), "incr")
    for number, tokens in enumerate(given, 1):
        if len(tokens) > most:
            what = f"Text {number}" if len(texts) > 1 else "The text"
            print(
                f"{what} has {len(tokens)} tokens; this model reads the first {most}, and what "
                "comes after has no effect."
            )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokens = tokenizer(*pairs, padding=True, truncation=True, max_length=most, return_tensors="pt")
    return on_device(tokens, model)


def said(text: str, name: str = "text") -> str:
    """Raises `InvalidInput` where nothing is said."""
    if not text.strip():
        raise InvalidInput(f"The {name} is empty. Write what the model should read.")
    return text
