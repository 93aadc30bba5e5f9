"""The file of all data about a customer, which the worker makes."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.content.made_files import MAKING, MadeFile, MadeFileStatus, Part, Store
from portal.core.db import Base, one_of

_MAKING: Final = text(MAKING)


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
