"""A saved card, as far as we may know it."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Boolean, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from portal import clock
from portal.db import Base, UTCDateTime

_KEPT = text("removed_at IS NULL")


class SavedCard(Base):
    __tablename__ = "saved_cards"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    stripe_payment_method_id: Mapped[str] = mapped_column(String(64), unique=True)
    brand: Mapped[str] = mapped_column(String(20))
    last4: Mapped[str] = mapped_column(String(4))
    exp_month: Mapped[int] = mapped_column(Integer)
    exp_year: Mapped[int] = mapped_column(Integer)
    country: Mapped[str] = mapped_column(String(2), default="")
    funding: Mapped[str] = mapped_column(String(20), default="")
    fingerprint: Mapped[str] = mapped_column(String(40), default="")
    is_default: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    removed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    __table_args__ = (
        Index("ix_saved_cards_customer", "customer_id", "created_at", sqlite_where=_KEPT, postgresql_where=_KEPT),
    )

    @property
    def is_expired(self) -> bool:
        """A card is good until the last day of its month."""
        today = clock.today()
        return (self.exp_year, self.exp_month) < (today.year, today.month)

    @property
    def expires_on(self) -> date:
        """The first day of its last month."""
        return date(self.exp_year, self.exp_month, 1)
