"""The life of a receipt, in phases that may each run twice: issued with its number, rendered, then mailed (email.py)."""

from __future__ import annotations

import hashlib
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from portal import audit, config, db, language, numbering, outbox
from portal.accounts.models import Customer
from portal.errors import N_, Conflict, NotFound
from portal.invoices.models import Invoice
from portal.payments.models import Payment
from portal.receipts import facts, pdf
from portal.receipts.models import Receipt

log = structlog.get_logger(__name__)

ISSUE: Final = "receipts.issue"
RENDER: Final = "receipts.render"
MAIL: Final = "receipts.mail"
MAIL_AGAIN: Final = "receipts.mail_again"


def issue(payment_id: str) -> str:
    """Give a succeeded payment its one receipt, with the next number and the facts as they are now; returns its id.

    A second call finds the receipt and changes nothing. Raises NotFound for an unknown payment, Conflict for one that has
    not succeeded, and facts.NotAddingUp; none of them uses up a number.
    """
    with db.transaction() as session:
        # The row's lock makes a second issuer wait here, and then find what the first has written.
        payment = session.get(Payment, payment_id, with_for_update=True)
        if payment is None:
            raise NotFound
        if payment.succeeded_at is None:
            raise Conflict
        found = session.execute(select(Receipt.id).where(Receipt.payment_id == payment_id)).scalar_one_or_none()
        return found or _write(session, payment)


def _write(session: Session, payment: Payment) -> str:
    settings = config.current()
    customer = session.get_one(Customer, payment.customer_id)
    invoice = None
    if payment.invoice_id is not None:
        invoice = session.get_one(Invoice, payment.invoice_id, options=[selectinload(Invoice.lines)])
    number = numbering.take(session, numbering.RECEIPTS)
    # Read after the number was taken, whose lock others wait for: a higher number never has an earlier moment.
    issued_at = db.database_now(session)
    frozen = facts.freeze(
        payment,
        invoice,
        customer,
        settings.company,
        number=number,
        issued_at=issued_at,
        zone=ZoneInfo(settings.timezone),
        language=language.supported(customer.language),
    )
    receipt = Receipt(
        id=db.new_id("rct"),
        number=frozen.number,
        payment_id=payment.id,
        customer_id=customer.id,
        total_minor=frozen.total_minor,
        currency=frozen.currency,
        facts=frozen.to_json(),
        issued_at=issued_at,
    )
    session.add(receipt)
    session.flush()
    told = {
        "number": receipt.number,
        "payment": payment.id,
        "total_minor": receipt.total_minor,
        "currency": receipt.currency,
    }
    audit.record(session, "receipt.issued", receipt.id, told, customer_id=customer.id)
    outbox.enqueue(session, RENDER, key=f"receipt.render:{receipt.id}", receipt_id=receipt.id)
    return receipt.id


def render(receipt_id: str) -> None:
    """Make the PDF from the frozen facts and keep it with its SHA-256; the next job mails it.

    A PDF that is stored already stays, whatever a second rendering gives. Raises NotFound for an unknown receipt.
    """
    with db.reading() as session:
        receipt = session.get(Receipt, receipt_id)
        if receipt is None:
            raise NotFound
    if receipt.pdf_sha256 is not None:
        return
    content = pdf.render(facts.from_json(receipt.facts))
    digest = hashlib.sha256(content).hexdigest()
    with db.transaction() as session:
        stored = session.get_one(Receipt, receipt_id, with_for_update=True)
        if stored.pdf_sha256 is not None:
            if stored.pdf_sha256 != digest:
                log.error("receipt_pdf_differs", receipt=receipt_id, stored=stored.pdf_sha256, rendered=digest)
            return
        stored.pdf, stored.pdf_sha256 = content, digest
        audit.record(session, "receipt.rendered", receipt_id, {"sha256": digest}, customer_id=stored.customer_id)
        outbox.enqueue(session, MAIL, key=f"receipt.mail:{receipt_id}", receipt_id=receipt_id)


def send_again(receipt_id: str) -> Receipt:
    """Leave the job that mails the receipt once more, to the address that its customer has now. Every call sends it again.

    Raises NotFound, and Conflict while its PDF is not made, for then its first mail is still to come.
    """
    with db.transaction() as session:
        receipt = session.get(Receipt, receipt_id, with_for_update=True)
        if receipt is None:
            raise NotFound
        if receipt.pdf_sha256 is None:
            raise Conflict(N_("This receipt is still being made. It is sent as soon as it is there."))
        customer = session.get_one(Customer, receipt.customer_id)
        told = {"number": receipt.number, "to": customer.email}
        audit.record(session, "receipt.sent_again", receipt_id, told, customer_id=customer.id)
        outbox.enqueue(session, MAIL_AGAIN, receipt_id=receipt_id, occasion=db.new_id("snd"))
        return receipt


def mark_mailed(receipt_id: str, to: str) -> None:
    """Record that a mail server took the receipt for this address; a second call keeps the first time."""
    with db.transaction() as session:
        receipt = session.get_one(Receipt, receipt_id, with_for_update=True)
        if receipt.mailed_at is None:
            receipt.mailed_at = db.database_now(session)
            audit.record(session, "receipt.mailed", receipt_id, {"to": to}, customer_id=receipt.customer_id)
