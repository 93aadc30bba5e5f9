"""A payment, from the customer's intent to Stripe's last word, and the steps it went through."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Connection,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    event,
    select,
    text,
)
from sqlalchemy.orm import Mapped, column_property, mapped_column, relationship

from portal import ledger
from portal.accounts.models import Customer
from portal.core import method_kinds, texts
from portal.core.db import Base, UTCDateTime, new_id, one_of, sorted_text
from portal.core.enums import EnumText, Unknown
from portal.core.money import Money
from portal.core.synced_rows import Mirror
from portal.invoices.models import Invoice
from portal.payments import statuses
from portal.payments.order_rules import Item
from portal.payments.statuses import FINAL, MOVING, WAITING_FOR_CUSTOMER, Duplicate, PaymentStatus

_CLAIMED: Final = text("released_at IS NULL")


_FOUND: Final = text("review_reason <> ''")
_MOVING: Final = text("status NOT IN (" + ", ".join(f"'{status}'" for status in sorted(FINAL)) + ")")


_UNANSWERED: Final = text("answered_at IS NULL")


# In characters: an index's entry has room for so many. Number, reference and description have fewer, unless folding makes more of them.
LONGEST_SEARCHED: Final = 500


class Confirmation(Base):
    """One try of ours to charge a card: a press of the button on an invoice, an app's order, or an automatic payment.

    `payment_method_id` is missing where an app brought a payment method that is none of the customer's saved cards.

    The idempotency key sent to Stripe is made from `id`. `answered_at` is set once it is known what came of it; a payment has at most
    one confirmation without an answer, so whoever comes meanwhile finishes that one instead of beginning another.
    """

    __tablename__ = "payment_confirmations"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    payment_id: Mapped[str] = mapped_column(ForeignKey("payments.id"))
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    client_key: Mapped[str] = mapped_column(String(80))
    payment_method_id: Mapped[str | None] = mapped_column(ForeignKey("payment_methods.id"))
    stripe_payment_method_id: Mapped[str] = mapped_column(String(64))
    off_session: Mapped[bool] = mapped_column(Boolean)
    # With which "ip_address" and "user_agent" the holder of a bank account agreed to be debited; only until it is answered.
    mandate: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    # By the database's clock: Stripe forgets keys after a day.
    key_used_at: Mapped[datetime] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    payment: Mapped[Payment] = relationship(lazy="raise")

    __table_args__ = (
        UniqueConstraint("customer_id", "client_key"),
        Index("ix_payment_confirmations_payment", "payment_id", "created_at"),
        Index(
            "uq_payment_confirmations_unanswered",
            "payment_id",
            unique=True,
            sqlite_where=_UNANSWERED,
            postgresql_where=_UNANSWERED,
        ),
    )


class Allocation(Base):
    """What of a payment is for which invoice: one row an invoice, in the order in which they are named. Its amount never changes.

    From the start on it claims its invoice: a partial unique index lets an invoice have one live allocation each time that it is open
    (`opening`, see Invoice.opening). `settled_at` is when the money counted towards the invoice. `released_at` is when it claimed it no
    more: its payment was canceled, the invoice was closed before the money came, or the bank took the money back. What is settled and not
    released of an invoice, with what was recorded outside Stripe, is its `paid_minor`.
    """

    __tablename__ = "payment_allocations"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    payment_id: Mapped[str] = mapped_column(ForeignKey("payments.id"))
    position: Mapped[int] = mapped_column(Integer)  # from 1
    invoice_id: Mapped[str] = mapped_column(ForeignKey("invoices.id"))
    opening: Mapped[int] = mapped_column(Integer)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    settled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    released_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    payment: Mapped[Payment] = relationship(lazy="raise", back_populates="allocations")
    invoice: Mapped[Invoice] = relationship(lazy="raise")

    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        UniqueConstraint("payment_id", "position"),
        # Two tabs, two devices and a double click all meet here.
        Index(
            "uq_payment_allocations_live",
            "invoice_id",
            "opening",
            unique=True,
            sqlite_where=_CLAIMED,
            postgresql_where=_CLAIMED,
        ),
        Index("ix_payment_allocations_invoice", "invoice_id", "payment_id"),
    )

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def counts(self) -> bool:
        """Whether its money counts towards its invoice."""
        return self.settled_at is not None and self.released_at is None

    def reference(self, kind: str, movement: str) -> str:
        """How a posting of a movement that is booked for each invoice is called. The first one bears the movement's name alone."""
        return f"{kind}:{movement}" if self.position == 1 else f"{kind}:{self.invoice_id}:{movement}"


class Payment(Mirror, Base):
    """`status` is ours until Stripe knows the intent ("created"), then Stripe's own; see portal.payments.statuses."""

    __tablename__ = "payments"
    noun = "payment"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    # Whether it pays invoices, which its allocations name; else it is a payment of its own. It never changes.
    has_invoices: Mapped[bool] = mapped_column(Boolean)
    client_key: Mapped[str] = mapped_column(String(80))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    description: Mapped[str] = mapped_column(String(300))
    # What a search of the history looks through, folded: the invoice's number and reference, and the description. None of them changes.
    search_text: Mapped[str] = mapped_column(
        sorted_text(LONGEST_SEARCHED), default=texts.folded("description", LONGEST_SEARCHED)
    )
    # What an app said is paid for, as order_rules.Item writes itself; empty where the description says it all, and for invoices.
    items: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    # An app's own entries, which Stripe holds beside ours. They never change, being sent under the intent's key.
    extra: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    status: Mapped[PaymentStatus | Unknown] = mapped_column(EnumText(PaymentStatus, 40), default=PaymentStatus.CREATED)
    duplicate: Mapped[Duplicate | None] = mapped_column(EnumText(Duplicate, 20))
    # The id of the customer's user who pressed last, here or in an app; none for automatic payments and outside identities.
    paid_by: Mapped[str | None] = mapped_column(String(40))
    # The pay link through which it was pressed last, by somebody who was not signed in; and the address that they typed for the receipt.
    pay_link_id: Mapped[str | None] = mapped_column(String(40))
    receipt_to: Mapped[str] = mapped_column(String(254), default="")
    save_card: Mapped[bool] = mapped_column(Boolean, default=False)
    stripe_intent_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    stripe_charge_id: Mapped[str | None] = mapped_column(String(64))
    stripe_payment_method_id: Mapped[str | None] = mapped_column(String(64))
    # Stripe's type of the payment method that was tried last ("card", "paypal", …); empty before a try, and of payments from before
    # this was kept.
    method_kind: Mapped[str] = mapped_column(String(30), default="", server_default="")
    card_brand: Mapped[str] = mapped_column(String(20), default="")
    card_last4: Mapped[str] = mapped_column(String(4), default="")
    card_wallet: Mapped[str] = mapped_column(String(20), default="")
    fee_minor: Mapped[int | None] = mapped_column(BigInteger)
    # By which of the company's days the money of a direct debit is expected, from its confirmation on; none of what is known at once.
    expected_on: Mapped[date | None] = mapped_column(Date)
    # The debit that stands in our balance at Stripe and has neither succeeded nor been taken out again (portal.payments.debits).
    debit_charge_id: Mapped[str | None] = mapped_column(String(64))
    # The page of Stripe's where a bank account's holder types which small amounts arrived, while that is waited for.
    verification_url: Mapped[str] = mapped_column(String(500), default="", server_default="")
    failure_code: Mapped[str] = mapped_column(String(60), default="")
    decline_code: Mapped[str] = mapped_column(String(60), default="")
    advice_code: Mapped[str] = mapped_column(String(40), default="")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    succeeded_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Whether a try to charge a card has no answer yet; read in the same question as the row, so that the two fit together.
    is_unanswered: Mapped[bool] = column_property(
        select(Confirmation.id)
        .where(Confirmation.payment_id == id, Confirmation.answered_at.is_(None))  # noqa: A003  # the column, not the function
        .correlate_except(Confirmation)
        .exists()
    )

    customer: Mapped[Customer] = relationship(lazy="raise")
    allocations: Mapped[list[Allocation]] = relationship(
        lazy="raise", order_by="Allocation.position", back_populates="payment"
    )
    steps: Mapped[list[PaymentStep]] = relationship(lazy="raise", order_by="PaymentStep.at, PaymentStep.id")

    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        one_of("duplicate", Duplicate),
        UniqueConstraint("customer_id", "client_key"),
        Index("ix_payments_history", "customer_id", "created_at", "id"),
        Index("ix_payments_history_status", "customer_id", "status", "created_at", "id"),
        # All that the history is narrowed by: a search reads this alone, and a row only where it is shown.
        Index(
            "ix_payments_search",
            *("customer_id", "created_at", "id", "search_text", "status"),
            *("currency", "amount_minor", "card_last4", "stripe_intent_id"),
        ),
        Index("ix_payments_open", "status", "updated_at"),
        # For staff, who look across customers.
        Index("ix_payments_created", "created_at", "id"),
        Index("ix_payments_status", "status", "created_at", "id"),
        Index("ix_payments_moving", "created_at", "id", sqlite_where=_MOVING, postgresql_where=_MOVING),
        Index("ix_payments_charge", "stripe_charge_id"),
        Index("ix_payments_method", "stripe_payment_method_id", "created_at", "id"),
        Index("ix_payments_last4", "card_last4", "created_at", "id"),
        Index("ix_payments_amount", "currency", "amount_minor", "created_at", "id"),
        # The description alone, folded: of what an invoice says, the invoice is found.
        Index(
            "ix_payments_description",
            "search_text",
            "id",
            sqlite_where=text("has_invoices IS 0"),
            postgresql_where=text("has_invoices IS false"),
        ),
        Index("ix_payments_review", "updated_at", "id", sqlite_where=_FOUND, postgresql_where=_FOUND),
    )

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    def money(self, minor: int) -> Money:
        return Money(minor, self.currency)

    @property
    def item(self) -> ledger.Item:
        """What is owed and paid at once, for the ledger: itself, of a payment without an invoice."""
        return ledger.Item(self.customer_id, self.id)

    @property
    def only_invoice(self) -> Invoice | None:
        """The invoice that it pays, where it is one. Needs the allocations to be loaded, with their invoices."""
        return self.allocations[0].invoice if len(self.allocations) == 1 else None

    @property
    def selection(self) -> str:
        """Its invoices, as the address of the page names them where they are paid. Needs the allocations to be loaded."""
        return ",".join(one.invoice_id for one in self.allocations)

    @property
    def amounts(self) -> dict[str, int]:
        """What it pays of each invoice, in minor units by the invoice's id. Needs the allocations to be loaded."""
        return {one.invoice_id: one.amount_minor for one in self.allocations}

    @property
    def lines(self) -> tuple[Item, ...]:
        """What is paid for, as far as an app told it."""
        return tuple(Item(**item) for item in self.items)

    @property
    def is_by_card(self) -> bool:
        """Whether a card was tried last, also out of a wallet."""
        return bool(self.card_last4) and self.method_kind in {"", method_kinds.CARD}

    @property
    def is_by_debit(self) -> bool:
        """Whether a direct debit was tried last."""
        return self.method_kind in method_kinds.DEBITS

    @property
    def method_words(self) -> str:
        """What it was tried with last, in Stripe's words: "visa 4242", "sepa_debit 3000", "paypal"; empty before a try."""
        return f"{self.card_brand if self.is_by_card else self.method_kind} {self.card_last4}".strip()

    @property
    def expected_by(self) -> date | None:
        """The company's day by which the money is expected while a debit is under way."""
        return self.expected_on if self.status == PaymentStatus.PROCESSING else None

    def card_is_tried_for(self, invoice_ids: Iterable[str]) -> tuple[str, ...]:
        """What attempts of a card for it are noted under; see portal.payment_methods.card_testing."""
        return self.id, *invoice_ids, self.client_key

    @property
    def public_status(self) -> PaymentStatus:
        """What everybody is told of it; see portal.payments.statuses.public_status."""
        return statuses.public_status(self.status, is_unanswered=self.is_unanswered)

    @property
    def may_move(self) -> bool:
        """Whether money may move without anybody doing anything: nothing else is to be begun meanwhile."""
        return self.public_status in MOVING

    @property
    def can_be_canceled(self) -> bool:
        """Whether it waits for its customer, so that it can be called off; what is on its way can be tried, too, and mostly is too late."""
        return self.status in WAITING_FOR_CUSTOMER | {PaymentStatus.CREATED} and not self.review_reason

    @property
    def shown_status(self) -> str:
        """The status as a person reads it; Stripe calls a payment whose try was declined as it calls one without a try."""
        return statuses.shown(self.public_status, self.failure_code)

    @property
    def has_succeeded(self) -> bool:
        return self.status == PaymentStatus.SUCCEEDED

    @property
    def is_processing(self) -> bool:
        """The bank has been asked and takes its time: nobody has anything to do."""
        return self.status in {PaymentStatus.PROCESSING, PaymentStatus.REQUIRES_CAPTURE}

    @property
    def requires_action(self) -> bool:
        """The bank waits for the customer's answer (3-D Secure)."""
        return self.status == PaymentStatus.REQUIRES_ACTION


@event.listens_for(Payment, "before_insert")
def _make_searchable(_mapper: Any, connection: Connection, payment: Payment) -> None:
    searched = [payment.description]
    for one in reversed(payment.allocations):
        named = select(Invoice.number, Invoice.reference).where(Invoice.id == one.invoice_id)
        searched = [*connection.execute(named).one(), *searched]
    payment.search_text = "\n".join(texts.fold(one) for one in searched)[:LONGEST_SEARCHED]


class PaymentStep(Base):
    """One line of the timeline a customer sees: what happened and when."""

    __tablename__ = "payment_steps"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    payment_id: Mapped[str] = mapped_column(ForeignKey("payments.id"))
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    status: Mapped[PaymentStatus | Unknown] = mapped_column(EnumText(PaymentStatus, 40))
    failure_code: Mapped[str] = mapped_column(String(60), default="")
    decline_code: Mapped[str] = mapped_column(String(60), default="")

    __table_args__ = (Index("ix_payment_steps_payment", "payment_id", "at"),)

    @property
    def shown_status(self) -> str:
        """As `Payment.shown_status`."""
        return statuses.shown(self.status, self.failure_code)

    @classmethod
    def of(cls, payment: Payment) -> PaymentStep:
        """The step that a payment has just made."""
        return cls(
            id=new_id("stp"),
            payment_id=payment.id,
            at=payment.updated_at,
            status=payment.status,
            failure_code=payment.failure_code,
            decline_code=payment.decline_code,
        )


class PlacedOrder(Base):
    """What an app asked for under its key, and the payment that this led to: a new one, or the one that its invoice had already.

    `fingerprint` tells whether the key comes again with the same order; `method` is what was to be charged, if the app said so.
    """

    __tablename__ = "payment_orders"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    client_key: Mapped[str] = mapped_column(String(80))
    payment_id: Mapped[str] = mapped_column(ForeignKey("payments.id"))
    fingerprint: Mapped[str] = mapped_column(String(64))
    method: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)

    __table_args__ = (
        UniqueConstraint("customer_id", "client_key"),
        Index("ix_payment_orders_payment", "payment_id", "created_at", "id"),
    )
