"""The API's own description over HTTP: the document, and a page that reads it out."""

from __future__ import annotations

from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api.bodies import answer
from api.links import LinkMaker
from api.openapi import document

_STYLE = """
:root { color-scheme: light dark; --ink: #1B1B1F; --quiet: #6B6A70; --line: #E7E4DD;
  --paper: #FAF9F6; --act: #3D3BD9; }
@media (prefers-color-scheme: dark) { :root { --ink: #EDECE8; --quiet: #9A99A0; --line: #2C2C33;
  --paper: #131316; --act: #8B8AF5; } }
body { margin: 0 auto; max-width: 760px; padding: 32px 20px 64px; background: var(--paper);
  color: var(--ink); font: 15px/1.5 ui-sans-serif, system-ui, sans-serif; }
h1 { font-size: 22px; } h2 { font-size: 15px; margin: 32px 0 4px; }
a { color: var(--act); } p { color: var(--quiet); }
details { border-top: 1px solid var(--line); padding: 10px 0; }
summary { cursor: pointer; display: flex; gap: 12px; flex-wrap: wrap; }
code, pre { font: 13px/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
b { min-width: 56px; color: var(--act); font: 600 13px/1.7 ui-monospace, monospace; }
td { padding: 2px 16px 2px 0; vertical-align: top; }
"""


class Description:
    def __init__(self, link_maker: LinkMaker) -> None:
        self._link_maker = link_maker

    async def document(self, request: Request) -> Response:
        return answer(document(self._link_maker.links(request).base))

    async def page(self, request: Request) -> Response:
        """Asks no other host for anything, as the whole app."""
        return HTMLResponse(_page(document(self._link_maker.links(request).base)))


def _page(described: dict[str, Any]) -> str:
    sections: dict[str, list[str]] = {}
    for path, operations in described["paths"].items():
        section = sections.setdefault(path.split("/")[1], [])
        section += [_entry(path, method, each) for method, each in operations.items()]
    body = "".join(f"<h2>{escape(name)}</h2>{''.join(rows)}" for name, rows in sections.items())
    (server,) = described["servers"]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Atelier: the API</title><style>{_STYLE}</style><h1>The API</h1>"
        f"<p>{escape(described['info']['description'])} "
        f"Below <code>{escape(server['url'])}</code>; "
        'as a document: <a href="openapi.json">openapi.json</a>. Models are searched with '
        "<code>QUERY /models</code>, whose body is the query.</p>" + body
    )


def _entry(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(each['name'])}</code><td>{each['in']}"
        f"<td>{escape(each.get('description', ''))}"
        for each in operation["parameters"]
    )
    sent = operation.get("requestBody", {}).get("content", {})
    took = "".join(
        f"<tr><td>body<td>{escape(kind)}<td>{_named(each)}" for kind, each in sent.items()
    )
    gave = "".join(
        f"<tr><td>{status}<td>{escape(', '.join(each.get('content', {})) or 'empty')}"
        f"<td>{', '.join(map(_named, each.get('content', {}).values()))}"
        for status, each in operation["responses"].items()
    )
    return (
        f"<details><summary><b>{method.upper()}</b><code>{escape(path)}</code>"
        f"<span>{escape(operation['summary'])}</span></summary>"
        f"<table>{rows}{took}{gave}</table></details>"
    )


def _named(content: dict[str, Any]) -> str:
    return escape(content.get("schema", {}).get("$ref", "").rpartition("/")[2])
