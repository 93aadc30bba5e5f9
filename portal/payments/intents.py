"""The payment intent of a payment: made at Stripe under a key from the row, found again when an answer was lost, and adopted.

How the row and its intent are kept together is portal.stripe_sync's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy.orm import Session

from portal import gateway, stripe_sync
from portal.core import audit, clock, db
from portal.core.errors import N_, Conflict, PortalError, Unavailable
from portal.core.money import Money
from portal.core.synced_rows import hold_for_review
from portal.gateway import Intent
from portal.payment_methods import service as cards
from portal.payments import states
from portal.payments.models import Payment
from portal.payments.settling import apply, has_changes, mismatch

log = structlog.get_logger(__name__)


class UnderReview(Conflict):
    code = "payment_under_review"
    message = N_("This payment is under review. Please do not pay again. We will e-mail you.")


NOT_CHARGED: Final = N_("You were not charged. Our payment provider is not responding. Please try again in a minute.")


def ensure_intent(payment_id: str) -> Intent:
    """The intent of a payment, made at Stripe if need be. Every call sends the same key, so there is only ever one.

    Raises Unavailable, which says that nothing was charged, and else as stripe_sync.ensure does.
    """
    try:
        return stripe_sync.ensure(KIND, payment_id)
    except Unavailable as error:
        if error.message == Unavailable.message:  # where it has no better words
            error.message = NOT_CHARGED
        raise


def adopt(payment_id: str, intent: Intent) -> Intent:
    """Store which intent is this payment's, then settle what it says. A second call, or a second caller, changes nothing.

    Raises UnderReview, and holds the row for review, when the payment has another intent already.
    """
    return stripe_sync.adopt(KIND, payment_id, intent)


def _prepare(payment: Payment) -> Mapping[str, Any]:
    return {
        "customer_id": cards.ensure_stripe_customer(payment.customer_id),
        "description": payment.description,
        "metadata": {
            **payment.extra,
            "payment_id": payment.id,
            "customer_id": payment.customer_id,
            "invoice_id": payment.invoice_id or "",
        },
        "save_card": payment.save_card,
        "amount": payment.amount_minor,
        "currency": payment.currency,
    }


def _under_new_customer(payment: Payment, refusal: PortalError) -> Mapping[str, Any] | None:
    """Stripe knows no such customer: was it deleted there, and the event lost?"""
    sent = payment.sent or {}
    if not isinstance(refusal, gateway.MissingAtStripe) or cards.detach_customer(sent.get("customer_id", "")) is None:
        return None
    return _prepare(payment)


def _create(key: str, sent: Mapping[str, Any]) -> Intent:
    given = dict(sent)
    amount = Money(given.pop("amount"), given.pop("currency"))
    return gateway.current().create_intent(key, amount=amount, **given)


def _find_at_stripe(payment: Payment) -> Intent | None:
    """The intent that an unanswered call made after all. Stripe's list, unlike its search, shows what was just written."""
    listed = gateway.current().list_intents(
        created_from=payment.created_at - timedelta(hours=1),
        created_to=clock.now(),
        customer_id=(payment.sent or {}).get("customer_id"),
    )
    try:
        return next((intent for intent in listed if intent.metadata.get("payment_id") == payment.id), None)
    except gateway.MissingAtStripe:  # the customer it was begun for is gone
        return None


def _store(session: Session, payment: Payment, intent: Intent) -> None:
    facts = {"intent": intent.id}
    audit.record(session, "payment.intent_stored", payment.id, facts, customer_id=payment.customer_id)


KIND: Final[stripe_sync.Kind[Payment, Intent]] = stripe_sync.Kind(
    model=Payment,
    column="stripe_intent_id",
    under_review=UnderReview,
    prepare=_prepare,
    revise=_under_new_customer,
    key=lambda payment: f"payment:{payment.id}:{payment.attempt}",
    create=_create,
    find=_find_at_stripe,
    stored=_store,
    fetch=lambda intent_id: gateway.current().retrieve_intent(intent_id),
    differs=mismatch,
    hold=hold_for_review,
    has_changes=has_changes,
    gather=lambda _intent: None,
    apply=lambda session, payment, intent, _nothing: apply(session, payment, intent),
    cancel=lambda intent_id, key: gateway.current().cancel_intent(intent_id, key),
    can_cancel=lambda intent: intent.status in states.WAITING_FOR_CUSTOMER,
)


def locked(session: Session, payment_id: str) -> Payment:
    """Raises NotFound."""
    return stripe_sync.locked(KIND, session, payment_id)


def refresh(payment_id: str) -> Intent:
    """Fetch a payment's intent and take over what it says. Raises as stripe_sync.refresh does."""
    return stripe_sync.refresh(KIND, payment_id)


def cancel_intent(payment_id: str) -> Intent:
    """Call off a payment that waits for its customer; returns the intent as it is then. Raises as stripe_sync.cancel does."""
    return stripe_sync.cancel(KIND, payment_id)


def change_saving(payment_id: str, intent: Intent, *, save_card: bool) -> Intent:
    """Keep the card, or do not, as the customer last chose. Where the intent is too far for that, its first choice stands."""
    try:
        changed = gateway.current().set_saving(intent.id, save_card=save_card)
    except (gateway.UnexpectedState, gateway.Misconfigured):
        log.info("saving_choice_too_late", payment_id=payment_id)
        return intent
    with db.transaction() as session:
        locked(session, payment_id).save_card = save_card
    return changed
