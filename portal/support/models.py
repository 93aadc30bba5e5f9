"""What staff write down about a customer."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.core.db import Base, UTCDateTime
from portal.identity.models import User


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
