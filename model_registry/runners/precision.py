"""At which precision, on which device and with which attention weights are loaded: what the
families of runners share. Knows no model by name.

A rung is what the scheduler chose from a spec's ladder, "" where there is none. What is left to
choose then depends on the machine: 16 bits on a GPU; on a CPU float32, or bfloat16 where float32
would not fit or where the processor is faster with it.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import math
import os
import shutil
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import quantizing

RUNGS = ("mxfp4", "bf16", "fp16", "fp8", "int8", "4bit", "offload")
"""From best to smallest. `mxfp4`: as some weights are published. `offload`: 16 bits, with most
weights in the machine's own memory.
"""

SMALL = 50_000_000
"""Parameters below which more threads gain nothing, and lose much on a busy processor."""

LARGE = 1_000_000_000
"""Parameters from which a CPU that computes in bfloat16 is faster with it: reading the weights is
what takes the time.
"""

BUDGET = "ATELIER_MEMORY"
"""The bytes of a GPU's memory that the scheduler has set aside for this instance; of the machine's,
what all models may hold.
"""


def device() -> str:
    """ "cuda" or "cpu": where this process is to compute."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def cards() -> int:
    """How many GPUs this process sees: several only where what it loads may be spread."""
    import torch

    return max(1, int(torch.cuda.device_count()))


def language_model(
    precision: str = "", weights: str = "", size: int | None = None
) -> dict[str, Any]:
    """Keyword arguments for transformers' `from_pretrained`. `weights` is the folder that will be
    loaded, `size` how many numbers it holds where that is no matter of safetensors: a CPU's choice
    and its threads follow from it.
    """
    _check(precision)
    where, experts = device(), quantizing.has_experts(weights)
    size = parameters_in(weights) if size is None else size
    chosen: dict[str, Any] = {"dtype": _dtype(precision, where, size)}
    if where == "cuda":
        # Over several, the parts are placed by who loads them: `spreading`.
        chosen["device_map"] = {"": 0} if cards() == 1 else "auto"
        if precision == "offload":
            # The rest stays in the machine's memory and comes over as it is needed.
            chosen["device_map"] = "auto"
            chosen["max_memory"] = {0: int(0.8 * _budget()), "cpu": _free_on_cpu()}
    if precision in quantizing.PACKAGES and precision != "mxfp4":
        chosen["quantization_config"] = quantizing.configuration(
            precision, "transformers", chosen["dtype"], experts
        )
    if experts and precision in ("int8", "fp8"):
        chosen["experts_implementation"] = "eager"  # the only one that takes small weights
    if experts and precision == "4bit" and where == "cuda":
        chosen["device_map"] = {
            "": "cpu"
        }  # most of it is still large: `quantizing.finish` brings it over
    if where == "cpu" and size:
        use_threads(size)
    # Not asked for by name: transformers takes it by itself where a class has it, and refuses
    # those that have not.
    _tell(precision, chosen["dtype"], ["attention: sdpa where the model has it"])
    return chosen


def pipeline(precision: str = "", *parts: str, weights: str = "") -> dict[str, Any]:
    """Keyword arguments for diffusers' `from_pretrained`. `parts` names the components that are
    worth quantizing ("transformer", "unet", "text_encoder_2", …); `weights` as for
    `language_model`.
    """
    _check(precision)
    dtype = _dtype(precision, device(), parameters_in(weights))
    chosen: dict[str, Any] = {"dtype": dtype}
    if precision in quantizing.PACKAGES and parts:
        from diffusers import PipelineQuantizationConfig

        mapping = {
            part: quantizing.configuration(
                precision, "transformers" if "encoder" in part else "diffusers", dtype
            )
            for part in parts
        }
        chosen["quantization_config"] = PipelineQuantizationConfig(quant_mapping=mapping)
    return chosen


def place(pipeline: Any, precision: str = "") -> None:
    """Brings a diffusers pipeline to the device as `precision` asks; turns on what pays there."""
    _check(precision)
    import torch

    parts = {
        name: part
        for name, part in pipeline.components.items()
        if isinstance(part, torch.nn.Module)
    }
    said = ["attention: sdpa"]
    if device() == "cpu":
        use_threads(sum(map(_parameters, parts.values())))
    else:
        # Matrices that are still float32 (timesteps, a VAE that was upcast) may round to TF32.
        torch.set_float32_matmul_precision("high")
        if precision == "offload":
            said.append(_offload(pipeline, parts))
        else:
            pipeline.to("cuda")
            said += _channels_last(parts)
            if _makes_films(pipeline) and precision in ("", "bf16", "fp16"):
                said += _compiled(parts)
        if precision in ("4bit", "offload"):
            said += _tiles(parts)
    _tell(precision, pipeline.dtype, said)


def use_threads(parameters: int) -> None:
    """Sets how many threads of the CPU compute, for a model of that many parameters."""
    import torch

    if parameters < SMALL:
        torch.set_num_threads(1)


def parameters_in(folder: str) -> int:
    """How many numbers the safetensors files of a folder hold, read from their headers; 0 if there
    are none.
    """
    if not folder or not Path(folder).is_dir():
        return 0
    return sum(map(_numbers_in, Path(folder).rglob("*.safetensors")))


def _numbers_in(file: Path) -> int:
    with file.open("rb") as opened:
        (length,) = struct.unpack("<Q", opened.read(8))
        header = json.loads(opened.read(length))
    return sum(
        math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__"
    )


def _check(precision: str) -> None:
    if precision and precision not in RUNGS:
        allowed = ", ".join(RUNGS)
        raise ValueError(f"There is no precision {precision!r}; a ladder has rungs of: {allowed}.")
    quantizing.check(precision)


def _dtype(precision: str, where: str, parameters: int) -> Any:
    import torch

    if where == "cuda":
        halves = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if halves and precision != "fp16" else torch.float16
    if precision:
        return torch.bfloat16
    if parameters * 4 > 0.8 * _free_on_cpu():
        return torch.bfloat16
    return torch.bfloat16 if parameters >= LARGE and _quick_in_bfloat16() else torch.float32


def _quick_in_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself: without that it is slower than float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", " bf16"))


def _free_on_cpu() -> int:
    import psutil

    free = int(psutil.virtual_memory().available)
    # A container is told what the whole machine has.
    return free if device() == "cuda" else min(free, int(os.environ.get(BUDGET) or free))


def _budget() -> int:
    """The bytes of GPU memory that this process may take."""
    import torch

    free, _ = torch.cuda.mem_get_info()
    return int(min(int(os.environ.get(BUDGET) or free), free))


def _offload(pipeline: Any, parts: dict[str, Any]) -> str:
    """Leaves the weights in the machine's memory. Whole parts take turns where the largest fits
    into the budget; else single layers do, the next one fetched while one computes.
    """
    import torch

    largest = max((_bytes(part) for part in parts.values()), default=0)
    if largest <= 0.7 * _budget():
        pipeline.enable_model_cpu_offload()
        return "offload: whole parts"
    pipeline.enable_group_offload(
        onload_device=torch.device("cuda"),
        offload_device=torch.device("cpu"),
        offload_type="leaf_level",
        use_stream=True,
        low_cpu_mem_usage=True,
    )
    return "offload: layer by layer"


def _channels_last(parts: dict[str, Any]) -> list[str]:
    """Convolutions in 16 bits are faster with the channels innermost."""
    import torch

    names = [name for name in ("unet", "vae") if name in parts and _is_flat(parts[name])]
    for name in names:
        parts[name].to(memory_format=torch.channels_last)
    return [f"channels last: {', '.join(names)}"] if names else []


def _is_flat(part: Any) -> bool:
    """Whether all convolutions are of pictures: those of films have a dimension more."""
    import torch

    return not any(isinstance(each, torch.nn.Conv3d) for each in part.modules())


def _makes_films(pipeline: Any) -> bool:
    """Whether one run takes minutes, of which compiling saves more than it takes. A picture does
    not: on an H100 the first one of FLUX schnell came 15 to 20 seconds later for it, and each
    one after it at most a fifth of a second sooner.
    """
    return "num_frames" in inspect.signature(pipeline.__call__).parameters


def _compiled(parts: dict[str, Any]) -> list[str]:
    """Compiles the blocks that a transformer repeats: the first run takes longer, all others less.

    One graph for all sizes, so that the same seed gives the same bytes whatever ran before. Where
    something cannot be compiled, torch goes on without.
    """
    import torch

    names = [
        name
        for name, part in parts.items()
        if name.startswith("transformer") and getattr(part, "_repeated_blocks", None)
    ]
    if not names or not _can_compile():
        return []
    torch._dynamo.config.suppress_errors = True
    for name in names:
        parts[name].compile_repeated_blocks(dynamic=True)
    return [f"compiled: {', '.join(names)} (the first run takes longer)"]


def _can_compile() -> bool:
    """Kernels are built with triton, which needs a C compiler."""
    has_compiler = any(shutil.which(name) for name in ("cc", "gcc", "clang"))
    return has_compiler and importlib.util.find_spec("triton") is not None


def _tiles(parts: dict[str, Any]) -> list[str]:
    """A large picture or film is decoded in tiles: what decoding takes at once is bounded."""
    enable = getattr(parts.get("vae"), "enable_tiling", None)
    if enable is None:
        return []
    try:
        enable()
    except NotImplementedError:  # those that decode a few frames at a time have no tiles
        return []
    return ["large outputs decoded in tiles"]


def _parameters(part: Any) -> int:
    return sum(each.numel() for each in part.parameters())


def _bytes(part: Any) -> int:
    return sum(each.numel() * each.element_size() for each in part.parameters())


def _tell(precision: str, dtype: Any, said: Iterable[str]) -> None:
    """The one line of the log that says how the model was loaded."""
    import torch

    name = str(dtype).removeprefix("torch.")
    package = quantizing.PACKAGES.get(precision)
    rung = f"{precision} ({package}, computes in {name})" if package else name
    if device() == "cuda":
        where = f"{cards()} × " * (cards() > 1) + torch.cuda.get_device_name()
    else:
        count = torch.get_num_threads()
        where = f"CPU, {count} thread{'s' if count > 1 else ''}"
    print(" · ".join([f"Precision: {rung}", *said, where]))
