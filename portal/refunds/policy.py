"""Why money may be given back, until when a customer may ask, and when two people must agree. Amounts and days are settings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from portal.core import company_days, config, four_eyes
from portal.core.money import Money
from portal.payments.models import Payment


class RefundReason(StrEnum):
    """Stripe's word where Stripe has one, for a refund or for a dispute."""

    DUPLICATE = "duplicate"
    PRODUCT_NOT_RECEIVED = "product_not_received"
    PRODUCT_UNACCEPTABLE = "product_unacceptable"
    NO_LONGER_WANTED = "no_longer_wanted"
    OTHER = "other"
    BILLING_ERROR = "billing_error"
    GOODWILL = "goodwill"
    FRAUDULENT = "fraudulent"


# What a customer chooses from, and staff.
OF_CUSTOMERS: Final = (
    RefundReason.DUPLICATE,
    RefundReason.PRODUCT_NOT_RECEIVED,
    RefundReason.PRODUCT_UNACCEPTABLE,
    RefundReason.NO_LONGER_WANTED,
    RefundReason.OTHER,
)
OF_STAFF: Final = (
    RefundReason.DUPLICATE,
    RefundReason.BILLING_ERROR,
    RefundReason.GOODWILL,
    RefundReason.PRODUCT_NOT_RECEIVED,
    RefundReason.PRODUCT_UNACCEPTABLE,
    RefundReason.FRAUDULENT,
    RefundReason.OTHER,
)

# The price that was invoiced stays: the money was no part of it. Of all other reasons the price is lowered, and with it the tax.
LEAVES_PRICE: Final = frozenset({RefundReason.DUPLICATE})


def lowers_price(reason: RefundReason, invoice_id: str | None, payment: Payment) -> bool:
    """Whether a refund for this reason of this invoice of a payment lowers the price of what was paid, and so takes tax back.

    What was too much lowers none, nor what leaves the price of an invoice, nor what names no invoice of several. A payment without an
    invoice is the invoice itself, and is taken back.
    """
    if payment.duplicate is not None:
        return False
    return not payment.has_invoices or (invoice_id is not None and reason not in LEAVES_PRICE)


# Stripe's three reasons. Source: Stripe's API reference, "Create a refund".
AT_STRIPE: Final = frozenset({RefundReason.DUPLICATE, RefundReason.FRAUDULENT})
OTHERWISE_AT_STRIPE: Final = "requested_by_customer"

# A bank books a refund within five to ten working days: two weeks by the calendar. Source: Stripe, "Refund and cancel payments".
BANK_TAKES: Final = timedelta(days=14)
# The bank's reference of a refund comes some days after it, if it comes at all. Source: likewise, "Trace a refund".
REFERENCE_COMES_WITHIN: Final = timedelta(days=14)


def last_day(reason: str, paid_at: datetime) -> date:
    """The company's day until whose end a customer may ask for this reason."""
    windows = config.current().refund_windows
    return company_days.day_of(paid_at) + timedelta(days=windows.get(reason, windows["other"]))


def day_after(paid_at: datetime, days: int) -> date:
    """The company's day until whose end a payment can be given back at all, where its method takes refunds for so many days."""
    return company_days.day_of(paid_at) + timedelta(days=days)


# Sums of one member of staff and of one customer are of so long: a day by the calendar could be split at midnight.
DAY: Final = timedelta(hours=24)


def is_much_for_staff(day: Money) -> bool:
    """Whether one member of staff has given back so much within DAY that one more person must approve."""
    return _reaches(day, config.current().refund_day_of_staff)


def is_much_for_customer(day: Money) -> bool:
    """Likewise, of what one customer has got back."""
    return _reaches(day, config.current().refund_day_of_customer)


def _reaches(day: Money, limits: Mapping[str, Decimal]) -> bool:
    limit = limits.get(day.currency)
    return four_eyes.are_needed(day) if limit is None else day.decimal >= limit


def may_approve_own(day: Money) -> bool:
    """Whether one may approve what one has proposed oneself, `day` being all of that within DAY."""
    limit = config.current().refund_own_approval.get(day.currency)
    return limit is not None and day.decimal <= limit


def reason_at_stripe(reason: RefundReason) -> str:
    return reason if reason in AT_STRIPE else OTHERWISE_AT_STRIPE
