"""Statements of account as PDF, which the worker makes, and confirmations of balances."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from sqlalchemy import JSON, Date, ForeignKey, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, deferred, mapped_column

from portal.content.made_files import MAKING, MadeFile, MadeFileStatus, Part, Store
from portal.core.db import Base, UTCDateTime, one_of
from portal.core.money import Money

_MAKING: Final = text(MAKING)


class StatementFile(MadeFile, Base):
    """The statement of a customer's account in one currency, of these days of the company's, both included."""

    __tablename__ = "statement_files"

    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    requested_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    currency: Mapped[str] = mapped_column(String(3))
    since: Mapped[date] = mapped_column(Date)
    until: Mapped[date] = mapped_column(Date)

    __table_args__ = (
        one_of("status", MadeFileStatus),
        Index("uq_statement_files_making", "customer_id", unique=True, sqlite_where=_MAKING, postgresql_where=_MAKING),
        Index("ix_statement_files_customer", "customer_id", "requested_at"),
        Index("ix_statement_files_requested", "requested_at", "id"),
    )


class StatementFilePart(Part, Base):
    __tablename__ = "statement_file_parts"

    file_id: Mapped[str] = mapped_column(String(40), ForeignKey("statement_files.id"), primary_key=True)


STORE: Final = Store(StatementFile, StatementFilePart, "file_id")


class BalanceConfirmation(Base):
    """What a customer's account came to at the end of a day, as the postings had it at `made_at`: frozen, with a code to verify it by.

    `balances` are minor units by currency, positive where the customer owes: {"eur": 119_00}. The PDF is written once.
    """

    __tablename__ = "balance_confirmations"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    requested_by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    day: Mapped[date] = mapped_column(Date)
    made_at: Mapped[datetime] = mapped_column(UTCDateTime)
    language: Mapped[str] = mapped_column(String(10))
    company: Mapped[str] = mapped_column(Text)
    customer_name: Mapped[str] = mapped_column(Text)
    balances: Mapped[dict[str, int]] = mapped_column(JSON)
    code: Mapped[str] = mapped_column(String(20), unique=True)  # see portal.documents.codes
    pdf: Mapped[bytes | None] = deferred(mapped_column(LargeBinary))
    pdf_sha256: Mapped[str | None] = mapped_column(String(64))

    __table_args__ = (
        Index("ix_balance_confirmations_customer", "customer_id", "made_at", "id"),
        Index("ix_balance_confirmations_sha256", "pdf_sha256"),
    )

    @property
    def amounts(self) -> list[Money]:
        return [Money(minor, currency) for currency, minor in sorted(self.balances.items())]
