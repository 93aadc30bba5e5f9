"""The statuses of a payment, and what everybody is told of them.

Source: Stripe, "How PaymentIntents work" (the life of a PaymentIntent). "created" is ours: the row is written, Stripe does
not know of it yet. A status may fall back: an authentication that fails returns to requires_payment_method.
"""

from enum import StrEnum
from typing import Final, assert_never

from portal.core.enums import Unknown


class PaymentStatus(StrEnum):
    CREATED = "created"
    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    REQUIRES_CAPTURE = "requires_capture"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


class Duplicate(StrEnum):
    """Why a payment is money too much, so that it goes back by itself (portal.refunds.service.return_duplicate)."""

    PAID_TWICE = "paid_twice"  # its invoice was not open any more when the money arrived
    SECOND_INTENT = "second_intent"  # another intent than that of the payment it was for has taken it


# A status that nobody knows yet is in none of these: it is stored, reported and followed, and never taken for paid.
FINAL: Final = frozenset({PaymentStatus.SUCCEEDED, PaymentStatus.CANCELED})
# Waiting for the customer is normal and may take days; anything else that is open must move by itself.
WAITING_FOR_CUSTOMER: Final = frozenset(
    {PaymentStatus.REQUIRES_PAYMENT_METHOD, PaymentStatus.REQUIRES_CONFIRMATION, PaymentStatus.REQUIRES_ACTION}
)
# The bank has the word: money may move without anybody doing anything.
MOVING: Final = frozenset({PaymentStatus.PROCESSING, PaymentStatus.REQUIRES_CAPTURE})
# At Stripe an intent in one of these can still take money.
OPEN_AT_STRIPE: Final = WAITING_FOR_CUSTOMER | MOVING
# An invoice can have one payment in these: what may still take money, or has.
LIVE: Final = OPEN_AT_STRIPE | {PaymentStatus.CREATED, PaymentStatus.SUCCEEDED}


def public_status(status: PaymentStatus | Unknown, *, is_unanswered: bool) -> PaymentStatus:
    """What everybody is told of a payment with this status: the pages, apps, customers' systems and files alike.

    As long as it is not known what came of a try to charge a card (`is_unanswered`), the card may be charged at any moment, whatever the
    status was before: that is `processing`, and so is a status that we do not know. All others are told as they are. In MOVING money
    may move without anybody doing anything; in WAITING_FOR_CUSTOMER and CREATED it moves when the customer acts; in FINAL no more.
    """
    match status:
        case Unknown():
            return PaymentStatus.PROCESSING
        case PaymentStatus.SUCCEEDED | PaymentStatus.CANCELED:
            return status
        case (
            PaymentStatus.CREATED
            | PaymentStatus.REQUIRES_PAYMENT_METHOD
            | PaymentStatus.REQUIRES_CONFIRMATION
            | PaymentStatus.REQUIRES_ACTION
            | PaymentStatus.PROCESSING
            | PaymentStatus.REQUIRES_CAPTURE
        ):
            return PaymentStatus.PROCESSING if is_unanswered else status
        case _:
            assert_never(status)


# A bank that asked for a confirmation which never came has declined nothing.
UNCONFIRMED: Final = frozenset({"authentication_required", "payment_intent_authentication_failure"})


def shown(status: PaymentStatus | Unknown, failure_code: str) -> str:
    """The status as a person reads it: "declined" where the bank said no to the last try, else the status itself."""
    waits = status in {PaymentStatus.REQUIRES_PAYMENT_METHOD, PaymentStatus.REQUIRES_CONFIRMATION}
    return "declined" if waits and failure_code and failure_code not in UNCONFIRMED else status
