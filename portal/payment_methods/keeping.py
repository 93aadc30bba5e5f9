"""The cards that are kept, in step with Stripe.

However a card arrives (added, saved while paying, attached at Stripe's dashboard), `upsert` is the one place that keeps it.
Whatever changes a customer's cards locks the customer's row first, so two of a customer's cards are never judged at once.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal import gateway
from portal.accounts.models import Customer
from portal.core import audit, clock, crash, db
from portal.core.db import new_id
from portal.core.errors import N_, Invalid
from portal.gateway import Card
from portal.gateway import PaymentMethod as StripePaymentMethod
from portal.payment_methods import jobs, queries
from portal.payment_methods.models import ID_PREFIX, PaymentMethod


class Expired(Invalid):
    code = "card_expired"
    message = N_("This card has expired. Please choose another one, or add the new card from your bank.")


def upsert(stripe_payment_method_id: str) -> StripePaymentMethod | None:
    """Bring one payment method in line with Stripe: kept when it is attached to a customer of ours, removed when it is not.

    One number is kept once. When a card arrives whose number (fingerprint) is here already, one of the two references goes:
    - With a later expiry the arriving one survives. The bank has just accepted it with the date that is on the plastic now, while
      the old reference would go on being charged with a date that has passed. Our row stays the same, with its place as the
      default, and changes its reference; a payment that waits for its customer under the old one asks for a card again.
    - Otherwise the one that is here survives: everything that refers to it goes on, and the arriving one brings nothing new.
    The other reference is let go at Stripe by a job, written in the same transaction, so it is not forgotten.

    Returns the payment method as Stripe has it, None when Stripe has none. A second call changes nothing; a card that was removed
    here stays so, for Stripe attaches a detached card to nobody again. Raises the gateway's errors.
    """
    with db.reading() as session:
        was_known = queries.by_method(session, stripe_payment_method_id) is not None
    try:
        method = gateway.current().retrieve_payment_method(stripe_payment_method_id)
    except gateway.MissingAtStripe:
        method = None
    crash.point("payment method fetched")
    if method is None or method.customer_id is None or method.card is None:
        # One that we did not know before Stripe was asked may have been attached since, and be kept by somebody else.
        if was_known:
            remove_detached(stripe_payment_method_id)
        return method
    with db.transaction() as session:
        customer_id = session.execute(
            select(Customer.id).where(Customer.stripe_customer_id == method.customer_id).with_for_update(key_share=True)
        ).scalar_one_or_none()
        if customer_id is None:
            return method
        known = queries.by_method(session, method.id)
        if known is not None:
            _follow(session, known, method.card)
            return method
        duplicate = queries.duplicate(session, customer_id, method.card.fingerprint)
        if duplicate is None:
            _keep(session, customer_id, method.id, method.card)
        elif _expiry(method.card) > (duplicate.exp_year, duplicate.exp_month):
            _renew(session, duplicate, method.id, method.card)
        else:
            _refuse(session, duplicate, method.id)
    return method


def _expiry(card: Card) -> tuple[int, int]:
    return card.exp_year or 1970, card.exp_month or 1


def _facts(card: Card) -> dict[str, Any]:
    year, month = _expiry(card)
    return {
        "brand": card.brand,
        "last4": card.last4,
        "exp_month": month,
        "exp_year": year,
        "country": card.country,
        "funding": card.funding,
        "fingerprint": card.fingerprint,
    }


def _keep(session: Session, customer_id: str, method_id: str, card: Card) -> None:
    row = PaymentMethod(
        id=new_id(ID_PREFIX),
        customer_id=customer_id,
        stripe_payment_method_id=method_id,
        created_at=clock.now(),
        is_default=False,
        **_facts(card),
    )
    session.add(row)
    session.flush()
    audit.record(
        session, "payment_method.saved", row.id, {"method": method_id, "last4": card.last4}, customer_id=customer_id
    )
    _see_to_a_default(session, customer_id)
    crash.point("card saved")


def _follow(session: Session, row: PaymentMethod, card: Card) -> None:
    if row.removed_at is not None:
        return
    changed = _write(row, card)
    if changed:
        audit.record(session, "payment_method.updated", row.id, changed, customer_id=row.customer_id)


def changes(row: PaymentMethod, card: Card) -> dict[str, Any]:
    """What Stripe says of a card and its row does not."""
    return {name: value for name, value in _facts(card).items() if getattr(row, name) != value}


def _write(row: PaymentMethod, card: Card) -> dict[str, Any]:
    """Bring a row's facts up to date; returns those that changed. Another expiry is reminded of at its own time."""
    changed = changes(row, card)
    for name, value in changed.items():
        setattr(row, name, value)
    if changed.keys() & {"exp_month", "exp_year"}:
        row.reminded_days = None
    return changed


def _renew(session: Session, row: PaymentMethod, method_id: str, card: Card) -> None:
    before = row.stripe_payment_method_id
    row.stripe_payment_method_id = method_id
    _write(row, card)
    session.flush()
    audit.record(
        session,
        "payment_method.renewed",
        row.id,
        {"before": before, "after": method_id, "expiry": f"{row.exp_year}-{row.exp_month:02d}"},
        customer_id=row.customer_id,
    )
    _detach_later(session, before)
    _see_to_a_default(session, row.customer_id)


def _refuse(session: Session, row: PaymentMethod, method_id: str) -> None:
    """Detach a duplicate; one that is on its way out already changes nothing."""
    if _detach_later(session, method_id):
        audit.record(session, "payment_method.duplicate", row.id, {"refused": method_id}, customer_id=row.customer_id)


def _detach_later(session: Session, method_id: str) -> bool:
    return jobs.detach.enqueue(session, stripe_payment_method_id=method_id)


def detach(stripe_payment_method_id: str) -> None:
    """Detach a payment method at Stripe unless a kept card needs it. One that is gone already is no error."""
    with db.reading() as session:
        card = queries.by_method(session, stripe_payment_method_id)
    if card is not None and card.removed_at is None:
        return
    _detach(stripe_payment_method_id)


def _detach(stripe_payment_method_id: str) -> None:
    try:
        gateway.current().detach_card(stripe_payment_method_id)
    except gateway.MissingAtStripe:
        return
    except gateway.Misconfigured:
        # Stripe answers 400 for a method that is not attached; whether it is really gone is asked, not guessed.
        if gateway.current().retrieve_payment_method(stripe_payment_method_id).customer_id is not None:
            raise


def remove_detached(stripe_payment_method_id: str) -> PaymentMethod | None:
    """Mark a payment method as removed, since Stripe holds it no more; one that we do not know changes nothing.

    Returns the card that became the default by this, if one did.
    """
    with db.transaction() as session:
        card = queries.by_method(session, stripe_payment_method_id)
        if card is None:
            return None
        lock_customer(session, card.customer_id)
        session.refresh(card)
        if card.removed_at is not None:
            return None
        was_default = card.is_default
        mark_removed(session, card)
        return _see_to_a_default(session, card.customer_id) if was_default else None


def mark_removed(session: Session, card: PaymentMethod) -> None:
    card.removed_at = clock.now()
    card.is_default = False
    session.flush()
    audit.record(session, "payment_method.removed", card.id, {"last4": card.last4}, customer_id=card.customer_id)


def remove(payment_method_id: str, customer_id: str) -> PaymentMethod | None:
    """Take a saved card off Stripe and out of the list. One that is gone at Stripe already is no error.

    Returns the card that became the default in its place, if one did. Raises NotFound for another customer's card, before
    anything is sent, and the gateway's errors, after which it may be called again.
    """
    with db.reading() as session:
        card = queries.for_customer(session, payment_method_id, customer_id)
    _detach(card.stripe_payment_method_id)
    return remove_detached(card.stripe_payment_method_id)


def remove_once(reference: str, customer_id: str) -> None:
    """Remove a card by its id or its reference at Stripe; one that was removed already stays so. Raises as `remove` does."""
    with db.reading() as session:
        card = queries.ever_of_customer(session, reference, customer_id)
    if card.removed_at is None:
        remove(card.id, customer_id)


def make_default(payment_method_id: str, customer_id: str) -> None:
    """Offer this card first from now on. A second call changes nothing.

    The mark is ours alone: a customer chooses a card here, and nothing at Stripe charges by itself, so Stripe's own default is
    not touched. Raises NotFound for another customer's card, Expired.
    """
    with db.transaction() as session:
        lock_customer(session, customer_id)
        card = queries.for_customer(session, payment_method_id, customer_id)
        if card.is_expired:
            raise Expired
        if not card.is_default:
            _set_default(session, card)


def _set_default(session: Session, card: PaymentMethod) -> None:
    """The one before gives up its mark first: there is one default at a time, and the database insists on it."""
    session.execute(
        update(PaymentMethod)
        .where(PaymentMethod.customer_id == card.customer_id, PaymentMethod.is_default)
        .values(is_default=False)
    )
    card.is_default = True
    session.flush()
    audit.record(session, "payment_method.default_set", card.id, {"last4": card.last4}, customer_id=card.customer_id)


def _see_to_a_default(session: Session, customer_id: str) -> PaymentMethod | None:
    """When no default is left, or it has expired, the newest good card takes its place. Returns the new default, if any."""
    kept = queries.of_customer(session, customer_id)
    if any(card.is_default and not card.is_expired for card in kept):
        return None
    next_default = queries.next_default(kept)
    if next_default is not None:
        _set_default(session, next_default)
    return next_default


def lock_customer(session: Session, customer_id: str) -> None:
    session.execute(select(Customer.id).where(Customer.id == customer_id).with_for_update(key_share=True))
