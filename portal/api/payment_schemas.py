"""Payments, and the orders that make them. See portal.api.schemas."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from portal.api.schemas import (
    LARGEST_AMOUNT,
    MOST_ON_A_PAGE,
    PRINTABLE,
    Amount,
    Answer,
    Currency,
    Cursor,
    Day,
    Problem,
    Quantity,
    Reference,
    Sent,
    Text,
)
from portal.payments.service import MOST_INVOICES
from portal.payments.statuses import PaymentStatus


class PaymentItem(Sent):
    description: Text = Field(max_length=300, min_length=1)
    quantity: Quantity = "1"
    unit_amount: Annotated[int, Field(ge=0, le=LARGEST_AMOUNT, description="Gross, in minor units.")]


class Mandate(Sent):
    """How the holder of a bank account agreed to be debited, in your app. Show Stripe's words for it before."""

    ip_address: Text = Field(min_length=2, max_length=45)
    user_agent: Text = Field(min_length=1, max_length=300)


class InvoiceToPay(Sent):
    """What is due of an invoice, or a part of it."""

    invoice_id: Text = Field(max_length=40, min_length=1)
    amount: Amount | None = Field(
        default=None,
        description="A part of what is due, where the company allows parts; all of it, if it is not given.",
    )
    currency: Currency | None = Field(default=None, description="The invoice's; with an amount.")

    @model_validator(mode="after")
    def _together(self) -> InvoiceToPay:
        if (self.amount is None) != (self.currency is None):
            raise ValueError("amount and currency belong together")
        return self


class ProcessPayment(Sent):
    """Pay one or several invoices, or an amount without one. With a card it is charged at once; without, the answer has a client_secret."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"properties": {"invoice_id": {"type": "string"}}, "required": ["invoice_id"]},
                {"properties": {"invoices": {"type": "array", "minItems": 1}}, "required": ["invoices"]},
                {
                    "properties": {"amount": {"type": "integer"}, "currency": {"type": "string"}},
                    "required": ["amount", "currency", "description"],
                },
            ]
        }
    )

    invoice_id: Text | None = Field(
        max_length=40,
        min_length=1,
        default=None,
        description="What is due of it is paid; then no amount, currency, description or items.",
    )
    invoices: Annotated[list[InvoiceToPay], Field(max_length=MOST_INVOICES)] = Field(
        default=[],
        description="Several invoices, paid at once, or a part of one; then no invoice_id, amount, currency, description or items. All are "
        "in one currency.",
    )
    amount: Amount | None = None
    currency: Currency | None = None
    payment_method_id: Reference | None = Field(
        default=None,
        description="The id of a saved payment method, or of one that your app has made with Stripe's SDK.",
    )
    description: Text = Field(default="", max_length=300)
    items: Annotated[list[PaymentItem], Field(max_length=50)] = []  # noqa: RUF012  # pydantic copies it
    metadata: Annotated[
        dict[
            Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,40}$")],
            Annotated[str, StringConstraints(pattern=PRINTABLE, max_length=500)],
        ],
        Field(max_length=20, description="Yours alone; shown at Stripe, too."),
    ] = {}  # noqa: RUF012
    save_payment_method: bool = False
    mandate: Mandate | None = Field(
        default=None, description="For a bank account alone: where and with what its holder agreed to the direct debit."
    )
    allow_duplicate: bool = Field(
        default=False,
        description="Pay although a payment of this amount and description is not decided yet: both may be charged.",
    )

    @model_validator(mode="after")
    def _either(self) -> ProcessPayment:
        if sum((self.invoice_id is not None, bool(self.invoices), self.amount is not None)) != 1:
            raise ValueError("send invoice_id, invoices or amount, and one of these alone")
        if (self.amount is None) != (self.currency is None):
            raise ValueError("amount and currency belong together")
        return self


class PaidItem(Answer):
    description: str
    quantity: str
    unit_amount: int


class CardUsed(Answer):
    brand: str
    last4: str
    wallet: str


class Failure(Answer):
    code: str
    decline_code: str | None
    message: str


class PaidInvoice(Answer):
    invoice_id: str
    amount: int


class Payment(Answer):
    id: str
    stripe_payment_intent_id: str | None
    customer_id: str
    invoice_id: str | None = Field(description="The invoice that it pays, where it is one.")
    invoices: list[PaidInvoice] = Field(
        description="All invoices that it pays, with what it pays of each; none of a payment without an invoice."
    )
    status: PaymentStatus = Field(
        description="“processing” and “requires_capture”: the money may move at any moment; a direct debit takes days (expected_by). "
        "“succeeded” and “canceled” are final. All others: nothing is charged before its customer confirms."
    )
    amount: int
    amount_refunded: int
    disputed: bool
    currency: str
    description: str
    items: list[PaidItem]
    metadata: dict[str, str]
    payment_method_type: str | None = Field(
        description="What it was tried with last, in Stripe’s words (“card”, “link”, “paypal”, “ideal”, …); null before a try."
    )
    card: CardUsed | None = Field(description="The card, where it was one.")
    expected_by: date | None = Field(
        description="By which of the company’s days the money of a direct debit is expected, while it is processing."
    )
    verification_url: str | None = Field(
        description="The page of Stripe's where the holder of a bank account types which small amounts arrived, while that is waited for."
    )
    error: Failure | None = Field(description="Why the last try failed, while it has not succeeded.")
    receipt_id: str | None
    created_at: datetime
    updated_at: datetime
    succeeded_at: datetime | None


class ProcessedPayment(Payment):
    client_secret: str | None = Field(description="With which the customer confirms, while a step is left.")
    next_action: Literal["confirm", "authenticate", "verify"] | None = Field(
        description="“confirm”: collect a payment method and confirm with Stripe's SDK. “authenticate”: let the bank ask its customer, or "
        "lead them to the page of the payment method, by the SDK's handleNextAction. “verify”: lead them to verification_url."
    )


class Declined(Problem):
    """The bank said no: nothing was charged. The payment stays open, and another card can be tried on it."""

    decline_code: str | None
    payment: ProcessedPayment


class NotNow(Problem):
    """Something stands in the way. With `payment_unresolved` it is the payment that is told here, which may still be charged."""

    payment: ProcessedPayment | None = None


class PaymentList(Sent):
    limit: Annotated[int, Field(ge=1, le=MOST_ON_A_PAGE)] = 20
    cursor: Cursor | None = None
    status: Literal["succeeded", "processing", "unfinished", "canceled"] | None = None
    since: Day | None = Field(default=None, alias="from", description="The first day, in the company's time zone.")
    until: Day | None = Field(default=None, alias="to", description="The last day, likewise, included.")
    currency: Currency | None = None
    q: Text | None = Field(
        max_length=100,
        default=None,
        description="Words of the description, an invoice's number, an id, or a card's last four digits.",
    )
    sort: Literal["-created_at", "created_at"] = "-created_at"
    total: bool = False
    customer_id: Text | None = Field(
        max_length=40, default=None, description="For staff and API clients, who must name one."
    )
