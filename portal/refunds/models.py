"""A refund, from the wish to Stripe's last word, and the steps it went through."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.accounts.models import Customer
from portal.core.db import Base, UTCDateTime, one_of
from portal.core.money import Money
from portal.core.synced_rows import Mirror
from portal.payments.models import Payment
from portal.refunds.policy import REASONS
from portal.refunds.states import FAILED, FOLLOWED, FREED, GONE_WRONG, REQUESTED, SUCCEEDED, UNDECIDED, UNKNOWN

CUSTOMER: Final = "customer"
STAFF: Final = "staff"
PORTAL: Final = "portal"  # a second payment of an invoice that was paid already
STRIPE: Final = "stripe"  # given back at Stripe's dashboard, without us
ORIGINS: Final = (CUSTOMER, STAFF, PORTAL, STRIPE)


# What staff did about one that has failed; empty while it waits for them.
SENT_AGAIN: Final = "sent_again"
PAID_OUTSIDE: Final = "paid_outside"
NOTHING_OWED: Final = "nothing_owed"
RESOLUTIONS: Final = ("", SENT_AGAIN, PAID_OUTSIDE, NOTHING_OWED)


def _listed(*states: str) -> str:
    return "state IN (" + ", ".join(f"'{state}'" for state in sorted(states)) + ")"


_WAITING: Final = text(_listed(*UNDECIDED))
_FOLLOWED: Final = text(_listed(*FOLLOWED))
_SUCCEEDED: Final = text(_listed(SUCCEEDED))
_FREED: Final = text(_listed(*FREED))
_FAILED: Final = text(f"{_listed(*GONE_WRONG)} AND resolution = ''")
_FOUND: Final = text(f"review_reason <> '' OR state = '{UNKNOWN}'")


class Refund(Mirror, Base):
    """`amount_minor` is what is given back; a decision may lower it from what was asked (`asked_minor`).

    `state` is ours until Stripe knows the refund, then Stripe's own; see portal.refunds.states. A further `attempt` is begun by the portal
    or by a person's decision. People are ids of users; none for what the portal does by itself.
    """

    __tablename__ = "refunds"
    noun = "refund"

    payment_id: Mapped[str] = mapped_column(ForeignKey("payments.id"))
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    client_key: Mapped[str] = mapped_column(String(80))
    origin: Mapped[str] = mapped_column(String(10))
    asked_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    asked_at: Mapped[datetime] = mapped_column(UTCDateTime)
    asked_minor: Mapped[int] = mapped_column(BigInteger)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    reason: Mapped[str] = mapped_column(String(30))
    explanation: Mapped[str] = mapped_column(Text, default="")  # in the words of the one who asked
    state: Mapped[str] = mapped_column(String(40), default=REQUESTED)

    # Deciding
    claimed_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    claimed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    first_approved_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    first_approved_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    decided_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    rejection: Mapped[str] = mapped_column(Text, default="")  # the customer reads it
    staff_note: Mapped[str] = mapped_column(Text, default="")  # the customer does not

    # Carrying out
    # Since when Stripe's list is searched for it, in the phase of that; by the database's clock.
    search_began_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    stripe_refund_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    bank_reference: Mapped[str] = mapped_column(String(80), default="")  # the acquirer's reference number (ARN)
    failure_reason: Mapped[str] = mapped_column(String(60), default="")
    sent_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    expected_by: Mapped[date | None] = mapped_column(Date)
    succeeded_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    failed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    resolution: Mapped[str] = mapped_column(String(20), default="")
    resolution_note: Mapped[str] = mapped_column(Text, default="")  # the customer does not see it
    resolved_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    resolved_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    replaced_by: Mapped[str | None] = mapped_column(ForeignKey("refunds.id"))  # the new one in its place
    paid_outside_on: Mapped[date | None] = mapped_column(Date)

    payment: Mapped[Payment] = relationship(lazy="raise")
    customer: Mapped[Customer] = relationship(lazy="raise")
    steps: Mapped[list[RefundStep]] = relationship(lazy="raise", order_by="RefundStep.at, RefundStep.id")

    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("asked_minor >= amount_minor", name="never_more_than_asked"),
        one_of("origin", ORIGINS),
        one_of("reason", REASONS),
        one_of("resolution", RESOLUTIONS),
        UniqueConstraint("customer_id", "client_key"),
        Index("ix_refunds_payment", "payment_id", "asked_at", "id"),
        Index("ix_refunds_customer", "customer_id", "asked_at", "id"),
        # For staff, who look across customers.
        Index("ix_refunds_asked", "asked_at", "id"),
        Index("ix_refunds_freed", "state", "asked_at", "id", sqlite_where=_FREED, postgresql_where=_FREED),
        Index("ix_refunds_queue", "asked_at", "id", sqlite_where=_WAITING, postgresql_where=_WAITING),
        Index("ix_refunds_followed", "updated_at", "id", sqlite_where=_FOLLOWED, postgresql_where=_FOLLOWED),
        Index("ix_refunds_succeeded", "succeeded_at", sqlite_where=_SUCCEEDED, postgresql_where=_SUCCEEDED),
        Index("ix_refunds_failed", "failed_at", "id", sqlite_where=_FAILED, postgresql_where=_FAILED),
        Index("ix_refunds_review", "updated_at", "id", sqlite_where=_FOUND, postgresql_where=_FOUND),
    )

    def begin_anew(self) -> None:
        super().begin_anew()
        self.search_began_at = None

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def asked(self) -> Money:
        return Money(self.asked_minor, self.currency)

    @property
    def has_succeeded(self) -> bool:
        """The money has gone back, and has not come to us again since."""
        return self.state == SUCCEEDED

    @property
    def has_failed(self) -> bool:
        return self.state == FAILED


class RefundStep(Base):
    """One line of the timeline that a customer sees: what happened and when."""

    __tablename__ = "refund_steps"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    refund_id: Mapped[str] = mapped_column(ForeignKey("refunds.id"))
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    state: Mapped[str] = mapped_column(String(40))

    __table_args__ = (Index("ix_refund_steps_refund", "refund_id", "at"),)
