"""An invoice of which a part was paid in another way: through Stripe exactly the rest is charged, and never more than is due."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from portal.api import representations
from portal.core import clock, company_days, db
from portal.core.errors import Conflict, Invalid
from portal.core.money import Money
from portal.invoices import outside, queries
from portal.invoices import service as invoices
from portal.invoices.models import Invoice
from portal.ledger import Posting
from portal.payments import following, intents, service
from portal.payments.models import Payment
from portal.payments.statuses import PaymentStatus
from tests import factories
from tests.concurrency import run_concurrently
from tests.factories import record_outside
from tests.payments.conftest import Checkout, books
from tests.payments.test_placing_orders import new_card, order


def eur(minor: int) -> Money:
    return Money(minor, "eur")


def charges(checkout: Checkout) -> list[int]:
    """What Stripe has really taken, in minor units."""
    return [one.amount for one in checkout.sandbox.client.v1.charges.list({"limit": 100}).data if one.paid]


def pay_rest(checkout: Checkout, key: str = "pay-the-rest") -> Payment:
    started = checkout.start(key)
    checkout.confirm(started.intent_id)
    following.sync(started.payment_id)
    return next(one for one in checkout.payments if one.id == started.payment_id)


def receivables(checkout: Checkout) -> int:
    """What was booked as received of the invoice, in minor units."""
    ids = [checkout.invoice_id, *(one.id for one in checkout.payments)]
    with db.reading() as session:
        rows = session.scalars(select(Posting).where(Posting.subject.in_(ids))).all()
    return sum(
        one.amount_minor if one.credit == "receivables" else -one.amount_minor
        for one in rows
        if "receivables" in {one.credit, one.debit} and not {"revenue", "tax"} & {one.credit, one.debit}
    )


def test_the_rest_is_charged_and_pays_the_invoice(checkout: Checkout) -> None:
    record_outside(checkout.invoice_id, amount=eur(50_00))
    payment = pay_rest(checkout)
    assert (payment.amount, payment.status) == (eur(69_00), "succeeded")
    assert charges(checkout) == [69_00]
    assert (checkout.invoice.status, checkout.invoice.amount_due) == ("paid", eur(0))
    assert receivables(checkout) == 119_00


def test_an_order_names_what_is_due(checkout: Checkout) -> None:
    record_outside(checkout.invoice_id, amount=eur(50_00))
    with pytest.raises(Invalid):
        service.process(order(checkout, new_card(checkout), amount=eur(119_00)))
    assert charges(checkout) == []
    done = service.process(order(checkout, new_card(checkout), "the-second-order", amount=eur(69_00)))
    assert (done.payment.amount, charges(checkout)) == (eur(69_00), [69_00])


def test_apps_are_told_what_is_paid_and_what_is_due(checkout: Checkout) -> None:
    record_outside(checkout.invoice_id, amount=eur(50_00))
    with db.reading() as session:
        row = queries.for_staff(session, checkout.invoice_id)
        (told,) = representations.invoice_summaries(session, [row])
    assert (told.total, told.amount_paid, told.amount_due, told.status) == (119_00, 50_00, 69_00, "open")


def test_what_was_begun_over_the_whole_is_called_off_before_a_part_is_recorded(checkout: Checkout) -> None:
    started = checkout.start()
    record_outside(checkout.invoice_id, amount=eur(50_00))
    (only,) = checkout.payments
    assert only.status == PaymentStatus.CANCELED
    with pytest.raises(Exception, match="canceled"):
        checkout.confirm(started.intent_id)
    assert pay_rest(checkout).amount == eur(69_00)


def test_a_part_that_was_not_paid_after_all_can_be_paid_by_card(checkout: Checkout) -> None:
    """The rest was paid by card meanwhile: that payment stands, and is not repeated."""
    record = record_outside(checkout.invoice_id, amount=eur(50_00))
    first = pay_rest(checkout)
    outside.reverse(record.id, factories.reviewer(), "another customer's")
    assert (checkout.invoice.status, checkout.invoice.amount_due) == ("open", eur(50_00))
    second = pay_rest(checkout, "pay-what-was-missing")
    assert {first.id, second.id} == {one.id for one in checkout.payments}
    assert (second.amount, sorted(charges(checkout))) == (eur(50_00), [50_00, 69_00])
    assert (checkout.invoice.status, receivables(checkout)) == ("paid", 119_00)
    with pytest.raises(Conflict):
        checkout.start("once-more-please")


def test_a_reversal_calls_off_what_was_begun_over_the_rest(checkout: Checkout) -> None:
    record = record_outside(checkout.invoice_id, amount=eur(50_00))
    checkout.start()
    outside.reverse(record.id, factories.reviewer(), "another customer's")
    assert [one.status for one in checkout.payments] == [PaymentStatus.CANCELED]
    assert pay_rest(checkout).amount == eur(119_00)


def test_a_second_person_s_approval_calls_off_nothing_that_was_paid(checkout: Checkout) -> None:
    """While a record waits nobody can start to pay by card; who pays all the same (by an intent of before) is not paid twice."""
    with db.transaction() as session:
        session.get_one(Invoice, checkout.invoice_id).currency = "chf"  # without a threshold: always two people
    record = record_outside(checkout.invoice_id)
    assert record.waits
    with pytest.raises(Conflict) as refused:
        checkout.start()
    assert refused.value.code == invoices.BEING_RECORDED
    assert checkout.payments == []
    with db.transaction() as session:
        invoices.mark_paid(session, checkout.invoice_id, clock.now())
    with pytest.raises(Conflict):
        outside.approve(record.id, factories.reviewer("admin"))
    assert books() == []


def test_more_money_than_was_due_is_kept_and_found(checkout: Checkout) -> None:
    """An accident that the locks do not allow: the payment was started over the whole, and a part is counted all the same."""
    started = checkout.start()
    with db.transaction() as session:
        invoice = invoices.lock(session, checkout.invoice_id)
        invoices.count(session, invoice, eur(50_00), clock.now())
    checkout.confirm(started.intent_id)
    intents.refresh(started.payment_id)
    assert checkout.payment.status == PaymentStatus.SUCCEEDED
    assert "refund the difference" in checkout.payment.review_reason
    assert (checkout.invoice.status, checkout.invoice.amount_due) == ("paid", eur(0))


def test_a_part_recorded_while_a_payment_is_started_never_lets_more_be_charged_than_is_due(checkout: Checkout) -> None:
    by = factories.reviewer()

    def record() -> object:
        return record_outside(checkout.invoice_id, by, amount=eur(50_00))

    run_concurrently(record, checkout.start, lambda: checkout.start("a-second-tab"), record)
    due = checkout.invoice.amount_due
    live = [one for one in checkout.payments if one.status != PaymentStatus.CANCELED]
    assert all(one.amount == due for one in live), (due, live)
    assert len(live) <= 1
    payment = pay_rest(checkout)
    assert payment.amount == due == eur(sum(charges(checkout)))
    assert (checkout.invoice.status, receivables(checkout)) == ("paid", 119_00)


def test_a_card_pressed_while_a_part_is_recorded_is_charged_once_and_what_is_due(checkout: Checkout) -> None:
    card, by = checkout.keep_card(), factories.reviewer()
    run_concurrently(
        lambda: record_outside(checkout.invoice_id, by, amount=eur(50_00)),
        lambda: service.pay_with_card(
            checkout.customer_id,
            service.whole(checkout.invoice_id),
            card.id,
            client_key="one-press",
            at_most=eur(119_00),
        ),
    )
    for payment in checkout.payments:
        following.sync(payment.id)
    invoice = checkout.invoice
    assert sum(charges(checkout)) + (119_00 - invoice.paid_minor) <= 119_00
    assert receivables(checkout) == invoice.paid_minor
    assert company_days.today() == invoice.issued_on
