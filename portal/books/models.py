"""Month-end packs, and the parts of their files: the worker that makes one and the web that hands it out share the database alone."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import BigInteger, Date, ForeignKey, Index, Integer, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import Base, UTCDateTime, one_of
from portal.core.enums import EnumText


class PackStatus(StrEnum):
    MAKING = "making"
    READY = "ready"
    GIVEN_UP = "given_up"  # its job has died; a new one may be asked for


_MAKING: Final = text(f"status = '{PackStatus.MAKING}'")


class Pack(Base):
    """The documents, lines and figures of a month as one ZIP. `month` is its first day.

    `attempt` counts how often it was begun: parts of another attempt than this are nobody's. `missing` are the documents that could
    not be put in; `size` is in bytes.
    """

    __tablename__ = "book_packs"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    month: Mapped[date] = mapped_column(Date)
    status: Mapped[PackStatus] = mapped_column(EnumText(PackStatus, 10), default=PackStatus.MAKING)
    requested_by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    requested_at: Mapped[datetime] = mapped_column(UTCDateTime)
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    files_done: Mapped[int] = mapped_column(Integer, default=0)
    files_all: Mapped[int] = mapped_column(Integer, default=0)
    made_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    missing: Mapped[int] = mapped_column(Integer, default=0)

    __table_args__ = (
        one_of("status", PackStatus),
        Index("uq_book_packs_making", "month", unique=True, sqlite_where=_MAKING, postgresql_where=_MAKING),
        Index("ix_book_packs_requested", "requested_at", "id"),
    )

    @property
    def megabytes(self) -> str:
        return f"{self.size / 1_000_000:.1f}"


class PackPart(Base):
    """About a megabyte of a pack's file, in order."""

    __tablename__ = "book_pack_parts"

    pack_id: Mapped[str] = mapped_column(ForeignKey("book_packs.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
