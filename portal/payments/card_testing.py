"""Payments against card testing: whoever tries out stolen numbers may pay a small amount with each.

Adding cards has the like in portal.payment_methods.card_testing.
"""

from __future__ import annotations

import structlog
from sqlalchemy.orm import Session

from portal import gateway
from portal.core import db
from portal.gateway import Failure, Intent
from portal.payment_methods import service as cards
from portal.payments import queries, statuses
from portal.payments.models import Payment
from portal.payments.statuses import PaymentStatus

log = structlog.get_logger(__name__)


def begin(customer_id: str, ip: str, subject: str) -> None:
    """A customer is about to type a card for a payment; `subject` is the id of its invoice or, without one, its own or its key.

    Raises RateLimited, with the seconds to wait, after too many declined cards.
    """
    cards.begin_payment(customer_id, ip, subject)


def follow(session: Session, payment: Payment, intent: Intent) -> None:
    """Count what the bank said of the card, in the transaction that takes it over."""
    cards.follow_payment(
        session,
        payment.customer_id,
        intent.failure,
        intent_id=intent.id,
        paid=intent.status == PaymentStatus.SUCCEEDED,
        subjects=_subjects(payment, intent.payment_method_id),
    )


def count_declined_charge(charge_id: str) -> None:
    """Count a declined charge that no look at its payment has shown, for another one was made since. A second call changes nothing.

    Raises the gateway's errors.
    """
    with db.reading() as session:
        if cards.knows(session, charge_id):
            return
    charge = gateway.current().retrieve_charge(charge_id)
    if charge.paid or charge.intent_id is None or charge.card is None:
        return
    with db.transaction() as session:
        payment = queries.by_intent(session, charge.intent_id)
        if payment is not None:
            failure = Failure("card_declined", fingerprint=charge.card.fingerprint, charge_id=charge.id)
            subjects = _subjects(payment, None)
            cards.follow_payment(
                session, payment.customer_id, failure, intent_id=charge.intent_id, paid=False, subjects=subjects
            )


def is_tested(payment: Payment) -> bool:
    """Whether a payment that waits for its customer must end: with its secret a browser may go on trying cards at Stripe."""
    if payment.status not in statuses.WAITING_FOR_CUSTOMER or not payment.failure_code:
        return False
    with db.reading() as session:
        return cards.is_beyond(session, payment.customer_id)


def _subjects(payment: Payment, method_id: str | None) -> tuple[str | None, ...]:
    return payment.id, payment.invoice_id, payment.client_key, method_id
