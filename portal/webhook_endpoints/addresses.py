"""Where events may be sent: customers choose the addresses, so none of them may lead into the company's own network.

An address is looked at twice. When it is registered, its form; before each delivery, what its name stands for at that moment. The
connection then goes to the very number that was looked at, so a name that is answered differently a moment later opens nothing.
Source: OWASP, "Server-Side Request Forgery Prevention" (the case of arbitrary external addresses).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from portal.core import config
from portal.core.errors import N_, Invalid
from portal.core.networks import is_public
from portal.webhook_endpoints.models import LONGEST_URL

_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?|[0-9A-Fa-f:.]+")
# What may stand in a path or a query; everything else is written with % there.
_PLAIN: Final = re.compile(r"[!-~]+")


class Unreachable(Exception):
    """Nothing may be, or could be, sent there. The text says why, for the endpoint's owner and for staff."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address in its parts; `path` has the query with it."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.scheme == "https" else 80
        return host if self.port == usual else f"{host}:{self.port}"


def parse(url: str) -> Target:
    """The parts of an endpoint's address. Raises Invalid (field "url") for one that events are not sent to.

    Only https without a user, a password or a fragment; with PORTAL_PRIVATE_ENDPOINTS also http.
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError as error:
        raise _no_address() from error
    if not _PLAIN.fullmatch(url) or len(url) > LONGEST_URL or not _HOST.fullmatch(host) or port == 0:
        raise _no_address()
    if parts.scheme != "https" and not (parts.scheme == "http" and config.current().private_endpoints):
        raise Invalid(N_("The address must begin with https://."), field="url")
    if "@" in parts.netloc or "#" in url:
        raise Invalid(N_("The address must not hold a user, a password or a fragment (#)."), field="url")
    target = Target(
        parts.scheme,
        host,
        port or (443 if parts.scheme == "https" else 80),
        (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    )
    number = _number(host)
    if number is not None and not _is_allowed(number):
        raise Invalid(N_("This address cannot be reached from the internet."), field="url")
    return target


def resolve(target: Target) -> list[str]:
    """The numbers that the host has now, each of them allowed, in the order in which to try them.

    Takes as long as the system's resolver does. Raises Unreachable when there is none, or when a single one is not allowed: who
    names an inner address beside an outer one means no good.
    """
    try:
        answers = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable("the name of the host is not known") from error
    numbers = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
    if not numbers:
        raise Unreachable("the name of the host is not known")
    for number in numbers:
        address = _number(number)
        if address is None or not _is_allowed(address):
            raise Unreachable("the host has an address that cannot be reached from the internet")
    return numbers


def _number(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_allowed(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return is_public(address) or (address.is_loopback and config.current().private_endpoints)


def _no_address() -> Invalid:
    return Invalid(N_("This is not an address that events can be sent to."), field="url")
