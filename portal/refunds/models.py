"""A refund, from the wish to Stripe's last word, and the steps it went through."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal import ledger
from portal.accounts.models import Customer
from portal.core.db import Base, UTCDateTime, one_of
from portal.core.enums import EnumText, Unknown
from portal.core.money import Money
from portal.core.synced_rows import Mirror
from portal.invoices.models import Invoice
from portal.payments.models import Payment
from portal.refunds.policy import RefundReason
from portal.refunds.statuses import FOLLOWED, FREED, GONE_WRONG, UNDECIDED, RefundStatus


class RefundOrigin(StrEnum):
    CUSTOMER = "customer"
    STAFF = "staff"
    PORTAL = "portal"  # a second payment of an invoice that was paid already
    STRIPE = "stripe"  # given back at Stripe's dashboard, without us


class Resolution(StrEnum):
    """What staff did about one that has failed."""

    SENT_AGAIN = "sent_again"
    PAID_OUTSIDE = "paid_outside"
    NOTHING_OWED = "nothing_owed"


class Decision(StrEnum):
    """What an answer to a customer is for."""

    REJECTION = "rejection"
    QUESTION = "question"


def _listed(*statuses: RefundStatus) -> str:
    return "status IN (" + ", ".join(f"'{status}'" for status in sorted(statuses)) + ")"


_WAITING: Final = text(_listed(*UNDECIDED))
_FOLLOWED: Final = text(_listed(*FOLLOWED))
_SUCCEEDED: Final = text(_listed(RefundStatus.SUCCEEDED))
_FREED: Final = text(_listed(*FREED))
_FAILED: Final = text(f"{_listed(*GONE_WRONG)} AND resolution = ''")
_FOUND: Final = text(f"review_reason <> '' OR status = '{RefundStatus.UNKNOWN}'")


class Refund(Mirror, Base):
    """`amount_minor` is what is given back; a decision may lower it from what was asked (`asked_minor`).

    `status` is ours until Stripe knows the refund, then Stripe's own. A further `attempt` is begun by the portal or
    by a person's decision. People are ids of users; none for what the portal does by itself.
    """

    __tablename__ = "refunds"
    noun = "refund"

    payment_id: Mapped[str] = mapped_column(ForeignKey("payments.id"))
    # Which invoice of its payment it gives back. None where that has none, and where Stripe's dashboard gave back of several at once.
    invoice_id: Mapped[str | None] = mapped_column(ForeignKey("invoices.id"))
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    client_key: Mapped[str] = mapped_column(String(80))
    origin: Mapped[RefundOrigin] = mapped_column(EnumText(RefundOrigin, 10))
    asked_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    asked_at: Mapped[datetime] = mapped_column(UTCDateTime)
    asked_minor: Mapped[int] = mapped_column(BigInteger)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    reason: Mapped[RefundReason] = mapped_column(EnumText(RefundReason, 30))
    explanation: Mapped[str] = mapped_column(Text, default="")  # in the words of the one who asked
    status: Mapped[RefundStatus | Unknown] = mapped_column(EnumText(RefundStatus, 40), default=RefundStatus.REQUESTED)

    # Deciding
    assigned_to: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    waiting_since: Mapped[datetime | None] = mapped_column(
        UTCDateTime
    )  # for the customer's answer to a question of staff
    claimed_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    claimed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    first_approved_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    first_approved_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    decided_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Until then an approval can be undone, by the database's clock, and nobody outside is told of it; none when it has been.
    held_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    rejection: Mapped[str] = mapped_column(Text, default="")  # the customer reads it
    staff_note: Mapped[str] = mapped_column(Text, default="")  # the customer does not

    # Carrying out
    # Since when Stripe's list is searched for it, in the phase of that; by the database's clock.
    search_began_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    stripe_refund_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    acquirer_reference_number: Mapped[str] = mapped_column(String(80), default="")
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
    invoice: Mapped[Invoice | None] = relationship(lazy="raise")
    customer: Mapped[Customer] = relationship(lazy="raise")
    steps: Mapped[list[RefundStep]] = relationship(lazy="raise", order_by="RefundStep.at, RefundStep.id")

    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("asked_minor >= amount_minor", name="never_more_than_asked"),
        one_of("origin", RefundOrigin),
        one_of("reason", RefundReason),
        one_of("resolution", ("", *Resolution)),
        UniqueConstraint("customer_id", "client_key"),
        Index("ix_refunds_payment", "payment_id", "asked_at", "id"),
        Index("ix_refunds_invoice", "invoice_id", "asked_at", "id"),
        Index("ix_refunds_customer", "customer_id", "asked_at", "id"),
        # For staff, who look across customers.
        Index("ix_refunds_asked", "asked_at", "id"),
        Index("ix_refunds_amount", "currency", "amount_minor", "asked_at", "id"),
        Index("ix_refunds_freed", "status", "asked_at", "id", sqlite_where=_FREED, postgresql_where=_FREED),
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
    def item(self) -> ledger.Item:
        """What it gives back of, for the ledger: its invoice, or its payment."""
        return ledger.Item(self.customer_id, self.invoice_id or self.payment_id)

    @property
    def has_succeeded(self) -> bool:
        """The money has gone back, and has not come to us again since."""
        return self.status == RefundStatus.SUCCEEDED

    @property
    def has_failed(self) -> bool:
        return self.status == RefundStatus.FAILED


class RefundStep(Base):
    """One line of the timeline that a customer sees: what happened and when."""

    __tablename__ = "refund_steps"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    refund_id: Mapped[str] = mapped_column(ForeignKey("refunds.id"))
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    status: Mapped[RefundStatus | Unknown] = mapped_column(EnumText(RefundStatus, 40))

    __table_args__ = (Index("ix_refund_steps_refund", "refund_id", "at"),)


class RefundMessage(Base):
    """What staff asked the customer about a refund, or what the customer answered: then `from_customer`."""

    __tablename__ = "refund_messages"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    refund_id: Mapped[str] = mapped_column(ForeignKey("refunds.id"))
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    author_id: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    from_customer: Mapped[bool] = mapped_column(Boolean)
    words: Mapped[str] = mapped_column(Text)

    __table_args__ = (Index("ix_refund_messages_refund", "refund_id", "at", "id"),)


_IN_USE: Final = text("retired_at IS NULL")


class AnswerBlock(Base):
    """A block that an admin has written; `texts` are by language, with placeholders: see portal.refunds.answer_blocks. `version` grows with
    each change, and one that is retired is offered no more."""

    __tablename__ = "answer_blocks"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    decision: Mapped[Decision] = mapped_column(EnumText(Decision, 10))
    title: Mapped[str] = mapped_column(String(80))
    texts: Mapped[dict[str, str]] = mapped_column(JSON)
    version: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    created_by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime)
    changed_by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    retired_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    __table_args__ = (
        one_of("decision", Decision),
        Index("ix_answer_blocks_created", "created_at", "id"),
        Index("ix_answer_blocks_in_use", "decision", "title", "id", sqlite_where=_IN_USE, postgresql_where=_IN_USE),
    )
