"""The life of a document, in phases that may each run twice: issued with its number, rendered, then mailed (email.py).

An invoice is a document from its own issue on; a payment that has succeeded gets one, and a refund that has. Of which kind: kinds.
The one of a refund can be revoked, when its refund fails after all; that of an invoice, when it is voided.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session, selectinload

from portal.accounts.models import Customer
from portal.content import language
from portal.core import audit, config, crash, db, numbering
from portal.core.errors import N_, Conflict, NotFound
from portal.documents import codes, facts, freezing, jobs, kinds, pdf, queries, signing
from portal.documents.freezing import NotAddingUp, letterhead
from portal.documents.keeping import PREFIX, Kept, is_free, keep, kept_credit_note, kept_receipt
from portal.documents.models import (
    CreditNote,
    Document,
    DocumentKind,
    InvoiceDocument,
    PaymentConfirmation,
    PaymentDocument,
    Receipt,
    RefundConfirmation,
    RefundDocument,
)
from portal.documents.packing import pack
from portal.documents.pdf import draw
from portal.invoices import crediting
from portal.invoices import service as invoices
from portal.invoices.drafts import InvoiceDraft
from portal.invoices.models import Invoice, InvoiceCredit
from portal.jobs import outbox
from portal.ledger import revenue
from portal.payments import jobs as payment_jobs
from portal.payments import queries as payments
from portal.payments.models import Payment
from portal.refunds import jobs as refund_jobs
from portal.refunds import service as refunds
from portal.refunds.models import Refund

__all__ = [
    "Kept",
    "NotAddingUp",
    "codes",
    "draw",
    "draw_signed",
    "is_free",
    "issue",
    "issue_credit_note",
    "keep",
    "kept_credit_note",
    "kept_receipt",
    "letterhead",
    "mark_mailed",
    "mark_revocation_mailed",
    "on_add",
    "pack",
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
# The occasion of a copy of the mail that takes a document back.
REVOCATION: Final = "revocation"


# What else is done, in the same transaction, when a document is issued.
WithDocument = Callable[[Session, Document], None]
_on_add: list[WithDocument] = []


def on_add(also: WithDocument) -> WithDocument:
    """Have this function called with each document that is issued for the first time: networks stand to the right."""
    _on_add.append(also)
    return also


class NoReceiptYet(RuntimeError):
    """The receipt that the credit note must name is not issued yet: the job comes again."""


def issue(payment_id: str, kept: Kept | None = None) -> str:
    """Give a succeeded payment its one document (see kinds), with the next number and the facts as they are now; returns its id.

    One that was `kept` at Stripe is issued again with the kind, the number, the code and the moment that it had. A second call finds it
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
        found = session.scalar(select(PaymentDocument.id).where(PaymentDocument.payment_id == payment_id))
        return found or _issue_receipt(session, payment, kept)


def _issue_receipt(session: Session, payment: Payment, kept: Kept | None) -> str:
    customer = session.get_one(Customer, payment.customer_id)
    paid = payments.allocations_of(session, payment.id)
    kind = kept.kind if kept else kinds.of_payment(payment)
    issue = _begin_issue(session, kind, customer, kept)
    if kind == DocumentKind.RECEIPT:
        invoice = _with_lines(session, paid[0].invoice_id) if paid else None
        frozen: facts.Facts = freezing.receipt(payment, invoice, customer, issue)
        document: Document = Receipt(payment_id=payment.id)
    else:
        frozen = freezing.payment_confirmation(payment, paid, customer, issue)
        document = PaymentConfirmation(payment_id=payment.id)
    return _add(session, document, frozen, customer, issue, kept)


def _with_lines(session: Session, invoice_id: str) -> Invoice:
    return session.get_one(Invoice, invoice_id, options=[selectinload(Invoice.lines)])


@invoices.on_issue
def issue_invoice(session: Session, invoice: Invoice, draft: InvoiceDraft) -> None:
    """Freeze what an invoice says, in the transaction that issues it; the jobs that render it, and mail it if it is to be mailed, come
    after that.
    """
    customer = invoice.customer
    issue = _issue(customer, db.database_now(session))
    document = InvoiceDocument(invoice_id=invoice.id, mail_waived_at=None if draft.mailed else issue.at)
    _add(session, document, freezing.invoice(invoice, customer, issue), customer, issue, None)


@invoices.on_void
def void_invoice(session: Session, invoice: Invoice) -> None:
    """From now on its document says so, and is not mailed any more."""
    document = session.scalar(select(InvoiceDocument).where(InvoiceDocument.invoice_id == invoice.id).with_for_update())
    if document is not None:
        document.revoked_at = db.database_now(session)


def issue_credit_note(refund_id: str, kept: Kept | None = None) -> str | None:
    """Give a succeeded refund its one document (see kinds), with the next number of its kind's own series; returns its id.

    A second call finds it and changes nothing. A refund that has failed meanwhile gets none, since nothing was given back.
    Raises NotFound for an unknown refund, Conflict for one that has never succeeded, NoReceiptYet, and freezing.NotAddingUp, also
    while an earlier credit note has yet to be revoked; none of them uses up a number.
    """
    with db.transaction() as session:
        refund, payment = _lock(session, refund_id)
        found = session.scalar(select(RefundDocument.id).where(RefundDocument.refund_id == refund_id))
        if found is not None:
            return found
        if refund.succeeded_at is None:
            raise Conflict
        if not refund.has_succeeded:
            return None
        receipt = session.scalar(select(PaymentDocument).where(PaymentDocument.payment_id == payment.id))
        if receipt is None:
            raise NoReceiptYet(payment.id)
        return _issue_credit_note(session, refund, payment, receipt, kept)


def _issue_credit_note(
    session: Session, refund: Refund, payment: Payment, receipt: PaymentDocument, kept: Kept | None
) -> str:
    customer = session.get_one(Customer, payment.customer_id)
    kind = kept.kind if kept else kinds.of_refund(refund, payment)
    said = facts.from_json(receipt.facts)
    invoice = _with_lines(session, refund.invoice_id) if refund.invoice_id else None
    about = freezing.reference(payment, invoice)
    if kind == DocumentKind.CREDIT_NOTE:
        corrected, earlier = _corrected(session, payment, invoice, said)
        # Of a refund from before the books said it.
        refunds.credit(session, refund, payment, refund.succeeded_at or db.database_now(session))
        given = refunds.credited(session, refund)
        issue = _begin_issue(session, kind, customer, kept)
        frozen: facts.Facts = freezing.credit_note(refund, payment, corrected, given, earlier, customer, about, issue)
        document: Document = CreditNote(payment_id=payment.id, refund_id=refund.id)
    else:
        issue = _begin_issue(session, kind, customer, kept)
        frozen = freezing.refund_confirmation(refund, payment, said, customer, about, issue)
        document = RefundConfirmation(payment_id=payment.id, refund_id=refund.id)
    return _add(session, document, frozen, customer, issue, kept)


def _corrected(
    session: Session, payment: Payment, invoice: Invoice | None, said: facts.Facts
) -> tuple[freezing.Corrected, list[facts.Facts]]:
    """What a credit note corrects (the invoice, or where there is none the receipt, of which `said` are the facts), and what the credit
    notes of that say which stand, of whichever payment they are.
    """
    if invoice is None:
        standing = select(CreditNote.facts).where(CreditNote.revoked_at.is_(None), CreditNote.payment_id == payment.id)
        corrected = freezing.of_receipt(said)
    else:
        issued = queries.of_issued_invoice(session, invoice.id)
        corrected = freezing.of_invoice(invoice, facts.from_json(issued.facts) if issued else None)
        standing = _standing_of(invoice.id)
    return corrected, [facts.from_json(written) for written in session.scalars(standing)]


@crediting.on_credit
def issue_correction(session: Session, invoice: Invoice, credit: InvoiceCredit) -> None:
    """Freeze what the credit note of an unpaid invoice says, in the transaction that lowers what is due, with the next number of credit
    notes; the jobs that render and mail it come after that. Raises freezing.NotAddingUp.
    """
    issued = queries.of_issued_invoice(session, invoice.id)
    said = facts.from_json(issued.facts) if issued else None
    corrected = freezing.of_invoice(invoice, said)
    given = revenue.given_back(session, invoice.id, credit.id)
    earlier = [facts.from_json(written) for written in session.scalars(_standing_of(invoice.id))]
    stated = said.lines if isinstance(said, facts.InvoiceFacts) else freezing.lines_of(invoice)
    issue = _begin_issue(session, DocumentKind.CREDIT_NOTE, invoice.customer, None)
    frozen = freezing.correction(invoice, credit, corrected, given, earlier, stated, issue)
    _add(session, CreditNote(credit_id=credit.id), frozen, invoice.customer, issue, None)


def _standing_of(invoice_id: str) -> Select[dict[str, Any]]:
    """The facts of the credit notes of an invoice that stand: those of refunds of its payments, and those of its own credits."""
    refunded = select(Refund.id).where(Refund.invoice_id == invoice_id)
    credited = select(InvoiceCredit.id).where(InvoiceCredit.invoice_id == invoice_id)
    of_it = or_(CreditNote.refund_id.in_(refunded), CreditNote.credit_id.in_(credited))
    return select(CreditNote.facts).where(CreditNote.revoked_at.is_(None), of_it)


def revoke_credit_note(refund_id: str) -> None:
    """The refund failed after it had succeeded: its document is void, and the customer is told by the next job.

    The document stays where it is, and its number stays used. A second call changes nothing, nor does one for a refund that
    failed before its credit note was issued. Raises NotFound for an unknown refund, Conflict for one that has not failed.
    """
    with db.transaction() as session:
        refund, _payment = _lock(session, refund_id)
        if not refund.has_failed:
            raise Conflict
        refunds.take_again(session, refund, refund.failed_at or db.database_now(session))
        note = session.scalar(select(RefundDocument).where(RefundDocument.refund_id == refund_id))
        if note is None or note.revoked_at is not None:
            return
        note.revoked_at = db.database_now(session)
        told = {"number": note.number, "refund": refund_id}
        audit.record(session, f"{note.kind}.revoked", note.id, told, customer_id=note.customer_id)
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


def _begin_issue(session: Session, kind: DocumentKind, customer: Customer, kept: Kept | None) -> freezing.Issue:
    if kept is not None:
        number = kept.number
        numbering.keep(session, kind, number)
    else:
        number = numbering.take(session, kind)
    crash.point("number taken")
    # Read after the number was taken, whose lock others wait for: a higher number never has an earlier moment.
    return _issue(customer, kept.issued_at if kept else db.database_now(session), number, kept)


def _issue(customer: Customer, at: datetime, number: int = 0, kept: Kept | None = None) -> freezing.Issue:
    settings = config.current()
    return freezing.Issue(
        number=number,
        at=at,
        language=language.supported(customer.language),
        company=settings.company,
        code=kept.code if kept else codes.new(),
        base_url=settings.base_url,
        text=kept.text if kept else "",
    )


def _add(
    session: Session,
    document: Document,
    frozen: facts.Facts,
    customer: Customer,
    issue: freezing.Issue,
    kept: Kept | None,
) -> str:
    """Write the document with its audit event, and the jobs that render it, and write at Stripe which number it has."""
    document.id = kept.document_id if kept else db.new_id(PREFIX[document.kind])
    document.code = issue.code
    document.number = frozen.number
    document.customer_id = customer.id
    document.total_minor = frozen.total_minor
    document.currency = frozen.currency
    document.facts = frozen.to_json()
    document.issued_at = frozen.issued_at
    session.add(document)
    session.flush()
    for also in _on_add if kept is None else ():
        also(session, document)
    told = {
        "number": document.number,
        "payment": document.payment_id,
        "total_minor": document.total_minor,
        "currency": document.currency,
    }
    if document.refund_id is not None:
        told["refund"] = document.refund_id
    if document.credit_id is not None:
        told["invoice"] = frozen.reference.invoice_number
    if document.kind == DocumentKind.INVOICE:
        pass  # that the invoice was issued is recorded with the invoice
    elif kept is None:
        audit.record(session, f"{document.kind}.issued", document.id, told, customer_id=customer.id)
    else:
        audit.record(session, f"{document.kind}.brought_back", document.id, told, customer_id=customer.id)
    jobs.render.enqueue(session, document_id=document.id)
    if kept is None and document.payment_id is not None:
        jobs.keep.enqueue_in(session, KEEP_AFTER_SECONDS, document_id=document.id)
    crash.point("document issued")
    return document.id


def draw_signed(template: str, letter: Any, at: datetime) -> bytes:
    """Another letter of the company's (portal.documents.pdf.draw), signed as documents are, as of this moment."""
    return signing.sign(draw(template, letter).pdf, at)


def render(document_id: str) -> None:
    """Make the PDF from the frozen facts, sign it, and keep it with its SHA-256; the next job mails it.

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
    missing = "".join(rendered.missing)
    if missing and document.glyphs_accepted_at is None:
        _hold(document_id, missing)
        return
    content = signing.sign(rendered.pdf, document.issued_at)
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
            session, f"{stored.kind}.rendered", stored.subject, {"sha256": digest}, customer_id=stored.customer_id
        )
        if stored.mail_waived_at is None:
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
        audit.record(session, f"{document.kind}.held", document.subject, told, customer_id=document.customer_id)
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
            audit.record(session, f"{document.kind}.accepted", document.subject, told, customer_id=document.customer_id)
        else:
            document.missing_glyphs = ""
            audit.record(session, f"{document.kind}.retried", document.subject, told, customer_id=document.customer_id)
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
    """Leave the jobs that mail a document once more, to the addresses that its customer has now. Every call sends it again.

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
        audit.record(session, f"{document.kind}.sent_again", document.subject, told, customer_id=customer.id)
        occasion = db.new_id("snd")
        jobs.mail_again.enqueue(session, document_id=document_id, occasion=occasion)
        _leave_copies(session, document, occasion)
        return document


def mark_mailed(document_id: str, to: str) -> None:
    """Record that a mail server took the document for this address; a second call keeps the first time.

    Further recipients get it, too, and a receipt whoever paid, where that is someone else: each by a job of its own, so that no mail
    waits for another.
    """
    with db.transaction() as session:
        document = session.get_one(Document, document_id, with_for_update=True)
        if document.mailed_at is not None:
            return
        document.mailed_at = db.database_now(session)
        audit.record(session, f"{document.kind}.mailed", document.subject, {"to": to}, customer_id=document.customer_id)
        _leave_copies(session, document, "")
        if queries.payer(session, document) is not None:
            jobs.mail_payer.enqueue(session, document_id=document_id)
        crash.point("document marked")


def _leave_copies(session: Session, document: Document, occasion: str) -> None:
    for recipient in queries.recipients(session, document):
        jobs.mail_copy.enqueue(session, document_id=document.id, recipient_id=recipient.id, occasion=occasion)


def mark_revocation_mailed(credit_note_id: str, to: str) -> None:
    """Record that a mail server took the mail about the revocation; a second call keeps the first time."""
    with db.transaction() as session:
        note = session.get_one(RefundDocument, credit_note_id, with_for_update=True)
        if note.revocation_mailed_at is None:
            note.revocation_mailed_at = db.database_now(session)
            audit.record(session, f"{note.kind}.revocation_mailed", note.id, {"to": to}, customer_id=note.customer_id)
            _leave_copies(session, note, REVOCATION)
