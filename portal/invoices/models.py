"""An invoice and its lines. Totals are frozen when it is issued; its status "paid" follows from what was paid of it.

What an invoice may become: open → paid, open → credited, open → written_off, open → void; paid → open where a recorded
payment is reversed, and written_off → open where the write-off is (portal.invoices.service).
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Connection,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.accounts.models import Customer, SpelledIn, keep_spellings, words_of
from portal.content.made_files import MadeFile, MadeFileStatus, Part
from portal.content.uploads import UploadedFile
from portal.core import company_days, texts
from portal.core.db import Base, UTCDateTime, one_of, sorted_text
from portal.core.enums import EnumText
from portal.core.money import Money
from portal.core.units import Supplies, Unit
from portal.invoices import details, totals
from portal.invoices.statuses import (
    BOOKED,
    WAITING,
    CreditStatus,
    InvoiceStanding,
    InvoiceStatus,
    OutsideStatus,
    OutsideWay,
    PriceItemStatus,
)
from portal.invoices.totals import TaxAtRate
from portal.ledger import Item

_IS_ACTIVE: Final = text(f"status = '{PriceItemStatus.ACTIVE}'")
_WAITS: Final = text("status IN (" + ", ".join(f"'{status}'" for status in sorted(WAITING)) + ")")
_OPEN: Final = text("status = 'open'")
_PROPOSED: Final = text(f"status = '{CreditStatus.PROPOSED}'")


class Invoice(Base):
    __tablename__ = "invoices"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[str] = mapped_column(sorted_text(40), unique=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    status: Mapped[InvoiceStatus] = mapped_column(EnumText(InvoiceStatus, 20), default=InvoiceStatus.OPEN)
    currency: Mapped[str] = mapped_column(String(3))
    net_minor: Mapped[int] = mapped_column(BigInteger)
    tax_minor: Mapped[int] = mapped_column(BigInteger)
    total_minor: Mapped[int] = mapped_column(BigInteger)
    issued_on: Mapped[date] = mapped_column(Date)
    due_on: Mapped[date] = mapped_column(Date)
    # When what is billed was supplied: a day, or a period; none where it was the day of the invoice.
    supplied_from: Mapped[date | None] = mapped_column(Date)
    supplied_to: Mapped[date | None] = mapped_column(Date)
    reference: Mapped[str] = mapped_column(sorted_text(120), default="")  # the customer's order number or the like
    buyer_reference: Mapped[str] = mapped_column(String(120), default="")  # what it is sent on by, for XRechnung
    payment_terms: Mapped[str] = mapped_column(String(300), default="")
    # Where it was delivered to, if it says so; the country is a two-letter code.
    delivery_name: Mapped[str] = mapped_column(String(120), default="")
    delivery_line_one: Mapped[str] = mapped_column(String(120), default="")
    delivery_line_two: Mapped[str] = mapped_column(String(120), default="")
    delivery_postal_code: Mapped[str] = mapped_column(String(20), default="")
    delivery_city: Mapped[str] = mapped_column(String(100), default="")
    delivery_country: Mapped[str] = mapped_column(String(2), default="")
    # Its name in the system that it was imported from, by which a second import knows it again.
    external_reference: Mapped[str | None] = mapped_column(sorted_text(120))
    # Both as they are searched.
    reference_folded: Mapped[str] = mapped_column(sorted_text(120), default=texts.folded("reference", 120))
    external_reference_folded: Mapped[str] = mapped_column(
        sorted_text(120), default=texts.folded("external_reference", 120)
    )
    # Of the form that it was typed into, so that two clicks issue one invoice.
    client_key: Mapped[str | None] = mapped_column(String(80))
    note: Mapped[str] = mapped_column(Text, default="")
    # What is taken off the sum of the lines, which bear it; in basis points of that where it was said so.
    discount_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    discount_basis_points: Mapped[int] = mapped_column(Integer, default=0)
    discount_reason: Mapped[str] = mapped_column(String(120), default="")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # What was paid of it so far, through Stripe and in other ways; all of it once it is paid.
    paid_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    # What of it was taken back by credit notes before it was paid; what a refund gives back is none of it.
    credited_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    # How often it was opened: once, and anew each time when something was due again of what a payment through Stripe had settled. It has
    # one live payment for each.
    opening: Mapped[int] = mapped_column(Integer, default=1)
    paid_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    voided_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    void_reason: Mapped[str] = mapped_column(String(300), default="")

    customer: Mapped[Customer] = relationship(lazy="raise")
    lines: Mapped[list[InvoiceLine]] = relationship(
        lazy="raise", order_by="InvoiceLine.position", back_populates="invoice"
    )

    __table_args__ = (
        one_of("status", InvoiceStatus),
        CheckConstraint("total_minor = net_minor + tax_minor", name="total_adds_up"),
        CheckConstraint("total_minor > 0", name="total_positive"),
        CheckConstraint("paid_minor BETWEEN 0 AND total_minor", name="paid_within_total"),
        CheckConstraint("credited_minor BETWEEN 0 AND total_minor - paid_minor", name="credited_within_rest"),
        CheckConstraint("supplied_to IS NULL OR supplied_from <= supplied_to", name="supplied_in_order"),
        UniqueConstraint("customer_id", "external_reference"),
        Index("ix_invoices_customer", "customer_id", "created_at", "id"),
        Index("ix_invoices_customer_status", "customer_id", "status", "created_at", "id"),
        Index("ix_invoices_customer_due", "customer_id", "status", "due_on", "id"),
        Index("uq_invoices_client_key", "client_key", unique=True),
        # For staff, who look across customers.
        Index("ix_invoices_created", "created_at", "id"),
        Index("ix_invoices_status", "status", "created_at", "id", "due_on"),
        Index("ix_invoices_reference", "reference_folded"),
        Index("ix_invoices_external_reference", "external_reference_folded"),
        Index("ix_invoices_open_due", "due_on", "id", sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_invoices_amount", "currency", "total_minor", "created_at", "id"),
    )

    def in_currency(self, minor: int) -> Money:
        """Minor units of this invoice as Money, for its lines and taxes."""
        return Money(minor, self.currency)

    @property
    def total(self) -> Money:
        return Money(self.total_minor, self.currency)

    @hybrid_property
    def due_minor(self) -> int:
        """What is left to be paid of an open invoice, in minor units; in questions about open ones, too."""
        return self.total_minor - self.paid_minor - self.credited_minor

    @property
    def amount_due(self) -> Money:
        """What is left to be paid: all that is charged, asked for and shown as due is this. Nothing once it is not open any more."""
        return Money(self.due_minor if self.status == InvoiceStatus.OPEN else 0, self.currency)

    @property
    def amount_paid(self) -> Money:
        """What was paid of it so far, in whatever way."""
        return Money(self.paid_minor, self.currency)

    @property
    def amount_credited(self) -> Money:
        """What of it was taken back before it was paid."""
        return Money(self.credited_minor, self.currency)

    @property
    def is_partly_paid(self) -> bool:
        return self.status == InvoiceStatus.OPEN and self.paid_minor > 0

    @property
    def is_reduced(self) -> bool:
        """Whether less is due of an open invoice than it was issued over."""
        return self.status == InvoiceStatus.OPEN and self.due_minor < self.total_minor

    @property
    def item(self) -> Item:
        """What is owed, for the ledger."""
        return Item(self.customer_id, self.id)

    @property
    def net(self) -> Money:
        return Money(self.net_minor, self.currency)

    @property
    def discount(self) -> Money:
        """What is taken off the sum of its lines."""
        return Money(self.discount_minor, self.currency)

    @property
    def discount_percent(self) -> Decimal:
        return totals.percent(self.discount_basis_points)

    @property
    def lines_total(self) -> Money:
        """The sum of its lines, before its discount."""
        return self.net + self.discount

    @property
    def tax(self) -> Money:
        return Money(self.tax_minor, self.currency)

    def labelled_details(self, locale: str) -> list[tuple[str, str]]:
        """The label, not translated, and the text of each detail that it has."""
        return details.labelled(details.of(self), locale)

    @property
    def taxes(self) -> list[TaxAtRate]:
        """The tax a rate, as the document states it, highest rate first. Needs the lines to be loaded."""
        return totals.by_rate((line.tax_rate_basis_points, line.net_minor, line.tax_minor) for line in self.lines)

    @property
    def has_both_kinds(self) -> bool:
        """Whether goods and services are billed, so that each line says which it is. Needs the lines to be loaded."""
        return len({line.supplies for line in self.lines} - {None}) > 1

    @property
    def is_overdue(self) -> bool:
        return self.status == InvoiceStatus.OPEN and self.due_on < company_days.today()

    @property
    def shown_status(self) -> str:
        """open, overdue, paid, credited, written_off or void."""
        return InvoiceStanding.OVERDUE if self.is_overdue else self.status


@event.listens_for(Invoice, "after_insert")
def _referred_to(_mapper: object, connection: Connection, invoice: Invoice) -> None:
    """Its names are found by their beginning, and so is the word that they begin with when it was misspelled."""
    for name in (invoice.reference, invoice.external_reference):
        first = texts.fold(name or "").partition(" ")[0]
        keep_spellings(connection, SpelledIn.REFERENCES, words_of(first) & {first})


class OutsidePayment(Base):
    """A payment of an invoice, or of a part of it, in another way than through Stripe, as a member of staff has recorded it.

    It is never deleted: a wrong one is reversed. `recorded_by` is empty in records from before it was kept. `decided_by` is the second
    person where two had to agree, or who rejected it; `reversed_by` likewise of the reversal, which `reversal_by` asked for.
    """

    __tablename__ = "outside_payments"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    invoice_id: Mapped[str] = mapped_column(ForeignKey("invoices.id"))
    status: Mapped[OutsideStatus] = mapped_column(EnumText(OutsideStatus, 20))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    how: Mapped[OutsideWay] = mapped_column(EnumText(OutsideWay, 20))
    paid_on: Mapped[date] = mapped_column(Date)
    reference: Mapped[str] = mapped_column(String(120))  # as the bank statement or the cash book has it
    reason: Mapped[str] = mapped_column(String(300), default="")
    client_key: Mapped[str | None] = mapped_column(String(80), unique=True)
    recorded_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    recorded_at: Mapped[datetime] = mapped_column(UTCDateTime)
    decided_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    rejection: Mapped[str] = mapped_column(String(300), default="")
    reversal_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    reversal_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    reversal_reason: Mapped[str] = mapped_column(String(300), default="")
    reversed_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    reversed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    invoice: Mapped[Invoice] = relationship(lazy="raise")

    __table_args__ = (
        one_of("how", OutsideWay),
        one_of("status", OutsideStatus),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        Index("ix_outside_payments_invoice", "invoice_id", "recorded_at", "id"),
        Index("ix_outside_payments_waiting", "recorded_at", "id", sqlite_where=_WAITS, postgresql_where=_WAITS),
    )

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def is_booked(self) -> bool:
        return self.status in BOOKED

    @property
    def waits(self) -> bool:
        """Whether a second person must agree before anything changes."""
        return self.status in WAITING

    @property
    def proposed_by(self) -> str | None:
        """Who may not approve what waits."""
        return self.reversal_by if self.status == OutsideStatus.REVERSAL_PROPOSED else self.recorded_by


class InvoiceCredit(Base):
    """A part of an invoice, or all that was due of it, that is taken back before it was paid: its credit note lowers what is due.

    `lines` in the shape of portal.invoices.credit_lines.CreditedLine, none where all rates were lowered alike. `proposed_by` is empty where
    an operator did it at the command line. `decided_by` is the second person where two had to agree, or who rejected it.
    """

    __tablename__ = "invoice_credits"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    invoice_id: Mapped[str] = mapped_column(ForeignKey("invoices.id"))
    status: Mapped[CreditStatus] = mapped_column(EnumText(CreditStatus, 20))
    amount_minor: Mapped[int] = mapped_column(BigInteger)  # with tax
    currency: Mapped[str] = mapped_column(String(3))
    lines: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(String(300))  # which stands on the credit note
    client_key: Mapped[str | None] = mapped_column(String(80), unique=True)
    proposed_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    proposed_at: Mapped[datetime] = mapped_column(UTCDateTime)
    decided_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    rejection: Mapped[str] = mapped_column(String(300), default="")

    invoice: Mapped[Invoice] = relationship(lazy="raise")

    __table_args__ = (
        one_of("status", CreditStatus),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        Index("ix_invoice_credits_invoice", "invoice_id", "proposed_at", "id"),
        Index(
            "uq_invoice_credits_proposed", "invoice_id", unique=True, sqlite_where=_PROPOSED, postgresql_where=_PROPOSED
        ),
        Index("ix_invoice_credits_waiting", "proposed_at", "id", sqlite_where=_PROPOSED, postgresql_where=_PROPOSED),
    )

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def waits(self) -> bool:
        """Whether a second person must agree before anything changes."""
        return self.status == CreditStatus.PROPOSED


class PriceItem(Base):
    """What is sold, as a line of an invoice is filled with it; the unit price is net, in minor units.

    A line that was filled keeps what it was given: what changes here changes no invoice, and nothing is deleted.
    """

    __tablename__ = "price_items"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    status: Mapped[PriceItemStatus] = mapped_column(EnumText(PriceItemStatus, 10), default=PriceItemStatus.ACTIVE)
    name: Mapped[str] = mapped_column(String(120))
    name_folded: Mapped[str] = mapped_column(sorted_text(120))  # as it is searched
    description: Mapped[str] = mapped_column(String(300), default="")
    unit: Mapped[str] = mapped_column(String(3))
    unit_price_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    tax_rate_basis_points: Mapped[int] = mapped_column(Integer)
    supplies: Mapped[Supplies] = mapped_column(String(10))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    retired_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    __table_args__ = (
        one_of("status", PriceItemStatus),
        CheckConstraint("unit_price_minor >= 0", name="price_not_negative"),
        CheckConstraint("tax_rate_basis_points BETWEEN 0 AND 10000", name="tax_rate_range"),
        CheckConstraint("supplies IN ('goods', 'services')", name="supplies_known"),
        # A name means one price in a currency; by it staff find what they sell.
        Index(
            "uq_price_items_name",
            "name_folded",
            "currency",
            unique=True,
            sqlite_where=_IS_ACTIVE,
            postgresql_where=_IS_ACTIVE,
        ),
        Index("ix_price_items_created", "created_at", "id"),
        Index("ix_price_items_status", "status", "created_at", "id"),
    )

    @property
    def unit_price(self) -> Money:
        return Money(self.unit_price_minor, self.currency)

    @property
    def tax_rate(self) -> Decimal:
        """In percent: 1900 basis points are Decimal("19")."""
        return totals.percent(self.tax_rate_basis_points)

    @property
    def line_text(self) -> str:
        """What a line says that is filled with it."""
        return self.description or self.name


class InvoiceLine(Base):
    """Quantities in thousandths (1.5 h is 1500), tax rates in basis points (19 % is 1900), unit price net in minor units.

    `tax_minor` is the line's share of the tax of its rate: see portal.invoices.totals. `unit` is a code of portal.core.units; `supplies`
    is missing from lines of before it was kept. All of it is frozen, also what came from the price list: `item_id` only says where from.
    """

    __tablename__ = "invoice_lines"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    invoice_id: Mapped[str] = mapped_column(ForeignKey("invoices.id"))
    position: Mapped[int] = mapped_column(Integer)
    description: Mapped[str] = mapped_column(String(300))
    quantity_thousandths: Mapped[int] = mapped_column(BigInteger)
    unit: Mapped[str] = mapped_column(String(3), default=Unit.ONE)
    unit_price_minor: Mapped[int] = mapped_column(BigInteger)
    tax_rate_basis_points: Mapped[int] = mapped_column(Integer)
    supplies: Mapped[Supplies | None] = mapped_column(String(10))
    item_id: Mapped[str | None] = mapped_column(ForeignKey("price_items.id"))
    # After both discounts: its own, and its part of that of the invoice.
    net_minor: Mapped[int] = mapped_column(BigInteger)
    tax_minor: Mapped[int] = mapped_column(BigInteger)
    discount_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    discount_basis_points: Mapped[int] = mapped_column(Integer, default=0)
    discount_reason: Mapped[str] = mapped_column(String(120), default="")
    whole_discount_minor: Mapped[int] = mapped_column(BigInteger, default=0)

    invoice: Mapped[Invoice] = relationship(lazy="raise", back_populates="lines")

    @property
    def quantity(self) -> Decimal:
        """How many: 1500 thousandths are Decimal("1.5"), 12000 are Decimal("12")."""
        return totals.quantity(self.quantity_thousandths)

    @property
    def tax_rate(self) -> Decimal:
        """In percent: 1900 basis points are Decimal("19"), 550 are Decimal("5.5")."""
        return totals.percent(self.tax_rate_basis_points)

    @property
    def unit_price(self) -> Money:
        """Needs the invoice to be loaded, which holds the currency."""
        return Money(self.unit_price_minor, self.invoice.currency)

    @property
    def net(self) -> Money:
        """As the line states it: after its own discount, before that of the invoice."""
        return Money(self.net_minor + self.whole_discount_minor, self.invoice.currency)

    @property
    def discount(self) -> Money:
        return Money(self.discount_minor, self.invoice.currency)

    @property
    def discount_percent(self) -> Decimal:
        return totals.percent(self.discount_basis_points)

    __table_args__ = (
        CheckConstraint("quantity_thousandths > 0", name="quantity_positive"),
        CheckConstraint("tax_rate_basis_points BETWEEN 0 AND 10000", name="tax_rate_range"),
        CheckConstraint("supplies IN ('goods', 'services')", name="supplies_known"),
        Index("ix_invoice_lines_invoice", "invoice_id", "position", unique=True),
    )


class InvoiceFile(UploadedFile, Base):
    """A CSV file of invoices that was uploaded, and is imported once its uploader has seen what it would issue."""

    __tablename__ = "invoice_files"

    __table_args__ = (Index("ix_invoice_files_uploaded", "uploaded_at"),)


class InvoicePreview(MadeFile, Base):
    """The PDF of an invoice that is not issued, for the one member of staff who drafts it: their last one, and soon removed.

    `draft` is what is drafted, in the shape of portal.invoices.drafts.InvoiceDraft; the mark on its pages is in `language`.
    """

    __tablename__ = "invoice_previews"

    requested_by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    draft: Mapped[dict[str, Any]] = mapped_column(JSON)
    language: Mapped[str] = mapped_column(String(10))

    __table_args__ = (
        one_of("status", MadeFileStatus),
        Index("uq_invoice_previews_person", "requested_by", unique=True),
        Index("ix_invoice_previews_requested", "requested_at", "id"),
    )


class InvoicePreviewPart(Part, Base):
    __tablename__ = "invoice_preview_parts"

    preview_id: Mapped[str] = mapped_column(String(40), ForeignKey("invoice_previews.id"), primary_key=True)
