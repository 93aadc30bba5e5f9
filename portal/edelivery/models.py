"""E-invoices that go by a network, and what became of each."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.core.db import Base, UTCDateTime, one_of
from portal.core.enums import EnumText
from portal.documents.models import Document

LONGEST_ANSWER: Final = 500
LONGEST_ADDRESS: Final = 100


class HandoverStatus(StrEnum):
    PENDING = "pending"
    HANDED_OVER = "handed_over"
    REFUSED = "refused"  # whoever takes it said no: another try would end the same
    FAILED = "failed"  # nobody took it, and it was given up


NOT_TAKEN: Final = text(f"status IN ('{HandoverStatus.FAILED}', '{HandoverStatus.REFUSED}')")


class Handover(Base):
    """A document for the network; one row each. `round` rises when it is sent again, and `attempts` counts those of this round.

    `address` is whom the network is to find, as the document says, and `sha256` of the XML. `answer` is what was said last, for staff.
    That a document was handed over does not say that it arrived.
    """

    __tablename__ = "handovers"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    document_id: Mapped[str] = mapped_column(ForeignKey("documents.id"), unique=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    status: Mapped[HandoverStatus] = mapped_column(EnumText(HandoverStatus, 20), default=HandoverStatus.PENDING)
    address: Mapped[str] = mapped_column(String(LONGEST_ADDRESS))
    round: Mapped[int] = mapped_column(Integer, default=0)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_attempt_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    next_attempt_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    handed_over_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    answer: Mapped[str] = mapped_column(String(LONGEST_ANSWER), default="")
    sha256: Mapped[str] = mapped_column(String(64), default="")
    document: Mapped[Document] = relationship()

    __table_args__ = (
        one_of("status", HandoverStatus),
        Index("ix_handovers_not_taken", "created_at", "id", sqlite_where=NOT_TAKEN, postgresql_where=NOT_TAKEN),
    )
