"""What staff write down about a customer, and files of invoices that wait for a second look."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.accounts.models import User
from portal.core.db import Base, UTCDateTime


class CustomerNote(Base):
    """A note of staff about a customer, who never sees it."""

    __tablename__ = "customer_notes"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    author_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    words: Mapped[str] = mapped_column(Text)

    author: Mapped[User] = relationship(lazy="raise")

    __table_args__ = (Index("ix_customer_notes_customer", "customer_id", "at", "id"),)


class InvoiceFile(Base):
    """A CSV file of invoices that was uploaded, and is imported once its uploader has seen what it would issue.

    The content goes when it has been imported, or when nobody came back to it.
    """

    __tablename__ = "invoice_files"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    uploaded_by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    uploaded_at: Mapped[datetime] = mapped_column(UTCDateTime)
    filename: Mapped[str] = mapped_column(String(200))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    decimal_mark: Mapped[str] = mapped_column(String(1), default="")

    __table_args__ = (Index("ix_invoice_files_uploaded", "uploaded_at"),)
