"""A converted Whisper: loading it, and what the inputs of a form mean to it. No runner."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from spoken_languages import code_of

from cog import InvalidInput

SMALL = 200_000_000
"""Bytes of weights below which the processor computes in full precision, on one thread."""
COMPUTE_TYPES = {"": "float16", "fp16": "float16", "int8": "int8_float16"}
"""CTranslate2's name for each rung of a ladder, on a GPU."""


class Whisper:
    """faster-whisper's `batched` pipeline, whose `model` listens in turn."""

    def __init__(self, weights: str, precision: str = "") -> None:
        """`weights` is a folder (or a repository's id)."""
        import ctranslate2
        from faster_whisper import BatchedInferencePipeline, WhisperModel

        if precision not in COMPUTE_TYPES:
            known = ", ".join(name for name in COMPUTE_TYPES if name)
            raise ValueError(f"precision is {precision!r}; a Whisper is loaded as {known}.")
        cuda = ctranslate2.get_cuda_device_count() > 0
        file = Path(weights) / "model.bin"
        small = file.is_file() and file.stat().st_size < SMALL
        computed = COMPUTE_TYPES[precision] if cuda else "float32" if small else "int8"
        print(f"Whisper on the {'GPU' if cuda else 'CPU'}, computing in {computed}.")
        self._folder = weights
        self._device = {"device": "cuda" if cuda else "cpu", "compute_type": computed}
        self._threads = 1 if small else 0
        model = WhisperModel(weights, cpu_threads=self._threads, **self._device)
        model.model = _Noting(model.model)
        self.batched = BatchedInferencePipeline(model)

    def plant(self, seed: int | None) -> None:
        """Begins the chances of a run with the seed, or with one of its own choosing, and says it.

        CTranslate2 heeds a seed only before a thread's first throw of the dice: where a run has
        thrown them since the weights were loaded, they are loaded anew.
        """
        import ctranslate2

        seed = secrets.randbits(31) if seed is None else seed % 2**31
        print(f"Using seed: {seed}")
        ctranslate2.set_random_seed(seed)
        model = self.batched.model
        if model.model.threw:
            model.model.unload_model()
            again = ctranslate2.models.Whisper(
                self._folder, intra_threads=self._threads, **self._device
            )
            model.model = _Noting(again)

    def tokens(self, numbers: str) -> list[int]:
        """Those of `suppress_tokens`, checked."""
        return token_numbers(numbers, self.batched.model.hf_tokenizer.get_vocab_size())

    def language(self, asked: str, translate: bool) -> str | None:
        """The code of the language asked for, by code or name; None for `auto`. Raises
        `InvalidInput` where the model does not understand it.
        """
        model = self.batched.model
        # faster-whisper names every language there is; the oldest models lack the newest ones.
        has = model.hf_tokenizer.token_to_id
        known = model.supported_languages
        known = known if len(known) == 1 else sorted(each for each in known if has(f"<|{each}|>"))
        code = code_of(asked)
        if len(known) == 1 and (code not in ("auto", known[0]) or translate):
            raise InvalidInput(
                f"This model understands English only. Leave language at auto or {known[0]}, and "
                "translate off."
            )
        if code not in ("auto", *known):
            raise InvalidInput(
                f"This model does not understand {asked!r}. Choose auto or one of "
                f"{', '.join(known)}."
            )
        return None if code == "auto" else code


class _Noting:
    """CTranslate2's model, and whether chance had a part in anything it wrote."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.threw = False

    def generate(self, *arguments: Any, **options: Any) -> Any:
        self.threw = self.threw or options.get("sampling_temperature", 1) > 0
        return self._model.generate(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def temperatures(first: float, step: float) -> list[float]:
    """The temperature to try first, and those to try again with."""
    if step < 0.01:
        return [first]
    return [first + step * number for number in range(int((1 - first) / step + 1e-6) + 1)]


def beams(size: int, patience: float | None) -> dict[str, Any]:
    """How widely to look for a wording. Raises `InvalidInput` where none would be kept."""
    patience = patience or 1
    if size * patience < 0.5:  # CTranslate2 rounds the product
        raise InvalidInput(
            f"patience is {patience:g} and beam_size {size}: no wording would be kept. Their "
            "product must be 0.5 at least."
        )
    return {"beam_size": size, "patience": patience}


def token_numbers(text: str, count: int) -> list[int]:
    """The tokens never to write, of numbers with commas between them. `count`: how many tokens the
    model has. Raises `InvalidInput`: CTranslate2 takes any number, and crashes at some.
    """
    try:
        numbers = [int(each) for each in text.split(",") if each.strip()]
    except ValueError:
        raise InvalidInput(
            f"suppress_tokens is {text[:80]!r}. Write whole numbers with commas between them, or "
            "-1."
        ) from None
    if strange := [each for each in numbers if not -1 <= each < count]:
        raise InvalidInput(
            f"suppress_tokens has {strange[0]}; this model's tokens are numbered from 0 to "
            f"{count - 1}, and -1 stands for most special characters."
        )
    return numbers
