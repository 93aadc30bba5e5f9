"""Whom a server calls for: the address of the person behind a request that another system of the company's sends.

A company's own server calls for many customers from one address. What is counted by address (cards that banks decline, passwords,
tokens) would count them together, so it may say where each of them is, in the header End-User-Address. It is believed when the
system's own access token comes along, in Client-Authorization, and an admin has allowed the system's key to do so.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from flask import g, request

from portal.api import tokens
from portal.core.errors import N_, Forbidden, Invalid
from portal.identity import api_clients

ADDRESS: Final = "End-User-Address"
CLIENT: Final = "Client-Authorization"
BEARER: Final = "bearer"


class NotAllowed(Forbidden):
    code = "end_user_address_not_allowed"
    message = N_("This system’s API key may not name the addresses of its end users.")


def is_named() -> bool:
    """Whether this request says where its end user is."""
    return ADDRESS in request.headers


def address() -> str:
    """Where the person is whom this request is for: as a trusted system says, else where the request comes from.

    Raises NotAllowed, tokens.BadToken for a token of the system's that opens nothing, and Invalid for what is no address.
    """
    if not is_named():
        return request.remote_addr or ""
    if "end_user_address" not in g:
        g.end_user_address = _named()
    return str(g.end_user_address)


def _named() -> str:
    claims = tokens.verify(bearer(CLIENT) or bearer("Authorization"))
    client = api_clients.find(claims.subject) if claims.grant is None and not claims.outside else None
    if client is None or not client.names_end_users:
        raise NotAllowed
    try:
        return str(ipaddress.ip_address(request.headers[ADDRESS].strip()))
    except ValueError as error:
        raise Invalid(N_("Please send one IP address."), field=ADDRESS) from error


def bearer(header: str) -> str:
    """The token in a header like "Bearer …"; empty without exactly one."""
    given = request.headers.getlist(header)
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    return token.strip() if scheme.lower() == BEARER else ""
