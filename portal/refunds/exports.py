"""The queue as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from portal.content.csv_lines import FOR_PROGRAMS, Shape
from portal.core import audit, db
from portal.core.errors import N_
from portal.core.four_eyes import Reviewer
from portal.refunds import queue, queue_facts

EXPORT_LIMIT: Final = 10_000
EXPORT_BATCH: Final = 500

# What a program calls a column, and what stands above it for people.
COLUMNS: Final = {
    "refund": N_("Refund"),
    "requested": N_("Requested (%(zone)s)"),
    "customer": N_("Customer"),
    "payment": N_("Payment"),
    "reason": N_("Reason"),
    "message": N_("The customer’s message"),
    "amount": N_("Amount"),
    "currency": N_("Currency"),
    "share": N_("Share of the payment (%%)"),
    "status": N_("Status"),
    "disputed": N_("Disputed"),
    "warned": N_("Fraud warning"),
    "needs_two": N_("Needs two"),
    "refunded_before": N_("Refunded before"),
    "rejected_before": N_("Rejected before"),
}


def export_queue(reviewer: Reviewer, wanted: queue.Filter, shape: Shape = FOR_PROGRAMS) -> Iterator[str]:
    """Lines of CSV in the order of the queue, at most EXPORT_LIMIT; that they were taken is recorded before the first."""
    with db.transaction() as session:
        audit.record(session, "refunds.exported", "refunds", dict(wanted.arguments))
    return _lines(reviewer, wanted, shape)


def _lines(reviewer: Reviewer, wanted: queue.Filter, shape: Shape) -> Iterator[str]:
    yield shape.header(COLUMNS)
    after, written = None, 0
    while written < EXPORT_LIMIT:
        with db.reading() as session:
            rows = queue.page(session, reviewer, wanted, EXPORT_BATCH, after)
            facts = queue_facts.facts_of(session, rows, reviewer.id)
        for row in rows:
            one = facts[row.id]
            yield shape.line(
                [
                    row.id,
                    row.asked_at,
                    row.customer.name,
                    row.payment.description,
                    row.reason,
                    row.explanation,
                    row.amount.decimal,
                    row.currency.upper(),
                    str(one.share),
                    str(row.status),
                    *(_yes(flag) for flag in (one.is_disputed, one.is_warned, one.needs_two)),
                    str(one.refunded_before),
                    str(one.rejected_before),
                ]
            )
        written += len(rows)
        if len(rows) < EXPORT_BATCH:
            return
        after = rows[-1]


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"
