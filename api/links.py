"""Every address that the API gives out, absolute, and the tokens that open streams."""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection
from ipaddress import ip_address, ip_network
from urllib.parse import quote

from starlette.requests import Request

from predictions.files import Signer

_HOST = re.compile(r"[\w.:\[\]-]{1,300}", re.ASCII)


class Links:
    """Addresses below `base`, the root under which the client reaches this server."""

    def __init__(self, base: str, signer: Signer) -> None:
        self.base = base
        self._signer = signer

    def prediction(self, prediction_id: str) -> str:
        return f"{self.base}/v1/predictions/{prediction_id}"

    def training(self, training_id: str) -> str:
        return f"{self.base}/v1/trainings/{training_id}"

    def stream(self, prediction_id: str) -> str:
        return f"{self.base}/v1/streams/{stream_token(self._signer, prediction_id)}"

    def page(self, prediction_id: str) -> str:
        """The prediction's place in the web page."""
        return f"{self.base}/?prediction={prediction_id}"

    def model_page(self, model: str) -> str:
        return f"{self.base}/?model={quote(model)}"

    def upload(self, reference: str) -> str:
        """Of a file as clients put it into inputs; `reference` is its id, or `<id>/<name>`."""
        return f"{self.base}/v1/files/{reference.partition('/')[0]}"

    def output(self, reference: str) -> str:
        """Of a file's bytes; `reference` is `<id>/<name>`."""
        return f"{self.base}/v1/outputs/{quote(reference)}"


class LinkMaker:
    """`public_url` is the root of all addresses; None takes what each request says of itself, or
    what a proxy says of it that is among `trusted`, or anybody's where that holds `*`.
    """

    def __init__(
        self, signer: Signer, public_url: str | None, trusted: Collection[str] = ()
    ) -> None:
        self._signer = signer
        self._public_url = public_url.rstrip("/") if public_url else None
        self._everybody = "*" in trusted
        self._trusted = [ip_network(each, strict=False) for each in trusted if each != "*"]

    def links(self, request: Request) -> Links:
        base = self._public_url
        if base is None:
            scope = request.scope
            host, port = scope["server"] or ("localhost", None)
            otherwise = f"{host}:{port}" if port else host
            said, scheme = request.headers.get("host", ""), scope["scheme"]
            named = said if _HOST.fullmatch(said) else otherwise
            if self._is_trusted(scope.get("client")):
                named = _nearest(request, "x-forwarded-host") or named
                told = _nearest(request, "x-forwarded-proto")
                scheme = told if told in ("http", "https") else scheme
            base = f"{scheme}://{named}"
        return Links(base, self._signer)

    def _is_trusted(self, client: tuple[str, int] | None) -> bool:
        if self._everybody or not self._trusted or client is None:
            return self._everybody
        try:
            address = ip_address(client[0])
        except ValueError:
            return False
        return any(address in network for network in self._trusted)


def _nearest(request: Request, header: str) -> str:
    """What the proxy next to us says; those before it come first in the header."""
    said = request.headers.get(header, "").rpartition(",")[2].strip()
    return said if _HOST.fullmatch(said) else ""


def stream_token(signer: Signer, prediction_id: str) -> str:
    signature = signer.sign(f"stream {prediction_id}")
    return f"{prediction_id}.{signature.translate(_TO_PATH).rstrip('=')}"


def prediction_of_token(signer: Signer, token: str) -> str | None:
    """The prediction whose stream `token` opens, None if nobody signed it."""
    prediction_id = token.partition(".")[0]
    genuine = stream_token(signer, prediction_id)
    return prediction_id if hmac.compare_digest(genuine.encode(), token.encode()) else None


# Standard base64 may hold a slash, which would cut a path in two.
_TO_PATH = str.maketrans("+/", "-_")
