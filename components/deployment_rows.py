"""What the Models tab writes of deployments: who runs what under a name of its own."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from predictions.deployments import Deployment

WHAT = (
    '<p class="small">A deployment keeps instances of one version loaded, under a name of its own. '
    'Over HTTP <code>POST /v1/deployments</code> makes one, as <a href="/v1/docs">/v1/docs</a> '
    "tells.</p>"
)


def deployments_html(found: Sequence[Deployment], *, changeable: bool = False) -> str:
    """`changeable` puts a button on each row."""
    rows = "".join(_row_html(each, changeable) for each in found)
    none = '<p class="small">There is none.</p>'
    return f"<h2>Deployments</h2>{WHAT}{rows or none}"


def instances(fewest: int, most: int) -> str:
    """`1 instance`, `0 to 2 instances`."""
    if fewest == most:
        return "1 instance" if most == 1 else f"{most} instances"
    return f"{fewest} to {most} instances"


def _row_html(each: Deployment, changeable: bool) -> str:
    version = escape(each.reference)
    loaded = instances(each.fewest, each.most) if each.most else "takes no predictions"
    name = escape(each.id)
    button = (
        f'<button type="button" class="change" data-deployment="{name}" '
        f'aria-label="Change {name}">Change</button>'
        if changeable
        else ""
    )
    return (
        f'<div class="deployment"><span class="name">{name}</span>'
        f'<a class="users" href="/?model={version}">{version[: -len(each.version) + 12]}</a>'
        f'<span class="terms">release {each.number} · {escape(each.hardware)}</span>'
        f'<span class="figure">{loaded}</span>{button}</div>'
    )
