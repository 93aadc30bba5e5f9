"""Statements of account. See portal.api.schemas."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from portal.api.schemas import Answer, Currency, Day, Sent, Text

Kind = Literal[
    "invoice",
    "sale",
    "cancellation",
    "payment",
    "other_payment",
    "other_payment_reversed",
    "refund",
    "refund_returned",
    "credit_note",
    "credit_note_canceled",
    "paid_twice",
    "closed",
    "reopened",
    "debit_returned",
]


class Movement(Answer):
    """What changed the balance."""

    at: datetime
    kind: Kind
    document: str | None = Field(description="The number of its document.")
    invoice: str | None = Field(description="The number of the invoice that it is about.")
    amount: int = Field(description="Positive where more is owed.")
    balance: int = Field(description="What is owed after it.")


class Ageing(Answer):
    """What is owed at the end of the last day, by how long it is overdue then."""

    not_due: int
    days_1_to_30: int
    days_31_to_60: int
    days_61_to_90: int
    days_over_90: int
    paid_too_much: int = Field(description="What is to be taken off: with it, all ages come to `closing_balance`.")


class StatementWanted(Sent):
    customer_id: Text | None = Field(
        default=None, max_length=40, description="For staff and API clients, who must name one."
    )
    currency: Currency
    since: Day = Field(description="The first day, in the company's time zone.")
    until: Day = Field(description="The last day, which is included.")


class Statement(Answer):
    customer_id: str
    currency: str
    since: date
    until: date
    opening_balance: int
    closing_balance: int
    movements: list[Movement] = Field(description="Oldest first.")
    ageing: Ageing


class NewBalanceConfirmation(Sent):
    customer_id: Text = Field(min_length=1, max_length=40)
    day: Day = Field(description="A day that is over, in the company's time zone.")
    language: Text = Field(
        default="", max_length=10, description="Of the PDF; the first of the portal's where it has no such one."
    )


class BalanceConfirmation(Answer):
    """What a customer's account came to at the end of a day, frozen as the postings had it at `made_at`."""

    id: str
    customer_id: str
    day: date
    balances: dict[str, int] = Field(description="By currency; positive where the customer owes.")
    made_at: datetime
    language: str
    verification_code: str
    pdf_ready: bool
