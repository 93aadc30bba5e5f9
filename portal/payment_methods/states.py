"""The states of adding a card, and what came of it.

Source: Stripe, "The SetupIntents lifecycle". "created" is ours: the row is written, Stripe does not know of it yet.
"""

from typing import Final

CREATED: Final = "created"
REQUIRES_PAYMENT_METHOD: Final = "requires_payment_method"
REQUIRES_CONFIRMATION: Final = "requires_confirmation"
REQUIRES_ACTION: Final = "requires_action"
PROCESSING: Final = "processing"
SUCCEEDED: Final = "succeeded"
CANCELED: Final = "canceled"

FINAL: Final = frozenset({SUCCEEDED, CANCELED})
WAITING_FOR_CUSTOMER: Final = frozenset({REQUIRES_PAYMENT_METHOD, REQUIRES_CONFIRMATION, REQUIRES_ACTION})

# What became of the card once Stripe had taken it.
UNKNOWN: Final = ""
ADDED: Final = "added"
RENEWED: Final = "renewed"  # it was here with an earlier expiry
DUPLICATE: Final = "duplicate"  # it was here already
GONE: Final = "gone"  # not kept: taken away again meanwhile
OUTCOMES: Final = (UNKNOWN, ADDED, RENEWED, DUPLICATE, GONE)
