"""Reading documents, always as their owner, or by the code on them (the receipt repository)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import Select, exists, func, select, tuple_
from sqlalchemy.orm import Session, undefer

from portal.accounts import queries as accounts
from portal.accounts.models import DocumentRecipient
from portal.content import language, mail
from portal.content.mail import RefusedAddress, SentMail
from portal.core import company_days, db, keyset, shares
from portal.core.db import begins_with, inline_literals
from portal.core.errors import NotFound, PortalError
from portal.core.money import Money
from portal.documents import codes, facts, jobs
from portal.documents.models import (
    HELD,
    MAILS,
    NOT_HELD,
    REVOKED,
    UNMAILED,
    CreditNote,
    Document,
    DocumentArchive,
    DocumentKind,
    DocumentStatus,
    InvoiceDocument,
    PaymentDocument,
    RefundDocument,
)
from portal.identity import queries as users
from portal.invoices.models import Invoice, InvoiceCredit
from portal.invoices.statuses import InvoiceStatus
from portal.payments import jobs as payment_jobs
from portal.payments import queries as payments
from portal.payments.models import Payment
from portal.payments.statuses import PaymentStatus
from portal.refunds import jobs as refund_jobs
from portal.refunds import queries as refunds
from portal.refunds.models import Refund
from portal.refunds.statuses import RefundStatus

# Those of the last days; see archives.KEEP_FOR.
MOST_ARCHIVES: Final = 5


class Damaged(PortalError):
    """The stored PDF is not the one that was made: it is given to no one, and staff are alerted by the log."""

    code = "receipt_damaged"


@dataclass(frozen=True, slots=True)
class OfPayment:
    """A payment's id, whether money came in, and its documents as soon as there are any.

    `receipt` is whichever of a payment's kinds it has, and `credit_notes` those of its refunds. `awaited_notes` counts the refunds
    that have succeeded and whose document is not issued yet. `addresses`: where its receipt goes; a credit note goes to the first.
    """

    payment_id: str
    succeeded: bool
    addresses: list[str]
    receipt: PaymentDocument | None
    credit_notes: list[RefundDocument]
    awaited_notes: int


@dataclass(frozen=True, slots=True)
class PaidWith:
    """A payment that brought money for an invoice: what people read of its state, what was given back, and its documents."""

    payment: Payment
    shown: str
    refunded: Money
    documents: OfPayment


@dataclass(frozen=True, slots=True)
class Issued:
    """What a document's code, or its file, tells whoever holds it: nothing of the one it was issued to.

    `accounts` are the IBANs that it asks to pay to. `has_file` is whether its PDF is made.
    """

    code_text: str
    kind: str
    number: str
    issued_on: date
    total: Money
    seller: str
    accounts: tuple[str, ...]
    revoked_at: datetime | None
    has_file: bool


def for_customer(session: Session, document_id: str, customer_id: str) -> Document:
    """The document without its PDF. Raises NotFound, also when it is another customer's."""
    query = select(Document).where(Document.id == document_id, Document.customer_id == customer_id)
    document = session.execute(query).scalar_one_or_none()
    if document is None:
        raise NotFound
    return document


def for_company(session: Session, document_id: str) -> Document:
    """For staff: the document without its PDF, whoever owns it. Raises NotFound."""
    document = session.get(Document, document_id)
    if document is None:
        raise NotFound
    return document


def pdf_for_customer(session: Session, document_id: str, customer_id: str) -> Document:
    """The document with its PDF, which is None until it is rendered. Raises NotFound, and Damaged for altered bytes."""
    query = select(Document).where(Document.id == document_id, Document.customer_id == customer_id)
    document = session.execute(query.options(undefer(Document.pdf))).scalar_one_or_none()
    if document is None:
        raise NotFound
    return _intact(document)


def with_pdf(session: Session, document_id: str) -> Document:
    """For jobs: the document with its PDF, whoever owns it. Raises NotFound, and Damaged for altered bytes."""
    document = session.get(Document, document_id, options=[undefer(Document.pdf)])
    if document is None:
        raise NotFound
    return _intact(document)


def by_code(session: Session, typed: str) -> Issued | None:
    """What anyone may know of the document with this code, as a person typed it or a scanner read it; None: there is none."""
    code = codes.read(typed)
    if code is None:
        return None
    return _told(session.scalar(select(Document).where(Document.code == code)))


def by_sha256(session: Session, digest: str) -> Issued | None:
    """Likewise of the document whose PDF has this SHA-256 (64 hexadecimal digits, in small letters)."""
    return _told(session.scalar(select(Document).where(Document.pdf_sha256 == digest).limit(1)))


@dataclass(frozen=True, slots=True)
class IssuedFile:
    """The PDF of what was issued under a code, and what the code tells anyone, written as the PDF writes it."""

    pdf: bytes
    told: tuple[str, ...]


def file_by_code(session: Session, typed: str) -> IssuedFile | None:
    """For comparing with a file that is said to be it; None where there is none, or its PDF is not made. Raises Damaged."""
    code = codes.read(typed)
    query = select(Document).where(Document.code == code).options(undefer(Document.pdf))
    document = session.scalar(query) if code is not None else None
    if document is None or document.pdf is None:
        return None
    frozen = facts.from_json(_intact(document).facts)
    day = language.date_text(frozen.issued_on, frozen.language)
    total = language.money_text(document.total, frozen.language)
    return IssuedFile(document.pdf, (document.number, day, total, *frozen.accounts))


def _told(document: Document | None) -> Issued | None:
    if document is None:
        return None
    frozen = facts.from_json(document.facts)
    return Issued(
        document.code_text,
        document.kind,
        document.number,
        frozen.issued_on,
        document.total,
        frozen.seller.name,
        frozen.accounts,
        document.revoked_at,
        document.pdf_sha256 is not None,
    )


@cache
def _receipt_ids(dialect: str) -> Select[str | None, str]:
    """Of the :payments."""
    documents = select(PaymentDocument.payment_id, PaymentDocument.id)
    return documents.where(db.among(PaymentDocument.payment_id, "payments", dialect))


def receipt_ids(session: Session, payment_ids: Sequence[str]) -> dict[str, str]:
    """The receipt or confirmation of each of these payments that has one, by the payment's id."""
    found = db.rows_in(session, _receipt_ids(db.dialect_of(session)), {"payments": list(payment_ids)})
    return {str(row.payment_id): row.id for row in found}


def receipt_of(session: Session, payment_id: str) -> PaymentDocument | None:
    return session.scalar(select(PaymentDocument).where(PaymentDocument.payment_id == payment_id))


def invoice_paid(session: Session, document: Document) -> str | None:
    """The id of the invoice that a document of money that moved is about; None where it is about none, or about several."""
    if document.refund_id is not None:
        return session.scalar(select(Refund.invoice_id).where(Refund.id == document.refund_id))
    paid = payments.allocations_of(session, str(document.payment_id))
    return paid[0].invoice_id if len(paid) == 1 else None


def invoice_corrected(session: Session, document: Document) -> str | None:
    """The id of the invoice that a credit note corrects of which nothing was given back; None for all other documents."""
    if document.credit_id is None:
        return None
    return session.scalar(select(InvoiceCredit.invoice_id).where(InvoiceCredit.id == document.credit_id))


def corrections_of(session: Session, invoice_id: str) -> list[CreditNote]:
    """The credit notes of an invoice of which nothing was given back, the first one first; portal.invoices.crediting keeps them few."""
    found = select(CreditNote).join(InvoiceCredit, InvoiceCredit.id == CreditNote.credit_id)
    return list(session.scalars(found.where(InvoiceCredit.invoice_id == invoice_id).order_by(CreditNote.issued_at)))


def notes_of_credits(session: Session, credit_ids: Sequence[str]) -> dict[str, str]:
    """The credit note of each of these credits of invoices that has one, by the credit's id."""
    query = select(CreditNote.credit_id, CreditNote.id).where(CreditNote.credit_id.in_(credit_ids))
    return {str(row.credit_id): row.id for row in session.execute(query)}


def of_issued_invoice(session: Session, invoice_id: str) -> InvoiceDocument | None:
    """The document of an invoice; none of one from before invoices were documents."""
    return session.scalar(select(InvoiceDocument).where(InvoiceDocument.invoice_id == invoice_id))


def credit_note_ids(session: Session, refund_ids: Sequence[str]) -> dict[str, str]:
    """The credit note or confirmation of each of these refunds that has one, by the refund's id."""
    query = select(RefundDocument.refund_id, RefundDocument.id).where(RefundDocument.refund_id.in_(refund_ids))
    found = session.execute(query)
    return {str(row.refund_id): row.id for row in found}


def of_payment(session: Session, payment_id: str, customer_id: str) -> OfPayment:
    """The documents of a payment, or why there are none yet. Raises NotFound for a payment that is not this customer's."""
    query = select(Payment).where(Payment.id == payment_id, Payment.customer_id == customer_id)
    payment = session.execute(query).scalar_one_or_none()
    if payment is None:
        raise NotFound
    refunds = session.execute(select(Refund).where(Refund.payment_id == payment_id)).scalars().all()
    of_it = select(Document).where(Document.payment_id == payment_id).order_by(Document.issued_at, Document.id)
    documents = list(session.execute(of_it).scalars())
    notes = [document for document in documents if isinstance(document, RefundDocument)]
    credited = {note.refund_id for note in notes}
    return OfPayment(
        payment_id,
        succeeded=payment.succeeded_at is not None,
        addresses=accounts.receipt_addresses(session, customer_id, payment.paid_by),
        receipt=next((document for document in documents if isinstance(document, PaymentDocument)), None),
        credit_notes=notes,
        awaited_notes=sum(refund.has_succeeded and refund.id not in credited for refund in refunds),
    )


def of_invoice(session: Session, invoice_id: str, customer_id: str) -> list[PaidWith]:
    """The payments that brought money for an invoice, newest first, with what became of it; none where it was paid elsewhere."""
    paid = [one for one in payments.of_invoice(session, invoice_id, customer_id) if one.succeeded_at is not None]
    shown = payments.shown_statuses(session, paid)
    return [
        PaidWith(one, shown[one.id], refunds.sums(session, one).refunded, of_payment(session, one.id, customer_id))
        for one in paid
    ]


def addresses(session: Session, document: Document) -> list[str]:
    """Where a document goes: to the address that is billed, to the further ones that get its kind, and a payment's to whoever paid as
    well. At least one.
    """
    if isinstance(document, PaymentDocument):
        payer_id = session.get_one(Payment, document.payment_id).paid_by
        return accounts.receipt_addresses(session, document.customer_id, payer_id)
    return accounts.addresses(session, document.customer_id, MAILS[document.kind])


def recipients(session: Session, document: Document) -> list[DocumentRecipient]:
    """The further recipients that get this document."""
    return accounts.recipients(session, document.customer_id, MAILS[document.kind])


@dataclass(frozen=True, slots=True)
class Payer:
    """Whoever paid: a user, or an address that was typed behind a pay link, which is written to in the customer's language."""

    email: str
    language: str


def payer(session: Session, document: Document) -> Payer | None:
    """Whoever paid what a document is for, if they get it by that alone: at an address that neither is billed nor gets such documents
    anyway.
    """
    if not isinstance(document, PaymentDocument):
        return None
    payment = session.get_one(Payment, document.payment_id)
    without = accounts.receipt_addresses(session, document.customer_id, None)
    if payment.paid_by is not None and addresses(session, document) != without:
        user = users.user(session, payment.paid_by)
        return Payer(user.email, user.language)
    if payment.receipt_to and payment.receipt_to not in map(users.normal_email, without):
        return Payer(payment.receipt_to, accounts.customer(session, document.customer_id).language)
    return None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which documents of a customer: of a kind and a status, whose number begins so, issued in these days (the company's, both included),
    and of such amounts, which need their currency. Or those with these `ids`.
    """

    kind: DocumentKind | None = None
    ids: tuple[str, ...] = ()
    number: str = ""
    since: date | None = None
    until: date | None = None
    currency: str = ""
    least_minor: int | None = None
    most_minor: int | None = None
    status: DocumentStatus | None = None

    def narrowed(self, query: Select[Any]) -> Select[Any]:
        if self.ids:
            query = query.where(Document.id.in_(self.ids))
        if self.kind is not None:
            query = query.where(Document.kind == self.kind)
        if self.number:
            query = query.where(begins_with(Document.number, self.number.upper()))
        match self.status:
            case DocumentStatus.VALID:
                query = query.where(Document.revoked_at.is_(None))
            case DocumentStatus.CANCELED:
                query = query.where(Document.revoked_at.is_not(None))
            case DocumentStatus.OPEN:
                is_open = select(Invoice.id).where(
                    Invoice.id == Document.invoice_id, Invoice.status == InvoiceStatus.OPEN
                )
                query = query.where(is_open.exists())
        if self.since is not None:
            query = query.where(Document.issued_at >= company_days.begins(self.since))
        if self.until is not None:
            query = query.where(Document.issued_at < company_days.ends(self.until))
        if self.currency:
            query = query.where(Document.currency == self.currency)
        if self.least_minor is not None:
            query = query.where(Document.total_minor >= self.least_minor)
        if self.most_minor is not None:
            query = query.where(Document.total_minor <= self.most_minor)
        return query

    def to_json(self) -> dict[str, Any]:
        """As a row keeps it."""
        written: dict[str, Any] = _WANTED.dump_python(self, mode="json", exclude_defaults=True)
        return written

    @staticmethod
    def from_json(written: dict[str, Any]) -> Wanted:
        return _WANTED.validate_python(written)


_WANTED: Final = TypeAdapter(Wanted)


def of_customer(
    session: Session,
    customer_id: str,
    cursor: str | None = None,
    wanted: Wanted | None = None,
    *,
    size: int = keyset.PAGE_SIZE,
) -> keyset.Page[Document]:
    """A page of a customer's documents, newest first. Raises as keyset.page does."""
    query = (wanted or Wanted()).narrowed(select(Document).where(Document.customer_id == customer_id))
    return keyset.page(session, query, Document.issued_at, Document.id, cursor, size=size)


def wanted_of(
    session: Session, customer_id: str, wanted: Wanted, after: Document | None, most: int
) -> Sequence[Document]:
    """Those documents of a customer, in the order in which they were issued, from after this one on."""
    query = wanted.narrowed(select(Document).where(Document.customer_id == customer_id))
    if after is not None:
        query = query.where(tuple_(Document.issued_at, Document.id) > (after.issued_at, after.id))
    return session.scalars(query.order_by(Document.issued_at, Document.id).limit(most)).all()


def number_wanted(session: Session, customer_id: str, wanted: Wanted) -> int:
    """How many documents of a customer these are."""
    return (
        session.scalar(wanted.narrowed(select(func.count(Document.id)).where(Document.customer_id == customer_id))) or 0
    )


def archive(session: Session, archive_id: str, customer_id: str) -> DocumentArchive:
    """A ZIP of a customer's documents. Raises NotFound, also when it is another customer's."""
    found = session.get(DocumentArchive, archive_id)
    if found is None or found.customer_id != customer_id:
        raise NotFound
    return found


def archives(session: Session, customer_id: str) -> Sequence[DocumentArchive]:
    """The last ZIPs that a customer has asked for, the newest first."""
    query = select(DocumentArchive).where(DocumentArchive.customer_id == customer_id)
    return session.scalars(query.order_by(DocumentArchive.requested_at.desc()).limit(MOST_ARCHIVES)).all()


# What lacks a job. Each query is bounded; what has a job then is not found any more.


def payments_without_receipt(session: Session, since: datetime, most: int) -> list[str]:
    """The ids of payments that have succeeded, and were changed since then, without a receipt and without a job that issues it."""
    found = select(Payment.id).where(
        Payment.status == PaymentStatus.SUCCEEDED,
        Payment.updated_at >= since,
        ~exists().where(PaymentDocument.payment_id == Payment.id),
        payment_jobs.issue_receipt.missing(session, payment_id=Payment.id),
    )
    return list(session.scalars(found.limit(most)))


def refunds_without_credit_note(session: Session, since: datetime, most: int) -> list[str]:
    """The ids of refunds that have succeeded since then, without a credit note and without a job that issues it."""
    found = select(Refund.id).where(
        inline_literals(Refund.status, [RefundStatus.SUCCEEDED]),
        Refund.succeeded_at >= since,
        ~exists().where(RefundDocument.refund_id == Refund.id),
        refund_jobs.issue_credit_note.missing(session, refund_id=Refund.id),
    )
    return list(session.scalars(found.limit(most)))


def left_behind(session: Session, most: int) -> list[Document]:
    """Documents that are not rendered or not mailed, and that no job renders or mails."""
    lost = (jobs.render.missing(session, document_id=Document.id), jobs.mail.missing(session, document_id=Document.id))
    found = select(Document).where(
        UNMAILED, NOT_HELD, Document.revoked_at.is_(None) | Document.pdf_sha256.is_(None), *lost
    )
    return list(session.scalars(found.order_by(Document.issued_at).limit(most)))


def of_payments(session: Session, payment_ids: Sequence[str]) -> list[Document]:
    """The documents of these payments, without their PDFs; also those that were revoked, which a later one of the refund follows."""
    found = select(Document).where(Document.payment_id.in_(payment_ids)).order_by(Document.issued_at, Document.id)
    return list(session.scalars(found))


def sent_to(session: Session, document: Document) -> str:
    """The address that the first mail of a document went to; "" before it."""
    return session.scalar(select(SentMail.recipient).where(SentMail.key == f"{document.kind}:{document.id}")) or ""


def refused_mail(session: Session, document: Document) -> str:
    """What the mail server said when it did not take the mail of a document, which is still to be sent; "" where it did."""
    job = jobs.mail.find(session, document_id=document.id) if document.mailed_at is None else None
    return (job.last_error or "") if job else ""


def unreached(session: Session, document: Document) -> list[RefusedAddress]:
    """The addresses that get a document, and to which the last mail was refused, or came back; by address."""
    wanted = {*addresses(session, document), *(one.email for one in recipients(session, document))}
    refused = mail.refused(session, document.customer_id)
    return [refused[address] for address in sorted(wanted & refused.keys())]


def facts_of(document: Document) -> facts.Facts:
    """What stands on a document."""
    return facts.from_json(document.facts)


def held(session: Session, payment_id: str) -> list[Document]:
    """The documents of a payment that wait for a person, because they lack characters."""
    found = select(Document).where(Document.payment_id == payment_id, HELD).order_by(Document.issued_at, Document.id)
    return list(session.scalars(found))


def revocations_left_behind(session: Session, most: int) -> list[str]:
    """The ids of revoked credit notes whose customer was not told, and that no job tells."""
    lost = jobs.mail_revocation.missing(session, credit_note_id=Document.id)
    found = select(Document.id).where(
        REVOKED, Document.kind != DocumentKind.INVOICE, Document.revocation_mailed_at.is_(None), lost
    )
    return list(session.scalars(found.order_by(Document.issued_at, Document.id).limit(most)))


def number_issued(session: Session, begins: datetime, ends: datetime, *, unrendered_only: bool = False) -> int:
    """How many documents of all customers were issued from `begins` on and before `ends`; or only those that have no PDF yet."""
    query = select(func.count(Document.id)).where(Document.issued_at >= begins, Document.issued_at < ends)
    return session.scalar(query.where(Document.pdf_sha256.is_(None)) if unrendered_only else query) or 0


def issued(session: Session, begins: datetime, ends: datetime, after: Document | None, most: int) -> Sequence[Document]:
    """Documents of all customers of this span, without their PDFs, in the order in which they were issued, from after this one on."""
    query = select(Document).where(Document.issued_at >= begins, Document.issued_at < ends)
    if after is not None:
        query = query.where(tuple_(Document.issued_at, Document.id) > (after.issued_at, after.id))
    return session.scalars(query.order_by(Document.issued_at, Document.id).limit(most)).all()


def _intact(document: Document) -> Document:
    if document.pdf is not None and hashlib.sha256(document.pdf).hexdigest() != document.pdf_sha256:
        raise Damaged
    return document


def share_out(minor: int, parts: Sequence[int]) -> list[int]:
    """How much of an amount belongs to each of these parts of the whole, as credit notes share it; in minor units."""
    return shares.share(minor, parts, [0] * len(parts))
