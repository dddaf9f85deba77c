"""What the Models tab writes of deployments: who runs what under a name of its own."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from predictions.deployments import Deployment

NONE = (
    '<p class="small">None. A deployment keeps instances of one version loaded, under a name of '
    'its own: <code>POST /v1/deployments</code> makes one, as <a href="/v1/docs">/v1/docs</a> '
    "tells.</p>"
)


def deployments_html(found: Sequence[Deployment]) -> str:
    return f"<h2>Deployments</h2>{''.join(map(_row_html, found)) or NONE}"


def _row_html(each: Deployment) -> str:
    version = escape(each.reference)
    loaded = f"{each.fewest} to {each.most} instances" if each.most else "takes no predictions"
    return (
        f'<div class="deployment"><span class="name">{escape(each.id)}</span>'
        f'<a class="users" href="/?model={version}">{version[: -len(each.version) + 12]}</a>'
        f'<span class="terms">release {each.number} · {escape(each.hardware)}</span>'
        f'<span class="figure">{loaded}</span></div>'
    )
