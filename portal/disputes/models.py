"""A dispute, the steps it went through, and the warnings that may come before one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import BigInteger, Boolean, CheckConstraint, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal import gateway
from portal.accounts.models import Customer
from portal.core.db import Base, UTCDateTime
from portal.core.enums import EnumText, Unknown
from portal.core.money import Money
from portal.core.synced_rows import Reviewed
from portal.disputes.statuses import ANSWERABLE, FINAL, INQUIRY, DisputeStatus
from portal.payments.models import Payment

_FINAL: Final = ", ".join(f"'{status}'" for status in sorted(FINAL))
_OPEN: Final = text(f"status NOT IN ({_FINAL})")
_CLOSED: Final = text(f"status IN ({_FINAL})")
_FOUND: Final = text("review_reason <> '' OR discrepancy <> ''")
_HELD: Final = text("review_reason <> ''")

# The deadline of a dispute that asks nothing of us: after all others, and a date that every database holds.
NO_DEADLINE: Final = datetime(9999, 1, 1, tzinfo=UTC)

# What a step tells of besides a status.
OPENED: Final = "opened"
FUNDS_WITHDRAWN: Final = "funds_withdrawn"
FUNDS_REINSTATED: Final = "funds_reinstated"


class Dispute(Reviewed, Base):
    """`status` and `reason` are Stripe's own words; see portal.disputes.statuses.

    `card_brand` and `network_reason_code` are the card network's, and `visa_ce3_status` and `visa_ce3_actions` (with commas between) what
    Stripe says of Visa's Compelling Evidence 3.0; "" where there is nothing. `evidence_due_by` is Stripe's, also when evidence has been
    sent already; `deadline` is the moment by which we have to act, or NO_DEADLINE. `has_evidence` is true of evidence that lies at Stripe
    and was not sent, too. `is_refundable` says whether Stripe would still refund the charge.
    """

    __tablename__ = "disputes"
    noun = "dispute"

    payment_id: Mapped[str] = mapped_column(ForeignKey("payments.id"))
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    stripe_dispute_id: Mapped[str] = mapped_column(String(64), unique=True)
    stripe_charge_id: Mapped[str] = mapped_column(String(64))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    reason: Mapped[str] = mapped_column(String(60))
    card_brand: Mapped[str] = mapped_column(String(20), default="")
    network_reason_code: Mapped[str] = mapped_column(String(20), default="")
    status: Mapped[DisputeStatus | Unknown] = mapped_column(EnumText(DisputeStatus, 40))
    evidence_due_by: Mapped[datetime | None] = mapped_column(UTCDateTime)
    deadline: Mapped[datetime] = mapped_column(UTCDateTime)
    has_evidence: Mapped[bool] = mapped_column(Boolean)
    is_refundable: Mapped[bool] = mapped_column(Boolean)
    visa_ce3_status: Mapped[str] = mapped_column(String(40), default="")
    visa_ce3_actions: Mapped[str] = mapped_column(String(400), default="")
    # In what it differs from its payment, if it does; status and money are taken over all the same.
    discrepancy: Mapped[str] = mapped_column(String(300), default="")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)  # at Stripe
    closed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    payment: Mapped[Payment] = relationship(lazy="raise")
    customer: Mapped[Customer] = relationship(lazy="raise")
    steps: Mapped[list[DisputeStep]] = relationship(lazy="raise", order_by="DisputeStep.at, DisputeStep.number")

    __table_args__ = (
        CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
        Index("ix_disputes_payment", "payment_id", "created_at"),
        Index("ix_disputes_customer", "customer_id", "created_at", "id"),
        # For staff, who look across customers.
        Index("ix_disputes_amount", "currency", "amount_minor", "created_at", "id"),
        Index("ix_disputes_created", "created_at", "id"),
        Index("ix_disputes_open", "deadline", "id", sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_disputes_closed", "created_at", "id", sqlite_where=_CLOSED, postgresql_where=_CLOSED),
        Index("ix_disputes_review", "updated_at", "id", sqlite_where=_FOUND, postgresql_where=_FOUND),
    )

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def is_open(self) -> bool:
        return self.status not in FINAL

    @property
    def is_inquiry(self) -> bool:
        """The bank only asks, and has taken no money."""
        return self.status in INQUIRY

    @property
    def waits_for_evidence(self) -> bool:
        """The bank waits for evidence; a status that moves on when it is sent says that none was."""
        return self.status in ANSWERABLE and self.evidence_due_by is not None

    @property
    def dashboard_url(self) -> str:
        return gateway.page_of("disputes", self.stripe_dispute_id)


class DisputeStep(Base):
    """One line of a dispute's history: `what` is a status, or OPENED, FUNDS_WITHDRAWN or FUNDS_REINSTATED. `number` counts them in the
    order in which they were heard of, for Stripe's times are whole seconds.

    Where money moved, the step names Stripe's balance transaction, which makes sure that it is booked once.
    """

    __tablename__ = "dispute_steps"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    dispute_id: Mapped[str] = mapped_column(ForeignKey("disputes.id"))
    number: Mapped[int] = mapped_column(Integer)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    what: Mapped[str] = mapped_column(String(40))
    stripe_transaction_id: Mapped[str | None] = mapped_column(String(64), unique=True)

    __table_args__ = (Index("ix_dispute_steps_dispute", "dispute_id", "at"),)


class EarlyFraudWarning(Reviewed, Base):
    """A card's issuer suspects fraud (Stripe's early fraud warning); `fraud_type` is Stripe's word.

    `actionable` as long as the charge is neither disputed nor wholly refunded. One on hold for review does not fit its
    payment, and says nothing of it.
    """

    __tablename__ = "early_fraud_warnings"
    noun = "fraud_warning"

    payment_id: Mapped[str] = mapped_column(ForeignKey("payments.id"))
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    stripe_warning_id: Mapped[str] = mapped_column(String(64), unique=True)
    fraud_type: Mapped[str] = mapped_column(String(60))
    actionable: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)  # at Stripe

    payment: Mapped[Payment] = relationship(lazy="raise")
    customer: Mapped[Customer] = relationship(lazy="raise")

    __table_args__ = (
        Index("ix_early_fraud_warnings_payment", "payment_id", "created_at"),
        Index("ix_early_fraud_warnings_review", "updated_at", "id", sqlite_where=_HELD, postgresql_where=_HELD),
        Index(
            "ix_early_fraud_warnings_actionable",
            "created_at",
            "id",
            sqlite_where=text("actionable = 1"),  # as either database writes a flag
            postgresql_where=text("actionable"),
        ),
    )
