"""What stands around a request while it is decided: the lines that were paid for, other payments at that time, and what stands in the way.

Nothing here commits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core import money
from portal.core.errors import N_
from portal.core.four_eyes import Reviewer
from portal.core.money import Money
from portal.core.permissions import Permission
from portal.invoices.models import InvoiceLine
from portal.payments import queries as payments
from portal.payments.models import Payment
from portal.payments.statuses import PaymentStatus
from portal.refunds.models import Refund
from portal.refunds.statuses import UNDECIDED, RefundStatus

# Payments of the same customer within this time before and after, the newest of so many.
NEAR: Final = timedelta(days=45)
MOST_NEAR: Final = 8
MOST_LINES: Final = 50


@dataclass(frozen=True, slots=True)
class Line:
    """What was paid for, taxes included."""

    description: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another payment of the customer, with what is told of its state; `is_twin` when it has the same amount, or the same invoice."""

    payment: Payment
    status: str
    is_twin: bool


def lines_of(session: Session, refund: Refund, payment: Payment) -> list[Line]:
    """The lines of the invoice that a refund is of, or the items of a payment without one."""
    if not payment.has_invoices:
        return [
            Line(
                str(item["description"]),
                Money(money.share(item["unit_amount_minor"], item["quantity_thousandths"], 1_000), payment.currency),
            )
            for item in payment.items[:MOST_LINES]
        ]
    query = select(InvoiceLine).where(InvoiceLine.invoice_id == refund.invoice_id).order_by(InvoiceLine.position)
    found = session.scalars(query.limit(MOST_LINES))
    return [Line(one.description, Money(one.net_minor + one.tax_minor, payment.currency)) for one in found]


def payments_around(session: Session, payment: Payment) -> list[Neighbour]:
    """Those that arrived or may, a twin of this one first."""
    query = select(Payment).where(
        Payment.customer_id == payment.customer_id,
        Payment.created_at.between(payment.created_at - NEAR, payment.created_at + NEAR),
        Payment.id != payment.id,
        Payment.status.in_((PaymentStatus.SUCCEEDED, PaymentStatus.PROCESSING)),
    )
    same = (Payment.amount_minor == payment.amount_minor) & (Payment.currency == payment.currency)
    query = query.order_by(same.desc(), Payment.created_at.desc(), Payment.id.desc()).limit(MOST_NEAR)
    found = list(session.scalars(query))
    shown = payments.shown_statuses(session, found)
    allocations = payments.allocations_of_all(session, [payment.id, *(one.id for one in found)])
    paid = {payment_id: {each.invoice_id for each in of_one} for payment_id, of_one in allocations.items()}
    mine = paid.get(payment.id, set())
    return [
        Neighbour(one, shown[one.id], one.amount == payment.amount or not mine.isdisjoint(paid.get(one.id, ())))
        for one in found
    ]


def obstacles(refund: Refund, reviewer: Reviewer, *, disputed: bool, may_approve: bool) -> list[str]:
    """Why this person cannot approve an undecided request now: texts of the catalogue; none where they can.

    What is told is what portal.refunds.deciding would refuse; a claim of a colleague's is told apart.
    """
    if refund.status not in UNDECIDED:
        return []
    found = []
    if refund.review_reason:
        found.append(N_("It is on hold: an approver must remove the hold first."))
    if disputed:
        found.append(N_("The payment is disputed at the bank. It cannot be refunded here as well."))
    if not may_approve:
        found.append(N_("You proposed this refund, so a colleague must approve it."))
    elif refund.status == RefundStatus.APPROVED_ONCE:
        if refund.first_approved_by == reviewer.id:
            found.append(N_("You have approved this refund. A second person must approve it too."))
        elif refund.asked_by == reviewer.id:
            found.append(N_("You proposed this refund, so a colleague must approve it."))
        elif not reviewer.may(Permission.APPROVE_LARGE_REFUNDS):
            found.append(N_("The second approval takes an approver."))
    return found
