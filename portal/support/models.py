"""What staff write down about a customer, and which mails they want."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.core.db import Base, UTCDateTime, one_of
from portal.core.enums import EnumText
from portal.identity.models import User
from portal.web.waiting import MailKind


class RecentSubject(Base):
    """What a member of staff has opened, by its id, and when last: the newest few, for themselves alone."""

    __tablename__ = "recent_subjects"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True)
    subject: Mapped[str] = mapped_column(String(40), primary_key=True)
    opened_at: Mapped[datetime] = mapped_column(UTCDateTime)


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


class HowOften(StrEnum):
    AT_ONCE = "at_once"
    DAILY = "daily"


class StaffMailChoice(Base):
    """That someone of staff wants mails of a kind; without a row they want none. What is newer than `told_at` they were not told of."""

    __tablename__ = "staff_mail_choices"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True)
    kind: Mapped[MailKind] = mapped_column(EnumText(MailKind, 20), primary_key=True)
    how_often: Mapped[HowOften] = mapped_column(EnumText(HowOften, 10))
    told_at: Mapped[datetime] = mapped_column(UTCDateTime)

    __table_args__ = (one_of("kind", MailKind), one_of("how_often", HowOften))
