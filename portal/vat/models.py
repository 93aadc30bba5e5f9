"""What VIES said of the VAT IDs of customers: the proof of each question, which is never changed."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import Base, UTCDateTime, one_of
from portal.core.enums import EnumText

LONGEST_ANSWER: Final = 4_000
LONGEST_NUMBER: Final = 60
LONGEST_NAME: Final = 300
LONGEST_ADDRESS: Final = 600


class VatCheckResult(StrEnum):
    VALID = "valid"
    INVALID = "invalid"
    NOT_CHECKED = "not_checked"  # nobody answered, or no such thing as yes or no


class VatCheck(Base):
    """One question about a VAT ID, and its answer. Rows are never changed or deleted (a trigger refuses).

    `requester` is our own VAT ID where VIES was told it: then a valid one has a `consultation_number`, by which tax offices find the
    question. `trader_name` and `trader_address` are what the member state gave out, "" where it gives none. `reason` says why nothing was
    learned: a code of VIES's, or a word of portal.vat.port. `answer` is the body as it came, its beginning where it was long.
    """

    __tablename__ = "vat_checks"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    tax_id: Mapped[str] = mapped_column(String(40))
    result: Mapped[VatCheckResult] = mapped_column(EnumText(VatCheckResult, 20))
    asked_at: Mapped[datetime] = mapped_column(UTCDateTime)
    requester: Mapped[str] = mapped_column(String(40), default="")
    consultation_number: Mapped[str] = mapped_column(String(LONGEST_NUMBER), default="")
    trader_name: Mapped[str] = mapped_column(String(LONGEST_NAME), default="")
    trader_address: Mapped[str] = mapped_column(String(LONGEST_ADDRESS), default="")
    reason: Mapped[str] = mapped_column(String(60), default="")
    answer: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (
        one_of("result", VatCheckResult),
        Index("ix_vat_checks_customer", "customer_id", "asked_at", "id"),
        Index("ix_vat_checks_tax_id", "customer_id", "tax_id", "asked_at", "id"),
    )
