"""What a refund gives back, in the books: of the price, with its tax, or of what was paid too much. Money is posted where it moves."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from portal.invoices import service as invoices
from portal.ledger import revenue
from portal.payments.models import Payment
from portal.refunds import policy
from portal.refunds.models import Refund


def credit(session: Session, refund: Refund, payment: Payment, at: datetime, movement: str = "") -> None:
    """Post what the money of a refund is given back of, by rate of tax; `movement` names it, or the refund's id does.

    In the caller's transaction, which holds the payment's lock; its invoice is locked besides, since others may have paid a part of that. A
    second call writes nothing.
    """
    if refund.invoice_id is not None:
        invoices.lock(session, refund.invoice_id)
    lowers = policy.lowers_price(refund.reason, refund.invoice_id, payment)
    book = revenue.give_back if lowers else revenue.return_overpaid
    book(session, refund.amount, refund.item, subject=payment.id, movement=movement or refund.id, at=at)


def take_again(session: Session, refund: Refund, at: datetime) -> None:
    """Post that it has failed: the price is what it was. A second call writes nothing."""
    revenue.take_again(session, refund.item, subject=refund.payment_id, movement=refund.id, at=at)


def credited(session: Session, refund: Refund) -> list[revenue.Part]:
    """What a refund lowered the price by, by rate of tax with the highest first."""
    return revenue.given_back(session, refund.item.id, refund.id)
