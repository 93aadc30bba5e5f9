"""What Stripe says of the account's money, what each run of the reconciliation found, and how far it has come."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, column_property, mapped_column

from portal.core.db import Base, UTCDateTime, one_of
from portal.core.enums import EnumText
from portal.core.money import Money


class RunKind(StrEnum):
    """How a reconciliation came about."""

    FREQUENT = "frequent"  # the worker's, every few minutes, from where the last one ended
    NIGHTLY = "nightly"  # the worker's, once a day, over all that may still change
    COMMAND = "command"  # a person's


class DiscrepancyStatus(StrEnum):
    OPEN = "open"
    GONE = "gone"  # a later run did not find it any more
    RESOLVED = "resolved"  # a person has said why it is right as it is


_OPEN: Final = text(f"status = '{DiscrepancyStatus.OPEN}'")
_UNBOOKED: Final = text("booked_at IS NULL")


class Reconciliation(Base):
    """One run over everything in a span of time. `step` and `cursor` say how far it is, so that it goes on there after a kill.

    `counts` are numbers by name ("intents", "settled", "transactions" …). `finished_at` is missing while it runs, and stays missing when
    it was given up; only finished ones move the watermark, which is the latest `until` among them.
    """

    __tablename__ = "reconciliations"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[RunKind] = mapped_column(EnumText(RunKind, 10))
    since: Mapped[datetime] = mapped_column(UTCDateTime)
    until: Mapped[datetime] = mapped_column(UTCDateTime)
    started_at: Mapped[datetime] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    step: Mapped[int] = mapped_column(Integer, default=1)
    cursor: Mapped[str | None] = mapped_column(String(80))
    counts: Mapped[dict[str, int]] = mapped_column(JSON, default=dict)
    open_discrepancies: Mapped[int] = mapped_column(
        Integer, default=0
    )  # open discrepancies when it ended, its own and earlier ones

    __table_args__ = (
        one_of("kind", RunKind),
        Index("ix_reconciliations_started", "started_at", "id"),
        Index("ix_reconciliations_finished", "finished_at", "until"),
    )

    @property
    def seconds(self) -> int | None:
        """From its beginning to its end, also across a kill; None before the end."""
        return None if self.finished_at is None else round((self.finished_at - self.started_at).total_seconds())


class Discrepancy(Base):
    """Something in which the books and Stripe differ, or that a bookkeeper must look at. `code` names the sentence that tells of it
    (portal.reconciliation.messages), `facts` fill it; `subject` is what it is about, an id here or at Stripe.

    Found again with the same facts it is the same discrepancy. `about_at` is when its subject came to be: a run over that time which
    does not find it any more closes it. `payment_id` leads to the desk where there is a payment.
    """

    __tablename__ = "discrepancies"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    code: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(80))
    fingerprint: Mapped[str] = mapped_column(String(64))  # of the facts
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    payment_id: Mapped[str | None] = mapped_column(ForeignKey("payments.id"))
    about_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    found_at: Mapped[datetime] = mapped_column(UTCDateTime)
    seen_at: Mapped[datetime] = mapped_column(UTCDateTime)
    status: Mapped[DiscrepancyStatus] = mapped_column(EnumText(DiscrepancyStatus, 10), default=DiscrepancyStatus.OPEN)
    closed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    closed_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    resolution: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (
        one_of("status", DiscrepancyStatus),
        UniqueConstraint("code", "subject", "fingerprint"),
        Index("ix_discrepancies_open", "found_at", "id", sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_discrepancies_found", "found_at", "id"),
    )


class StripeTransaction(Base):
    """A balance transaction as Stripe has it. Stripe never changes one but for its payout and its status, which is not kept.

    `amount_minor` is signed and before the fee; `booked_at` is the time of our postings for it, none while there are not all of them. A
    period holds a movement by that time on both sides, so that a payment at midnight is in one period here and there.
    """

    __tablename__ = "stripe_transactions"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    type: Mapped[str] = mapped_column(String(60))
    category: Mapped[str] = mapped_column(String(60))
    source_id: Mapped[str | None] = mapped_column(String(64))
    description: Mapped[str] = mapped_column(Text, default="")
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    fee_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    available_on: Mapped[datetime] = mapped_column(UTCDateTime)
    booked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    subject: Mapped[str] = mapped_column(
        String(40), default=""
    )  # that of our postings: a payment, a payout, or nothing
    payout_id: Mapped[str | None] = mapped_column(String(64))
    # The moment by which a period holds it.
    at: Mapped[datetime] = column_property(func.coalesce(booked_at, created_at))

    __table_args__ = (
        Index("ix_stripe_transactions_source", "source_id"),
        Index("ix_stripe_transactions_subject", "subject"),
        Index("ix_stripe_transactions_created", "created_at", "id"),
        Index("ix_stripe_transactions_booked", "currency", "booked_at", "id"),
        Index("ix_stripe_transactions_period", "currency", text("coalesce(booked_at, created_at)"), "id"),
        Index("ix_stripe_transactions_at", text("coalesce(booked_at, created_at)"), "id"),
        Index("ix_stripe_transactions_payout", "payout_id"),
        Index(
            "ix_stripe_transactions_unbooked", "created_at", "id", sqlite_where=_UNBOOKED, postgresql_where=_UNBOOKED
        ),
    )

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def fee(self) -> Money:
        return Money(self.fee_minor, self.currency)

    @property
    def net(self) -> Money:
        return Money(self.amount_minor - self.fee_minor, self.currency)


class StripePayout(Base):
    """A payout as Stripe has it. `sum_minor` is what its balance transactions come to, once Stripe lists them all."""

    __tablename__ = "stripe_payouts"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    status: Mapped[str] = mapped_column(String(20))
    automatic: Mapped[bool] = mapped_column(Boolean)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    arrives_at: Mapped[datetime] = mapped_column(UTCDateTime)
    bank_reference: Mapped[str] = mapped_column(String(120), default="")
    failure: Mapped[str] = mapped_column(String(60), default="")
    sum_minor: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        Index("ix_stripe_payouts_created", "created_at", "id"),
        Index("ix_stripe_payouts_amount", "currency", "amount_minor", "created_at", "id"),
    )

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)


class KeptBalance(Base):
    """What the balance at Stripe came to before a moment, in minor units: see portal.reconciliation.balances. Triggers delete the rows
    that a movement with an earlier time makes untrue.
    """

    __tablename__ = "kept_balances"

    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime, primary_key=True)
    ours_minor: Mapped[int] = mapped_column(BigInteger)
    stripes_minor: Mapped[int] = mapped_column(BigInteger)
