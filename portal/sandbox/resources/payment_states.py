"""The states of a payment intent and what may be done in each.

Source: Stripe, "How PaymentIntents work", and the messages of its error code payment_intent_unexpected_state, which name the
states in the order in which they stand here.
"""

from __future__ import annotations

STATES: dict[str, frozenset[str]] = {
    "requires_payment_method": frozenset(
        {"requires_confirmation", "requires_action", "processing", "requires_capture", "succeeded", "canceled"}
    ),
    "requires_confirmation": frozenset(
        {"requires_payment_method", "requires_action", "processing", "requires_capture", "succeeded", "canceled"}
    ),
    "requires_action": frozenset(
        {"requires_payment_method", "requires_confirmation", "processing", "requires_capture", "succeeded", "canceled"}
    ),
    "processing": frozenset({"requires_payment_method", "requires_capture", "succeeded", "canceled"}),
    "requires_capture": frozenset({"succeeded", "canceled"}),
    "succeeded": frozenset(),
    "canceled": frozenset(),
}

CHANGEABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
CONFIRMABLE = CHANGEABLE
CAPTURABLE = ("requires_capture",)
CANCELABLE = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action", "processing")
