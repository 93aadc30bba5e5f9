"""Credits of invoices at the desk, on the customer's pages, in the mail, and by the command line."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from portal.accounts.models import Customer
from portal.core import db
from portal.documents import facts, pdf
from portal.documents.models import CreditNote
from portal.invoices import crediting
from portal.invoices.models import InvoiceCredit
from tests import factories
from tests.invoices.conftest import Issue, line
from tests.invoices.test_commands import flask
from tests.invoices.test_pages import reader, text  # noqa: F401  # a fixture
from tests.invoices.test_service import stored

pytestmark = pytest.mark.database("sqlite")
COMPANY = {"PORTAL_COMPANY_COUNTRY": "DE", "PORTAL_COMPANY_TAX_ID": "DE136695976"}


def approver(app: Flask) -> FlaskClient:
    browser = app.test_client()
    with db.transaction() as session:
        person = factories.staff(session, "approver")
    factories.sign_in(browser, person)
    return browser


def send(browser: FlaskClient, address: str, **form: str) -> TestResponse:
    return browser.post(address, data={"csrf_token": factories.csrf_token(browser), **form})


def note() -> CreditNote:
    with db.reading() as session:
        return session.scalars(select(CreditNote)).one()


@pytest.mark.settings(**COMPANY)
def test_staff_credit_a_line_and_the_customer_sees_why_less_is_due(
    app: Flask,
    reader: FlaskClient,  # noqa: F811
    issue: Issue,
    customer: Customer,
) -> None:
    with db.transaction() as session:
        session.get_one(Customer, customer.id).country = "DE"
    made = issue(line("Panel", quantity=3_000, price=20_00), line("Book", price=10_00, rate=700))
    desk = approver(app)
    page = text(desk, f"/support/invoices/{made.id}/credits/new")
    assert "Panel" in page and "€82.10" in page
    key = page.split('name="key" type="hidden" value="')[1].split('"')[0]
    form = {"what": "lines", "lines-0-quantity": "1", "lines-1-net": "", "reason": "One came back", "key": key}
    refused = send(desk, f"/support/invoices/{made.id}/credits", **(form | {"lines-0-quantity": "4"}))
    assert refused.status_code == 422 and "at most 3" in refused.get_data(as_text=True)
    for _ in range(2):  # pressed twice
        assert send(desk, f"/support/invoices/{made.id}/credits", **form).status_code == 303
    assert stored(made).amount_due.minor == 82_10 - 23_80
    shown = text(reader, f"/invoices/{made.id}")
    issued = note()
    assert "€58.30" in shown and "€23.80 of €82.10 was credited." in shown and issued.number in shown
    document = text(reader, f"/receipts/{issued.id}")
    assert f"Correction of invoice {made.number}" in document and "One came back" in document
    at_desk = text(desk, f"/support/invoices/{made.id}")
    assert issued.number in at_desk and "One came back" in at_desk
    assert desk.get(f"/support/documents/{issued.id}").location == f"/support/invoices/{made.id}"
    said = facts.from_json(issued.facts)
    assert isinstance(said, facts.CorrectionFacts) and said.e_invoice
    assert pdf.render(said).missing == ()


def test_a_colleague_approves_at_the_desk(app: Flask, issue: Issue) -> None:
    made = issue(line("Oven", price=1000_00))
    first, second = approver(app), approver(app)
    form = {"reason": "Never delivered", "key": "a-key-of-tests", "what": "rest"}
    assert send(first, f"/support/invoices/{made.id}/credits", **form).status_code == 303
    with db.reading() as session:
        row = session.scalars(select(InvoiceCredit)).one()
    assert made.number in text(second, "/support/invoices/credits-for-approval")
    send(first, f"/support/invoices/credits/{row.id}/approval")
    assert stored(made).status == "open"
    assert "Approve this credit" in text(second, f"/support/invoices/{made.id}")
    send(second, f"/support/invoices/credits/{row.id}/approval")
    assert stored(made).status == "credited"
    assert "is credited in full" in text(second, f"/support/invoices/{made.id}")
    assert second.get(f"/support/invoices/{made.id}/credits/new").status_code == 303


def test_the_operator_credits_and_from_the_threshold_on_proposes(app: Flask, issue: Issue) -> None:
    small, large = issue(line("Panel", quantity=2_000, price=20_00)), issue(line("Oven", price=1000_00))
    done = flask(app, "invoice", "credit", small.number, "--reason", "Back", "--line", "1;1")
    assert (done.exit_code, done.output) == (0, f"{small.number}: 23.80 EUR credited, 23.80 EUR due\n")
    assert flask(app, "invoice", "credit", small.number, "--reason", "Back", "--line", "one").exit_code != 0
    done = flask(app, "invoice", "credit", large.number, "--reason", "Back")
    assert done.exit_code == 0 and "proposed" in done.output
    with db.reading() as session:
        row = session.scalars(select(InvoiceCredit).where(InvoiceCredit.invoice_id == large.id)).one()
    assert crediting.approve(row.id, factories.reviewer()).status == "credited"
