"""What the page says about a model: name, one line, badges, warnings."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from components import wording
from components.cover import cover_html
from model_registry.downloads import Downloads
from model_registry.spec import Model, Version

# What stands for a kind of model where there is no picture.
SIGNS = {
    "text": "¶",
    "language": "¶",
    "code": "⟨⟩",
    "image": "▣",
    "editing": "◪",
    "restoration": "◧",
    "speech": "♪",
    "audio": "♪",
    "music": "♪",
    "video": "▶",
    "3d": "◇",
    "vision": "◉",
}

_VERIFIED = {
    "tiny": "not yet run on its real weights: its code is tested on tiny ones",
    "gpu": "not yet run on its real weights: its code was measured at full size on a GPU",
}
"""What is not said of a model is that its weights were run."""


def title(model: Model) -> str:
    return f"{model.owner} / {model.name}"


def choices(models: Iterable[Model]) -> list[tuple[str, str]]:
    """The models as a person chooses among them: a title, and the name that it stands for."""
    return [(title(each), each.id) for each in models]


def sign(category: str) -> str:
    return SIGNS.get(category, "✦")


def badges(model: Model) -> list[tuple[str, str]]:
    """At most three, as (tone, words): that a starter is one, else the licence, that others answer
    for closed weights, and what has to be downloaded.
    """
    licence = model.licence
    found: list[tuple[str, str]] = []
    if licence is not None and (licence.gated or licence.non_commercial or licence.territory):
        trouble = (
            "gated"
            if licence.gated
            else "non-commercial"
            if licence.non_commercial
            else "not everywhere"
        )
        found.append(("trouble", f"{licence.name} · {trouble}"))
    elif licence is not None:
        found.append(("plain", licence.name))
    if model.stand_in_for:
        found.append(("trouble", "stand-in"))
    if size := download_size(model.latest):
        found.append(("plain", wording.size(size)))
    if model.toy:  # its weights ship; what its licence asks, its page says
        found = [("ready", "ready"), ("ready", "offline"), ("toy", "toy")]
    return found[:3]


def download_size(version: Version) -> int:
    """Bytes of weights, as the spec tells them; 0 where nothing is downloaded or nobody said."""
    return sum(each.size or 0 for each in {each.repo: each for each in version.weights}.values())


def badges_html(model: Model) -> str:
    return "".join(
        f'<span class="badge" data-tone="{tone}">{escape(words)}</span>'
        for tone, words in badges(model)
    )


def weights_words(version: Version, downloads: Downloads) -> str:
    """What a first run downloads, and what is left for it; "" where nothing is to be downloaded.
    Looks at the disk.
    """
    if not version.weights:
        return ""
    extent, free = downloads.extent(version), wording.size(downloads.shelf.cache.free())
    if extent.left is None:
        return f"downloads its weights first · {free} of disk left"
    if not extent.left:
        return f"{wording.size(extent.here)} on disk"
    here = f" (has {wording.size(extent.here)} of it)" if extent.here else ""
    return f"downloads {wording.size(extent.total or 0)} first{here} · {free} of disk left"


def model_html(model: Model, version: Version, warm: bool = False, weights: str = "") -> str:
    """Above the form: what this is, what it needs, what to know before running it. `weights` says
    what there is to download.
    """
    needs = [model.category, f"version {version.id[:8]}"]
    if model.live:
        needs.append("live folder: what you edit there runs next, as a new version")
    if model.toy and model.licence:
        needs.insert(1, model.licence.name)
    memory = max((rung.memory for rung in version.ladder), default=version.memory)
    if memory:
        least = min((rung.memory for rung in version.ladder), default=memory)
        sizes = wording.size(memory)
        if least < memory:
            sizes = f"{wording.size(least)} to {sizes}"
        needs.append(f"about {sizes} of memory")
    if version.origin:
        needs.append(f"trained from {version.origin.parent.partition(':')[2][:8]}")
    if version.gpu:
        needs.append("wants a GPU")
    if weights:
        needs.append(weights)
    if warm:
        needs.append("loaded and warm")
    warnings = list(model.warnings)
    if model.stand_in_for:
        warnings.insert(0, model.stand_in_for)
    if model.verified in _VERIFIED:
        needs.append(_VERIFIED[model.verified])
    if version != model.latest:
        warnings.append("This is not the newest version.")
    lead = f'<p class="lead">{escape(model.description)}</p>' if model.description else ""
    return (
        f'{lead}<p class="needs">{badges_html(model)}<span>{escape(" · ".join(needs))}</span></p>'
    ) + "".join(f'<p class="warning">{escape(each)}</p>' for each in warnings)


def card_html(model: Model) -> str:
    address = escape(model.id)
    return (
        f'<a class="card" href="/?model={address}" data-model="{address}">'
        f"{cover_html(model)}"
        f'<span class="name"><small>{escape(model.owner)} /</small> {escape(model.name)}</span>'
        f'<span class="line">{escape(model.description)}</span>'
        f'<span class="badges">{badges_html(model)}</span></a>'
    )
