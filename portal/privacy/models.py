"""The file of all data about a customer, which the worker makes, and the erasure of a customer."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import JSON, Boolean, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.content.made_files import MAKING, MadeFile, MadeFileStatus, Part, Store
from portal.core.db import Base, UTCDateTime, one_of
from portal.core.enums import EnumText
from portal.privacy.statuses import OPEN, ErasureStatus

_MAKING: Final = text(MAKING)
_OPEN: Final = text("status IN (" + ", ".join(f"'{status}'" for status in OPEN) + ")")
LONGEST_REASON: Final = 500


class PersonalDataFile(MadeFile, Base):
    """All about a customer as one ZIP, asked for by an owner of theirs or by staff."""

    __tablename__ = "personal_data_files"

    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    requested_by: Mapped[str] = mapped_column(ForeignKey("users.id"))

    __table_args__ = (
        one_of("status", MadeFileStatus),
        Index(
            "uq_personal_data_files_making", "customer_id", unique=True, sqlite_where=_MAKING, postgresql_where=_MAKING
        ),
        Index("ix_personal_data_files_customer", "customer_id", "requested_at"),
        Index("ix_personal_data_files_requested", "requested_at", "id"),
    )


class PersonalDataFilePart(Part, Base):
    __tablename__ = "personal_data_file_parts"

    file_id: Mapped[str] = mapped_column(String(40), ForeignKey("personal_data_files.id"), primary_key=True)


STORE: Final = Store(PersonalDataFile, PersonalDataFilePart, "file_id")


class Erasure(Base):
    """That a customer be erased: asked for by an owner of theirs (`by_customer`) or by staff, decided by staff, done by a job.

    `kept` is what law asks to keep, see portal.privacy.erasing.kept_of; empty before it is done.
    """

    __tablename__ = "erasures"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    status: Mapped[ErasureStatus] = mapped_column(EnumText(ErasureStatus, 10))
    by_customer: Mapped[bool] = mapped_column(Boolean)
    reason: Mapped[str] = mapped_column(String(LONGEST_REASON), default="")
    requested_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    requested_at: Mapped[datetime] = mapped_column(UTCDateTime)
    decided_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    rejection: Mapped[str] = mapped_column(String(LONGEST_REASON), default="")
    done_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    kept: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)

    __table_args__ = (
        one_of("status", ErasureStatus),
        Index("uq_erasures_open", "customer_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_erasures_customer", "customer_id", "requested_at"),
        Index("ix_erasures_waiting", "requested_at", "id", sqlite_where=_OPEN, postgresql_where=_OPEN),
    )
