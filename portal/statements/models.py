"""Statements of account as PDF, which the worker makes."""

from __future__ import annotations

from datetime import date
from typing import Final

from sqlalchemy import Date, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.content.made_files import MAKING, MadeFile, MadeFileStatus, Part, Store
from portal.core.db import Base, one_of

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
