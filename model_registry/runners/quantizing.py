"""Weights in less than 16 bits, by packages that are optional. No runner: `precision.py` and those
that load language models import it.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

PACKAGES = {"mxfp4": "kernels", "fp8": "torchao", "int8": "torchao", "4bit": "bitsandbytes"}
"""What has to be installed for a rung, by its name on PyPI. `requirements-gpu.txt` has all but
kernels, which runs code that it fetches from the Hub.
"""


def check(precision: str) -> None:
    """Raises `ImportError` where what this precision needs is not installed."""
    package = PACKAGES.get(precision)
    if package and importlib.util.find_spec(package) is None:
        raise ImportError(
            f"The precision {precision} needs the package {package}, which is not installed: "
            f"pip install {package}, and run it again."
        )


def configuration(precision: str, library: str, dtype: Any, experts: bool = False) -> Any:
    """The configuration of `library` ("transformers" or "diffusers") for a rung. Weights only: the
    activations keep 16 bits, so that every GPU can do it and pictures lose least.
    """
    module = importlib.import_module(library)
    if precision == "4bit":
        return module.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    from torchao import quantization

    kinds: dict[str, Callable[[], Any]] = {
        "fp8": quantization.Float8WeightOnlyConfig,
        "int8": quantization.Int8WeightOnlyConfig,
    }
    kind = kinds[precision]()
    if experts:  # one tensor a layer holds them all, and is no layer of its own
        names = r"re:.*\.experts\.(gate_up_proj|down_proj)"
        kind = quantization.FqnToConfig({names: kind, "_default": kind})
    return module.TorchAoConfig(kind)


def finish(model: Any, precision: str = "") -> None:
    """Ends what `configuration` began. The experts of a mixture lie in one tensor a layer, which
    no configuration brings to 4 bits: here they are.
    """
    if precision != "4bit":
        return
    import torch

    tensors = [
        (module, name, each)
        for module in model.modules()
        for name, each in module.named_parameters(recurse=False)
        if each.ndim == 3 and each.is_floating_point()
    ]
    if not tensors:
        return
    from bitsandbytes.nn import parametrize

    where = "cuda" if torch.cuda.is_available() else "cpu"
    for module, name, each in tensors:
        setattr(module, name, torch.nn.Parameter(each.data.to(where), requires_grad=False))
        parametrize.replace_parameter_4bit(module, name, True, "nf4")
    model.to(where)


def has_experts(folder: str) -> bool:
    """Whether the language model in a folder is a mixture of experts."""
    try:
        config = json.loads((Path(folder) / "config.json").read_text())
    except (OSError, ValueError):
        return False
    told = {**config, **(config.get("text_config") or {})}
    return any(told.get(f"{name}_experts") for name in ("num_local", "num", "n_routed"))
