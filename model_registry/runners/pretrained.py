"""Models of transformers from a folder that may be anybody's. No runner: those of the smaller
tasks import it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import Any

from gguf_files import joined
from precision import language_model
from quantizing import finish
from running_out import conversions_told
from spreading import over_cards
from timm_backbones import without_timm

_MOST_MISSING = 0.1
"""Of a model's numbers: more, and what it gives could mean nothing."""


def quiet() -> None:
    """Keeps the library's bars and hints out of the logs of predictions."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()


def pretrained(
    kind: str,
    weights: str,
    precision: str = "",
    trust_code: bool = False,
    gguf: Mapping[str, Any] | None = None,
) -> Any:
    """The model in the folder `weights`, on its device, for use and not for training.

    `kind` is one of transformers' automatic classes, or a class itself. `trust_code` runs the code
    that the folder brings: only where a person has agreed to that. `gguf` names the `file` of that
    form which the model is unpacked from, the first where there are several, and how many `numbers`
    they hold. Raises `ValueError` for weights of another class, which the library would fill up
    with random numbers.
    """
    import transformers

    quiet()
    settings = language_model(precision, weights, gguf["numbers"] if gguf else None)
    if gguf:
        # Left packed, they would need code that the library fetches from the Hub.
        unpacked = transformers.GgufConfig(dequantize=True)
        settings |= {"gguf_file": gguf["file"], "quantization_config": unpacked}
    settings |= without_timm(weights)
    # The library takes it where a class can; asked for by name, it refuses a class that cannot.
    settings.pop("attn_implementation", None)
    family = getattr(transformers, kind)
    if settings.get("device_map") == "auto" and precision != "offload":
        settings["device_map"] = over_cards(family, weights, precision, settings["dtype"])
    with conversions_told(), joined() if gguf else nullcontext():
        model, found = family.from_pretrained(
            weights, output_loading_info=True, **settings, **trusting(trust_code)
        )
    _check_whole(model, found["missing_keys"])
    model.eval()
    finish(model, precision)
    return model


def beside(kind: str, weights: str, trust_code: bool = False) -> Any:
    """The tokenizer or processor that lies beside a model in the folder `weights`.

    `kind` is one of transformers' automatic classes; `trust_code` as for the model.
    """
    import transformers

    return getattr(transformers, kind).from_pretrained(weights, **trusting(trust_code))


def _check_whole(model: Any, missing: Iterable[str]) -> None:
    # A pooler is rarely used, and rarely there.
    lacks = sorted(name for name in missing if "pooler" not in name)
    sizes = {name: each.numel() for name, each in model.named_parameters()}
    share = sum(sizes.get(name, 0) for name in lacks) / max(1, sum(sizes.values()))
    if share > _MOST_MISSING:
        raise ValueError(
            f"The weights are not those of a {type(model).__name__}: {share:.0%} of its numbers "
            f"are missing, such as {', '.join(lacks[:3])}."
        )
    if lacks:
        more = f" and {len(lacks) - 3} more" if len(lacks) > 3 else ""
        print(f"The weights lack {', '.join(lacks[:3])}{more}: random numbers stand there.")


def trusting(trust_code: bool) -> dict[str, Any]:
    """The keyword argument, only where it says yes: not every class knows it."""
    return {"trust_remote_code": True} if trust_code else {}


def on_device(inputs: Any, model: Any) -> dict[str, Any]:
    """The tensors among what a processor gave, where the model is and at its precision."""
    import torch

    return {
        name: each.to(model.device, model.dtype if each.is_floating_point() else None)
        for name, each in inputs.items()
        if isinstance(each, torch.Tensor)
    }
