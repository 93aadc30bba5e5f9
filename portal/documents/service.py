"""The life of a document, in phases that may each run twice: issued with its number, rendered, then mailed (email.py).

A receipt is issued for a payment that has succeeded, a credit note for a refund that has. A credit note can be revoked, when
its refund fails after all.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from portal.accounts.models import Customer
from portal.content import language
from portal.core import audit, config, crash, db, numbering
from portal.core.errors import N_, Conflict, NotFound
from portal.documents import codes, facts, freezing, jobs, pdf, queries
from portal.documents.freezing import NotAddingUp
from portal.documents.keeping import Kept, is_free, keep, kept_credit_note, kept_receipt
from portal.documents.models import CreditNote, Document, Receipt
from portal.invoices.models import Invoice
from portal.jobs import outbox
from portal.payments import jobs as payment_jobs
from portal.payments.models import Payment
from portal.refunds import jobs as refund_jobs
from portal.refunds.models import Refund

__all__ = [
    "Kept",
    "NotAddingUp",
    "is_free",
    "issue",
    "issue_credit_note",
    "keep",
    "kept_credit_note",
    "kept_receipt",
    "mark_mailed",
    "mark_revocation_mailed",
    "render",
    "requeue_lost_jobs",
    "revoke_credit_note",
    "send_again",
]

log = structlog.get_logger(__name__)

# The customer's PDF and mail go first. Until then the number stands in the mark (portal.core.marks) alone. Seconds.
KEEP_AFTER_SECONDS: Final = 5
# Older payments and refunds are reconciliation's.
MISSED_SINCE: Final = timedelta(days=3)


class NoReceiptYet(RuntimeError):
    """The receipt that the credit note must name is not issued yet: the job comes again."""


def issue(payment_id: str, kept: Kept | None = None) -> str:
    """Give a succeeded payment its one receipt, with the next number and the facts as they are now; returns its id.

    One that was `kept` at Stripe is issued again with the number, the code and the moment that it had. A second call finds the receipt
    and changes nothing. Raises NotFound for an unknown payment, Conflict for one that has
    not succeeded, and freezing.NotAddingUp; none of them uses up a number.
    """
    with db.transaction() as session:
        # The row's lock makes a second issuer wait here, and then find what the first has written.
        payment = session.get(Payment, payment_id, with_for_update=True)
        if payment is None:
            raise NotFound
        if payment.succeeded_at is None:
            raise Conflict
        found = session.execute(select(Receipt.id).where(Receipt.payment_id == payment_id)).scalar_one_or_none()
        return found or _issue_receipt(session, payment, kept)


def _issue_receipt(session: Session, payment: Payment, kept: Kept | None) -> str:
    customer = session.get_one(Customer, payment.customer_id)
    invoice = None
    if payment.invoice_id is not None:
        invoice = session.get_one(Invoice, payment.invoice_id, options=[selectinload(Invoice.lines)])
    issue = _begin_issue(session, numbering.RECEIPTS, customer, kept)
    frozen = freezing.receipt(payment, invoice, customer, issue)
    document_id = kept.document_id if kept else db.new_id("rct")
    return _add(session, Receipt(id=document_id, payment_id=payment.id, code=issue.code), frozen, customer, kept)


def issue_credit_note(refund_id: str, kept: Kept | None = None) -> str | None:
    """Give a succeeded refund its one credit note, with the next number of their own series; returns its id.

    A second call finds it and changes nothing. A refund that has failed meanwhile gets none, since nothing was given back.
    Raises NotFound for an unknown refund, Conflict for one that has never succeeded, NoReceiptYet, and freezing.NotAddingUp, also
    while an earlier credit note of the payment has yet to be revoked; none of them uses up a number.
    """
    with db.transaction() as session:
        refund, payment = _lock(session, refund_id)
        found = session.execute(select(CreditNote.id).where(CreditNote.refund_id == refund_id)).scalar_one_or_none()
        if found is not None:
            return found
        if refund.succeeded_at is None:
            raise Conflict
        if not refund.has_succeeded:
            return None
        receipt = session.execute(select(Receipt).where(Receipt.payment_id == payment.id)).scalar_one_or_none()
        if receipt is None:
            raise NoReceiptYet(payment.id)
        return _issue_credit_note(session, refund, payment, receipt, kept)


def _issue_credit_note(session: Session, refund: Refund, payment: Payment, receipt: Receipt, kept: Kept | None) -> str:
    customer = session.get_one(Customer, payment.customer_id)
    standing = select(CreditNote.facts).where(CreditNote.payment_id == payment.id, CreditNote.revoked_at.is_(None))
    earlier = [facts.from_json(written) for written in session.execute(standing).scalars()]
    issue = _begin_issue(session, numbering.CREDIT_NOTES, customer, kept)
    frozen = freezing.credit_note(refund, payment, facts.receipt_from_json(receipt.facts), earlier, customer, issue)
    document_id = kept.document_id if kept else db.new_id("crn")
    note = CreditNote(id=document_id, payment_id=payment.id, refund_id=refund.id, code=issue.code)
    return _add(session, note, frozen, customer, kept)


def revoke_credit_note(refund_id: str) -> None:
    """The refund failed after it had succeeded: its credit note is void, and the customer is told by the next job.

    The credit note stays where it is, and its number stays used. A second call changes nothing, nor does one for a refund that
    failed before its credit note was issued. Raises NotFound for an unknown refund, Conflict for one that has not failed.
    """
    with db.transaction() as session:
        refund, _payment = _lock(session, refund_id)
        if not refund.has_failed:
            raise Conflict
        note = session.execute(select(CreditNote).where(CreditNote.refund_id == refund_id)).scalar_one_or_none()
        if note is None or note.revoked_at is not None:
            return
        note.revoked_at = db.database_now(session)
        told = {"number": note.number, "refund": refund_id}
        audit.record(session, "credit_note.revoked", note.id, told, customer_id=note.customer_id)
        crash.point("credit note revoked")
        jobs.mail_revocation.enqueue(session, credit_note_id=note.id)


def _lock(session: Session, refund_id: str) -> tuple[Refund, Payment]:
    """The refund as it is now, with its payment locked: the credit notes of a payment are written and revoked one by one."""
    refund = session.get(Refund, refund_id)
    if refund is None:
        raise NotFound
    payment = session.get_one(Payment, refund.payment_id, with_for_update=True)
    session.refresh(refund)  # it may have failed while this waited
    return refund, payment


def _begin_issue(session: Session, series: str, customer: Customer, kept: Kept | None) -> freezing.Issue:
    settings = config.current()
    if kept is not None:
        number = kept.number
        numbering.keep(session, series, number)
    else:
        number = numbering.take(session, series)
    crash.point("number taken")
    return freezing.Issue(
        number=number,
        # Read after the number was taken, whose lock others wait for: a higher number never has an earlier moment.
        at=kept.issued_at if kept else db.database_now(session),
        language=language.supported(customer.language),
        company=settings.company,
        code=kept.code if kept else codes.new(),
        base_url=settings.base_url,
        text=kept.text if kept else "",
    )


def _add(session: Session, document: Document, frozen: facts.Facts, customer: Customer, kept: Kept | None) -> str:
    """Write the document with its audit event, and the jobs that render it, and write at Stripe which number it has."""
    document.number = frozen.number
    document.customer_id = customer.id
    document.total_minor = frozen.total_minor
    document.currency = frozen.currency
    document.facts = frozen.to_json()
    document.issued_at = frozen.issued_at
    session.add(document)
    session.flush()
    told = {
        "number": document.number,
        "payment": document.payment_id,
        "total_minor": document.total_minor,
        "currency": document.currency,
    }
    if document.refund_id is not None:
        told["refund"] = document.refund_id
    if kept is None:
        audit.record(session, f"{document.kind}.issued", document.id, told, customer_id=customer.id)
    else:
        audit.record(session, f"{document.kind}.brought_back", document.id, told, customer_id=customer.id)
    jobs.render.enqueue(session, document_id=document.id)
    if kept is None:
        jobs.keep.enqueue_in(session, KEEP_AFTER_SECONDS, document_id=document.id)
    crash.point("document issued")
    return document.id


def render(document_id: str) -> None:
    """Make the PDF from the frozen facts and keep it with its SHA-256; the next job mails it.

    A PDF that is stored already stays, whatever a second rendering gives. One that lacks characters is neither kept nor sent before a
    person has accepted that: staff are told. Raises NotFound for an unknown document.
    """
    with db.reading() as session:
        document = session.get(Document, document_id)
        if document is None:
            raise NotFound
    if document.pdf_sha256 is not None:
        return
    rendered = pdf.render(facts.from_json(document.facts))
    content, missing = rendered.pdf, "".join(rendered.missing)
    if missing and document.glyphs_accepted_at is None:
        _hold(document_id, missing)
        return
    digest = hashlib.sha256(content).hexdigest()
    crash.point("document rendered")
    with db.transaction() as session:
        stored = session.get_one(Document, document_id, with_for_update=True)
        if stored.pdf_sha256 is not None:
            if stored.pdf_sha256 != digest:
                log.error("document_pdf_differs", document=document_id, stored=stored.pdf_sha256, rendered=digest)
            return
        stored.pdf, stored.pdf_sha256, stored.missing_glyphs = content, digest, missing
        audit.record(
            session, f"{stored.kind}.rendered", document_id, {"sha256": digest}, customer_id=stored.customer_id
        )
        jobs.mail.enqueue(session, document_id=document_id)
        crash.point("document stored")


def _hold(document_id: str, missing: str) -> None:
    """Set the document aside, and tell staff once."""
    with db.transaction() as session:
        document = session.get_one(Document, document_id, with_for_update=True)
        if document.pdf_sha256 is not None or document.missing_glyphs == missing:
            return
        document.missing_glyphs = missing
        log.warning("document_lacks_glyphs", document=document_id, number=document.number, missing=missing)
        told = {"number": document.number, "missing": missing}
        audit.record(session, f"{document.kind}.held", document_id, told, customer_id=document.customer_id)
        jobs.mail_held.enqueue(session, document_id=document_id)


def render_held(document_id: str, *, as_it_is: bool) -> Document:
    """A person has looked at a document that lacks characters: it is made again, or made and sent with boxes in their place.

    Without `as_it_is` it waits again when fonts still lack them. A second call changes nothing. Raises NotFound, and Conflict for a
    document that is not held.
    """
    with db.transaction() as session:
        document = session.get(Document, document_id, with_for_update=True)
        if document is None:
            raise NotFound
        if not document.is_held or document.pdf_sha256 is not None:
            raise Conflict
        told = {"number": document.number, "missing": document.missing_glyphs}
        if as_it_is:
            document.glyphs_accepted_at = db.database_now(session)
            audit.record(session, f"{document.kind}.accepted", document_id, told, customer_id=document.customer_id)
        else:
            document.missing_glyphs = ""
            audit.record(session, f"{document.kind}.retried", document_id, told, customer_id=document.customer_id)
        jobs.render.requeue(session, document_id=document.id)
        return document


def requeue_lost_jobs() -> int:
    """Leave the job that comes next for all that has none: a receipt, a credit note, a PDF, or a mail is missing; returns how many.

    Payments and refunds are looked at while they are new: reconciliation sees all of them. A second run finds nothing more.
    """
    with db.transaction() as session:
        since, most = db.database_now(session) - MISSED_SINCE, outbox.MOST_REQUEUED
        paid = queries.payments_without_receipt(session, since, most)
        for payment_id in paid:
            payment_jobs.issue_receipt.requeue(session, payment_id=payment_id)
        refunded = queries.refunds_without_credit_note(session, since, most)
        for refund_id in refunded:
            refund_jobs.issue_credit_note.requeue(session, refund_id=refund_id)
        documents = queries.left_behind(session, most)
        for one in documents:
            step = jobs.render if one.pdf_sha256 is None else jobs.mail
            step.requeue(session, document_id=one.id)
        revoked = queries.revocations_left_behind(session, most)
        for note_id in revoked:
            jobs.mail_revocation.requeue(session, credit_note_id=note_id)
        return len(paid) + len(refunded) + len(documents) + len(revoked)


def send_again(document_id: str) -> Document:
    """Leave the job that mails a document once more, to the address that its customer has now. Every call sends it again.

    Raises NotFound, and Conflict while its PDF is not made, for then its first mail is still to come.
    """
    with db.transaction() as session:
        document = session.get(Document, document_id, with_for_update=True)
        if document is None:
            raise NotFound
        if document.pdf_sha256 is None:
            raise Conflict(N_("This document is still being created. It is sent as soon as it is ready."))
        customer = session.get_one(Customer, document.customer_id)
        told = {"number": document.number, "to": customer.email}
        audit.record(session, f"{document.kind}.sent_again", document_id, told, customer_id=customer.id)
        jobs.mail_again.enqueue(session, document_id=document_id, occasion=db.new_id("snd"))
        return document


def mark_mailed(document_id: str, to: str) -> None:
    """Record that a mail server took the document for this address; a second call keeps the first time.

    Whoever paid gets the receipt, too, where that is someone else: by a job of its own, so that neither mail waits for the other.
    """
    with db.transaction() as session:
        document = session.get_one(Document, document_id, with_for_update=True)
        if document.mailed_at is not None:
            return
        document.mailed_at = db.database_now(session)
        audit.record(session, f"{document.kind}.mailed", document_id, {"to": to}, customer_id=document.customer_id)
        if isinstance(document, Receipt) and len(queries.addresses(session, document)) > 1:
            jobs.mail_payer.enqueue(session, document_id=document_id)
        crash.point("document marked")


def mark_revocation_mailed(credit_note_id: str, to: str) -> None:
    """Record that a mail server took the mail about the revocation; a second call keeps the first time."""
    with db.transaction() as session:
        note = session.get_one(CreditNote, credit_note_id, with_for_update=True)
        if note.revocation_mailed_at is None:
            note.revocation_mailed_at = db.database_now(session)
            audit.record(session, "credit_note.revocation_mailed", note.id, {"to": to}, customer_id=note.customer_id)
