"""What is charged for a payment: one that the customer has saved, or a payment method that an app knows by its reference at Stripe."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from portal.core import db
from portal.core.errors import N_, Invalid
from portal.core.method_kinds import CARD
from portal.gateway import PaymentMethod as StripePaymentMethod
from portal.payment_methods import card_testing, fence, keeping, queries, stripe_customers
from portal.payment_methods.models import PaymentMethod

# Stripe's ids are put into addresses: anything else is none of them.
REFERENCE: Final = re.compile(r"[A-Za-z0-9_]{1,64}", re.ASCII)


class UnknownMethod(Invalid):
    """There is no such payment method, or it is another customer's, or it was let go: the three are never told apart."""

    code = "unknown_payment_method"
    message = N_("We do not know this payment method. Please enter it again, or use another one.")

    def __init__(self) -> None:
        super().__init__(field="payment_method_id")


@dataclass(frozen=True, slots=True)
class PaymentSource:
    """What is charged: a payment method at Stripe, of which `kind`, and which of the customer's saved ones it is, if it is one."""

    stripe_payment_method_id: str
    payment_method_id: str | None
    last4: str
    kind: str = CARD


def from_saved(customer_id: str, payment_method_id: str) -> PaymentSource:
    """A saved payment method of this customer. Raises NotFound, also for someone else's, keeping.Expired and keeping.Revoked."""
    with db.reading() as session:
        method = queries.for_customer(session, payment_method_id, customer_id)
    return _charged(method)


def from_reference(
    customer_id: str, stripe_payment_method_id: str, *, ip: str = "", agreed: bool = False
) -> PaymentSource:
    """A payment method by its id at Stripe: one that an app has just made, or the reference of a saved one of this customer.

    Raises UnknownMethod, also for another customer's, which Stripe is not asked about when its owner is known here; keeping.Expired and
    Revoked, RateLimited after too many declined cards where an `ip` says where the customer is, fence.MandateMissing for a bank account
    whose holder has not `agreed` to be debited, and the gateway's errors.
    """
    check_reference(stripe_payment_method_id)
    method = _kept(customer_id, stripe_payment_method_id)
    if method is not None:
        return _charged(method)
    if ip:
        card_testing.begin_payment(customer_id, ip, stripe_payment_method_id)
    found = usable(customer_id, stripe_payment_method_id, is_counted=bool(ip), agreed=agreed)
    method = _kept(customer_id, stripe_payment_method_id)  # its webhook was lost, and asking Stripe has made up for it
    if method is not None:
        return _charged(method)
    shown = found.card or found.account
    return PaymentSource(found.id, None, shown.last4 if shown else "", found.type)


def _kept(customer_id: str, stripe_payment_method_id: str) -> PaymentMethod | None:
    with db.reading() as session:
        method = queries.by_method(session, stripe_payment_method_id)
    if method is None:
        return None
    if method.customer_id != customer_id or method.removed_at is not None:
        raise UnknownMethod
    return method


def _charged(method: PaymentMethod) -> PaymentSource:
    if method.is_expired:
        raise keeping.Expired
    if method.is_revoked:
        raise keeping.Revoked
    return PaymentSource(method.stripe_payment_method_id, method.id, method.last4, method.kind)


def check_reference(stripe_payment_method_id: str) -> None:
    """Raises UnknownMethod for what Stripe never gave out, before anything is asked or written."""
    if not REFERENCE.fullmatch(stripe_payment_method_id):
        raise UnknownMethod


def usable(
    customer_id: str, stripe_payment_method_id: str, *, is_counted: bool, saving: bool = False, agreed: bool = False
) -> StripePaymentMethod:
    """A payment method at Stripe that this customer may use: nobody's yet, or theirs already, which is then kept here, too.

    The reference has passed `check_reference`. With `is_counted` its try was noted: who guesses references is counted like one who attempts
    out numbers. Raises UnknownMethod, fence.NotAccepted (with `saving` also of what is taken, and not kept) and the gateway's errors.
    """
    stripe_customer = stripe_customers.ensure_stripe_customer(customer_id)
    method = keeping.upsert(stripe_payment_method_id)
    if method is not None and method.customer_id in {None, stripe_customer}:
        _refuse_unaccepted(customer_id, method, saving=saving, agreed=agreed)
        return method
    if is_counted:
        with db.transaction() as session:
            card_testing.fail(
                session, customer_id, f"{customer_id}:{stripe_payment_method_id}", "", stripe_payment_method_id
            )
    raise UnknownMethod


def _refuse_unaccepted(customer_id: str, method: StripePaymentMethod, *, saving: bool, agreed: bool) -> None:
    """Raises what fence.check does before anything is charged or kept; the try of it counts for nothing."""
    try:
        fence.check(method, saving=saving, agreed=agreed)
    except (fence.NotAccepted, fence.MandateMissing):
        with db.transaction() as session:
            card_testing.close(session, customer_id, method.id)
        raise
