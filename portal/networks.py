"""Who an IP address stands for when tries are counted, and whether it lies out on the internet."""

from __future__ import annotations

import ipaddress
from typing import Final

# Source: IANA, "Internet Protocol Version 6 Address Space": all that is routed anywhere is taken from here.
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
# IPv6 addresses that a gateway turns into the IPv4 address in their last 32 bits. Source: RFC 6052, RFC 8215.
_TRANSLATED: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))


def network_of(ip: str) -> str:
    """The IPv4 address itself, or the /64 of an IPv6 one; any other text as it is, cut to fit."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip[:45]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether this is the address of one machine on the internet: not this machine's, a private network's or a group's.

    Where an IPv6 address stands for an IPv4 one (mapped, 6to4, NAT64), that one counts.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and not address.is_reserved
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and any(address in network for network in _TRANSLATED):
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is not None:
        return is_public(inner)
    return address in _GLOBAL_UNICAST and address.is_global
