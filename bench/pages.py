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

# How many times a bare page's cost each may have, how many it is to have one day, and what the rest is spent on.
LIMITS = {
    "history": (11.5, 7.3, "rows"),
    "overview": (11.5, 7.3, "questions"),
    "invoices": (8.5, 5.5, "rows"),
    "sign-in": (4.2, 1.8, "form"),
    "history by the API": (12.0, 3.6, "api"),
    "staff's search": (14.0, 11.0, "desk"),
    "staff's refunds": (12.0, 11.0, "desk"),
    "a customer's page of staff": (13.5, 11.0, "desk"),
}
WHY = {
    "rows": "A third is drawing, a third asking the database and making rows of its answers, a third what surrounds each page: "
    "the session's row, the signed cookie, limits, headers. A bare page does none of the latter two.",
    "questions": "Each question to the database costs as much as half a bare page, most of it in SQLAlchemy and the driver; this page has "
    "three to seven, and none of them can be left out or kept from one request to the next.",
    "desk": "A search asks each kind of thing that may be meant, and a customer's page each kind that they have: seven to ten questions, "
    "which cost half a bare page each.",
    "form": "A signed cookie and its token, a form with its checks, limits and the reader's language: Flask-WTF, Flask-Limiter and "
    "itsdangerous alone cost as much as the bare page.",
    "api": "Proving the token's signature, its grant, two limits, four questions and twenty rows checked, where a bare "
    "page has no caller at all.",
}


def measure(*, quick: bool) -> list[Line]:
    with world() as portal:
        works = {"bare": requests(bare.app(), "/"), **_works(portal)}
        found = costs(works, 10 if quick else 200)
    return [
        Line(
            f"page: {name}", found[name] * 1000, "ms", found[name] / found["bare"], "a bare page", limit, aim, WHY[why]
        )
        for name, (limit, aim, why) in LIMITS.items()
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
