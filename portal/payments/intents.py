"""The payment intent of a payment: made at Stripe under a key from the row, found again when an answer was lost, and adopted."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import select

from portal import audit, clock, db, gateway, idempotency
from portal.cards import service as cards
from portal.db import database_now
from portal.errors import N_, Conflict, NotFound, Unavailable
from portal.gateway import Intent
from portal.payments.models import Payment
from portal.payments.settling import freeze, freeze_row, locked, refresh, settle, touch

log = structlog.get_logger(__name__)


class UnderReview(Conflict):
    code = "payment_under_review"
    message = N_("Our staff are looking at this payment. Please do not pay again; we will write to you.")


NOT_CHARGED: Final = N_(
    "Our payment provider does not answer at the moment. You were not charged. Please try again in a minute."
)


def ensure_intent(payment_id: str) -> Intent:
    """The intent of a payment, made at Stripe if need be. Every call sends the same key, so there is only ever one.

    After idempotency.KEY_SAFE_SECONDS the key may be forgotten, and when Stripe has kept a failure under it, it brings nothing any
    more: then Stripe's list is searched before a new attempt is made. Raises Unavailable, which says that nothing was charged.
    """
    try:
        return _ensured(payment_id)
    except Unavailable as error:
        if error.message == Unavailable.message:  # where it has no better words
            error.message = NOT_CHARGED
        raise


def _ensured(payment_id: str) -> Intent:
    customer_at_stripe = cards.holder(_customer_of(payment_id))
    payment, key_is_safe = _claim_attempt(payment_id)
    if payment.stripe_intent_id is not None:
        return refresh(payment_id)
    if not key_is_safe:
        return adopt(payment_id, _find_or_create(payment, customer_at_stripe))
    try:
        intent = _create(payment, customer_at_stripe)
    except gateway.KeyInUse:
        if idempotency.stored_by_another(lambda: _intent_of(payment_id)) is None:
            raise
        return refresh(payment_id)
    except gateway.KeptFailure:
        intent = _find_or_create(payment, customer_at_stripe)
    return adopt(payment_id, intent)


def _intent_of(payment_id: str) -> str | None:
    with db.reading() as session:
        return session.scalar(select(Payment.stripe_intent_id).where(Payment.id == payment_id))


def _find_or_create(payment: Payment, customer_at_stripe: str) -> Intent:
    """The key of this attempt is of no use any more."""
    found = _find_at_stripe(payment, customer_at_stripe)
    return found or _create(_next_attempt(payment), customer_at_stripe)


def _create(payment: Payment, customer_at_stripe: str) -> Intent:
    """Everything sent under the key comes from the row as it was when the key was first used."""
    try:
        return gateway.current().create_intent(
            f"payment:{payment.id}:{payment.attempt}",
            amount=payment.amount,
            customer_id=customer_at_stripe,
            description=payment.description,
            metadata={
                **payment.extra,
                "payment_id": payment.id,
                "customer_id": payment.customer_id,
                "invoice_id": payment.invoice_id or "",
            },
            save_card=payment.save_card,
        )
    except gateway.IdempotencyMisuse:
        freeze(payment.id, "Stripe refused our idempotency key: it was used with other parameters")
        raise


def _customer_of(payment_id: str) -> str:
    with db.reading() as session:
        customer_id = session.execute(select(Payment.customer_id).where(Payment.id == payment_id)).scalar_one_or_none()
    if customer_id is None:
        raise NotFound
    return customer_id


def _claim_attempt(payment_id: str) -> tuple[Payment, bool]:
    """Store when this attempt's key is first used, before it is sent; and tell whether Stripe still remembers it."""
    with db.transaction() as session:
        payment = locked(session, payment_id)
        now = database_now(session)
        if payment.key_used_at is None:
            payment.key_used_at = now
        return payment, idempotency.is_safe(payment.key_used_at, now)


def _find_at_stripe(payment: Payment, customer_at_stripe: str) -> Intent | None:
    """The intent that an unanswered call made after all. Stripe's list, unlike its search, shows what was just written."""
    found = gateway.current().list_intents(
        created_from=payment.created_at - timedelta(hours=1), created_to=clock.now(), customer_id=customer_at_stripe
    )
    return next((intent for intent in found if intent.metadata.get("payment_id") == payment.id), None)


def _next_attempt(payment: Payment) -> Payment:
    with db.transaction() as session:
        row = locked(session, payment.id)
        if row.attempt == payment.attempt and row.stripe_intent_id is None:
            row.attempt += 1
            row.key_used_at = database_now(session)
            touch(row)
            audit.record(session, "payment.new_attempt", row.id, {"attempt": row.attempt}, customer_id=row.customer_id)
        return row


def adopt(payment_id: str, intent: Intent) -> Intent:
    """Store which intent is this payment's, then settle what it says. A second call, or a second caller, changes nothing.

    Raises Conflict, and freezes the row for staff, when the payment has another intent already.
    """
    with db.transaction() as session:
        payment = locked(session, payment_id)
        is_new = payment.stripe_intent_id is None
        if is_new:
            payment.stripe_intent_id = intent.id
            touch(payment)
            audit.record(
                session, "payment.intent_stored", payment.id, {"intent": intent.id}, customer_id=payment.customer_id
            )
        elif payment.stripe_intent_id != intent.id:
            freeze_row(session, payment, f"Stripe has a second intent {intent.id} for this payment")
        version, stored = payment.version, payment.stripe_intent_id
    if stored != intent.id:
        raise UnderReview
    # Who was not the first to store it may hold old news: much may have happened to the intent since this answer was written.
    if is_new and settle(payment_id, intent, seen_version=version):
        return intent
    return refresh(payment_id)


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
