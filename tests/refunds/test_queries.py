"""What staff and the worker are shown, told by rows alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from portal.core import db
from portal.core.four_eyes import Reviewer
from portal.refunds import queries, queue, queue_facts
from portal.refunds.policy import RefundReason
from tests import factories

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

        wanted = [paid(NOON), paid(NOON + INSTANT)]
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
        facts = queue_facts.facts_of(session, queue.page(session, TOM, queue.Filter(), 9, None))
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
