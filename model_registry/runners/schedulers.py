"""Samplers by the names that Stable Diffusion's users know. No runner: runners of pictures import
it.
"""

from __future__ import annotations

from typing import Any

SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "DDIM": ("DDIMScheduler", {}),
    "DPMSolverMultistep": ("DPMSolverMultistepScheduler", {}),
    "HeunDiscrete": ("HeunDiscreteScheduler", {}),
    "KarrasDPM": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "K_EULER_ANCESTRAL": ("EulerAncestralDiscreteScheduler", {}),
    "K_EULER": ("EulerDiscreteScheduler", {}),
    "PNDM": ("PNDMScheduler", {}),
    "DPM++2MSDE": ("KDPM2AncestralDiscreteScheduler", {}),
}
"""Name → diffusers' class and what is set on it. The last is what Replicate runs by its name."""


def scheduler(name: str, config: Any, **changes: Any) -> Any:
    """A fresh sampler for a model whose own sampler has `config`, with `changes` to it."""
    import diffusers

    kind, settings = SCHEDULERS[name]
    return getattr(diffusers, kind).from_config(config, **settings, **changes)
