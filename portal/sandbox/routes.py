"""A `Route` ties one address of the API to its handler, its parameters, and the keys that may call it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from portal.sandbox.calls import Call
from portal.sandbox.kinds import Row
from portal.sandbox.params import Parameters

Handler = Callable[..., Row]
"""Takes the call and the parts of the address; returns a stored object or a list."""

PublicView = Callable[[Call, Row], Row]


@dataclass(frozen=True, eq=False)
class Route:
    """`publishable` cuts a response down to what a browser may see; without it the route is for secret keys alone.

    `makes` is a GET that makes something all the same: a payment method, where a test card is asked for by its name.
    """

    method: str
    rule: str
    handler: Handler
    parameters: Parameters
    publishable: PublicView | None = None
    makes: bool = False

    @property
    def permission(self) -> str:
        """The right a restricted key needs, in Stripe's naming: rak_customer_write."""
        noun = self.rule.split("/")[2].removesuffix("s")
        return f"rak_{noun}_{'read' if self.method == 'GET' else 'write'}"


def get(
    rule: str,
    handler: Handler,
    parameters: Parameters | None = None,
    publishable: PublicView | None = None,
    *,
    makes: bool = False,
) -> Route:
    return Route("GET", rule, handler, parameters or Parameters(), publishable, makes)


def post(
    rule: str, handler: Handler, parameters: Parameters | None = None, publishable: PublicView | None = None
) -> Route:
    return Route("POST", rule, handler, parameters or Parameters(), publishable)


def delete(rule: str, handler: Handler, parameters: Parameters | None = None) -> Route:
    return Route("DELETE", rule, handler, parameters or Parameters())


def only(row: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name in names}
