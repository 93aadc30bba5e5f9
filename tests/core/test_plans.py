"""The questions that are asked all the time go through their small indexes, on SQLite, too, which is particular about them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from portal.core import clock, db
from portal.core.four_eyes import Reviewer
from portal.documents import queries as receipts
from portal.jobs import outbox, workers
from portal.jobs.lanes import Lane
from portal.mandates import queries as mandates
from portal.payment_methods import queries as cards
from portal.payments import queries as payments
from portal.refunds import queries as refunds
from portal.refunds import queue as refund_queue
from portal.refunds.statuses import RefundStatus
from portal.stripe_events import queries as stripe_events
from portal.stripe_events.models import StripeEvent
from portal.webhook_endpoints import queries as deliveries
from portal.webhook_endpoints.queries import DeliveryFilter

TOM = Reviewer("usr_tom", "support")
START = datetime(2026, 1, 1, tzinfo=UTC)

QUESTIONS: dict[str, tuple[str, Callable[[Session], object]]] = {
    "the live payment of an invoice": (
        "uq_payment_allocations_live", lambda session: payments.live_of_invoice(session, "inv_1"),
    ),
    "a confirmation without an answer": (
        "uq_payment_confirmations_unanswered", lambda session: payments.unanswered(session, "pay_1"),
    ),
    "the jobs that are due": (
        "ix_jobs_due", lambda session: session.execute(outbox._due(clock.now(), 5)).all(),
    ),
    "the jobs of a lane that are due": (
        "ix_jobs_due_by_lane", lambda session: session.execute(outbox._due(clock.now(), 5, Lane.DOCUMENTS)).all(),
    ),
    "the collections that are due": (
        "ix_collections_due", lambda session: mandates.due(session, clock.now(), None, 5),
    ),
    "who is told of an event": (
        "ix_webhook_endpoints_customer", lambda session: deliveries.endpoints(session, "cus_1"),
    ),
    "the deliveries of a customer": (
        "ix_webhook_deliveries_customer", lambda session: deliveries.deliveries(session, DeliveryFilter(customer_id="cus_1")),
    ),
    "the deliveries that failed": (
        "ix_webhook_deliveries_status", lambda session: deliveries.deliveries(session, DeliveryFilter(status="failed")),
    ),
    "the deliveries of a type": (
        "ix_webhook_deliveries_type", lambda session: deliveries.deliveries(session, DeliveryFilter(type="ping")),
    ),
    "the refunds of all customers": ("ix_refunds_asked", refunds.history),
    "the refunds with a status": ("ix_refunds_freed", lambda session: refunds.history(session, status=RefundStatus.FAILED)),
    "the last webhook": ("ix_stripe_events_delivered", stripe_events.last_delivered),
    "the events that wait about one intent": (
        "ix_stripe_events_intent", lambda session: stripe_events.waiting_with(
            session, StripeEvent(id="evt_1", type="charge.updated", intent_id="pi_1", replays=0)
        ),
    ),
    "the queue of refunds": ("ix_refunds_queue", lambda session: refund_queue.page(session, TOM, refund_queue.Filter(), 5)),
    "how many refunds wait": ("ix_refunds_queue", lambda session: refund_queue.counts(session, TOM)),
    "refunds whose job has died": (
        "ix_refunds_followed", lambda session: refunds.left_behind(session, 5),
    ),
    "payments that lost their job": ("ix_payments_", lambda session: payments.left_behind(session, 5)),
    "confirmations that lost their job": (
        "uq_payment_confirmations_unanswered", lambda session: payments.unanswered_left_behind(session, 5),
    ),
    "duplicates that lost their job": (
        "ix_payments_open", lambda session: refunds.duplicates_left_behind(session, START, 5),
    ),
    "setups that lost their job": ("ix_payment_method_setups_open", lambda session: cards.left_behind(session, 5)),
    "payments without a receipt": (
        "ix_payments_open", lambda session: receipts.payments_without_receipt(session, START, 5),
    ),
    "refunds without a credit note": (
        "ix_refunds_succeeded", lambda session: receipts.refunds_without_credit_note(session, START, 5),
    ),
    "documents that lost their job": ("ix_documents_unmailed", lambda session: receipts.left_behind(session, 5)),
    "revocations that lost their job": (
        "ix_documents_revoked", lambda session: receipts.revocations_left_behind(session, 5),
    ),
    "a service that jobs wait for": ("ix_jobs_waiting", lambda session: workers.try_one(session, "stripe")),
    "which services jobs wait for": ("ix_jobs_waiting", workers.outages_now),
    "what an app ordered under its key": (
        "sqlite_autoindex_payment_orders",
        lambda session: payments.order_by_key(session, "cus_1", "a-key"),
    ),
    "the last order of a payment": ("ix_payment_orders_payment", lambda session: payments.last_order(session, "pay_1")),
    "the documents of a month": (
        "ix_documents_issued",
        lambda session: receipts.issued(session, datetime(2026, 1, 1, tzinfo=UTC), clock.now(), None, 5),
    ),
    "the newest payments first": (
        "ix_payments_history", lambda session: payments.history(session, "cus_1", payments.Filter()),
    ),
    "the oldest payments first": (
        "ix_payments_history", lambda session: payments.history(session, "cus_1", payments.Filter(), oldest_first=True),
    ),
    "the oldest that succeeded first": (
        "ix_payments_history_status",
        lambda session: payments.history(session, "cus_1", payments.Filter(status="succeeded"), oldest_first=True),
    ),
    "how many payments a customer has": (
        "ix_payments_history", lambda session: payments.count(session, "cus_1", payments.Filter()),
    ),
}  # fmt: skip
# A page costs the same wherever it lies: nothing is sorted for it.
IN_THE_INDEX_S_ORDER = {
    "the documents of a month",
    "the newest payments first",
    "the oldest payments first",
    "the oldest that succeeded first",
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_small_index_serves(sqlite_database: str, question: str) -> None:
    index, ask = QUESTIONS[question]
    asked: list[tuple[str, Any]] = []

    def hear(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(db.engine(), "before_cursor_execute", hear)
    try:
        with db.reading() as session:
            ask(session)
    finally:
        event.remove(db.engine(), "before_cursor_execute", hear)
    statement, parameters = next(one for one in asked if one[0].startswith("SELECT"))
    with db.reading() as session:
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    assert any(index in row[3] for row in plan), plan
    if question in IN_THE_INDEX_S_ORDER:
        assert not any("TEMP B-TREE" in row[3] for row in plan), plan
