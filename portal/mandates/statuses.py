"""The life of a collection: one invoice that is to be charged by itself.

announced  →  paid                       the notice is sent, the day comes, the card is charged
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
NO_CARD: Final = "no_card"
EXPIRED: Final = "expired_card"
