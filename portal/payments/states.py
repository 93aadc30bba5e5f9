"""The states of a payment, and which may follow which.

Source: Stripe, "How PaymentIntents work" (the life of a PaymentIntent). "created" is ours: the row is written, Stripe does
not know of it yet. A state may fall back: an authentication that fails returns to requires_payment_method.
"""

from typing import Final

CREATED: Final = "created"
REQUIRES_PAYMENT_METHOD: Final = "requires_payment_method"
REQUIRES_CONFIRMATION: Final = "requires_confirmation"
REQUIRES_ACTION: Final = "requires_action"
PROCESSING: Final = "processing"
REQUIRES_CAPTURE: Final = "requires_capture"
SUCCEEDED: Final = "succeeded"
CANCELED: Final = "canceled"

FINAL: Final = frozenset({SUCCEEDED, CANCELED})
# At Stripe an intent in one of these can still take money.
OPEN_AT_STRIPE: Final = frozenset(
    {REQUIRES_PAYMENT_METHOD, REQUIRES_CONFIRMATION, REQUIRES_ACTION, PROCESSING, REQUIRES_CAPTURE}
)
# An invoice can have one payment in these: what may still take money, or has.
LIVE: Final = OPEN_AT_STRIPE | {CREATED, SUCCEEDED}
KNOWN: Final = LIVE | {CANCELED}

# Waiting for the customer is normal and may take days; anything else that is open must move by itself.
WAITING_FOR_CUSTOMER: Final = frozenset({REQUIRES_PAYMENT_METHOD, REQUIRES_CONFIRMATION, REQUIRES_ACTION})
# The bank has the word: money may move without anybody doing anything.
MOVING: Final = frozenset({PROCESSING, REQUIRES_CAPTURE})
# While one of these lasts, nothing new is begun: the bank has been asked, or has answered.
BUSY: Final = frozenset({REQUIRES_ACTION, PROCESSING, REQUIRES_CAPTURE, SUCCEEDED})


def may_follow(before: str, after: str) -> bool:
    """Whether Stripe's `after` may replace our `before`. Final states absorb; an unknown one is stored but never taken for paid."""
    if before in FINAL:
        return before == after
    return after != CREATED


def public_status(status: str, *, is_unanswered: bool) -> str:
    """What everybody is told of a payment in this state: the pages, apps, customers' systems and files alike.

    As long as it is not known what came of a try to charge a card (`is_unanswered`), the card may be charged at any moment, whatever the
    state was before: that is `processing`, and so is a state that we do not know. All others are told as they are. In MOVING money
    may move without anybody doing anything; in WAITING_FOR_CUSTOMER and CREATED it moves when the customer acts; in FINAL no more.
    """
    if status in FINAL:
        return status
    return PROCESSING if is_unanswered or status not in KNOWN else status


# A bank that asked for a confirmation which never came has declined nothing.
UNCONFIRMED: Final = frozenset({"authentication_required", "payment_intent_authentication_failure"})


def shown(status: str, failure_code: str) -> str:
    """The status as a person reads it: "declined" where the bank said no to the last try, else the status itself."""
    waits = status in {REQUIRES_PAYMENT_METHOD, REQUIRES_CONFIRMATION}
    return "declined" if waits and failure_code and failure_code not in UNCONFIRMED else status
