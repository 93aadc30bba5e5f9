"""A mandate with the words that were agreed to, and the collections under it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from sqlalchemy import Boolean, CheckConstraint, Date, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.core.db import Base, UTCDateTime, one_of
from portal.core.enums import EnumText
from portal.invoices.models import Invoice
from portal.mandates.statuses import ACTIVE, CollectionStatus

_IN_FORCE: Final = text("ended_at IS NULL")
_ACTIVE: Final = text("status IN (" + ", ".join(f"'{status}'" for status in sorted(ACTIVE)) + ")")


class Mandate(Base):
    """A customer's permission to charge their default payment method: who gave it, when, from where, and in which words.

    A customer has at most one that is in force. Ended ones stay, as the evidence for what was charged under them.
    """

    __tablename__ = "mandates"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    given_by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    given_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ip: Mapped[str] = mapped_column(String(45))
    language: Mapped[str] = mapped_column(String(8))
    terms: Mapped[str] = mapped_column(Text)  # as it was shown, a line a sentence
    # Whether the words that were agreed to allow any kind of payment method; older ones speak of cards.
    any_kind: Mapped[bool] = mapped_column(Boolean, default=True, server_default=text("true"))
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    ended_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))

    __table_args__ = (
        Index("ix_mandates_customer", "customer_id", "ended_at"),
        Index("uq_mandates_in_force", "customer_id", unique=True, sqlite_where=_IN_FORCE, postgresql_where=_IN_FORCE),
    )

    @property
    def sentences(self) -> list[str]:
        return self.terms.splitlines()


class Collection(Base):
    """One invoice that is to be charged under a mandate.

    `charge_on` is fixed when the notice is sent (`noticed_at`). `attempts` counts those that were begun; while `is_trying`, it is not
    known yet what came of the last one, and whoever goes on with it uses the same key. `failure_code`, `decline_code` and `advice_code`
    tell of the last try that failed: Stripe's codes, or ours from portal.mandates.statuses. `tried_method` is the payment method that
    it was made with.
    """

    __tablename__ = "collections"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    mandate_id: Mapped[str] = mapped_column(ForeignKey("mandates.id"))
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    invoice_id: Mapped[str] = mapped_column(ForeignKey("invoices.id"))
    status: Mapped[CollectionStatus] = mapped_column(EnumText(CollectionStatus, 20), default=CollectionStatus.ANNOUNCED)
    charge_on: Mapped[date] = mapped_column(Date)
    noticed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    next_attempt_at: Mapped[datetime] = mapped_column(UTCDateTime)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    first_attempt_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    is_trying: Mapped[bool] = mapped_column(Boolean, default=False)
    payment_method_id: Mapped[str | None] = mapped_column(ForeignKey("payment_methods.id"))
    tried_method: Mapped[str] = mapped_column(String(64), default="")
    failure_code: Mapped[str] = mapped_column(String(60), default="")
    decline_code: Mapped[str] = mapped_column(String(60), default="")
    advice_code: Mapped[str] = mapped_column(String(40), default="")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)

    invoice: Mapped[Invoice] = relationship(lazy="raise")
    mandate: Mapped[Mandate] = relationship(lazy="raise")

    __table_args__ = (
        one_of("status", CollectionStatus),
        CheckConstraint("attempts >= 0", name="attempts_counted"),
        UniqueConstraint("mandate_id", "invoice_id"),
        Index("uq_collections_active", "invoice_id", unique=True, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE),
        Index("ix_collections_due", "next_attempt_at", "id", sqlite_where=_ACTIVE, postgresql_where=_ACTIVE),
        Index("ix_collections_customer", "customer_id", "created_at", "id"),
    )
