"""The states of a setup intent. Source: Stripe, "The SetupIntents lifecycle"."""

from __future__ import annotations

STATES: dict[str, frozenset[str]] = {
    "requires_payment_method": frozenset(
        {"requires_confirmation", "requires_action", "processing", "succeeded", "canceled"}
    ),
    "requires_confirmation": frozenset(
        {"requires_payment_method", "requires_action", "processing", "succeeded", "canceled"}
    ),
    "requires_action": frozenset(
        {"requires_payment_method", "requires_confirmation", "processing", "succeeded", "canceled"}
    ),
    "processing": frozenset({"requires_payment_method", "succeeded", "canceled"}),
    "succeeded": frozenset(),
    "canceled": frozenset(),
}
