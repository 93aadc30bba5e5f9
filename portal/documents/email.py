"""The mails that bring a document with its PDF, and the one that takes the document of a refund back."""

from __future__ import annotations

from typing import Any, Final

from portal.accounts.models import Customer
from portal.content import language, mail
from portal.core import config, crash, db
from portal.core.errors import N_
from portal.documents import e_invoices, facts, queries, service
from portal.documents.models import Document, DocumentKind, InvoiceDocument, RefundDocument
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStatus
from portal.mandates import queries as mandates
from portal.pay_links import service as pay_links
from portal.refunds.models import Refund

SUBJECTS: Final = {
    DocumentKind.INVOICE: N_("Invoice %(number)s from %(company)s"),
    DocumentKind.PAYMENT_CONFIRMATION: N_("Your payment confirmation %(number)s from %(company)s"),
    DocumentKind.REFUND_CONFIRMATION: N_("Your refund confirmation %(number)s from %(company)s"),
    DocumentKind.RECEIPT: N_("Your receipt %(number)s from %(company)s"),
    DocumentKind.CREDIT_NOTE: N_("Your credit note %(number)s from %(company)s"),
}
HELD: Final = N_("%(number)s was not sent: missing characters")
REVOKED: Final = {
    DocumentKind.CREDIT_NOTE: N_("Credit note %(number)s from %(company)s is canceled"),
    DocumentKind.REFUND_CONFIRMATION: N_("Refund confirmation %(number)s from %(company)s is canceled"),
}


class NotRendered(RuntimeError):
    """The PDF is not there yet, so there is nothing to send: the job comes again."""


def send(document_id: str) -> None:
    """Send the document to its customer, in their language, and then record that it was taken.

    At least once, never twice after it was recorded; a mail that is sent again, because the process died in between, has
    the same Message-ID. A credit note that was revoked before is not sent any more: the mail of its revocation says all.
    Raises NotFound, NotRendered, queries.Damaged, and what mail.send raises when the server refuses.
    """
    document, customer = _with_customer(document_id)
    if document.mailed_at is not None or document.revoked_at is not None or document.mail_waived_at is not None:
        return
    _send_document(document, customer.email, customer.language, document.kind)
    crash.point("document mailed")
    service.mark_mailed(document.id, customer.email)


def send_again(document_id: str, occasion: str) -> None:
    """Send a document once more, to the address that its customer has now, for this occasion. Raises what `send` raises.

    It is a mail of its own, so that no program takes it for the first one; for the same occasion it is the same mail. Of a document that
    was to have no mail it is the first.
    """
    document, customer = _with_customer(document_id)
    _send_document(document, customer.email, customer.language, f"{document.kind}:{occasion}")
    if document.mail_waived_at is not None:
        service.mark_mailed(document.id, customer.email)


def send_to_payer(document_id: str) -> None:
    """Send a receipt to whoever paid, in their language, where that is another address than those that get it anyway.

    It is a mail of its own: the same each time this runs. Raises what `send` raises.
    """
    with db.reading() as session:
        document = queries.with_pdf(session, document_id)
        payer = queries.payer(session, document)
    if payer is not None:
        _send_document(document, payer.email, payer.language, f"{document.kind}:payer")


def send_copy(document_id: str, recipient_id: str, occasion: str) -> None:
    """Send a further recipient, in its language, what the customer was sent: the document, or that it is revoked (service.REVOCATION).

    Nothing, when the recipient is removed or does not get such documents any more, or the document was revoked meanwhile. Raises what
    `send` raises.
    """
    with db.reading() as session:
        document = queries.with_pdf(session, document_id)
        found = [one for one in queries.recipients(session, document) if one.id == recipient_id]
    for recipient in found:
        named = ":".join(filter(None, (recipient.id, occasion)))
        if occasion == service.REVOCATION:
            subject = REVOKED[document.kind]
            _send(document, recipient.email, recipient.language, f"credit_note_revoked:{named}", subject, "revocation")
        elif occasion or document.revoked_at is None:
            key = f"{document.kind}:{named}"
            _send_document(document, recipient.email, recipient.language, key, with_xml=recipient.with_xml)


def _with_customer(document_id: str) -> tuple[Document, Customer]:
    with db.reading() as session:
        document = queries.with_pdf(session, document_id)
        return document, session.get_one(Customer, document.customer_id)


def _send_document(document: Document, to: str, locale: str, occasion: str, *, with_xml: bool = False) -> None:
    if document.pdf is None:
        raise NotRendered(document.id)
    attachments = [mail.Attachment(f"{document.number}.pdf", "application/pdf", document.pdf)]
    data = e_invoices.inside(queries.facts_of(document)) if with_xml else None
    if data is not None:
        attachments.append(mail.Attachment(f"{document.number}.xml", e_invoices.MIME_TYPE, data))
    told = _told_beside(document)
    template = queries.facts_of(document).kind
    _send(document, to, locale, occasion, SUBJECTS[document.kind], template, attachments=attachments, **told)


def _told_beside(document: Document) -> dict[str, Any]:
    """What a mail says and its document does not, for it is true today only."""
    with db.reading() as session:
        if document.refund_id is not None:
            return {"expected_by": session.get_one(Refund, document.refund_id).expected_by}
        if isinstance(document, InvoiceDocument):
            invoice = session.get_one(Invoice, document.invoice_id)
            planned = mandates.planned_for(session, invoice.id, invoice.customer_id)
        else:
            return {}
    is_open = invoice.status == InvoiceStatus.OPEN
    charge_on = planned.on if planned and is_open else None
    pay_link = pay_links.for_invoice(invoice.id) if is_open and charge_on is None else None
    return {"is_open": is_open, "due": invoice.amount_due, "charge_on": charge_on, "pay_link": pay_link}


def tell_of_held(document_id: str) -> None:
    """Tell staff that a document waits for them, and why; nothing when somebody has looked meanwhile. Raises as mail.send does."""
    with db.reading() as session:
        document = session.get_one(Document, document_id)
    if not document.is_held:
        return
    settings = config.current()
    locale = settings.staff_language
    mail.send(
        key=f"held:{document.id}:{document.missing_glyphs}",
        to=settings.company.support_email,
        subject=language.translate(HELD, locale, number=document.number),
        template="documents/mails/held",
        locale=locale,
        number=document.number,
        glyphs=document.glyphs_that_lack,
        link=f"{settings.base_url}{_place_of(document)}",
    )


def _place_of(document: Document) -> str:
    """The page at the staff's desk where a document is."""
    with db.reading() as session:
        invoice_id = queries.invoice_corrected(session, document)
    if document.invoice_id or invoice_id:
        return f"/support/invoices/{document.invoice_id or invoice_id}"
    return f"/support/payments/{document.payment_id}"


def send_revocation(credit_note_id: str) -> None:
    """Tell the customer that the refund failed after all, so that its credit note is void; then record that it was taken.

    At least once, likewise. Raises what mail.send raises when the server refuses.
    """
    with db.reading() as session:
        note = session.get_one(RefundDocument, credit_note_id)
        customer = session.get_one(Customer, note.customer_id)
    if note.revocation_mailed_at is not None:
        return
    _send(note, customer.email, customer.language, "credit_note_revoked", REVOKED[note.kind], "revocation")
    service.mark_revocation_mailed(note.id, customer.email)


def _send(
    document: Document, to: str, locale: str, occasion: str, subject: str, template: str, **attached: Any
) -> None:
    frozen = facts.from_json(document.facts)
    locale = language.supported(locale)
    mail.send(
        key=f"{occasion}:{document.id}",
        to=to,
        subject=language.translate(subject, locale, number=frozen.number, company=frozen.seller.name),
        template=f"documents/mails/{template}",
        locale=locale,
        customer_id=document.customer_id,
        document=frozen,
        document_id=document.id,
        **attached,
    )
