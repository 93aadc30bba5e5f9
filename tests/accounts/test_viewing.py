"""Staff who view a customer's account: what they see, that they change nothing, and when it ends."""

from __future__ import annotations

import html
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from portal.accounts import access
from portal.accounts.models import Customer
from portal.core import clock, db
from portal.core.audit import AuditEvent
from portal.identity.models import User
from portal.invoices.models import Invoice
from tests import factories
from tests.core.test_access import everything

pytestmark = pytest.mark.database("sqlite")

REASON = "You asked us about your last invoice"


@pytest.fixture
def customer(settings: object) -> Customer:
    with db.transaction() as session:
        return factories.customer(session)


@pytest.fixture
def invoice(customer: Customer) -> Invoice:
    with db.transaction() as session:
        return factories.invoice(session, customer)


@pytest.fixture
def ada(customer: Customer) -> User:
    with db.transaction() as session:
        return factories.user(session, customer)


@pytest.fixture
def tom(customer: Customer) -> User:
    with db.transaction() as session:
        return factories.staff(session)


@pytest.fixture
def browser(app: Flask, tom: User) -> FlaskClient:
    client = app.test_client()
    factories.sign_in(client, tom)
    return client


def post(browser: FlaskClient, path: str, **form: str) -> TestResponse:
    return browser.post(path, data=form, headers={"X-CSRFToken": factories.csrf_token(browser)})


def text(answer: TestResponse) -> str:
    return html.unescape(answer.get_data(as_text=True))


def begin(browser: FlaskClient, customer: Customer) -> TestResponse:
    return post(browser, f"/support/customers/{customer.id}/view", reason=REASON)


def events(action: str) -> list[AuditEvent]:
    with db.reading() as session:
        return list(session.scalars(select(AuditEvent).where(AuditEvent.action == action)))


def test_staff_see_what_the_customer_sees_and_the_customer_reads_why(
    browser: FlaskClient, customer: Customer, invoice: Invoice, ada: User, tom: User, app: Flask
) -> None:
    assert begin(browser, customer).location == "/"
    for page in (
        "/",
        "/invoices",
        f"/invoices/{invoice.id}",
        "/payments",
        "/payment-methods",
        "/account/people",
        "/receipts/",
    ):
        shown = text(browser.get(page))
        assert f"You see the account of {customer.name} as the customer does." in shown, page
    (begun,) = events("viewing.begun")
    assert (begun.actor_kind, begun.actor_id, begun.customer_id) == ("staff", tom.id, customer.id)
    assert begun.facts["reason"] == REASON
    ended = post(browser, "/viewing/end")
    assert ended.location == f"/support/customers/{customer.id}"
    assert browser.get("/support").status_code == 200
    assert browser.get("/invoices").status_code == 403
    assert len(events("viewing.ended")) == 1
    hers = app.test_client()
    factories.sign_in(hers, ada)
    account = text(hers.get("/account"))
    assert "Support looked at your account" in account
    assert REASON in account


def test_every_write_is_refused_in_pages_and_over_htmx_and_changes_nothing(
    browser: FlaskClient, customer: Customer, invoice: Invoice, ada: User, app: Flask
) -> None:
    begin(browser, customer)
    token = {"X-CSRFToken": factories.csrf_token(browser)}
    before = everything(without=frozenset({"last_seen_at"}))
    rules = [rule for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())]
    tried = 0
    for rule in rules:
        path = rule.rule
        for argument in rule.arguments:
            known = {"invoice_id": invoice.id, "customer_id": customer.id, "user_id": ada.id}
            path = path.replace(f"<{argument}>", known.get(argument, "x")).replace(
                f"<payment:{argument}>", "pay_" + "0" * 26
            )
        if path.startswith("/api/") or path in {"/viewing/end", "/sign-out"} or "<" in path:
            continue
        for headers in (token, token | {"HX-Request": "true"}):
            answer = browser.post(path, headers=headers)
            assert answer.status_code == 403, (path, headers)
            tried += 1
    assert tried > 100
    after = everything(without=frozenset({"last_seen_at"}))
    for table in after:
        if table not in {"audit_events", "audit_head"}:
            assert after[table] == before[table], table
    assert {event.action for event in events("access.refused")} == {"access.refused"}


def test_the_api_takes_no_cookie_and_so_nothing_of_a_view(browser: FlaskClient, customer: Customer) -> None:
    begin(browser, customer)
    assert browser.get("/api/invoices").status_code == 401
    assert browser.post("/api/endpoints", json={}).status_code == 401


@pytest.mark.parametrize(
    "page", ["/account", "/account/second-factor", "/account/passkeys", "/account/email", "/support", "/support/staff"]
)
def test_nothing_of_a_person_and_nothing_of_the_desk_is_part_of_it(
    browser: FlaskClient, customer: Customer, page: str
) -> None:
    begin(browser, customer)
    assert browser.get(page).status_code == 403


def test_it_ends_by_itself_after_its_time(browser: FlaskClient, customer: Customer, invoice: Invoice) -> None:
    begin(browser, customer)
    with time_machine.travel(clock.now() + timedelta(minutes=14)):
        assert browser.get(f"/invoices/{invoice.id}").status_code == 200
    with time_machine.travel(clock.now() + timedelta(minutes=15, seconds=1)):
        over = browser.get(f"/invoices/{invoice.id}")
        assert over.location == f"/support/customers/{customer.id}"
        assert "is over" in text(browser.get(over.location))
        assert browser.get("/support").status_code == 200


def test_it_ends_when_the_member_of_staff_loses_access_or_signs_out(
    browser: FlaskClient, customer: Customer, tom: User, app: Flask
) -> None:
    begin(browser, customer)
    access.end(tom.id)
    assert browser.get("/invoices").location.startswith("/sign-in")
    access.restore(tom.id)
    factories.sign_in(browser, tom)
    assert browser.get("/invoices").status_code == 403
    begin(browser, customer)
    post(browser, "/sign-out")
    factories.sign_in(browser, tom)
    assert browser.get("/invoices").status_code == 403


def test_a_view_needs_a_reason_and_a_customer(browser: FlaskClient, customer: Customer, tom: User) -> None:
    assert post(browser, f"/support/customers/{customer.id}/view", reason=" ").status_code == 422
    assert post(browser, f"/support/customers/{tom.id}/view", reason=REASON).status_code == 404
    assert browser.get("/support").status_code == 200
