"""A system of the company's opens a session for one of a customer's people: once, briefly, and for whom it may."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import structlog
import time_machine
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.accounts import access, customer_access, portal_sessions
from portal.accounts import service as accounts
from portal.accounts.models import Customer
from portal.core import clock, config, db
from portal.core.audit import AuditEvent
from portal.core.errors import NotFound
from portal.identity import api_clients, sessions
from portal.identity.models import ApiClient, PortalSession, User
from tests import factories
from tests.concurrency import run_concurrently

IP = "203.0.113.7"


@pytest.fixture
def customer(settings: config.Settings) -> Customer:
    with db.transaction() as session:
        return factories.customer(session, external_id="C-4711")


@pytest.fixture
def owner(customer: Customer) -> User:
    with db.transaction() as session:
        return factories.user(session, session.get_one(Customer, customer.id), email="ada@spree-bikes.test")


@pytest.fixture
def books(settings: config.Settings) -> ApiClient:
    with db.transaction() as session:
        admin = factories.staff(session, "admin")
    return api_clients.create("Order desk", ["portal_sessions:write"], admin.id)[0]


def made(customer: Customer, books: ApiClient, *, user_id: str | None = None, opens: str = "/") -> str:
    """The secret of a new address."""
    url = portal_sessions.create(customer.id, user_id=user_id, opens=opens, api_client_id=books.id).url
    return url.rpartition("/")[2]


def redeem(token: str) -> str:
    return portal_sessions.redeem(token, ip=IP, user_agent="")[0]


def is_refused(token: str) -> bool:
    try:
        redeem(token)
    except portal_sessions.PortalLinkExpired:
        return True
    return False


@pytest.mark.database("sqlite")
def test_an_address_signs_in_once_where_it_leads_and_a_weighty_page_asks_for_the_password(
    client: FlaskClient, customer: Customer, owner: User, books: ApiClient
) -> None:
    url = portal_sessions.create(customer.id, user_id=None, opens="/payment-methods", api_client_id=books.id).url
    path = urlsplit(url).path
    token = path.rpartition("/")[2]
    assert client.head(path).status_code == client.get(path, headers={"Sec-Purpose": "prefetch"}).status_code == 204
    with structlog.testing.capture_logs() as logs:
        opened = client.get(path)
    assert (opened.status_code, opened.location) == (303, "/payment-methods")
    assert opened.headers["Referrer-Policy"] == "no-referrer"
    assert token not in repr(logs)
    page = client.get("/account").get_data(as_text=True)
    assert owner.email in page
    assert "opened by Order desk" in page
    # A session that a password has just begun comes right through here.
    weighty = client.post("/account/email", data={"csrf_token": factories.csrf_token(client)})
    assert (weighty.status_code, urlsplit(weighty.location).path) == (303, "/account/confirmation")

    again = client.application.test_client().get(path)
    assert again.status_code == 404
    assert 'href="/sign-in"' in again.get_data(as_text=True)
    with db.reading() as session:
        row = session.scalars(select(PortalSession)).one()
        started = session.scalars(select(AuditEvent).where(AuditEvent.action == "session.started")).one()
        asked_for = session.scalars(select(AuditEvent).where(AuditEvent.action == "portal_session.created")).one()
    assert token not in {row.token_hash, row.id}
    assert (started.facts["by"], started.facts["api_client"], started.actor_id) == ("app", books.id, owner.id)
    assert (asked_for.subject, asked_for.customer_id, asked_for.facts["user"]) == (row.id, customer.id, owner.id)


def test_of_two_browsers_at_once_one_is_signed_in(customer: Customer, owner: User, books: ApiClient) -> None:
    token = made(customer, books)
    outcomes = run_concurrently(*[lambda: redeem(token)] * 3)
    tokens = [one for one in outcomes if isinstance(one, str)]
    assert len(tokens) == 1
    assert sum(isinstance(one, portal_sessions.PortalLinkExpired) for one in outcomes) == 2
    found = sessions.find(tokens[0])
    assert found is not None
    assert found.id == owner.id
    assert clock.now() - found.proved_at > timedelta(hours=1)


@pytest.mark.database("sqlite")
def test_who_may_not_sign_in_is_not_signed_in(customer: Customer, owner: User, books: ApiClient) -> None:
    with db.transaction() as session:
        here = session.get_one(Customer, customer.id)
        invited = factories.user(session, here, password=None)
        viewer = factories.user(session, here, "viewer")
        second = factories.user(session, here, email="zoe@spree-bikes.test")
        elsewhere = factories.user(session, factories.customer(session, name="Elbe Boats GmbH"))
        member = factories.staff(session)
        alone = factories.customer(session, name="Without anybody")
    created = portal_sessions.create(customer.id, user_id=None, opens="/", api_client_id=books.id)
    assert created.row.user_id == owner.id
    for stranger in (elsewhere, member):
        with pytest.raises(NotFound):
            made(customer, books, user_id=stranger.id)
    with pytest.raises(portal_sessions.CannotSignIn):
        made(customer, books, user_id=invited.id)
    with pytest.raises(portal_sessions.CannotSignIn):
        made(alone, books)
    # What has changed since the address was made counts.
    of_viewer = made(customer, books, user_id=viewer.id)
    access.end(viewer.id)
    assert is_refused(of_viewer)
    with pytest.raises(portal_sessions.CannotSignIn):
        made(customer, books, user_id=viewer.id)
    late = made(customer, books)
    with time_machine.travel(clock.now() + portal_sessions.LIFETIME + timedelta(seconds=1)):
        assert is_refused(late)
    before = made(customer, books, user_id=second.id)
    customer_access.deactivate(customer.id, "The contract has ended.", by=None)
    assert is_refused(before)
    with pytest.raises(accounts.Deactivated):
        made(customer, books)


@pytest.mark.database("sqlite")
def test_a_revoked_key_ends_what_it_has_opened(customer: Customer, owner: User, books: ApiClient) -> None:
    opened, waiting = redeem(made(customer, books)), made(customer, books)
    assert [one.opened_by for one in sessions.devices(owner.id)] == ["Order desk"]
    api_clients.revoke(books.id)
    assert sessions.find(opened) is None
    assert is_refused(waiting)
