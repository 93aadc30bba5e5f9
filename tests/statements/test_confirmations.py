"""The confirmation of a balance: frozen as the postings had it, verified by anyone who holds its code or its file."""

from __future__ import annotations

import hashlib
import io
from datetime import date, timedelta
from typing import Any

import pypdf
import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.core import company_days, config, db
from portal.core.audit import AuditEvent
from portal.invoices import service as invoices
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.jobs import outbox
from portal.statements import confirmations
from portal.statements.models import BalanceConfirmation
from tests import factories

pytestmark = pytest.mark.settings(PORTAL_COMPANY_NAME="Nordlicht Energie GmbH")


@pytest.fixture
def customer(settings: config.Settings) -> str:
    with db.transaction() as session:
        return factories.customer(session, name="Spree Bikes", language="de").id


def issue(customer: str, minor: int, currency: str = "eur") -> None:
    invoices.issue(InvoiceDraft(customer, currency, (LineDraft("Service", 1_000, minor, 1900),)))


def work() -> None:
    while claimed := outbox.claim("worker", 1, lease_seconds=0):
        outbox.run(claimed[0], "worker")


def yesterday() -> date:
    return company_days.today() - timedelta(days=1)


@pytest.fixture
def owing(customer: str) -> str:
    """A customer who owed 119.00 euros and 11.90 dollars yesterday, and owes more today."""
    with time_machine.travel(company_days.begins(yesterday()), tick=False):
        issue(customer, 100_00)
        issue(customer, 10_00, "usd")
    issue(customer, 50_00)
    return customer


def at_the_desk(app: Flask, role: str = "finance") -> FlaskClient:
    with db.transaction() as session:
        user = factories.staff(session, role)
    browser = app.test_client()
    factories.sign_in(browser, user)
    return browser


def ask(browser: FlaskClient, customer: str, day: date, language: str = "en") -> Any:
    fields = {"day": day.isoformat(), "language": language, "csrf_token": factories.csrf_token(browser)}
    return browser.post(f"/support/customers/{customer}/balance-confirmations", data=fields)


def confirmed() -> BalanceConfirmation:
    with db.reading() as session:
        return session.scalars(select(BalanceConfirmation)).one()


def test_staff_ask_for_it_and_whoever_holds_the_code_reads_the_same(
    app: Flask, owing: str, client: FlaskClient
) -> None:
    browser = at_the_desk(app)
    asked = ask(browser, owing, yesterday())
    assert asked.status_code == 303
    assert "Being created" in browser.get(asked.location).get_data(as_text=True)
    work()
    assert "Ready" in browser.get(asked.location).get_data(as_text=True)
    pdf = browser.get(f"{asked.location}/pdf").get_data()
    said = " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages).split())
    row = confirmed()
    code = row.code[:4]
    for words in ("Balance confirmation", "Spree Bikes", "Nordlicht Energie GmbH", "€119.00", "$11.90", code):
        assert words in said, words
    assert "€178.50" not in said
    assert b"/DocMDP" in pdf, "it is signed"
    told = client.get(f"/verify/{row.code}").get_data(as_text=True)
    for words in ("This balance confirmation is genuine", "Spree Bikes", "€119.00", "$11.90", "Nordlicht Energie GmbH"):
        assert words in told, words
    fields = {"file-sha256": hashlib.sha256(pdf).hexdigest(), "csrf_token": factories.csrf_token(client)}
    by_file = client.post("/verify/file", data=fields).get_data(as_text=True)
    assert "This file is genuine and unchanged" in by_file and "€119.00" in by_file
    other = client.post("/verify/file", data=fields | {"file-sha256": "0" * 64, "file-code": row.code}).get_data(
        as_text=True
    )
    assert "This is not the file that was issued" in other and "€119.00" in other
    with db.reading() as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.action == "balance.confirmed")).one()
    assert event.facts["balances"] == {"eur": 119_00, "usd": 11_90}


@pytest.mark.database("sqlite")
def test_what_is_posted_later_for_that_day_changes_nothing_and_is_told_to_staff(
    app: Flask, owing: str, client: FlaskClient
) -> None:
    browser = at_the_desk(app, "admin")
    made = ask(browser, owing, yesterday()).location
    assert "another one now" not in browser.get(made).get_data(as_text=True)
    with time_machine.travel(company_days.begins(yesterday()), tick=False):
        issue(owing, 1_00)
    work()
    assert "The balance of that day is another one now" in browser.get(made).get_data(as_text=True)
    told = client.get(f"/verify/{confirmed().code}").get_data(as_text=True)
    assert "€119.00" in told and "€120.19" not in told


@pytest.mark.database("sqlite")
def test_it_is_in_the_language_that_was_asked_for(app: Flask, owing: str) -> None:
    ask(at_the_desk(app), owing, yesterday(), "de")
    work()
    made = confirmed().id
    with db.reading() as session:
        pdf = confirmations.one(session, made, owing, with_pdf=True).pdf
    assert pdf is not None
    assert "Saldenbestätigung" in pypdf.PdfReader(io.BytesIO(pdf)).pages[0].extract_text()


@pytest.mark.database("sqlite")
def test_a_day_that_is_not_over_and_a_customer_without_entries_are_refused(app: Flask, customer: str) -> None:
    browser = at_the_desk(app)
    for day, words in (
        (company_days.today(), "Please choose a day that is over."),
        (yesterday(), "Nothing was ever booked for this customer."),
        (date(1899, 1, 1), "Please enter days of this century."),
    ):
        answer = ask(browser, customer, day)
        assert (answer.status_code, words in answer.get_data(as_text=True)) == (422, True), words
    with db.reading() as session:
        assert session.scalars(select(BalanceConfirmation)).all() == []
