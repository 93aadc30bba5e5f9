"""Reading receipts, always as their owner (the receipt repository)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from portal import keyset
from portal.errors import NotFound, PortalError
from portal.payments.models import Payment
from portal.receipts.models import Receipt


class Damaged(PortalError):
    """The stored PDF is not the one that was made: it is given to no one, and staff are alerted by the log."""

    code = "receipt_damaged"


@dataclass(frozen=True, slots=True)
class OfPayment:
    """A payment's id, whether money came in, and its receipt as soon as there is one."""

    payment_id: str
    succeeded: bool
    receipt: Receipt | None


def for_customer(session: Session, receipt_id: str, customer_id: str) -> Receipt:
    """The receipt without its PDF. Raises NotFound, also when it is another customer's."""
    query = select(Receipt).where(Receipt.id == receipt_id, Receipt.customer_id == customer_id)
    receipt = session.execute(query).scalar_one_or_none()
    if receipt is None:
        raise NotFound
    return receipt


def pdf_for_customer(session: Session, receipt_id: str, customer_id: str) -> Receipt:
    """The receipt with its PDF, which is None until it is rendered. Raises NotFound, and Damaged for altered bytes."""
    query = select(Receipt).where(Receipt.id == receipt_id, Receipt.customer_id == customer_id)
    receipt = session.execute(query.options(undefer(Receipt.pdf))).scalar_one_or_none()
    if receipt is None:
        raise NotFound
    return _intact(receipt)


def with_pdf(session: Session, receipt_id: str) -> Receipt:
    """For jobs: the receipt with its PDF, whoever owns it. Raises NotFound, and Damaged for altered bytes."""
    receipt = session.get(Receipt, receipt_id, options=[undefer(Receipt.pdf)])
    if receipt is None:
        raise NotFound
    return _intact(receipt)


def of_payment(session: Session, payment_id: str, customer_id: str) -> OfPayment:
    """The receipt of a payment, or why there is none yet. Raises NotFound for a payment that is not this customer's."""
    query = (
        select(Payment.succeeded_at, Receipt)
        .outerjoin(Receipt, Receipt.payment_id == Payment.id)
        .where(Payment.id == payment_id, Payment.customer_id == customer_id)
    )
    row = session.execute(query).one_or_none()
    if row is None:
        raise NotFound
    return OfPayment(payment_id, row[0] is not None, row[1])


def of_customer(session: Session, customer_id: str, cursor: str | None = None) -> keyset.Page[Receipt]:
    """A page of a customer's receipts, newest first. Raises NotFound for a cursor that nobody gave out."""
    query = select(Receipt).where(Receipt.customer_id == customer_id)
    return keyset.page(session, query, Receipt.issued_at, Receipt.id, cursor)


def _intact(receipt: Receipt) -> Receipt:
    if receipt.pdf is not None and hashlib.sha256(receipt.pdf).hexdigest() != receipt.pdf_sha256:
        raise Damaged
    return receipt
