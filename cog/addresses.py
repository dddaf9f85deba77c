"""Which addresses of the network are open to everybody: what somebody else chose is connected to
only there, lest this machine speak to itself, its network or its cloud's metadata in their name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
PUBLIC_ONLY = "ATELIER_PUBLIC_ADDRESSES_ONLY"
"""Set in the environment of children where they, too, must keep to this."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Whether an address can be reached from anywhere, looking into those that carry another."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast


def addresses(found: Iterable[Any]) -> list[Address]:
    """The addresses among what `getaddrinfo` has found, each once."""
    # A link-local address names its interface after a percent sign.
    named = (str(entry[4][0]).partition("%")[0] for entry in found)
    return list(dict.fromkeys(ipaddress.ip_address(each) for each in named))


def refusal(host: str, address: Address) -> str:
    """What is said of a host at an address that is not public."""
    return (
        f"{host} is at {address}, inside this machine or its network. Atelier speaks only to "
        "public addresses unless it is started with --allow-private-webhooks."
    )
