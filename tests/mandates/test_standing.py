"""How an invoice stands, state by state, and that every page and answer says it alike: nobody is asked for what is on its way."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Customer
from portal.api import representations
from portal.core import clock, db
from portal.identity.models import User
from portal.invoices import queries
from portal.invoices.models import Invoice
from portal.invoices.statuses import DUE, UNDER_WAY, InvoiceStanding, Standing
from portal.mandates.models import Collection, Mandate
from portal.payment_methods import service as cards
from portal.payment_methods.models import PaymentMethod
from portal.payments import confirming
from portal.payments.models import Payment
from portal.payments.statuses import PaymentStatus
from tests import factories

TODAY = clock.now().date()
SOON = TODAY + timedelta(days=9)


@dataclass
class Debtor:
    """A customer with one invoice of 119 euros, due in nine days."""

    customer: Customer
    user: User
    invoice_id: str

    def change(self, **values: Any) -> None:
        with db.transaction() as session:
            invoice = session.get_one(Invoice, self.invoice_id)
            for name, value in values.items():
                setattr(invoice, name, value)

    def pays(self, status: str, **values: Any) -> Payment:
        with db.transaction() as session:
            customer = session.get_one(Customer, self.customer.id)
            invoice = session.get_one(Invoice, self.invoice_id)
            return factories.payment(session, customer, invoice, status=status, succeeded_at=None, **values)

    def agrees(self, *, ended: bool = False, exp_year: int = TODAY.year + 3) -> str:
        """A default card and a mandate for it."""
        with db.transaction() as session:
            session.merge(_card(self.customer.id, exp_year))
            mandate = Mandate(
                id=db.new_id("mnd"), customer_id=self.customer.id, given_by=self.user.id, given_at=clock.now(),
                ip="", language="en", terms="", ended_at=clock.now() if ended else None,
            )  # fmt: skip
            session.add(mandate)
            return mandate.id

    def is_collected(self, status: str, on: date = SOON, **agreement: Any) -> None:
        mandate_id = self.agrees(**agreement)
        with db.transaction() as session:
            noon = clock.now().replace(year=on.year, month=on.month, day=on.day, hour=12)
            session.add(
                Collection(
                    id=db.new_id("col"), mandate_id=mandate_id, customer_id=self.customer.id, invoice_id=self.invoice_id,
                    status=status, charge_on=on, next_attempt_at=noon, noticed_at=clock.now(), attempts=0, is_trying=False,
                    created_at=clock.now(), updated_at=clock.now(),
                )
            )  # fmt: skip

    def standing(self) -> Standing:
        with db.reading() as session:
            return queries.standings(session, [session.get_one(Invoice, self.invoice_id)])[self.invoice_id]


def _card(customer_id: str, exp_year: int) -> PaymentMethod:
    return PaymentMethod(
        id="method_default", customer_id=customer_id, stripe_payment_method_id="pm_default", fingerprint="f", brand="visa",
        last4="4242", exp_month=12, exp_year=exp_year, funding="credit", country="DE", is_default=True, created_at=clock.now(),
    )  # fmt: skip


def _unanswered(debtor: Debtor, status: str) -> None:
    debtor.agrees(ended=True)
    payment = debtor.pays(status)
    with db.transaction() as session:
        source = cards.PaymentSource("pm_default", "method_default", "4242")
        confirming.record(session, payment.id, source, client_key=db.new_id("key"), off_session=False)


def _announced(debtor: Debtor, status: str) -> None:
    debtor.is_collected("announced")
    debtor.pays(status)


Begin = Callable[[Debtor], object]
# Of which nothing is due any more.
CLOSED = frozenset({"paid", "void", "credited", "written_off"})
CASES: dict[str, tuple[Begin, str, date | None]] = {
    "nothing was begun": (lambda _debtor: None, "open", None),
    "late": (lambda debtor: debtor.change(due_on=TODAY - timedelta(days=2)), "overdue", None),
    "paid": (lambda debtor: debtor.change(status="paid"), "paid", None),
    "void": (lambda debtor: debtor.change(status="void"), "void", None),
    "credited": (lambda debtor: debtor.change(status="credited"), "credited", None),
    "written off": (lambda debtor: debtor.change(status="written_off"), "written_off", None),
    "the page was opened": (lambda debtor: debtor.pays(PaymentStatus.CREATED, stripe_intent_id=None), "open", None),
    "declined": (
        lambda debtor: debtor.pays(PaymentStatus.REQUIRES_PAYMENT_METHOD, failure_code="card_declined"),
        "open",
        None,
    ),
    "a card was chosen": (lambda debtor: debtor.pays(PaymentStatus.REQUIRES_CONFIRMATION), "open", None),
    "canceled": (lambda debtor: debtor.pays(PaymentStatus.CANCELED), "open", None),
    "the bank asks": (lambda debtor: debtor.pays(PaymentStatus.REQUIRES_ACTION), "requires_action", None),
    "the bank works": (lambda debtor: debtor.pays(PaymentStatus.PROCESSING), "processing", None),
    "the bank has reserved it": (lambda debtor: debtor.pays(PaymentStatus.REQUIRES_CAPTURE), "processing", None),
    "no answer yet": (lambda debtor: _unanswered(debtor, PaymentStatus.CREATED), "processing", None),
    "no answer after a decline": (
        lambda debtor: _unanswered(debtor, PaymentStatus.REQUIRES_PAYMENT_METHOD),
        "processing",
        None,
    ),
    "no answer, and the bank asks": (
        lambda debtor: _unanswered(debtor, PaymentStatus.REQUIRES_ACTION),
        "processing",
        None,
    ),
    "set aside": (
        lambda debtor: debtor.pays(PaymentStatus.REQUIRES_ACTION, review_reason="another amount"),
        "under_review",
        None,
    ),
    "a mandate": (Debtor.agrees, "scheduled", SOON),
    "announced": (lambda debtor: debtor.is_collected("announced"), "scheduled", SOON),
    "announced, and the bank asks": (
        lambda debtor: _announced(debtor, PaymentStatus.REQUIRES_ACTION),
        "requires_action",
        None,
    ),
    "tried again": (lambda debtor: debtor.is_collected("retrying"), "retrying", SOON),
    "given up": (lambda debtor: debtor.is_collected("given_up"), "open", None),
    "called off": (lambda debtor: debtor.is_collected("canceled"), "open", None),
    "the mandate has ended": (lambda debtor: debtor.is_collected("announced", ended=True), "open", None),
    "the card has expired": (lambda debtor: debtor.is_collected("announced", exp_year=TODAY.year - 1), "open", None),
}


@pytest.fixture
def debtor(settings: object) -> Debtor:
    with db.transaction() as session:
        return _debtor(session)


def _debtor(session: Session) -> Debtor:
    customer = factories.customer(session)
    user = factories.user(session, customer)
    return Debtor(customer, user, factories.invoice(session, customer, due_on=SOON).id)


def test_every_standing_has_its_case() -> None:
    assert {status for _begin, status, _on in CASES.values()} == set(InvoiceStanding) == {*UNDER_WAY, *DUE, *CLOSED}


@pytest.mark.parametrize("case", CASES)
def test_each_state_stands_so_and_is_counted_and_told_so(debtor: Debtor, case: str) -> None:
    begin, status, on = CASES[case]
    begin(debtor)
    found = debtor.standing()
    assert (found.status, found.on) == (status, on)
    with db.reading() as session:
        invoice = queries.for_customer(session, debtor.invoice_id, debtor.customer.id)
        owed = queries.owed(session, debtor.customer.id)
    if status in CLOSED:
        assert owed.nothing
    else:
        (only,) = owed.sums
        assert (only.count, only.total.minor) == ((1, 119_00) if found.is_due else (0, 0))
        assert {name: amount.minor for name, amount in only.under_way.items()} == (
            {status: 119_00} if found.is_under_way else {}
        )
        assert only.overdue.minor == (119_00 if status == "overdue" else 0)
        assert owed.standings == {invoice.id: found}


# What each page says, and whether it offers Pay
SAID = {
    "the bank works": ("Processing", "is being processed", False),
    "no answer after a decline": ("Processing", "is being processed", False),
    "set aside": ("Under review", "is under review", False),
    "the bank asks": ("Waiting for confirmation", "is waiting for you to confirm it", False),
    "announced": ("Will be charged on", "We charge your default payment method on", False),
    "tried again": ("Declined, next attempt on", "Amount due", True),
    "declined": ("Open", "Amount due", True),
}


@pytest.mark.database("sqlite")
@pytest.mark.parametrize("case", SAID)
def test_every_page_says_it_and_none_offers_pay_for_what_is_on_its_way(debtor: Debtor, app: Flask, case: str) -> None:
    CASES[case][0](debtor)
    pill, sentence, offers = SAID[case]
    browser = app.test_client()
    factories.sign_in(browser, debtor.user)
    pay = "Pay €119.00"
    overview = _text(browser, "/")
    listed = _text(browser, "/invoices")
    shown = _text(browser, f"/invoices/{debtor.invoice_id}")
    ways = _text(browser, f"/payments/invoices/{debtor.invoice_id}/ways")
    for page in (overview, listed, shown):
        assert pill in page
    assert sentence in shown and sentence in ways
    assert ['aria-label="Pay invoice' in overview, pay in shown, pay in ways] == [offers] * 3
    assert ("Finish this payment" in shown) == (case == "the bank asks")
    assert ("Not included, because the payment is in progress" in overview) == (not offers)
    app_answer = representations.invoice_summaries
    with app.test_request_context(), db.reading() as session:
        (told,) = app_answer(session, [session.get_one(Invoice, debtor.invoice_id)])
    assert told.standing == CASES[case][1]


@pytest.mark.database("sqlite")
@pytest.mark.parametrize("status", [None, PaymentStatus.PROCESSING, PaymentStatus.REQUIRES_ACTION])
def test_what_is_being_paid_is_not_said_to_be_charged_by_itself_as_well(
    debtor: Debtor, app: Flask, status: str | None
) -> None:
    debtor.is_collected("announced")
    if status:
        debtor.pays(status)
    browser = app.test_client()
    factories.sign_in(browser, debtor.user)
    part = _text(browser, f"/automatic-payment/of-invoice/{debtor.invoice_id}")
    assert ("Paid automatically on" in part) == (status is None)
    with db.reading() as session:
        number = session.get_one(Invoice, debtor.invoice_id).number
    assert (number in _text(browser, "/automatic-payment")) == (status is None)


@pytest.mark.database("sqlite")
def test_what_is_charged_by_itself_may_be_paid_before_by_who_asks_for_it(debtor: Debtor, app: Flask) -> None:
    debtor.is_collected("announced")
    browser = app.test_client()
    factories.sign_in(browser, debtor.user)
    page = f"/payments/invoices/{debtor.invoice_id}"
    assert 'id="pay-form"' not in _text(browser, page)
    assert f'href="{page}?now=yes"' in _text(browser, page)
    assert 'id="pay-form"' in _text(browser, f"{page}?now=yes")


def _text(browser: FlaskClient, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return html.unescape(answer.get_data(as_text=True))
