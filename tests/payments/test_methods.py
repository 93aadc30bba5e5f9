"""Payments by what is no card: approved on a page of the method's own, told by its name everywhere, given back, and right in the books."""

from __future__ import annotations

import io
from typing import Any

import pypdf
import pytest
import requests
from flask import Flask

from portal.accounts.models import Customer
from portal.core import db
from portal.documents import facts
from portal.documents import service as receipts
from portal.documents.models import Document
from portal.payments import service
from portal.payments.models import Payment
from portal.payments.statuses import PaymentStatus
from portal.reconciliation import queries as discrepancies
from portal.reconciliation import service as reconciliation
from portal.reconciliation.models import RunKind
from portal.refunds import service as refunds
from tests import factories
from tests.certain import as_sent, present
from tests.payments.conftest import Checkout

HOLDER = {"name": "Jenny Rosen", "email": "jenny.rosen@example.com"}


def confirm(checkout: Checkout, kind: str) -> Payment:
    """As the browser does it. Who is to approve on the method's page is there now."""
    started = checkout.start()
    how: dict[str, Any] = {"payment_method_data": {"type": kind, "billing_details": HOLDER}}
    back = f"https://pay.test/payments/{started.payment_id}/return"
    checkout.sandbox.client.v1.payment_intents.confirm(started.intent_id, as_sent({**how, "return_url": back}))
    service.refresh(started.payment_id)
    return checkout.payment


def answer(checkout: Checkout, outcome: str) -> Payment:
    """The customer's answer on the method's page, after which the tab is closed: the payment as the worker finds it."""
    (intent,) = checkout.intents
    page = present(present(intent.next_action).redirect_to_url).url
    assert requests.post(str(page), data={"outcome": outcome}, timeout=60, allow_redirects=False).status_code == 303
    service.refresh(checkout.payment.id)
    return checkout.payment


def reconciled(checkout: Checkout) -> list[str]:
    checkout.sandbox.control("finish")
    reconciliation.execute(reconciliation.begin(RunKind.COMMAND, to_now=True))
    with db.reading() as session:
        return [one.code for one in discrepancies.open_discrepancies(session)]


@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,ideal,paypal")
@pytest.mark.parametrize("kind", ["ideal", "paypal"])
def test_an_invoice_is_paid_on_a_page_of_the_methods_own(checkout: Checkout, kind: str) -> None:
    assert confirm(checkout, kind).status == PaymentStatus.REQUIRES_ACTION
    paid = answer(checkout, "authorize")
    assert (paid.status, paid.method_kind, paid.method_words, paid.card_last4) == ("succeeded", kind, kind, "")
    assert checkout.invoice.status == "paid"
    checkout.sandbox.client.v1.refunds.create({"payment_intent": str(paid.stripe_intent_id), "amount": 19_00})
    refunds.sync_refunds_of(str(paid.stripe_intent_id))
    assert reconciled(checkout) == []


@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,ideal")
@pytest.mark.database("sqlite")
def test_who_refuses_on_the_page_is_charged_nothing_and_pays_by_card(checkout: Checkout) -> None:
    confirm(checkout, "ideal")
    failed = answer(checkout, "fail")
    assert failed.status == PaymentStatus.REQUIRES_PAYMENT_METHOD and failed.failure_code
    assert checkout.invoice.status == "open"
    checkout.confirm(str(failed.stripe_intent_id))
    service.refresh(failed.id)
    assert (checkout.payment.method_words, checkout.invoice.status) == ("visa 4242", "paid")


@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,paypal")
@pytest.mark.database("sqlite")
def test_everything_that_tells_of_the_payment_names_the_method(app: Flask, checkout: Checkout) -> None:
    confirm(checkout, "paypal")
    paid = answer(checkout, "authorize")
    receipt_id = receipts.issue(paid.id)
    receipts.render(receipt_id)
    with db.transaction() as session:
        customer = factories.user(session, session.get_one(Customer, checkout.customer_id))
        clerk = factories.staff(session)
        receipt = session.get_one(Document, receipt_id)
        frozen = facts.from_json(receipt.facts)
        pdf = pypdf.PdfReader(io.BytesIO(present(receipt.pdf)))
    assert isinstance(frozen, facts.ReceiptFacts | facts.PaymentConfirmationFacts)
    assert (frozen.method.brand, frozen.method.last4) == ("paypal", "")
    assert "PayPal" in "".join(page.extract_text() for page in pdf.pages)
    for person, address in (
        (customer, f"/payments/{paid.id}"),
        (customer, "/payments"),
        (clerk, f"/support/payments/{paid.id}"),
        (clerk, "/support/payments"),
    ):
        browser = app.test_client()
        factories.sign_in(browser, person)
        assert "PayPal" in browser.get(address, follow_redirects=True).get_data(as_text=True), address


@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,ideal")
@pytest.mark.database("sqlite")
def test_back_from_the_page_stripe_is_asked_and_nothing_is_told_to_who_is_signed_out(
    app: Flask, checkout: Checkout
) -> None:
    payment = confirm(checkout, "ideal")
    forged = (
        f"/payments/{payment.id}/return?payment_intent=pi_1&redirect_status=succeeded&payment_intent_client_secret=s"
    )
    stranger = app.test_client()
    answered = stranger.get(forged)
    assert answered.status_code == 303 and "client_secret" not in answered.location
    page = stranger.get(answered.location).get_data(as_text=True)
    assert "please do not pay again" in page and "INV-" not in page
    with db.transaction() as session:
        person = factories.user(session, session.get_one(Customer, checkout.customer_id))
    browser = app.test_client()
    factories.sign_in(browser, person)
    assert "/pay" in browser.get(forged).location, "it waits for its customer, whatever the address says"
    answer(checkout, "fail")
    shown = browser.get(browser.get(forged).location).get_data(as_text=True)
    assert "Nothing has been charged yet" in shown
