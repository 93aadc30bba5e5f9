"""What is owed is in the books from the moment when an invoice is issued: by the postings alone, at every moment, what the invoice says."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal import stripe_sync
from portal.accounts.models import Customer
from portal.core import clock, company_days, db
from portal.core.money import Money
from portal.gateway import Charge, Intent
from portal.gateway import Refund as StripeRefund
from portal.invoices import outside, service
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.invoices.models import Invoice
from portal.ledger import LedgerAccount, Posting
from portal.payments import intents
from portal.payments.models import Payment
from portal.refunds import executing, resolving, settling
from portal.refunds.models import Refund
from tests import factories
from tests.simulation.model import movement, numbers

RECEIVABLES, REVENUE, TAX = LedgerAccount.RECEIVABLES, LedgerAccount.REVENUE, LedgerAccount.TAX
OVERPAYMENTS, BANK, STRIPE, OTHER = (
    LedgerAccount.OVERPAYMENTS,
    LedgerAccount.BANK,
    LedgerAccount.STRIPE,
    LedgerAccount.OTHER,
)
# 150.00 at 19 %, 10.00 at 7 %, and 5.00 without tax.
LINES = (
    LineDraft("Green electricity", 1_500, 100_00, 1900),
    LineDraft("Grid fee", 1_000, 10_00, 700),
    LineDraft("Meter reading", 1_000, 5_00, 0),
)
WHOLE = 194_20
SOLD = {(REVENUE, 1900): -150_00, (TAX, 1900): -28_50, (REVENUE, 700): -10_00, (TAX, 700): -70, (REVENUE, 0): -5_00}


def eur(minor: int) -> Money:
    return Money(minor, "eur")


def a_customer() -> str:
    with db.transaction() as session:
        return factories.customer(session, stripe_customer_id=f"cus_owes_{next(numbers)}").id


def issue(**values: Any) -> Invoice:
    return service.issue(InvoiceDraft(a_customer(), "eur", LINES, **values))


def books(item_id: str) -> dict[tuple[str, int | None], int]:
    """Debits minus credits of each account and rate, in all postings of an item; those that are even are left out."""
    sums = Counter[tuple[str, int | None]]()
    with db.reading() as session:
        for one in session.scalars(select(Posting).where(Posting.item_id == item_id)):
            for account, sign in ((one.debit, 1), (one.credit, -1)):
                sums[account, one.tax_rate_basis_points if account in {REVENUE, TAX} else None] += (
                    sign * one.amount_minor
                )
    return {key: minor for key, minor in sums.items() if minor}


def owed(invoice: Invoice) -> int:
    """What the books say is owed, which is what the invoice says, each time that a test looks."""
    by_books = books(invoice.id).get((RECEIVABLES, None), 0)
    with db.reading() as session:
        assert by_books == session.get_one(Invoice, invoice.id).amount_due.minor
    return by_books


def pay(invoice: Invoice | None, amount: int = WHOLE, **values: Any) -> str:
    """A card payment that succeeds at this moment; returns its id."""
    customer_id = invoice.customer_id if invoice else a_customer()
    with db.transaction() as session:
        customer = session.get_one(Customer, customer_id)
        row = session.get_one(Invoice, invoice.id) if invoice else None
        payment = factories.payment(
            session, customer, row, status="processing", succeeded_at=None, stripe_charge_id=None, amount_minor=amount,
            stripe_intent_id=f"pi_owes_{next(numbers)}", **values,
        )  # fmt: skip
        intent_id, stripe_customer = str(payment.stripe_intent_id), customer.stripe_customer_id
    charge = Charge(
        id=f"ch_owes_{next(numbers)}", card=None, balance_transaction=None, created=clock.now(), amount=eur(amount),
        refunded=eur(0), paid=True, intent_id=intent_id,
    )  # fmt: skip
    intent = Intent(
        id=intent_id, status="succeeded", amount=eur(amount), amount_received=eur(amount), customer_id=stripe_customer,
        livemode=False, created=clock.now(), client_secret="secret", charge=charge,
    )  # fmt: skip
    assert stripe_sync.settle(intents.KIND, payment.id, intent, None, seen_version=payment.version)
    return payment.id


def give_back(payment_id: str, amount: int, **values: Any) -> tuple[str, StripeRefund]:
    """A refund whose money has left at this moment; our id, and what Stripe holds."""
    with db.transaction() as session:
        payment = session.get_one(Payment, payment_id)
        refund = factories.refund(
            session, payment, status="executing", amount_minor=amount, succeeded_at=None,
            stripe_refund_id=f"re_owes_{next(numbers)}", **values,
        )  # fmt: skip
        found = StripeRefund(
            id=str(refund.stripe_refund_id), status="succeeded", amount=eur(amount), intent_id=str(payment.stripe_intent_id),
            created=clock.now(), movement=movement(eur(-amount), eur(0), "refund"), metadata={"refund_id": refund.id},
        )  # fmt: skip
    assert stripe_sync.settle(executing.KIND, refund.id, found, None, seen_version=refund.version)
    return refund.id, found


def fail(refund_id: str, found: StripeRefund) -> None:
    """The bank sends the money back."""
    failed = replace(found, status="failed", return_movement=movement(found.amount, eur(0), "refund_failure"))
    with db.reading() as session:
        seen = session.get_one(Refund, refund_id).version
    assert stripe_sync.settle(executing.KIND, refund_id, failed, None, seen_version=seen)


def test_an_invoice_is_owed_and_sold_by_rate_from_its_day_on(database: str) -> None:
    invoice = issue(issued_on=company_days.today() - timedelta(days=9))
    assert owed(invoice) == WHOLE
    assert books(invoice.id) == {(RECEIVABLES, None): WHOLE} | SOLD
    with db.reading() as session:
        found = session.scalars(select(Posting).where(Posting.item_id == invoice.id)).all()
    assert {company_days.day_of(one.at) for one in found} == {invoice.issued_on}
    assert {one.customer_id for one in found} == {invoice.customer_id}


def test_a_void_invoice_leaves_nothing(database: str) -> None:
    invoice = issue()
    for _ in range(2):
        service.void(invoice.id, "Billed twice")
        assert (owed(invoice), books(invoice.id)) == (0, {})


def test_what_arrives_elsewhere_lowers_what_is_owed_and_its_reversal_raises_it(database: str) -> None:
    invoice = issue()
    record = factories.record_outside(invoice.id, amount=eur(50_00))
    assert owed(invoice) == WHOLE - 50_00
    outside.reverse(record.id, factories.reviewer(), "another customer's")
    assert owed(invoice) == WHOLE
    factories.record_outside(invoice.id, amount=eur(94_20))
    pay(invoice, 100_00)
    assert owed(invoice) == 0
    assert books(invoice.id) == {(BANK, None): 94_20, (STRIPE, None): 100_00} | SOLD


def test_what_was_paid_too_much_is_the_customers_and_owed_by_nobody(database: str) -> None:
    invoice = issue()
    factories.record_outside(invoice.id, amount=eur(150_00))
    paid = pay(invoice)  # was begun before
    assert owed(invoice) == 0
    assert books(invoice.id)[OVERPAYMENTS, None] == -150_00
    again = pay(invoice, opening=2)
    assert owed(invoice) == 0
    assert books(invoice.id)[OVERPAYMENTS, None] == -150_00 - WHOLE
    give_back(again, WHOLE, reason="duplicate", origin="portal")
    give_back(paid, 150_00, reason="duplicate")
    assert owed(invoice) == 0
    assert books(invoice.id) == {(BANK, None): 150_00, (STRIPE, None): 44_20} | SOLD


def test_a_payment_without_an_invoice_is_both(database: str) -> None:
    payment_id = pay(None, 50_00)
    assert books(payment_id) == {(STRIPE, None): 50_00, (REVENUE, None): -50_00}
    give_back(payment_id, 20_00)
    assert books(payment_id) == {(STRIPE, None): 30_00, (REVENUE, None): -30_00}


def test_a_refund_lowers_the_price_by_rate_and_what_fails_is_as_before(database: str) -> None:
    invoice = issue()
    payment_id = pay(invoice)
    refund_id, found = give_back(payment_id, 97_10)
    assert owed(invoice) == 0
    half = books(invoice.id)
    assert half == {(STRIPE, None): 97_10} | {key: minor // 2 for key, minor in SOLD.items()}
    give_back(payment_id, 97_10)
    assert books(invoice.id) == {}
    fail(refund_id, found)
    assert (owed(invoice), books(invoice.id)) == (0, half)
    resolving.pay_outside(refund_id, factories.reviewer(), paid_on=company_days.today(), note="by transfer")
    assert books(invoice.id) == {(STRIPE, None): 97_10, (BANK, None): -97_10}


def test_parts_that_several_payments_paid_are_given_back_to_the_cent_of_each_rate(database: str) -> None:
    invoice = issue()
    first = pay(invoice, 33_33)
    second = pay(invoice, WHOLE - 33_33, opening=2)
    for payment_id, amount in ((first, 11_11), (second, 77_77), (first, 22_22), (second, WHOLE - 33_33 - 77_77)):
        give_back(payment_id, amount)
        assert owed(invoice) == 0
    assert books(invoice.id) == {}


def test_what_doubles_a_payment_that_the_books_do_not_know_lowers_no_price(database: str) -> None:
    invoice = issue()
    give_back(pay(invoice), 20_00, reason="duplicate")
    assert owed(invoice) == 0
    assert books(invoice.id) == {(STRIPE, None): WHOLE - 20_00, (OTHER, None): 20_00} | SOLD


@pytest.mark.parametrize("amount", [1, 99, 10_01])
def test_hearing_of_it_twice_posts_once(database: str, amount: int) -> None:
    invoice = issue()
    refund_id, found = give_back(pay(invoice), amount)
    before = books(invoice.id)
    with db.transaction() as session:
        settling.apply(session, session.get_one(Refund, refund_id), found)
    assert books(invoice.id) == before
