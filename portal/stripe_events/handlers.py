"""Which event is about what. Each handler fetches the object from Stripe; the body of an event is never taken for true.

Source: Stripe, "Types of events".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import ColumnElement, and_
from sqlalchemy.orm import InstrumentedAttribute

from portal import gateway
from portal.disputes import service as disputes
from portal.payment_methods import service as cards
from portal.payments import service as payments
from portal.refunds import service as refunds
from portal.stripe_events.models import StripeEvent

# Handlers return why an event was none of ours, or an empty text.
Handler = Callable[[StripeEvent], str]


def _about_intent(event: StripeEvent) -> str:
    if event.intent_id is None:
        return "it names no payment intent"
    try:
        return "" if payments.sync_intent(event.intent_id) else "the payment intent is not the portal's"
    except gateway.MissingAtStripe:
        return "Stripe knows no such payment intent"


def _about_failed_attempt(event: StripeEvent) -> str:
    """What the intent says now is of its last try; each is counted against card testing."""
    note = _about_intent(event)
    if event.intent_id is None or note:
        return note
    if event.type == "charge.failed":
        payments.count_declined_charge(event.object_id)
    payments.end_card_testing(event.intent_id)
    return ""


def _about_payment_method(event: StripeEvent) -> str:
    cards.upsert(event.object_id)
    return ""


def _about_mandate(event: StripeEvent) -> str:
    try:
        return "" if cards.follow_mandate(event.object_id) else "the mandate is of no payment method that is kept here"
    except gateway.MissingAtStripe:
        return "Stripe knows no such mandate"


def _about_setup(event: StripeEvent) -> str:
    try:
        return "" if cards.sync_setup(event.object_id) else "the setup intent is not the portal's"
    except gateway.MissingAtStripe:
        return "Stripe knows no such setup intent"


def _about_refund(event: StripeEvent) -> str:
    try:
        return "" if refunds.sync_refund(event.object_id) else "the refund is of none of the portal's payments"
    except gateway.MissingAtStripe:
        return "Stripe knows no such refund"


def _about_refunded_charge(event: StripeEvent) -> str:
    ours = event.intent_id is not None and refunds.sync_refunds_of(event.intent_id)
    return "" if ours else "the charge is not the portal's"


def _about_changed_customer(_event: StripeEvent) -> str:
    return "the portal's own details of a customer stand"


def _about_deleted_customer(event: StripeEvent) -> str:
    return "" if cards.detach_customer(event.object_id) else "the customer is not the portal's, or is not deleted"


def _about_dispute(event: StripeEvent) -> str:
    try:
        return "" if disputes.sync_dispute(event.object_id) else "the disputed charge is not the portal's"
    except gateway.MissingAtStripe:
        return "Stripe knows no such dispute"


def _about_fraud_warning(event: StripeEvent) -> str:
    try:
        return "" if disputes.sync_warning(event.object_id) else "the charge of the fraud warning is not the portal's"
    except gateway.MissingAtStripe:
        return "Stripe knows no such fraud warning"


# Each of these fetches one object and does no more: one call serves all events about it that were here before the fetch. With what they
# have in common.
_ONE_FETCH: Final[dict[Handler, InstrumentedAttribute[Any]]] = {
    _about_intent: StripeEvent.intent_id,
    _about_payment_method: StripeEvent.object_id,
    _about_mandate: StripeEvent.object_id,
    _about_setup: StripeEvent.object_id,
    _about_refund: StripeEvent.object_id,
    _about_dispute: StripeEvent.object_id,
    _about_fraud_warning: StripeEvent.object_id,
}

HANDLERS: Final[dict[str, Handler]] = {
    "payment_intent.processing": _about_intent,
    "payment_intent.requires_action": _about_intent,
    "payment_intent.succeeded": _about_intent,
    "payment_intent.payment_failed": _about_failed_attempt,
    "payment_intent.canceled": _about_intent,
    # The fee is known once the balance transaction exists.
    "charge.updated": _about_intent,
    "charge.succeeded": _about_intent,
    "charge.failed": _about_failed_attempt,
    "charge.refunded": _about_refunded_charge,
    "refund.created": _about_refund,
    "refund.updated": _about_refund,
    "refund.failed": _about_refund,
    "payment_method.attached": _about_payment_method,
    "payment_method.detached": _about_payment_method,
    "payment_method.updated": _about_payment_method,
    "payment_method.automatically_updated": _about_payment_method,
    "mandate.updated": _about_mandate,
    # A bank account that is verified by small amounts waits for its holder.
    "setup_intent.requires_action": _about_setup,
    "setup_intent.succeeded": _about_setup,
    "setup_intent.setup_failed": _about_setup,
    "setup_intent.canceled": _about_setup,
    "charge.dispute.created": _about_dispute,
    "charge.dispute.updated": _about_dispute,
    "charge.dispute.closed": _about_dispute,
    "charge.dispute.funds_withdrawn": _about_dispute,
    "charge.dispute.funds_reinstated": _about_dispute,
    "radar.early_fraud_warning.created": _about_fraud_warning,
    "radar.early_fraud_warning.updated": _about_fraud_warning,
    "customer.updated": _about_changed_customer,
    "customer.deleted": _about_deleted_customer,
}


def handle(event: StripeEvent) -> str:
    """Act on an event by its type; an unknown type is no error. Raises what the services raise."""
    handler = HANDLERS.get(event.type)
    return handler(event) if handler else "the portal does not use this type of event"


def served_together(event: StripeEvent) -> ColumnElement[bool]:
    """Which events are acted on by acting on this one: those of the types that fetch the same object, and it itself."""
    handler = HANDLERS.get(event.type)
    column = _ONE_FETCH.get(handler) if handler else None
    subject = getattr(event, column.key) if column is not None else None
    if column is None or subject is None:
        return StripeEvent.id == event.id
    types = [type_ for type_, other in HANDLERS.items() if other is handler]
    return and_(column == subject, StripeEvent.type.in_(types))
