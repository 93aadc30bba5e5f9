"""Documents: a gapless number, the facts as they were when it was issued, and the PDF made from them.

Receipts and credit notes are rows of one table, since they are numbered, rendered, mailed, listed and verified alike. Triggers
in the database keep what is written once: see migrations/versions/0008_documents.py.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, deferred, mapped_column

from portal.core.db import Base, UTCDateTime, one_of, sorted_text
from portal.core.enums import EnumText
from portal.core.money import Money
from portal.documents import codes


class DocumentKind(StrEnum):
    RECEIPT = "receipt"
    CREDIT_NOTE = "credit_note"


_RECEIPTS: Final = text(f"kind = '{DocumentKind.RECEIPT}'")
HELD: Final = text("missing_glyphs <> '' AND glyphs_accepted_at IS NULL")
NOT_HELD: Final = text("(missing_glyphs = '' OR glyphs_accepted_at IS NOT NULL)")
UNMAILED: Final = text("mailed_at IS NULL")
REVOKED: Final = text("revoked_at IS NOT NULL")


class Document(Base):
    """`refund_id`, `revoked_at` and `revocation_mailed_at` are a credit note's only: its refund, and that it failed after all."""

    __tablename__ = "documents"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[DocumentKind] = mapped_column(EnumText(DocumentKind, 20))
    number: Mapped[str] = mapped_column(sorted_text(40), unique=True)
    payment_id: Mapped[str] = mapped_column(ForeignKey("payments.id"))
    refund_id: Mapped[str | None] = mapped_column(ForeignKey("refunds.id"), unique=True)
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
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revocation_mailed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_abstract": True}  # noqa: RUF012  # SQLAlchemy's form
    __table_args__ = (
        one_of("kind", DocumentKind),
        CheckConstraint(
            f"(kind = '{DocumentKind.CREDIT_NOTE}') = (refund_id IS NOT NULL)", name="refund_of_credit_note"
        ),
        CheckConstraint(f"kind = '{DocumentKind.CREDIT_NOTE}' OR revoked_at IS NULL", name="receipts_stand"),
        Index("uq_documents_receipt", "payment_id", unique=True, sqlite_where=_RECEIPTS, postgresql_where=_RECEIPTS),
        Index("ix_documents_unmailed", "issued_at", sqlite_where=UNMAILED, postgresql_where=UNMAILED),
        Index("ix_documents_revoked", "revoked_at", sqlite_where=REVOKED, postgresql_where=REVOKED),
        Index("ix_documents_payment", "payment_id", "issued_at", "id"),
        Index("ix_documents_customer", "customer_id", "issued_at", "id"),
        Index("ix_documents_issued", "issued_at", "id"),
    )

    @property
    def total(self) -> Money:
        return Money(self.total_minor, self.currency)

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


class Receipt(Document):
    """One a payment that has succeeded."""

    __mapper_args__ = {"polymorphic_identity": DocumentKind.RECEIPT}  # noqa: RUF012


class CreditNote(Document):
    """One a refund that has succeeded. When the refund fails after all it is revoked; its number stays used."""

    __mapper_args__ = {"polymorphic_identity": DocumentKind.CREDIT_NOTE}  # noqa: RUF012
