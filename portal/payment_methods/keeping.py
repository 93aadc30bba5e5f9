"""The payment methods that are kept, in step with Stripe.

However one arrives (added, saved while paying, attached at Stripe's dashboard), `upsert` is the one place that keeps it. Whatever changes a
customer's payment methods locks the customer's row first, so two of a customer's are never judged at once.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal import gateway
from portal.accounts.models import Customer
from portal.core import audit, clock, crash, db, method_kinds
from portal.core.db import new_id
from portal.core.errors import N_, Invalid
from portal.gateway import PaymentMethod as StripePaymentMethod
from portal.payment_methods import jobs, queries
from portal.payment_methods.models import ID_PREFIX, PaymentMethod


class Expired(Invalid):
    code = "card_expired"
    message = N_("This card has expired. Please choose another one, or add the new card from your bank.")


class Revoked(Invalid):
    code = "mandate_revoked"
    message = N_(
        "The mandate for direct debits from this account has ended. Please add the account again, or use another payment method."
    )


def upsert(stripe_payment_method_id: str) -> StripePaymentMethod | None:
    """Bring one payment method in line with Stripe: kept when it is attached to a customer of ours, removed when it is not.

    One card, account or wallet is kept once. When one arrives whose number (fingerprint) is here already, one of the two references goes:
    - The arriving one survives where it is good for longer: a card with a later expiry, which its bank has just accepted while the old
      reference would go on being charged with a date that has passed; or an account whose mandate has ended here. Our row stays the same,
      with its place as the default, and changes its reference; a payment that waits for its customer under the old one asks again.
    - Otherwise the one that is here survives: everything that refers to it goes on, and the arriving one brings nothing new.
    The other reference is let go at Stripe by a job, written in the same transaction, so it is not forgotten.

    Returns the payment method as Stripe has it, None when Stripe has none. A second call changes nothing; one that was removed here stays
    so, for Stripe attaches a detached one to nobody again. A kind that cannot be kept here is left alone. Raises the gateway's errors.
    """
    with db.reading() as session:
        was_known = queries.by_method(session, stripe_payment_method_id) is not None
    try:
        method = gateway.current().retrieve_payment_method(stripe_payment_method_id)
    except gateway.MissingAtStripe:
        method = None
    crash.point("payment method fetched")
    if method is None or method.customer_id is None:
        # One that we did not know before Stripe was asked may have been attached since, and be kept by somebody else.
        if was_known:
            remove_detached(stripe_payment_method_id)
        return method
    if method.type not in method_kinds.SAVED:
        return method
    with db.transaction() as session:
        customer_id = session.execute(
            select(Customer.id).where(Customer.stripe_customer_id == method.customer_id).with_for_update(key_share=True)
        ).scalar_one_or_none()
        if customer_id is None:
            return method
        known = queries.by_method(session, method.id)
        if known is not None:
            _follow(session, known, method)
            return method
        duplicate = queries.duplicate(session, customer_id, method.type, method.fingerprint)
        if duplicate is None:
            _keep(session, customer_id, method)
        elif duplicate.is_revoked or _expiry(method) > (duplicate.exp_year or 0, duplicate.exp_month or 0):
            _renew(session, duplicate, method)
        else:
            _refuse(session, duplicate, method.id)
    return method


def _expiry(method: StripePaymentMethod) -> tuple[int, int]:
    card = method.card
    return (0, 0) if card is None else (card.exp_year or 1970, card.exp_month or 1)


def _facts(method: StripePaymentMethod) -> dict[str, Any]:
    card, account = method.card, method.account
    if card is None:
        return {
            "kind": method.type,
            "bank_name": account.bank_name[:80] if account else "",
            "last4": account.last4 if account else "",
            "country": account.country if account else "",
            "fingerprint": method.fingerprint,
        }
    year, month = _expiry(method)
    return {
        "kind": method.type,
        "brand": card.brand,
        "last4": card.last4,
        "exp_month": month,
        "exp_year": year,
        "country": card.country,
        "funding": card.funding,
        "fingerprint": card.fingerprint,
    }


def _keep(session: Session, customer_id: str, method: StripePaymentMethod) -> None:
    row = PaymentMethod(
        id=new_id(ID_PREFIX),
        customer_id=customer_id,
        stripe_payment_method_id=method.id,
        created_at=clock.now(),
        is_default=False,
        **_facts(method),
    )
    session.add(row)
    session.flush()
    facts = {"method": method.id, "kind": row.kind, "last4": row.last4}
    audit.record(session, "payment_method.saved", row.id, facts, customer_id=customer_id)
    see_to_a_default(session, customer_id)
    crash.point("card saved")


def _follow(session: Session, row: PaymentMethod, method: StripePaymentMethod) -> None:
    if row.removed_at is not None:
        return
    changed = _write(row, method)
    if changed:
        audit.record(session, "payment_method.updated", row.id, changed, customer_id=row.customer_id)


def changes(row: PaymentMethod, method: StripePaymentMethod) -> dict[str, Any]:
    """What Stripe says of a payment method and its row does not."""
    return {name: value for name, value in _facts(method).items() if getattr(row, name) != value}


def _write(row: PaymentMethod, method: StripePaymentMethod) -> dict[str, Any]:
    """Bring a row's facts up to date; returns those that changed. Another expiry is reminded of at its own time."""
    changed = changes(row, method)
    for name, value in changed.items():
        setattr(row, name, value)
    if changed.keys() & {"exp_month", "exp_year"}:
        row.reminded_days = None
    return changed


def _renew(session: Session, row: PaymentMethod, method: StripePaymentMethod) -> None:
    before = row.stripe_payment_method_id
    row.stripe_payment_method_id = method.id
    row.stripe_mandate_id, row.mandate_reference, row.mandate_status = None, "", ""
    _write(row, method)
    session.flush()
    facts = {"before": before, "after": method.id}
    if row.last_day is not None:
        facts["expiry"] = f"{row.exp_year}-{row.exp_month:02d}"
    audit.record(session, "payment_method.renewed", row.id, facts, customer_id=row.customer_id)
    _detach_later(session, before)
    see_to_a_default(session, row.customer_id)


def _refuse(session: Session, row: PaymentMethod, method_id: str) -> None:
    """Detach a duplicate; one that is on its way out already changes nothing."""
    if _detach_later(session, method_id):
        audit.record(session, "payment_method.duplicate", row.id, {"refused": method_id}, customer_id=row.customer_id)


def _detach_later(session: Session, method_id: str) -> bool:
    return jobs.detach.enqueue(session, stripe_payment_method_id=method_id)


def detach(stripe_payment_method_id: str) -> None:
    """Detach a payment method at Stripe unless a kept one needs it. One that is gone already is no error."""
    with db.reading() as session:
        method = queries.by_method(session, stripe_payment_method_id)
    if method is not None and method.removed_at is None:
        return
    _detach(stripe_payment_method_id)


def _detach(stripe_payment_method_id: str) -> None:
    try:
        gateway.current().detach_method(stripe_payment_method_id)
    except gateway.MissingAtStripe:
        return
    except gateway.Misconfigured:
        # Stripe answers 400 for a method that is not attached; whether it is really gone is asked, not guessed.
        if gateway.current().retrieve_payment_method(stripe_payment_method_id).customer_id is not None:
            raise


def remove_detached(stripe_payment_method_id: str) -> PaymentMethod | None:
    """Mark a payment method as removed, since Stripe holds it no more; one that we do not know changes nothing.

    Returns the one that became the default by this, if one did.
    """
    with db.transaction() as session:
        method = queries.by_method(session, stripe_payment_method_id)
        if method is None:
            return None
        lock_customer(session, method.customer_id)
        session.refresh(method)
        if method.removed_at is not None:
            return None
        was_default = method.is_default
        mark_removed(session, method)
        return see_to_a_default(session, method.customer_id) if was_default else None


def mark_removed(session: Session, method: PaymentMethod) -> None:
    method.removed_at = clock.now()
    method.is_default = False
    session.flush()
    audit.record(session, "payment_method.removed", method.id, {"last4": method.last4}, customer_id=method.customer_id)


def remove(payment_method_id: str, customer_id: str) -> PaymentMethod | None:
    """Take a saved payment method off Stripe and out of the list. One that is gone at Stripe already is no error.

    Returns the one that became the default in its place, if one did. Raises NotFound for another customer's, before
    anything is sent, and the gateway's errors, after which it may be called again.
    """
    with db.reading() as session:
        method = queries.for_customer(session, payment_method_id, customer_id)
    _detach(method.stripe_payment_method_id)
    return remove_detached(method.stripe_payment_method_id)


def remove_once(reference: str, customer_id: str) -> None:
    """Remove a payment method by its id or its reference at Stripe; one that was removed already stays so. Raises as `remove` does."""
    with db.reading() as session:
        method = queries.ever_of_customer(session, reference, customer_id)
    if method.removed_at is None:
        remove(method.id, customer_id)


def make_default(payment_method_id: str, customer_id: str) -> None:
    """Offer this payment method first from now on. A second call changes nothing.

    The mark is ours alone: a customer chooses here, and nothing at Stripe charges by itself, so Stripe's own default is not touched. Raises
    NotFound for another customer's, Expired and Revoked.
    """
    with db.transaction() as session:
        lock_customer(session, customer_id)
        method = queries.for_customer(session, payment_method_id, customer_id)
        if not method.can_be_charged:
            raise Expired if method.is_expired else Revoked
        if not method.is_default:
            _set_default(session, method)


def _set_default(session: Session, method: PaymentMethod) -> None:
    """The one before gives up its mark first: there is one default at a time, and the database insists on it."""
    session.execute(
        update(PaymentMethod)
        .where(PaymentMethod.customer_id == method.customer_id, PaymentMethod.is_default)
        .values(is_default=False)
    )
    method.is_default = True
    session.flush()
    audit.record(
        session, "payment_method.default_set", method.id, {"last4": method.last4}, customer_id=method.customer_id
    )


def see_to_a_default(session: Session, customer_id: str) -> PaymentMethod | None:
    """When no default is left that can be charged, another one takes its place (queries.next_default). Returns the new one, if any."""
    kept = queries.of_customer(session, customer_id)
    if any(method.is_default and method.can_be_charged for method in kept):
        return None
    next_default = queries.next_default(kept)
    if next_default is not None:
        _set_default(session, next_default)
    return next_default


def lock_customer(session: Session, customer_id: str) -> None:
    session.execute(select(Customer.id).where(Customer.id == customer_id).with_for_update(key_share=True))
