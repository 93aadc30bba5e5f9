"""The link on the page of its invoice: who sees it, hands it on, and revokes it; and in the mail."""

from __future__ import annotations

import html

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.accounts.models import Customer
from portal.core import db
from portal.invoices import service as invoices
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.jobs import outbox
from portal.pay_links import service
from portal.pay_links.service import LinkState
from tests import factories
from tests.certain import present
from tests.pay_links.conftest import token_of
from tests.smtp import Mailbox, text_of

pytestmark = pytest.mark.database("sqlite")


@pytest.fixture
def customer(database: object, settings: object) -> Customer:
    with db.transaction() as session:
        return factories.customer(session)


@pytest.fixture
def invoice_id(customer: Customer) -> str:
    line = LineDraft("Green electricity", 1_000, 100_00, 1900)
    return invoices.issue(InvoiceDraft(customer_id=customer.id, currency="eur", lines=(line,))).id


def browser_of(app: Flask, customer: Customer | None, role: str) -> FlaskClient:
    browser = app.test_client()
    with db.transaction() as session:
        person = factories.user(session, customer, role) if customer else factories.staff(session, role)
    factories.sign_in(browser, person)
    return browser


def text(browser: FlaskClient, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return html.unescape(answer.get_data(as_text=True))


def test_the_mail_of_an_invoice_brings_its_link(app: Flask, smtp: Mailbox, invoice_id: str) -> None:
    with app.app_context():
        while outbox.run_due():
            pass
    link = present(service.for_invoice(invoice_id))
    (message,) = smtp.messages
    assert link in text_of(message) and link in text_of(message, "html")
    assert service.opened(token_of(link)).state == LinkState.PAYABLE


def test_a_payer_sees_the_link_and_revokes_it_and_a_viewer_and_staff_do_not_see_it(
    app: Flask, customer: Customer, invoice_id: str
) -> None:
    link = present(service.for_invoice(invoice_id))
    payer, viewer = (browser_of(app, customer, role) for role in ("payer", "viewer"))
    clerk = browser_of(app, None, "support")
    mine, desk = f"/invoices/{invoice_id}", f"/support/invoices/{invoice_id}"
    assert link in text(payer, mine)
    assert link not in text(viewer, mine) and "Pay link" not in text(viewer, mine)
    assert link not in text(clerk, desk) and "Pay link" in text(clerk, desk)
    for browser, page in ((payer, mine), (clerk, desk)):
        token = factories.csrf_token(browser)
        assert browser.post(f"{page}/pay-link", data={"csrf_token": token}).status_code == 303
        made = present(service.for_invoice(invoice_id))
        assert made != link
        assert browser.post(f"{page}/pay-link/revocation", data={"csrf_token": token}).status_code == 303
        assert service.opened(token_of(made)).state == LinkState.UNKNOWN
        assert "was revoked" in text(browser, page)


def test_a_customer_touches_no_link_of_another(app: Flask, customer: Customer, invoice_id: str) -> None:
    link = present(service.for_invoice(invoice_id))
    with db.transaction() as session:
        stranger = factories.customer(session)
    browser = browser_of(app, stranger, "owner")
    token = factories.csrf_token(browser)
    for path in ("", "/revocation"):
        assert browser.post(f"/invoices/{invoice_id}/pay-link{path}", data={"csrf_token": token}).status_code == 404
    assert service.opened(token_of(link)).state == LinkState.PAYABLE
