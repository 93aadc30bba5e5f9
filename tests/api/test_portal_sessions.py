"""How an app asks for the address that opens a signed-in session."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from portal.accounts.models import Customer
from portal.core import db
from portal.identity.models import User
from tests import factories
from tests.api.conftest import World

pytestmark = pytest.mark.database("sqlite")

ADDRESS = "/api/portal-sessions"


def test_an_app_opens_the_page_that_it_names_for_the_person_that_it_names(world: World) -> None:
    with db.transaction() as session:
        session.get_one(Customer, world.customer_id).external_id = "C-4711"
    payer = world.person("payer")
    client = world.api_client("portal_sessions:write")
    places = {"overview": "/", "payment_methods": "/payment-methods", "history": "/payments", "documents": "/receipts/"}
    for to, path in places.items():
        answer = client.post(ADDRESS, {"external_customer_id": "C-4711", "to": to}, key="")
        assert (answer.status_code, answer.json["user_id"], answer.json["to"]) == (201, world.owner.id, to)  # type: ignore[index]
        opened = world.app.test_client().get(urlsplit(answer.json["url"]).path)  # type: ignore[index]
        assert (opened.status_code, opened.location) == (303, path)
    invoice = {"to": "invoice", "invoice_id": world.invoice_id}
    answer = client.post(ADDRESS, {"customer_id": world.customer_id, "user_id": payer.id, **invoice}, key="")
    browser = world.app.test_client()
    opened = browser.get(urlsplit(answer.json["url"]).path)  # type: ignore[index]
    assert opened.location == f"/invoices/{world.invoice_id}"
    assert browser.get(opened.location).status_code == 200
    assert payer.email in browser.get("/account").get_data(as_text=True)


def test_what_does_not_fit_together_is_refused(world: World) -> None:
    client = world.api_client("portal_sessions:write")
    with db.transaction() as session:
        other = factories.customer(session, name="Elbe Boats GmbH")
        invoice = factories.invoice(session, other)
        stranger: User = factories.user(session, other)
    mine = {"customer_id": world.customer_id}
    refused = [
        ({}, 422, "invalid"),
        (mine | {"external_customer_id": "C-4711"}, 422, "invalid"),
        ({"external_customer_id": "C-0000"}, 404, "not_found"),
        ({"customer_id": "cus_unknown"}, 404, "not_found"),
        (mine | {"to": "invoice"}, 422, "invalid"),
        (mine | {"to": "history", "invoice_id": world.invoice_id}, 422, "invalid"),
        (mine | {"to": "invoice", "invoice_id": invoice.id}, 404, "not_found"),
        (mine | {"to": "https://elsewhere.example"}, 422, "invalid_request"),
        (mine | {"user_id": stranger.id}, 404, "not_found"),
    ]
    for body, status, code in refused:
        answer = client.post(ADDRESS, body, key="")
        assert (answer.status_code, answer.json["code"]) == (status, code), body  # type: ignore[index]
    with db.transaction() as session:
        session.get_one(User, world.owner.id).active = False
    answer = client.post(ADDRESS, mine, key="")
    assert (answer.status_code, answer.json["code"]) == (409, "cannot_sign_in")  # type: ignore[index]
