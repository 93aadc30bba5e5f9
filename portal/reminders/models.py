"""Which reminders of an invoice were sent, and which invoices staff have set aside."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Date, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import Base, UTCDateTime

LONGEST_REASON = 300
_MAILED = text("mailed_at IS NOT NULL AND step IS NOT NULL")


class InvoiceReminder(Base):
    """One reminder of an invoice. `step` is that of the plan, in days after the due date (before it where negative): one each. None: a
    member of staff (`asked_by`) sent it by hand.

    `mailed_at` is set once a mail server took the first of its mails, `dropped_at` where the invoice needed none any more before that.
    """

    __tablename__ = "invoice_reminders"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    invoice_id: Mapped[str] = mapped_column(ForeignKey("invoices.id"))
    step: Mapped[int | None] = mapped_column(Integer)
    asked_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    mailed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    dropped_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    __table_args__ = (
        UniqueConstraint("invoice_id", "step"),
        Index("ix_invoice_reminders_invoice", "invoice_id", "created_at", "id"),
        Index("ix_invoice_reminders_step", "step", "created_at", "id", sqlite_where=_MAILED, postgresql_where=_MAILED),
    )


class ReminderHold(Base):
    """An invoice of which nobody is reminded until after a day, and why; a later hold takes its place, and a release ends it."""

    __tablename__ = "reminder_holds"

    invoice_id: Mapped[str] = mapped_column(ForeignKey("invoices.id"), primary_key=True)
    until: Mapped[date] = mapped_column(Date)
    reason: Mapped[str] = mapped_column(String(LONGEST_REASON))
    held_by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    held_at: Mapped[datetime] = mapped_column(UTCDateTime)

    __table_args__ = (Index("ix_reminder_holds_until", "until", "invoice_id"),)
