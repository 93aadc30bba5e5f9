"""What a page costs, beside a bare one: on PostgreSQL, as a customer, as staff and as an app."""

from __future__ import annotations

from collections.abc import Callable

from bench import bare
from bench.lines import Line
from bench.timing import costs
from bench.world import World, cookie_of, requests, world
from portal.api import tokens
from portal.identity import app_grants
from tests import factories

# How many times a bare page's cost each may have, and how many it is to have one day.
LIMITS = {
    "history": (21.0, 7.3),
    "overview": (26.0, 7.3),
    "invoices": (17.0, 5.5),
    "sign-in": (4.7, 1.8),
    "history by the API": (19.0, 3.6),
    "staff's search": (20.0, 11.0),
    "staff's refunds": (22.0, 11.0),
    "a customer's page of staff": (32.0, 11.0),
}


def measure(*, quick: bool) -> list[Line]:
    with world() as portal:
        works = {"bare": requests(bare.app(), "/"), **_works(portal)}
        found = costs(works, 10 if quick else 200)
    return [
        Line(f"page: {name}", found[name] * 1000, "ms", found[name] / found["bare"], "a bare page", limit, aim)
        for name, (limit, aim) in LIMITS.items()
    ]


def _works(portal: World) -> dict[str, Callable[[], bytes]]:
    app, me, desk = portal.app, cookie_of(portal.app, portal.owner), cookie_of(portal.app, portal.staff)
    with app.app_context():
        grant = app_grants.sign_in(
            portal.owner.email, factories.PASSWORD, code=None, wanted=None, ip="127.0.0.1", user_agent=""
        )
        token = tokens.sign(portal.owner.id, grant.scopes, grant=grant.id)
    return {
        "history": requests(app, "/payments", cookie=me),
        "overview": requests(app, "/", cookie=me),
        "invoices": requests(app, "/invoices", cookie=me),
        "sign-in": requests(app, "/sign-in"),
        "history by the API": requests(app, "/api/payments/history", authorization=f"Bearer {token}"),
        "staff's search": requests(app, "/support?q=spree", cookie=desk),
        "staff's refunds": requests(app, "/support/refunds", cookie=desk),
        "a customer's page of staff": requests(app, f"/support/customers/{portal.customer.id}", cookie=desk),
    }
