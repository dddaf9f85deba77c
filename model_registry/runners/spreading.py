"""A language model over several GPUs: which of them gets which layers. No runner: what loads its
weights imports it.

One card computes at a time, so this gives room, not speed. It was never run on several cards yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ROOM = 0.92
"""Of what is free on a card, how much may be weights: the texts and each pass take some too."""


def over_cards(family: Any, weights: str, precision: str, dtype: Any) -> dict[str, int]:
    """For `from_pretrained` of transformers' automatic class `family`: the number of the card by
    the name of the part. Raises `MemoryError` where not all of the weights fit on the cards.
    """
    import torch
    from accelerate import init_empty_weights
    from transformers import AutoConfig

    with init_empty_weights():
        model = family.from_config(AutoConfig.from_pretrained(weights), dtype=dtype)
    cards = range(torch.cuda.device_count())
    return placed(model, precision, {card: torch.cuda.mem_get_info(card)[0] for card in cards})


def placed(model: Any, precision: str, free: Mapping[int, int]) -> dict[str, int]:
    """As evenly as whole layers allow. `model` has no weights yet; `free` is in bytes, by card."""
    from accelerate import infer_auto_device_map
    from accelerate.utils import compute_module_sizes

    stay_whole = sorted(model._no_split_modules or ())
    smaller = _quantized(model, precision)
    sizes = compute_module_sizes(model, special_dtypes=smaller)
    largest = max(
        sizes.get(name, 0)
        for name, part in model.named_modules()
        if type(part).__name__ in stay_whole or not any(part.children())
    )
    # What is cut at whole layers comes out so much above the average at most.
    even = int(sizes[""] / len(free) + 1.25 * largest)
    found: dict[str, int] = infer_auto_device_map(
        model,
        {card: min(even, int(ROOM * size)) for card, size in free.items()},
        no_split_module_classes=stay_whole,
        special_dtypes=smaller,
    )
    # Left to itself, the library would read the rest from the disk for every token.
    if elsewhere := sorted(name for name, card in found.items() if card not in free):
        there = ", ".join(f"{size / 1e9:.1f} GB" for size in free.values())
        raise MemoryError(
            f"{sizes[''] / 1e9:.1f} GB of weights do not fit on {len(free)} cards, which have "
            f"{there} free: {', '.join(elsewhere[:3])} found no room."
        )
    return found


def _quantized(model: Any, precision: str) -> dict[str, Any]:
    """The types of those weights that this precision makes smaller: its layers', not the words'."""
    import torch
    from accelerate.utils import CustomDtype

    kind = {"4bit": CustomDtype.INT4, "int8": torch.int8, "fp8": torch.int8}.get(precision)
    if kind is None:
        return {}
    head = model.get_output_embeddings()
    return {
        f"{name}.weight": kind
        for name, part in model.named_modules()
        if isinstance(part, torch.nn.Linear) and part is not head
    }
