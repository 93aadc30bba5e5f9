"""Documents: a gapless number, the facts as they were when it was issued, and the PDF made from them.

Documents of all kinds are rows of one table, since they are numbered, rendered, mailed, listed and verified alike. Which kind
what gets is decided in portal.documents.kinds. Triggers in the database keep what is written once.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, Integer, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, deferred, mapped_column, relationship

from portal.accounts.models import Customer, RecipientMail
from portal.content.made_files import MAKING, MadeFile, MadeFileStatus, Part
from portal.core import company_days
from portal.core.db import Base, UTCDateTime, one_of, sorted_text
from portal.core.enums import EnumText
from portal.core.money import Money
from portal.documents import codes


class DocumentKind(StrEnum):
    INVOICE = "invoice"
    RECEIPT = "receipt"
    PAYMENT_CONFIRMATION = "payment_confirmation"
    CREDIT_NOTE = "credit_note"
    REFUND_CONFIRMATION = "refund_confirmation"


class DocumentStatus(StrEnum):
    """What a customer looks for: what stands, what was canceled, and invoices that are to be paid."""

    VALID = "valid"
    CANCELED = "canceled"
    OPEN = "open"


# Of a payment, and of a refund, there is one of these.
OF_PAYMENTS: Final = (DocumentKind.RECEIPT, DocumentKind.PAYMENT_CONFIRMATION)
OF_REFUNDS: Final = (DocumentKind.CREDIT_NOTE, DocumentKind.REFUND_CONFIRMATION)


# What further recipients get a document of a kind as.
MAILS: Final = {
    DocumentKind.INVOICE: RecipientMail.INVOICES,
    DocumentKind.RECEIPT: RecipientMail.PAYMENT_CONFIRMATIONS,
    DocumentKind.PAYMENT_CONFIRMATION: RecipientMail.PAYMENT_CONFIRMATIONS,
    DocumentKind.CREDIT_NOTE: RecipientMail.CREDIT_NOTES,
    DocumentKind.REFUND_CONFIRMATION: RecipientMail.CREDIT_NOTES,
}


def _listed(kinds: tuple[DocumentKind, ...]) -> str:
    return "kind IN (" + ", ".join(f"'{kind}'" for kind in kinds) + ")"


_OF_PAYMENTS: Final = text(_listed(OF_PAYMENTS))
HELD: Final = text("missing_glyphs <> '' AND glyphs_accepted_at IS NULL")
NOT_HELD: Final = text("(missing_glyphs = '' OR glyphs_accepted_at IS NOT NULL)")
# To be mailed, or to be made at all.
UNMAILED: Final = text("mailed_at IS NULL AND (mail_waived_at IS NULL OR pdf_sha256 IS NULL)")
REVOKED: Final = text("revoked_at IS NOT NULL")
RENDERED: Final = text("pdf_sha256 IS NOT NULL")
NO_INVOICE: Final = text(f"kind <> '{DocumentKind.INVOICE}'")


class Document(Base):
    """An invoice has an `invoice_id` and no payment. Documents of money that moved have a `payment_id`, and those of refunds a `refund_id`;
    a credit note of an invoice that was not paid yet has a `credit_id` in their place.

    `revoked_at`: the refund failed after all, or the invoice was voided; `revocation_mailed_at` is for refunds alone.
    """

    __tablename__ = "documents"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[DocumentKind] = mapped_column(EnumText(DocumentKind, 20))
    number: Mapped[str] = mapped_column(sorted_text(40), unique=True)
    invoice_id: Mapped[str | None] = mapped_column(ForeignKey("invoices.id"), unique=True)
    payment_id: Mapped[str | None] = mapped_column(ForeignKey("payments.id"))
    refund_id: Mapped[str | None] = mapped_column(ForeignKey("refunds.id"), unique=True)
    credit_id: Mapped[str | None] = mapped_column(ForeignKey("invoice_credits.id"), unique=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    total_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)  # the shape is portal.documents.facts
    code: Mapped[str] = mapped_column(String(20), unique=True)  # see portal.documents.codes
    issued_at: Mapped[datetime] = mapped_column(UTCDateTime)
    pdf: Mapped[bytes | None] = deferred(mapped_column(LargeBinary))
    pdf_sha256: Mapped[str | None] = mapped_column(String(64))
    # Characters that no font here has, for which boxes would stand in the document: it waits until a person has looked at it.
    missing_glyphs: Mapped[str] = mapped_column(Text, default="")
    glyphs_accepted_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    mailed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Staff wanted no mail of it, because it was sent elsewhere.
    mail_waived_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revocation_mailed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    customer: Mapped[Customer] = relationship(lazy="raise")

    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_abstract": True}  # noqa: RUF012  # SQLAlchemy's form
    __table_args__ = (
        one_of("kind", DocumentKind),
        CheckConstraint(
            f"({_listed(OF_REFUNDS)}) = (refund_id IS NOT NULL OR credit_id IS NOT NULL)", name="refund_of_credit_note"
        ),
        CheckConstraint(
            f"credit_id IS NULL OR (refund_id IS NULL AND kind = '{DocumentKind.CREDIT_NOTE}')", name="credit_or_refund"
        ),
        CheckConstraint(f"(kind = '{DocumentKind.INVOICE}') = (invoice_id IS NOT NULL)", name="invoice_of_invoice"),
        CheckConstraint(
            f"(kind = '{DocumentKind.INVOICE}' OR credit_id IS NOT NULL) = (payment_id IS NULL)",
            name="payment_of_others",
        ),
        CheckConstraint(f"NOT ({_listed(OF_PAYMENTS)}) OR revoked_at IS NULL", name="receipts_stand"),
        Index(
            "uq_documents_receipt", "payment_id", unique=True, sqlite_where=_OF_PAYMENTS, postgresql_where=_OF_PAYMENTS
        ),
        Index("ix_documents_unmailed", "issued_at", "id", sqlite_where=UNMAILED, postgresql_where=UNMAILED),
        Index("ix_documents_held", "issued_at", "id", sqlite_where=HELD, postgresql_where=HELD),
        Index("ix_documents_kind", "kind", "issued_at", "id"),
        Index("ix_documents_revoked", "issued_at", "id", sqlite_where=REVOKED, postgresql_where=REVOKED),
        Index("ix_documents_sha256", "pdf_sha256", sqlite_where=RENDERED, postgresql_where=RENDERED),
        Index("ix_documents_payment", "payment_id", "issued_at", "id"),
        Index("ix_documents_customer", "customer_id", "issued_at", "id"),
        Index("ix_documents_customer_kind", "customer_id", "kind", "issued_at", "id"),
        Index("ix_documents_issued", "issued_at", "id"),
        Index(
            "ix_documents_amount",
            "currency",
            "total_minor",
            "issued_at",
            "id",
            sqlite_where=NO_INVOICE,
            postgresql_where=NO_INVOICE,
        ),
    )

    @property
    def total(self) -> Money:
        return Money(self.total_minor, self.currency)

    @property
    def issued_on(self) -> date:
        """The day that stands on it, which an invoice may have from before the portal knew it."""
        written = self.facts.get("issued_on")
        return date.fromisoformat(written) if written else company_days.day_of(self.issued_at)

    @property
    def subject(self) -> str:
        """What the audit trail tells of it under: an invoice is one thing, whatever its document is."""
        return self.invoice_id or self.id

    @property
    def is_held(self) -> bool:
        """Whether it waits for a person, because it would lack characters."""
        return self.missing_glyphs != "" and self.glyphs_accepted_at is None

    @property
    def glyphs_that_lack(self) -> list[tuple[str, str]]:
        """Each character with its name in Unicode: ("語", "U+8A9E")."""
        return [(glyph, f"U+{ord(glyph):04X}") for glyph in self.missing_glyphs]

    @property
    def code_text(self) -> str:
        """The code as it is printed, in groups."""
        return codes.grouped(self.code)


class InvoiceDocument(Document):
    """The invoice itself, under its own number, from the moment when it was issued."""

    __mapper_args__ = {"polymorphic_identity": DocumentKind.INVOICE}  # noqa: RUF012


class PaymentDocument(Document):
    """One a payment that has succeeded: whichever of the two kinds it is."""

    __mapper_args__ = {"polymorphic_abstract": True}  # noqa: RUF012


class Receipt(PaymentDocument):
    """Of a payment without an invoice: it is the invoice itself."""

    __mapper_args__ = {"polymorphic_identity": DocumentKind.RECEIPT}  # noqa: RUF012


class PaymentConfirmation(PaymentDocument):
    """Of a payment that has its invoice, or was money too much: no invoice, and no tax stands on it."""

    __mapper_args__ = {"polymorphic_identity": DocumentKind.PAYMENT_CONFIRMATION}  # noqa: RUF012


class RefundDocument(Document):
    """One a refund that has succeeded, or a credit of an invoice. If the refund fails after all it is revoked; its number stays used."""

    __mapper_args__ = {"polymorphic_abstract": True}  # noqa: RUF012


class CreditNote(RefundDocument):
    """Of a refund that lowers a price, or of a credit before a payment: it corrects an invoice, or a receipt that is one, with its tax."""

    __mapper_args__ = {"polymorphic_identity": DocumentKind.CREDIT_NOTE}  # noqa: RUF012


class RefundConfirmation(RefundDocument):
    """Of money that was paid twice: no price changes, and no tax stands on it."""

    __mapper_args__ = {"polymorphic_identity": DocumentKind.REFUND_CONFIRMATION}  # noqa: RUF012


_MAKING: Final = text(MAKING)


class DocumentArchive(MadeFile, Base):
    """Documents of a customer as one ZIP; `wanted` says which, in the shape of portal.documents.queries.Wanted."""

    __tablename__ = "document_archives"

    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    requested_by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    wanted: Mapped[dict[str, Any]] = mapped_column(JSON)

    __table_args__ = (
        one_of("status", MadeFileStatus),
        Index(
            "uq_document_archives_making", "customer_id", unique=True, sqlite_where=_MAKING, postgresql_where=_MAKING
        ),
        Index("ix_document_archives_customer", "customer_id", "requested_at"),
        Index("ix_document_archives_requested", "requested_at", "id"),
    )


class DocumentArchivePart(Part, Base):
    __tablename__ = "document_archive_parts"

    archive_id: Mapped[str] = mapped_column(String(40), ForeignKey("document_archives.id"), primary_key=True)


class DocumentDownload(Base):
    """That a document's customer was given its file, the first time and the last, and how often."""

    __tablename__ = "document_downloads"

    document_id: Mapped[str] = mapped_column(ForeignKey("documents.id"), primary_key=True)
    first_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_at: Mapped[datetime] = mapped_column(UTCDateTime)
    times: Mapped[int] = mapped_column(Integer)
