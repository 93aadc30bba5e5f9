"""The statuses of adding a payment method, and what came of it.

Source: Stripe, "The SetupIntents lifecycle". "created" is ours: the row is written, Stripe does not know of it yet.
"""

from enum import StrEnum
from typing import Final

from portal.core.enums import Unknown, parse


class SetupStatus(StrEnum):
    CREATED = "created"
    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


FINAL: Final = frozenset({SetupStatus.SUCCEEDED, SetupStatus.CANCELED})
WAITING_FOR_CUSTOMER: Final = frozenset(
    {SetupStatus.REQUIRES_PAYMENT_METHOD, SetupStatus.REQUIRES_CONFIRMATION, SetupStatus.REQUIRES_ACTION}
)


def public_status(status: str) -> SetupStatus:
    """The status as apps know it: a word that Stripe has invented since is `processing`, for nobody knows what comes of it."""
    found = parse(SetupStatus, status)
    return SetupStatus.PROCESSING if isinstance(found, Unknown) else found


class MandateStatus(StrEnum):
    """Stripe's words of a mandate at a bank. "pending" is taken by the bank within days, and may be charged meanwhile."""

    ACTIVE = "active"
    PENDING = "pending"
    INACTIVE = "inactive"


class SetupOutcome(StrEnum):
    """What became of a payment method once Stripe had taken it."""

    ADDED = "added"
    RENEWED = "renewed"  # it was here with an earlier expiry, or a mandate that has ended
    DUPLICATE = "duplicate"  # it was here already
    GONE = "gone"  # not kept: taken away again meanwhile
