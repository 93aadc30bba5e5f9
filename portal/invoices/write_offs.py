"""Claims that are given up in the books: the model of a write-off."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.core.db import Base, UTCDateTime, one_of
from portal.core.enums import EnumText
from portal.core.money import Money
from portal.invoices.models import Invoice
from portal.invoices.statuses import WriteOffStatus

_PROPOSED: Final = text(f"status = '{WriteOffStatus.PROPOSED}'")


class WriteOff(Base):
    """All that was due of an invoice, which is not expected any more. `proposed_by` is empty where an operator did it at the command line;
    `decided_by` is the second person, or who rejected it.
    """

    __tablename__ = "write_offs"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    invoice_id: Mapped[str] = mapped_column(ForeignKey("invoices.id"))
    status: Mapped[WriteOffStatus] = mapped_column(EnumText(WriteOffStatus, 20))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    reason: Mapped[str] = mapped_column(String(300))
    client_key: Mapped[str | None] = mapped_column(String(80), unique=True)
    proposed_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    proposed_at: Mapped[datetime] = mapped_column(UTCDateTime)
    decided_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    rejection: Mapped[str] = mapped_column(String(300), default="")
    reversed_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    reversed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    reversal_reason: Mapped[str] = mapped_column(String(300), default="")

    invoice: Mapped[Invoice] = relationship(lazy="raise")

    __table_args__ = (
        one_of("status", WriteOffStatus),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        Index("ix_write_offs_invoice", "invoice_id", "proposed_at", "id"),
        Index("uq_write_offs_proposed", "invoice_id", unique=True, sqlite_where=_PROPOSED, postgresql_where=_PROPOSED),
        Index("ix_write_offs_waiting", "proposed_at", "id", sqlite_where=_PROPOSED, postgresql_where=_PROPOSED),
    )

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def waits(self) -> bool:
        return self.status == WriteOffStatus.PROPOSED
