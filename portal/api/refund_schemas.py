"""Refunds, and how staff decide on them. See portal.api.schemas."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import Field

from portal.api.schemas import MOST_ON_A_PAGE, Amount, Answer, Currency, Cursor, Day, Sent, Text
from portal.refunds.models import Resolution
from portal.refunds.policy import RefundReason
from portal.refunds.statuses import RefundStatus


class NewRefund(Sent):
    payment_id: Text = Field(max_length=40, min_length=1)
    invoice_id: Text | None = Field(
        max_length=40,
        min_length=1,
        default=None,
        description="Which of the payment's invoices is refunded; needed where it paid several.",
    )
    amount: Amount | None = Field(default=None, description="All that is left, if it is not given.")
    currency: Currency | None = None
    reason: RefundReason
    explanation: Text = Field(default="", max_length=2_000)


class Refund(Answer):
    id: str
    payment_id: str
    invoice_id: str | None = Field(description="The invoice that it gives back, where its payment paid any.")
    customer_id: str
    status: RefundStatus
    amount: int
    amount_asked: int
    currency: str
    reason: RefundReason
    explanation: str
    rejection: str | None
    failure_reason: str | None
    message: str | None = Field(
        description="In words for the customer: why it has failed, or, while its status is “unknown”, that it is being checked."
    )
    needs_second_approval: bool
    resolution: Resolution | None = Field(
        description="What staff did about a refund that has failed; null while it waits for them."
    )
    replaced_by: str | None = Field(description="The new refund that was sent in the place of one that has failed.")
    asked_at: datetime
    decided_at: datetime | None
    sent_at: datetime | None
    expected_by: date | None
    succeeded_at: datetime | None
    failed_at: datetime | None
    acquirer_reference_number: str | None = Field(description="The ARN, with which the customer's bank finds it.")
    credit_note_id: str | None


class RefundList(Sent):
    cursor: Cursor | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_ON_A_PAGE)] = 20
    customer_id: Text | None = Field(
        max_length=40, default=None, description="For staff and API clients, who see all customers'."
    )
    status: RefundStatus | None = Field(
        default=None,
        description="Those with this status alone. What waits for a decision is “requested” or “approved_once”.",
    )


class FailedRefundList(Sent):
    cursor: Cursor | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_ON_A_PAGE)] = 20


class RefundPaidOutside(Sent):
    paid_on: Day = Field(description="The day on which the customer was paid.")
    note: Text = Field(
        max_length=2_000, min_length=1, description="How, and with which reference. The customer does not see it."
    )


class RefundClosure(Sent):
    note: Text = Field(max_length=2_000, min_length=1, description="Why nothing is owed. The customer does not see it.")


class RefundApproval(Sent):
    amount: Amount | None = Field(default=None, description="Less than was asked for; all of it, if it is not given.")
    note: Text = Field(default="", max_length=2_000)


class RefundRejection(Sent):
    rejection: Text = Field(max_length=2_000, min_length=1, description="The customer reads it.")
    note: Text = Field(default="", max_length=2_000)
