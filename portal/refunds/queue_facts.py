"""What decides, for each request of a page of the queue: its share of the payment, what stands in the way, what its customer had before.

A few questions for all of them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.core import clock
from portal.disputes import queries as disputes
from portal.refunds import sums
from portal.refunds.models import Refund
from portal.refunds.statuses import RefundStatus


@dataclass(frozen=True, slots=True)
class Facts:
    """`share` is in per cent of the payment, rounded down; `age` is of the request; `refunded_before` and `rejected_before` count the
    customer's others."""

    share: int
    age: timedelta
    is_disputed: bool
    is_warned: bool
    needs_two: bool
    refunded_before: int
    rejected_before: int


def facts_of(session: Session, refunds: Sequence[Refund], reader_id: str) -> dict[str, Facts]:
    """By the refunds' ids; their payments are loaded, and none is decided. Whether one needs two is told as a decision of the reader's
    would find it: by the amount, and by what they, who proposed it and its customer have come to within a day.
    """
    if not refunds:
        return {}
    payments = [row.payment_id for row in refunds]
    disputed = disputes.blocked_among(session, payments)
    warned = {warning.payment_id for warning in disputes.warnings_of(session, payments)}
    two = sums.needs_two_among(session, refunds, reader_id)
    before = _before(session, [row.customer_id for row in refunds])
    now = clock.now()
    return {
        row.id: Facts(
            share=row.amount_minor * 100 // row.payment.amount_minor if row.payment.amount_minor else 0,
            age=now - row.asked_at,
            is_disputed=row.payment_id in disputed,
            is_warned=row.payment_id in warned,
            needs_two=row.id in two,
            refunded_before=before.get((row.customer_id, RefundStatus.SUCCEEDED), 0),
            rejected_before=before.get((row.customer_id, RefundStatus.REJECTED), 0),
        )
        for row in refunds
    }


def _before(session: Session, customer_ids: Sequence[str]) -> dict[tuple[str, str], int]:
    query = select(Refund.customer_id, Refund.status, func.count()).where(
        Refund.customer_id.in_(customer_ids), Refund.status.in_((RefundStatus.SUCCEEDED, RefundStatus.REJECTED))
    )
    found = session.execute(query.group_by(Refund.customer_id, Refund.status))
    return {(customer_id, str(status)): number for customer_id, status, number in found}
