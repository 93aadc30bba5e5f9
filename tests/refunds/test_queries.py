"""What staff and the worker are shown, told by rows alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import joinedload

from portal.core import config, db
from portal.core.four_eyes import Reviewer
from portal.core.money import Money
from portal.payments.models import Payment
from portal.refunds import queries, queue, queue_facts, service, surroundings
from portal.refunds.models import Refund
from portal.refunds.policy import RefundReason
from tests import factories
from tests.refunds.conftest import Counter

NOON = datetime(2026, 10, 15, 12, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
TOM = Reviewer("usr_tom", "support")


def test_the_queue_is_read_page_by_page_in_the_order_of_asking(database: str) -> None:
    """Also those that were asked for at one moment are read once each."""
    with db.transaction() as session:

        def ask(at: datetime, **values: Any) -> str:
            paid = factories.payment(session, factories.customer(session))
            undecided = {"status": "requested", "succeeded_at": None, "stripe_refund_id": None}
            return factories.refund(session, paid, asked_at=at, **(undecided | values)).id

        wanted = [*sorted(ask(NOON) for _ in range(3)), ask(NOON + INSTANT)]
        factories.refund(session, factories.payment(session, factories.customer(session)), asked_at=NOON)
    for sort, in_order in (
        (queue.Sort.OLDEST, wanted),
        (queue.Sort.NEWEST, wanted[::-1]),
        (queue.Sort.LARGEST, sorted(wanted, reverse=True)),  # all are as large
    ):
        with db.reading() as session:
            pages, after = [], None
            while page := queue.page(session, TOM, queue.Filter(sort=sort), 2, after):
                pages.append([refund.id for refund in page])
                after = page[-1]
                assert len(pages) < 3, "it goes on for ever"
        assert pages == [in_order[:2], in_order[2:]]


def test_duplicates_are_looked_for_among_those_that_changed_since(database: str) -> None:
    with db.transaction() as session:

        def paid(at: datetime, **values: Any) -> str:
            return factories.payment(
                session, factories.customer(session), updated_at=at, **({"duplicate": "second_intent"} | values)
            ).id

        wanted = [paid(NOON), paid(NOON + INSTANT), paid(NOON)]
        factories.refund(session, session.get_one(Payment, wanted[2]), origin="stripe")
        factories.refund(session, session.get_one(Payment, paid(NOON)), origin="portal")
        paid(NOON - INSTANT)
        paid(NOON, duplicate=None)
        paid(NOON, status="processing", succeeded_at=None)
    with db.reading() as session:
        assert sorted(queries.duplicates_left_behind(session, NOON, 9)) == sorted(wanted)
        assert len(queries.duplicates_left_behind(session, NOON, 1)) == 1


def test_the_queue_tells_of_disputes_and_warnings_of_a_refunds_own_payment(database: str) -> None:
    with db.transaction() as session:

        def ask(**values: Any) -> str:
            paid = factories.payment(session, factories.customer(session))
            if "disputed" in values:
                factories.dispute(session, paid)
            if "warned" in values:
                factories.fraud_warning(session, paid)
            undecided = {"status": "requested", "succeeded_at": None, "stripe_refund_id": None}
            return factories.refund(session, paid, **undecided).id

        disputed, warned, neither = ask(disputed=True), ask(warned=True), ask()
    with db.reading() as session:
        facts = queue_facts.facts_of(session, queue.page(session, TOM, queue.Filter(), 9, None), TOM.id)
    assert {refund: (one.is_disputed, one.is_warned) for refund, one in facts.items()} == {
        disputed: (True, False),
        warned: (False, True),
        neither: (False, False),
    }


def test_a_queue_is_narrowed_by_a_filter_or_by_another_order() -> None:
    assert not queue.Filter().is_narrowed
    narrowed = [
        queue.Filter(reason=RefundReason.GOODWILL),
        queue.Filter(currency="eur"),
        queue.Filter(flag=queue.Flag.HELD),
        queue.Filter(sort=queue.Sort.NEWEST),
    ]
    assert all(one.is_narrowed for one in narrowed)


def test_what_one_has_approved_needs_two_and_what_nobody_has_does_not(settings: config.Settings) -> None:
    with db.transaction() as session:
        paid = factories.payment(session, factories.customer(session))
        undecided = {"succeeded_at": None, "stripe_refund_id": None, "amount_minor": 1_00}
        wanted = [
            factories.refund(session, paid, status=status, **undecided).id for status in ("approved_once", "requested")
        ]
    with db.reading() as session:
        rows = [session.get_one(Refund, one, options=[joinedload(Refund.payment)]) for one in wanted]
        facts = queue_facts.facts_of(session, rows, TOM.id)
    assert [facts[one].needs_two for one in wanted] == [True, False]


def test_around_a_payment_are_those_of_its_own_customer_its_twin_first(database: str) -> None:
    with db.transaction() as session:
        customer, stranger = factories.customer(session), factories.customer(session)
        payment, twin = (factories.payment(session, customer, created_at=NOON) for _ in range(2))
        other = factories.payment(session, customer, amount_minor=7_00, created_at=NOON + INSTANT)
        factories.payment(session, stranger, created_at=NOON)
        around = surroundings.payments_around(session, payment)
    assert [(one.payment.id, one.is_twin) for one in around] == [(twin.id, True), (other.id, False)]


def test_a_key_is_its_customers_own(counter: Counter) -> None:
    """Two customers may send the same key: neither meets what the other one asked for with it."""
    with db.transaction() as session:
        other = factories.customer(session)
        theirs = factories.payment(session, other).id

    def ask(customer_id: str, payment_id: str) -> str:
        money = Money(19_00, "eur")
        reason = RefundReason.PRODUCT_NOT_RECEIVED
        return service.ask(customer_id, None, payment_id, money, reason, "", client_key="one-and-the-same")

    first, second = ask(counter.customer_id, counter.payment_id), ask(other.id, theirs)
    assert (ask(counter.customer_id, counter.payment_id), ask(other.id, theirs)) == (first, second)
    assert first != second
