"""What the page says about a model: name, one line, badges, warnings."""

from __future__ import annotations

from html import escape

from components import wording
from model_registry.spec import Model, Version

# What stands for a kind of model where there is no picture.
SIGNS = {
    "text": "¶",
    "language": "¶",
    "image": "▣",
    "speech": "♪",
    "audio": "♪",
    "music": "♪",
    "video": "▶",
    "3d": "◇",
    "vision": "◉",
}


def title(model: Model) -> str:
    return f"{model.owner} / {model.name}"


def sign(category: str) -> str:
    return SIGNS.get(category, "✦")


def badges(model: Model) -> list[tuple[str, str]]:
    """At most three, as (tone, words): that a starter is one, else the licence and what the model
    stands in for.
    """
    licence = model.licence
    found: list[tuple[str, str]] = []
    if licence is not None and (licence.gated or licence.non_commercial or licence.territory):
        trouble = (
            "gated"
            if licence.gated
            else "non-commercial"
            if licence.non_commercial
            else f"not in {licence.territory}"
        )
        found.append(("trouble", f"{licence.name} · {trouble}"))
    elif licence is not None:
        found.append(("plain", licence.name))
    if model.stand_in_for:
        found.append(("trouble", f"stands in for {model.stand_in_for}"))
    if model.toy:  # its weights ship; what its licence asks, its page says
        found = [("ready", "ready"), ("ready", "offline"), ("toy", "toy")]
    return found[:3]


def badges_html(model: Model) -> str:
    return "".join(
        f'<span class="badge" data-tone="{tone}">{escape(words)}</span>'
        for tone, words in badges(model)
    )


def model_html(model: Model, version: Version, warm: bool = False) -> str:
    """Above the form: what this is, what it needs, what to know before running it."""
    needs = [model.category, f"version {version.id[:8]}"]
    if model.toy and model.licence:
        needs.insert(1, model.licence.name)
    if version.memory:
        needs.append(f"about {wording.size(version.memory)} of memory")
    if version.gpu:
        needs.append("wants a GPU")
    if warm:
        needs.append("loaded and warm")
    warnings = list(model.warnings)
    if version != model.latest:
        warnings.append("This is not the newest version.")
    return (
        f'<p class="lead">{escape(model.description)}</p>'
        f'<p class="needs">{badges_html(model)}<span>{escape(" · ".join(needs))}</span></p>'
    ) + "".join(f'<p class="warning">{escape(each)}</p>' for each in warnings)


def card_html(model: Model) -> str:
    address = escape(model.id)
    return (
        f'<a class="card" href="/?model={address}" data-model="{address}">'
        f'<span class="sign" aria-hidden="true">{sign(model.category)}</span>'
        f'<span class="name"><small>{escape(model.owner)} /</small> {escape(model.name)}</span>'
        f'<span class="line">{escape(model.description)}</span>'
        f'<span class="badges">{badges_html(model)}</span></a>'
    )
