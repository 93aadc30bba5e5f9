"""Several invoices that are paid with one payment: one intent, an allocation for each, one receipt; and a refund names its invoice."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import select

from portal.accounts.models import Customer
from portal.core import clock, db
from portal.core.errors import Conflict, Invalid, NotFound, PortalError
from portal.core.money import Money
from portal.documents import facts
from portal.documents import queries as documents
from portal.documents import service as issuing
from portal.invoices import service as invoices
from portal.invoices.models import Invoice
from portal.jobs import outbox
from portal.ledger import LedgerAccount, Posting
from portal.payments import following, queries, service
from portal.payments.models import Allocation, Payment
from portal.refunds import service as refunds
from portal.refunds.models import Refund
from tests import factories
from tests.concurrency import run_concurrently
from tests.crashing import dies
from tests.payments.conftest import Checkout, books


def eur(minor: int) -> Money:
    return Money(minor, "eur")


def another(checkout: Checkout, **values: Any) -> str:
    """One more open invoice of the customer, of 119 euros if nothing else is said."""
    with db.transaction() as session:
        return factories.invoice(session, session.get_one(Customer, checkout.customer_id), **values).id


def statuses(*invoice_ids: str) -> list[str]:
    with db.reading() as session:
        return [session.get_one(Invoice, one).status for one in invoice_ids]


def start(checkout: Checkout, *invoice_ids: str, key: str = "first-press", **given: Any) -> service.Started:
    shares = service.whole(*invoice_ids)
    service.end_others(checkout.customer_id, shares)
    return service.start(checkout.customer_id, shares, client_key=key, save_card=False, **given)


def paid(checkout: Checkout, *invoice_ids: str) -> Payment:
    started = start(checkout, *invoice_ids)
    checkout.confirm(started.intent_id)
    following.sync(started.payment_id)
    with db.reading() as session:
        return queries.for_customer(session, started.payment_id, checkout.customer_id)


def test_one_intent_pays_them_all_in_the_transaction_of_its_settlement(checkout: Checkout) -> None:
    other = another(checkout)
    payment = paid(checkout, checkout.invoice_id, other)
    (intent,) = checkout.intents
    assert intent.amount == 238_00 and intent.status == "succeeded"
    assert payment.has_succeeded and payment.amounts == {checkout.invoice_id: 119_00, other: 119_00}
    assert statuses(checkout.invoice_id, other) == ["paid", "paid"]
    with db.reading() as session:
        of_charge = select(Posting).where(Posting.kind == "charge")
        booked = {(one.item_id, one.amount_minor, one.credit) for one in session.scalars(of_charge)}
        assert all(one.counts for one in queries.allocations_of(session, payment.id))
    assert booked == {(one, 119_00, LedgerAccount.RECEIVABLES) for one in (checkout.invoice_id, other)}


def test_its_one_receipt_names_all_and_what_was_paid_of_each(checkout: Checkout) -> None:
    other = another(checkout, lines=[("Ride", 1_000, 50_00, 0)])
    payment = paid(checkout, checkout.invoice_id, other)
    issuing.issue(payment.id)
    with db.reading() as session:
        receipt = documents.receipt_of(session, payment.id)
        assert receipt is not None
        said = facts.from_json(receipt.facts)
        numbers = [session.get_one(Invoice, one).number for one in (checkout.invoice_id, other)]
    assert isinstance(said, facts.PaymentConfirmationFacts) and said.total == eur(169_00)
    assert [(one.number, one.amount_minor) for one in said.invoices] == [(numbers[0], 119_00), (numbers[1], 50_00)]


def test_two_tabs_with_overlapping_selections_meet_as_one_live_payment_an_invoice(checkout: Checkout) -> None:
    second, third = another(checkout), another(checkout)
    first = start(checkout, checkout.invoice_id, second, key="first-tab")
    later = start(checkout, second, third, key="second-tab")
    assert later.payment_id != first.payment_id
    with pytest.raises(Exception, match="canceled"):
        checkout.confirm(first.intent_id)  # the first tab is still open
    checkout.confirm(later.intent_id)
    following.sync(first.payment_id)
    following.sync(later.payment_id)
    assert statuses(checkout.invoice_id, second, third) == ["open", "paid", "paid"]
    assert [intent.amount for intent in checkout.intents if intent.status == "succeeded"] == [238_00]


def test_the_same_selection_in_two_tabs_goes_on_with_one_payment_in_any_order(checkout: Checkout) -> None:
    other = another(checkout)
    first = start(checkout, checkout.invoice_id, other, key="first-tab")
    again = start(checkout, other, checkout.invoice_id, key="second-tab")
    assert again.payment_id == first.payment_id and len(checkout.intents) == 1


def test_overlapping_presses_at_the_same_moment_charge_no_invoice_twice(checkout: Checkout) -> None:
    second, third = another(checkout), another(checkout)
    card = checkout.keep_card()

    def press(key: str, *chosen: str) -> None:
        try:
            service.pay_with_card(checkout.customer_id, service.whole(*chosen), card.id, client_key=key)
        except PortalError:
            return

    run_concurrently(
        lambda: press("press-of-tab-a", checkout.invoice_id, second),
        lambda: press("press-of-tab-b", second, third),
        lambda: press("press-of-tab-c", third, checkout.invoice_id),
    )
    charged = [intent for intent in checkout.intents if intent.status == "succeeded"]
    of_each: dict[str, int] = {}
    with db.reading() as session:
        for one in session.scalars(select(Allocation).join(Allocation.payment).where(Payment.status == "succeeded")):
            of_each[one.invoice_id] = of_each.get(one.invoice_id, 0) + one.amount_minor
    assert len(charged) == 1 and set(of_each.values()) == {119_00}
    assert sum(intent.amount for intent in charged) == sum(of_each.values())


def test_a_single_invoice_of_a_selection_can_be_paid_alone_instead(checkout: Checkout) -> None:
    other = another(checkout)
    both = start(checkout, checkout.invoice_id, other, key="both-of-them")
    alone = start(checkout, other, key="one-alone")
    with db.reading() as session:
        assert session.get_one(Payment, both.payment_id).status == "canceled"
        live = queries.live_of_invoice(session, other)
        assert live is not None and live.id == alone.payment_id and live.amount == eur(119_00)
        assert queries.live_of_invoice(session, checkout.invoice_id) is None


@pytest.mark.database("sqlite")
def test_what_cannot_be_paid_at_once_is_told_before_stripe_is_asked(checkout: Checkout) -> None:
    with db.transaction() as session:
        stranger = factories.customer(session)
        theirs = factories.invoice(session, stranger).id
    dollars, void = another(checkout, currency="usd"), another(checkout)
    invoices.void(void, "Billed twice")
    for chosen, refusal, field in (
        ((checkout.invoice_id, theirs), Invalid, "invoices"),
        ((checkout.invoice_id, dollars), Invalid, "invoices"),
        ((checkout.invoice_id, checkout.invoice_id), Invalid, "invoices"),
        ((), Invalid, "invoices"),
        ((checkout.invoice_id, void), Conflict, None),
        ((theirs,), NotFound, None),
    ):
        with pytest.raises(refusal) as told:
            start(checkout, *chosen)
        assert getattr(told.value, "field", None) == field
    with pytest.raises(Conflict, match="is due"):
        start(checkout, checkout.invoice_id, another(checkout), at_most=eur(200_00))
    assert checkout.intents == [] and checkout.payments == []


def test_a_refund_names_its_invoice_and_gives_back_no_more_than_was_paid_of_it(checkout: Checkout) -> None:
    other = another(checkout)
    payment = paid(checkout, checkout.invoice_id, other)

    def ask(key: str, amount: Money | None, invoice_id: str | None) -> str:
        return refunds.ask(
            checkout.customer_id,
            None,
            payment.id,
            amount,
            "product_not_received",
            "",
            client_key=key,
            invoice_id=invoice_id,
        )

    with pytest.raises(Invalid) as told:
        ask("of-none-of-them", eur(10_00), None)
    assert told.value.field == "invoice_id"
    with pytest.raises(Invalid, match="At most"):
        ask("more-than-its-own", eur(119_01), other)
    refund_id = ask("all-of-one", None, other)
    with db.reading() as session:
        row = session.get_one(Refund, refund_id)
        assert (row.invoice_id, row.amount) == (other, eur(119_00))
    with pytest.raises(Invalid):
        ask("once-more", eur(1), other)


POINTS = ("payment recorded", "charge posted", "invoice paid", "payment changed")


@pytest.mark.parametrize("point", POINTS)
def test_a_death_at_any_point_leaves_all_of_them_paid_once_or_none(checkout: Checkout, point: str) -> None:
    other = another(checkout)
    if point == "payment recorded":
        dies(point, lambda: start(checkout, checkout.invoice_id, other))
        assert checkout.payments == []
    started = start(checkout, checkout.invoice_id, other)
    checkout.confirm(started.intent_id)
    if point != "payment recorded":
        dies(point, lambda: following.sync(started.payment_id))
        assert statuses(checkout.invoice_id, other) == ["open", "open"]
    with suppress(outbox.Reschedule):
        service.follow_up(started.payment_id)
    assert statuses(checkout.invoice_id, other) == ["paid", "paid"]
    assert [minor for kind, _reference, minor in books() if kind == "charge"] == [119_00, 119_00]
    assert [intent.amount for intent in checkout.intents if intent.status == "succeeded"] == [238_00]


@pytest.mark.database("sqlite")
def test_one_that_was_closed_meanwhile_is_booked_as_too_much_and_the_others_are_paid(checkout: Checkout) -> None:
    other = another(checkout)
    started = start(checkout, checkout.invoice_id, other)
    checkout.confirm(started.intent_id)
    with db.transaction() as session:  # as a restore would leave it
        invoices.mark_paid(session, other, clock.now())
    following.sync(started.payment_id)
    with db.reading() as session:
        payment = queries.for_customer(session, started.payment_id, checkout.customer_id)
    assert statuses(checkout.invoice_id, other) == ["paid", "paid"] and payment.duplicate is None
    assert [one.counts for one in payment.allocations] == [True, False]
    assert payment.review_reason.startswith("not open any more when the money arrived")
