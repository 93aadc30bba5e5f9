"""Who an IP address stands for when tries are counted."""

from __future__ import annotations

import ipaddress


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
