"""Invoices, as they are drafted and as they stand. See portal.api.schemas."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Final, Literal

from pydantic import Field

from portal.api.schemas import (
    LARGEST_AMOUNT,
    MOST_ON_A_PAGE,
    Amount,
    Answer,
    Currency,
    Cursor,
    Day,
    Percent,
    Quantity,
    Sent,
    Text,
)
from portal.core.units import LABELS, Supplies, Unit
from portal.invoices import discounts, drafts
from portal.invoices.service import LONGEST_REASON
from portal.invoices.statuses import CreditStatus, InvoiceStanding, InvoiceStatus, WriteOffStatus

_UNITS: Final = ", ".join(f"{unit} ({label.lower()})" for unit, label in LABELS.items())


class NewInvoiceLine(Sent):
    description: Text = Field(max_length=drafts.LONGEST_DESCRIPTION, min_length=1)
    quantity: Quantity = "1"
    unit: Annotated[Unit, Field(strict=False)] = Field(
        default=Unit.ONE, description=f"What the quantity counts, as UN/ECE recommendation 20 has it: {_UNITS}."
    )
    unit_price: Annotated[int, Field(ge=0, le=LARGEST_AMOUNT, description="Net, in minor units.")]
    tax_rate: Percent = Field(default="0", description="Percent.")
    supplies: Supplies | None = Field(
        default=None,
        description="Whether the line is of goods or of services, which decides why it may have no tax; what the company mostly sells if "
        "left out.",
    )
    discount_percent: Percent = Field(
        default="0", description="Off the line, in percent; or `discount_amount`, and not both."
    )
    discount_amount: int = Field(default=0, ge=0, le=LARGEST_AMOUNT, description="Off the line’s net, in minor units.")
    discount_reason: Text = Field(default="", max_length=discounts.LONGEST_REASON)


class NewInvoice(Sent):
    customer_id: Text = Field(max_length=40, min_length=1)
    currency: Currency
    lines: Annotated[list[NewInvoiceLine], Field(min_length=1, max_length=drafts.MOST_LINES)]
    issued_on: Day | None = None
    due_on: Day | None = None
    supplied_from: Day | None = Field(
        default=None,
        description="The day of supply, or the first day of the service period; the day of the invoice if left out.",
    )
    supplied_to: Day | None = Field(default=None, description="The last day of the service period.")
    reference: Text = Field(default="", max_length=drafts.LONGEST_REFERENCE)
    buyer_reference: Text = Field(
        default="",
        max_length=drafts.LONGEST_REFERENCE,
        description="For XRechnung, such as a Leitweg-ID; the customer's own where it is left out.",
    )
    payment_terms: Text = Field(default="", max_length=300, description="Besides the due date.")
    delivery_name: Text = Field(
        default="", max_length=drafts.LONGEST_REFERENCE, description="Of another recipient than the customer."
    )
    delivery_line_one: Text = Field(default="", max_length=drafts.LONGEST_REFERENCE, description="Street and number.")
    delivery_line_two: Text = Field(default="", max_length=drafts.LONGEST_REFERENCE)
    delivery_postal_code: Text = Field(default="", max_length=20)
    delivery_city: Text = Field(
        default="", max_length=100, description="Needed if anything of a delivery address is given."
    )
    delivery_country: Text = Field(
        default="", max_length=2, description="Two letters; needed if anything of a delivery address is given."
    )
    external_reference: Text | None = Field(
        max_length=drafts.LONGEST_REFERENCE,
        default=None,
        description="Its name in your own system: a customer has one invoice of each.",
    )
    note: Text = Field(default="", max_length=drafts.LONGEST_NOTE)
    discount_percent: Percent = Field(
        default="0", description="Off the sum of the lines, in percent; or `discount_amount`, and not both."
    )
    discount_amount: int = Field(
        default=0,
        ge=0,
        le=LARGEST_AMOUNT,
        description="Off the sum of the lines, in minor units. It is shared out over the rates of tax by their nets.",
    )
    discount_reason: Text = Field(default="", max_length=discounts.LONGEST_REASON)


class InvoiceLine(Answer):
    description: str
    quantity: str
    unit: str = Field(description="A code of UN/ECE recommendation 20, as in a new line.")
    unit_price: int
    tax_rate: str
    supplies: Supplies | None = Field(description="Null in lines of before it was kept.")
    discount: int = Field(description="What is taken off the line by its own discount.")
    discount_percent: str = Field(description="“0” where the discount is an amount, or none.")
    discount_reason: str
    net: int = Field(description="After its discount, and after its part of that of the invoice.")
    tax: int


class InvoiceSummary(Answer):
    id: str
    number: str
    customer_id: str
    status: InvoiceStatus
    standing: InvoiceStanding = Field(
        description="“open”, “overdue” and “retrying” (an automatic charge was declined and will be tried again): due. “processing”, "
        "“requires_action” (3-D Secure), “under_review” and “scheduled” (charged automatically): open, and on its way to be paid. "
        "“paid”, “credited” (taken back in full before it was paid) and “void”: nothing is owed. “written_off”: nothing is asked for."
    )
    charge_on: date | None = Field(description="The day of the next automatic charge.")
    expected_by: date | None = Field(
        description="By which of the company’s days the money is expected while a direct debit is under way."
    )
    is_overdue: bool
    currency: str
    net: int
    tax: int
    total: int
    amount_paid: int = Field(description="What was paid of it so far, by card and in other ways.")
    partially_paid: bool = Field(description="Whether a part of it is paid, and the rest is due.")
    amount_credited: int = Field(description="What of it was taken back by credit notes before it was paid.")
    amount_due: int = Field(
        description="What is left to be paid, and what a payment of it charges; 0 once it is paid, credited or void. Less than the "
        "total while a part of it is paid or credited."
    )
    issued_on: date
    due_on: date
    supplied_from: date | None
    supplied_to: date | None
    reference: str
    buyer_reference: str
    payment_terms: str
    delivery_name: str
    delivery_line_one: str
    delivery_line_two: str
    delivery_postal_code: str
    delivery_city: str
    delivery_country: str
    external_reference: str | None
    created_at: datetime
    paid_at: datetime | None
    voided_at: datetime | None


class Invoice(InvoiceSummary):
    note: str
    discount: int = Field(description="What is taken off the sum of the lines.")
    discount_percent: str = Field(description="“0” where the discount is an amount, or none.")
    discount_reason: str
    lines: list[InvoiceLine]
    pay_url: str | None = Field(description="Where the customer pays it in a browser, while it is open.")
    document_id: str | None = Field(
        description="Its PDF is at `/api/receipts/download/{document_id}`; null of an invoice from before invoices were documents."
    )


class InvoiceList(Sent):
    limit: Annotated[int, Field(ge=1, le=MOST_ON_A_PAGE)] = 20
    cursor: Cursor | None = None
    status: Literal["open", "overdue", "paid", "credited", "written_off", "void"] | None = None
    customer_id: Text | None = Field(
        max_length=40, default=None, description="For staff and API clients, who see all customers'."
    )


class NewCreditLine(Sent):
    """What is credited of a line: a quantity or a net amount, and not both."""

    line: int = Field(ge=1, le=drafts.MOST_LINES, description="Its place in the invoice, from 1.")
    quantity: Quantity | None = Field(default=None, description="So much of it, as it was billed.")
    net: Amount | None = Field(default=None, description="So much of its net amount. Its tax is added.")


class NewCredit(Sent):
    reason: Text = Field(
        min_length=1, max_length=LONGEST_REASON, description="The customer reads it on the credit note."
    )
    lines: list[NewCreditLine] | None = Field(
        default=None, max_length=drafts.MOST_LINES, description="What is credited; all that is due, if it is not given."
    )


class CreditRejection(Sent):
    reason: Text = Field(min_length=1, max_length=LONGEST_REASON)


class CreditLine(Answer):
    line: int = Field(description="Its place in the invoice, from 1.")
    quantity: str | None
    net: int


class Credit(Answer):
    """What is taken back of an invoice before it is paid."""

    id: str
    invoice_id: str
    status: CreditStatus = Field(description="“proposed” waits for a second person, and lowers nothing yet.")
    amount: int = Field(description="With its tax.")
    currency: str
    lines: list[CreditLine] = Field(description="None where all rates of tax were lowered alike.")
    reason: str
    rejection: str | None
    proposed_at: datetime
    decided_at: datetime | None
    credit_note_id: str | None = Field(description="Its PDF is at `/api/receipts/download/{credit_note_id}`.")


class CreditList(Answer):
    data: list[Credit]


class NewWriteOff(Sent):
    reason: Text = Field(min_length=1, max_length=LONGEST_REASON, description="The customer does not see it.")


class VoidReason(Sent):
    reason: Text = Field(min_length=1, max_length=LONGEST_REASON)


class WriteOffReason(Sent):
    reason: Text = Field(min_length=1, max_length=LONGEST_REASON)


class WriteOff(Answer):
    """What was due of an invoice and is not expected any more."""

    id: str
    invoice_id: str
    status: WriteOffStatus = Field(description="“proposed” waits for a second person, and changes nothing yet.")
    amount: int
    currency: str
    reason: str
    rejection: str | None
    proposed_at: datetime
    decided_at: datetime | None
    reversed_at: datetime | None


class WriteOffList(Answer):
    data: list[WriteOff]
