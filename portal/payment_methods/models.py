"""A payment method that a customer saved, as far as we may know it; how it was added; and what is counted against card testing."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import JSON, Boolean, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core import company_days, method_kinds
from portal.core.db import Base, UTCDateTime, one_of
from portal.core.enums import EnumText, Unknown
from portal.core.method_kinds import CARD, MethodKind
from portal.core.synced_rows import Mirror
from portal.payment_methods.statuses import MandateStatus, SetupOutcome, SetupStatus

# Ids begin with this word. Stripe's own, which apps may give instead, begin with pm_, card_ or src_: neither is taken for the other.
ID_PREFIX: Final = "method"
# A new card takes a bank about two weeks; who is told a month ahead is not caught without one.
EXPIRES_SOON: Final = timedelta(days=30)
# A mail reminds of a card this many days before its last one: when it expires soon, and once more while there is still a week.
REMINDER_DAYS: Final = (7, EXPIRES_SOON.days)

_KEPT = text("removed_at IS NULL")
_DEFAULT = text("is_default AND removed_at IS NULL")
_FOUND = text("review_reason <> ''")


def last_day_of_month(year: int, month: int) -> date:
    return date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)


def reminder_at(last_day: date) -> int | None:
    """Which of REMINDER_DAYS it is time for today; None while the last day is further off, and after it."""
    left = (last_day - company_days.today()).days
    return next((days for days in REMINDER_DAYS if 0 <= left <= days), None)


class PaymentMethod(Base):
    """What a customer keeps to pay with: a card, a bank account that is debited, or Link. `kind` is Stripe's type of it.

    `brand` is a card's, `bank_name` an account's, where Stripe tells it; `last4` is empty of Link. Cards alone expire. The mandate is the
    one at the bank, by which an account is debited; `mandate_status` is empty where Stripe has not told of one.
    """

    __tablename__ = "payment_methods"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    stripe_payment_method_id: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(30), default=CARD, server_default=CARD)
    brand: Mapped[str] = mapped_column(String(20), default="")
    bank_name: Mapped[str] = mapped_column(String(80), default="", server_default="")
    last4: Mapped[str] = mapped_column(String(4), default="")
    exp_month: Mapped[int | None] = mapped_column(Integer)
    exp_year: Mapped[int | None] = mapped_column(Integer)
    country: Mapped[str] = mapped_column(String(2), default="")
    funding: Mapped[str] = mapped_column(String(20), default="")
    fingerprint: Mapped[str] = mapped_column(String(40), default="")
    stripe_mandate_id: Mapped[str | None] = mapped_column(String(64))
    mandate_reference: Mapped[str] = mapped_column(String(40), default="", server_default="")
    mandate_status: Mapped[str] = mapped_column(String(20), default="", server_default="")
    is_default: Mapped[bool] = mapped_column(Boolean, default=False)
    # The last reminder of this expiry that was sent, as one of REMINDER_DAYS; another expiry has had none.
    reminded_days: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    removed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    __table_args__ = (
        Index("ix_payment_methods_customer", "customer_id", "created_at", sqlite_where=_KEPT, postgresql_where=_KEPT),
        Index(
            "ix_payment_methods_expiry",
            "exp_year",
            "exp_month",
            "reminded_days",
            "id",
            sqlite_where=_KEPT,
            postgresql_where=_KEPT,
        ),
        Index("ix_payment_methods_mandate", "stripe_mandate_id"),
        Index("ix_payment_methods_last4", "last4", "created_at"),
        Index(
            "uq_payment_methods_default", "customer_id", unique=True, sqlite_where=_DEFAULT, postgresql_where=_DEFAULT
        ),
    )

    @property
    def last_day(self) -> date | None:
        """A card is good until the last day of its month; nothing else expires."""
        if self.exp_year is None or self.exp_month is None:
            return None
        return last_day_of_month(self.exp_year, self.exp_month)

    @property
    def is_card(self) -> bool:
        return self.kind == CARD

    @property
    def is_debit(self) -> bool:
        return self.kind in method_kinds.DEBITS

    @property
    def abilities(self) -> MethodKind:
        """What it can do, as everything of its kind."""
        return method_kinds.KINDS[self.kind]

    @property
    def is_expired(self) -> bool:
        return self.last_day is not None and self.last_day < company_days.today()

    @property
    def expires_soon(self) -> bool:
        last_day = self.last_day
        return last_day is not None and not self.is_expired and last_day - company_days.today() <= EXPIRES_SOON

    @property
    def is_revoked(self) -> bool:
        """Whether its holder, or their bank, has ended its mandate."""
        return self.mandate_status == MandateStatus.INACTIVE

    @property
    def can_be_charged(self) -> bool:
        return not self.is_expired and not self.is_revoked

    def takes(self, currency: str) -> bool:
        return self.abilities.takes(currency)

    @property
    def reminder_due(self) -> int | None:
        """The reminder that its customer should have had by now and has not, as one of REMINDER_DAYS."""
        last_day = self.last_day
        days = reminder_at(last_day) if self.removed_at is None and last_day is not None else None
        had = self.reminded_days
        return days if days is not None and (had is None or had > days) else None


class PaymentMethodSetup(Mirror, Base):
    """A customer's intent to add a payment method, without paying. `status` is ours until Stripe knows the setup intent, then Stripe's own.

    `failed_attempts` counts the cards that the bank refused.
    """

    __tablename__ = "payment_method_setups"
    noun = "payment_method_setup"

    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    client_key: Mapped[str] = mapped_column(String(80))
    status: Mapped[SetupStatus | Unknown] = mapped_column(EnumText(SetupStatus, 40), default=SetupStatus.CREATED)
    stripe_setup_intent_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    # What an app asked to save by its reference; none where it is typed in a browser. With which "ip_address" and "user_agent" the
    # holder of a bank account agreed there to be debited, until it is answered.
    stripe_payment_method_id: Mapped[str | None] = mapped_column(String(64))
    mandate: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    # The page of Stripe's where its holder types which small amounts arrived, while that is waited for.
    verification_url: Mapped[str] = mapped_column(String(500), default="", server_default="")
    stripe_attempt_id: Mapped[str | None] = mapped_column(String(64))
    failed_attempts: Mapped[int] = mapped_column(Integer, default=0)
    failure_code: Mapped[str] = mapped_column(String(60), default="")
    decline_code: Mapped[str] = mapped_column(String(60), default="")
    outcome: Mapped[str] = mapped_column(String(20), default="")  # a SetupOutcome, once there is one
    payment_method_id: Mapped[str | None] = mapped_column(ForeignKey("payment_methods.id"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)

    __table_args__ = (
        UniqueConstraint("customer_id", "client_key"),
        one_of("outcome", ("", *SetupOutcome)),
        Index("ix_payment_method_setups_open", "status", "updated_at"),
        Index("ix_payment_method_setups_review", "updated_at", "id", sqlite_where=_FOUND, postgresql_where=_FOUND),
    )


class CardAttempt(Base):
    """A card that a bank refused (`attempt` is Stripe's id of that try), or one of which nobody knows yet what its bank says.

    `subject` is what it was for: a setup, a payment or its invoice, or the payment method itself. `fingerprint` tells cards
    apart; empty where nobody knows the card.
    """

    __tablename__ = "card_attempts"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    network: Mapped[str] = mapped_column(String(45))
    subject: Mapped[str] = mapped_column(String(80))
    attempt: Mapped[str | None] = mapped_column(String(140), unique=True)
    fingerprint: Mapped[str] = mapped_column(String(40), default="")

    __table_args__ = (
        Index("ix_card_attempts_customer", "customer_id", "at"),
        Index("ix_card_attempts_network", "network", "at"),
        Index("ix_card_attempts_at", "at"),
    )


_BEING_MADE: Final = text("stripe_customer_id IS NULL AND review_reason = ''")


class StripeCustomer(Mirror, Base):
    """A customer that is being made at Stripe, or was: the one that is in use stands in the customer's own row."""

    __tablename__ = "stripe_customers"
    noun = "stripe_customer"

    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    stripe_customer_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)

    __table_args__ = (
        Index(
            "uq_stripe_customers_being_made",
            "customer_id",
            unique=True,
            sqlite_where=_BEING_MADE,
            postgresql_where=_BEING_MADE,
        ),
        Index("ix_stripe_customers_review", "updated_at", "id", sqlite_where=_FOUND, postgresql_where=_FOUND),
    )


class FormerStripeCustomer(Base):
    """A customer that was deleted at Stripe: what was paid under it stays right, and the next one needs another key."""

    __tablename__ = "former_stripe_customers"

    stripe_customer_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    detached_at: Mapped[datetime] = mapped_column(UTCDateTime)

    __table_args__ = (Index("ix_former_stripe_customers_customer", "customer_id"),)
