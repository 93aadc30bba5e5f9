"""Who an IP address stands for when attempts are counted, and whether it lies out on the internet."""

from __future__ import annotations

import ipaddress
from typing import Final

# Source: IANA, "IPv4 Special-Purpose Address Registry" and "IPv4 Multicast Address Space Registry", all of their blocks: also those that
# can be reached, such as anycast relays, are no machine of a customer's.
_SPECIAL_4: Final = tuple(
    map(
        ipaddress.IPv4Network,
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.31.196.0/24 "
        "192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 "
        "240.0.0.0/4".split(),
    )
)
# Source: IANA, "Internet Protocol Version 6 Address Space": all that is routed anywhere is taken from here.
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
# Within it. Source: IANA, "IPv6 Special-Purpose Address Registry".
_SPECIAL_6: Final = tuple(
    map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"))
)
# A network of IPv6 alone reaches IPv4 through these: a gateway takes the address from their last 32 bits. Source: RFC 6052.
_TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")


def network_of(ip: str) -> str:
    """The IPv4 address itself, or the /64 of an IPv6 one; any other text as it is, cut to fit."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip[:45]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return str(address)


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether this is the address of one machine on the internet: not this machine's, a private network's, a group's, or a special one.

    Where an IPv6 address stands for an IPv4 one (mapped, NAT64), that one counts.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _SPECIAL_4)
    if address.scope_id is not None:
        return False
    inner = address.ipv4_mapped
    if inner is None and address in _TRANSLATED:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is not None:
        return is_public(inner)
    return address in _GLOBAL_UNICAST and not any(address in network for network in _SPECIAL_6)
