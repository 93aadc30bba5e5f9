"""Month-end packs, and the parts of their files."""

from __future__ import annotations

from datetime import date
from typing import Final

from sqlalchemy import Date, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.content.made_files import MAKING, MadeFile, MadeFileStatus, Part, Store
from portal.core.db import Base, one_of

_MAKING: Final = text(MAKING)


class Pack(MadeFile, Base):
    """The documents, lines and figures of a month as one ZIP. `month` is its first day."""

    __tablename__ = "book_packs"

    month: Mapped[date] = mapped_column(Date)
    requested_by: Mapped[str] = mapped_column(ForeignKey("users.id"))

    __table_args__ = (
        one_of("status", MadeFileStatus),
        Index("uq_book_packs_making", "month", unique=True, sqlite_where=_MAKING, postgresql_where=_MAKING),
        Index("ix_book_packs_requested", "requested_at", "id"),
    )


class PackPart(Part, Base):
    __tablename__ = "book_pack_parts"

    pack_id: Mapped[str] = mapped_column(String(40), ForeignKey("book_packs.id"), primary_key=True)


STORE: Final = Store(Pack, PackPart, "pack_id")
