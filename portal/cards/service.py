"""Keeping cards in step with Stripe: the payment-method-service of the seed documents."""

from __future__ import annotations

from sqlalchemy import select, update

from portal import audit, clock, db, gateway
from portal.accounts.models import Customer
from portal.cards import queries
from portal.cards.models import SavedCard
from portal.db import new_id
from portal.errors import NotFound


def holder(customer_id: str) -> str:
    """The id of the customer at Stripe who holds this customer's payments and cards; made at the first need.

    Two callers at once reach the same one: the idempotency key is made from our id. Raises NotFound and the gateway's errors.
    """
    with db.reading() as session:
        customer = session.get(Customer, customer_id)
    if customer is None:
        raise NotFound
    if customer.stripe_customer_id:
        return customer.stripe_customer_id
    made = gateway.current().create_customer(
        f"customer:{customer_id}", name=customer.name, email=customer.email, metadata={"customer_id": customer_id}
    )
    with db.transaction() as session:
        session.execute(
            update(Customer)
            .where(Customer.id == customer_id, Customer.stripe_customer_id.is_(None))
            .values(stripe_customer_id=made)
        )
        audit.record(session, "customer.linked", customer_id, {"stripe_customer_id": made}, customer_id=customer_id)
        kept = session.execute(select(Customer.stripe_customer_id).where(Customer.id == customer_id)).scalar_one()
    return str(kept)


def remember(payment_method_id: str) -> None:
    """Bring one payment method in line with Stripe: added when it is attached to a customer of ours, removed when it is not.

    A second call changes nothing.
    """
    try:
        method = gateway.current().retrieve_payment_method(payment_method_id)
    except gateway.MissingAtStripe:
        forget(payment_method_id)
        return
    if method.customer_id is None or method.card is None:
        forget(payment_method_id)
        return
    with db.transaction() as session:
        customer_id = session.execute(
            select(Customer.id).where(Customer.stripe_customer_id == method.customer_id)
        ).scalar_one_or_none()
        if customer_id is None:
            return
        card = session.execute(
            select(SavedCard).where(SavedCard.stripe_payment_method_id == method.id).with_for_update()
        ).scalar_one_or_none()
        facts = {
            "brand": method.card.brand,
            "last4": method.card.last4,
            "exp_month": method.card.exp_month or 1,
            "exp_year": method.card.exp_year or 1970,
            "country": method.card.country,
            "funding": method.card.funding,
            "fingerprint": method.card.fingerprint,
        }
        if card is None:
            session.add(
                SavedCard(
                    id=new_id("crd"),
                    customer_id=customer_id,
                    stripe_payment_method_id=method.id,
                    created_at=clock.now(),
                    **facts,
                )
            )
            audit.record(session, "card.saved", method.id, {"last4": method.card.last4}, customer_id=customer_id)
            return
        changed = {name: value for name, value in facts.items() if getattr(card, name) != value}
        if changed or card.removed_at is not None:
            for name, value in changed.items():
                setattr(card, name, value)
            card.removed_at = None
            audit.record(session, "card.updated", card.id, changed, customer_id=customer_id)


def forget(payment_method_id: str) -> None:
    """Mark a payment method as removed, since Stripe holds it no more; one that we do not know changes nothing."""
    with db.transaction() as session:
        card = session.execute(
            select(SavedCard).where(SavedCard.stripe_payment_method_id == payment_method_id).with_for_update()
        ).scalar_one_or_none()
        if card is None or card.removed_at is not None:
            return
        card.removed_at = clock.now()
        card.is_default = False
        audit.record(session, "card.removed", card.id, {"last4": card.last4}, customer_id=card.customer_id)


def remove(card_id: str, customer_id: str) -> None:
    """Take a saved card off Stripe and out of the list. One that is gone at Stripe already is no error.

    Raises NotFound for another customer's card, before anything is sent.
    """
    with db.reading() as session:
        card = queries.for_customer(session, card_id, customer_id)
    try:
        gateway.current().detach_card(card.stripe_payment_method_id)
    except (gateway.MissingAtStripe, gateway.Misconfigured):
        # Stripe answers 400 for a method that is not attached; whether it is really gone is asked, not guessed.
        remember(card.stripe_payment_method_id)
        return
    forget(card.stripe_payment_method_id)
