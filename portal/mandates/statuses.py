"""The life of a collection: one invoice that is to be charged by itself.

announced  →  paid                       the notice is sent, the day comes, the default payment method is charged
announced  →  retrying  →  paid          a decline; tried again on the schedule of portal.mandates.policy
retrying   →  given_up                   the schedule is over: customer and staff are told
any        →  canceled                   the mandate ended, or the invoice was withdrawn or paid otherwise
"""

from enum import StrEnum
from typing import Final


class CollectionStatus(StrEnum):
    ANNOUNCED = "announced"
    RETRYING = "retrying"
    PAID = "paid"
    GIVEN_UP = "given_up"
    CANCELED = "canceled"


ACTIVE: Final = (CollectionStatus.ANNOUNCED, CollectionStatus.RETRYING)

# Why a try failed without a bank being asked; beside these, `failure_code` holds Stripe's codes.
NO_METHOD: Final = "no_payment_method"
EXPIRED: Final = "expired_card"
NOTHING_TRIED: Final = frozenset({NO_METHOD, EXPIRED})
