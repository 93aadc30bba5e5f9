"""What becomes of a payment that was begun, whoever died: Stripe's events, the page after paying, and the worker end here.

`sync_intent` is for an event, `sync` for a page that waits, `follow_up` for the worker. Each fetches the intent, and settles what it says.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import structlog

from portal import gateway, stripe_sync
from portal.accounts import queries as accounts
from portal.core import clock, db
from portal.core.method_kinds import DEBITS
from portal.gateway import Failure
from portal.jobs import outbox
from portal.payment_methods import service as cards
from portal.payments import confirming, debits, jobs, queries, statuses
from portal.payments.canceling import cancel
from portal.payments.intents import KIND, UnderReview, ensure_intent, record, refresh
from portal.payments.models import Payment
from portal.payments.restoring import notice_loss
from portal.payments.statuses import Duplicate, PaymentStatus

log = structlog.get_logger(__name__)

# How long the worker waits before it asks Stripe again. Seconds.
NEXT_CHECK_SECONDS: Final = 60
LONGEST_CHECK_SECONDS: Final = 6 * 3600
# A payment that its customer has not finished by then is canceled.
ABANDONED_AFTER_DAYS: Final = 7


def sync_intent(intent_id: str) -> bool:
    """Stripe says that something happened to an intent: learn what. Returns False when the intent is none of ours.

    An intent whose id we lost (its creation was answered to a process that died) is found by its metadata and adopted.
    """
    with db.reading() as session:
        known = queries.by_intent(session, intent_id)
    if known is not None:
        refresh(known.id)
        return True
    intent = gateway.current().retrieve_intent(intent_id)
    payment_id = intent.metadata.get("payment_id")
    if not payment_id:
        return False
    with db.reading() as session:
        payment = session.get(Payment, payment_id)
    if payment is None:
        notice_loss(intent)
        return False
    try:
        stripe_sync.adopt(KIND, payment_id, intent)
    except UnderReview:
        log.error("second_intent", payment_id=payment_id, intent_id=intent_id)
        if intent.status == PaymentStatus.SUCCEEDED:
            stripe_sync.adopt(KIND, _record_stray(payment, intent), intent)
    return True


def _record_stray(payment: Payment, intent: gateway.Intent) -> str:
    """The row for money that a second intent of a payment has taken: it is in the books, and goes back by itself as a duplicate.

    Returns its id, also on a second call.
    """
    with db.transaction() as session:
        accounts.customer(session, payment.customer_id, lock=True)
        known = queries.by_intent(session, intent.id)
        if known is not None:
            return known.id
        row = record(
            session,
            customer_id=payment.customer_id,
            client_key=f"second:{intent.id}",
            amount=payment.amount,
            description=payment.description,
            save_card=False,
        )
        row.duplicate = Duplicate.SECOND_INTENT
        stripe_sync.link(KIND, row, intent.id)  # so that no intent is ever made for this row
        KIND.stored(session, row, intent)
        jobs.return_duplicate.enqueue(session, payment_id=row.id)
        return row.id


def sync(payment_id: str) -> None:
    """Learn at Stripe what has become of a payment, and finish what a press of its customer's button began.

    Raises Conflict for a payment without an intent, and the gateway's errors.
    """
    with db.reading() as session:
        pending = queries.unanswered(session, payment_id)
    if pending is not None:
        confirming.finish(pending.id)
    else:
        refresh(payment_id)


# The worker's part


def follow_up(payment_id: str) -> None:
    """Finish what was begun, whoever died: make the missing intent, learn the outcome, cancel what was abandoned.

    Raises outbox.Reschedule while the payment is not at its end; one that is, and has its fee, is not looked up again.
    """
    with db.reading() as session:
        payment = session.get(Payment, payment_id)
    if payment is None or payment.review_reason or payment.status == PaymentStatus.CANCELED:
        return
    intent = ensure_intent(payment_id) if payment.stripe_intent_id is None else refresh(payment_id)
    if payment.debit_charge_id and (intent.charge is None or intent.charge.id != payment.debit_charge_id):
        sync_debit(payment.debit_charge_id)  # something else was tried after it
    if intent.status == PaymentStatus.SUCCEEDED and intent.charge and intent.charge.balance_transaction:
        return
    age = clock.now() - payment.created_at
    longest = cards.VERIFIED_WITHIN if intent.verification else timedelta(days=ABANDONED_AFTER_DAYS)
    is_abandoned = intent.status in statuses.WAITING_FOR_CUSTOMER and age > longest
    if is_abandoned and cancel(payment_id) in statuses.FINAL:
        return
    if intent.status != PaymentStatus.CANCELED:
        raise outbox.Reschedule(min(max(age.total_seconds() / 2, NEXT_CHECK_SECONDS), LONGEST_CHECK_SECONDS))


def requeue_lost_jobs() -> int:
    """Leave a job for each payment and each confirmation on its way that has none; returns how many. A second run finds nothing more."""
    with db.transaction() as session:
        payments = queries.left_behind(session, outbox.MOST_REQUEUED)
        for payment_id in payments:
            jobs.follow_up.requeue(session, payment_id=payment_id)
        pending = queries.unanswered_left_behind(session, outbox.MOST_REQUEUED)
        for confirmation_id in pending:
            jobs.finish_confirmation.requeue(session, confirmation_id=confirmation_id)
        return len(payments) + len(pending)


def cancel_pending(customer_id: str, lost: str) -> None:
    """Cancel what a customer has begun to pay and not finished for the customer at Stripe that was `lost`, deleted there.

    The invoices can be paid with a new payment at once; one that was begun since, for the next customer there, goes on. A second
    call finds nothing left to cancel.
    """
    with db.reading() as session:
        waiting = queries.waiting_for(session, customer_id)
    for payment_id in waiting:
        if refresh(payment_id).customer_id in {lost, None}:
            cancel(payment_id)


def sync_debit(charge_id: str) -> bool:
    """Learn what Stripe has entered of a debit that may not be its payment's last charge any more. A second call changes nothing.

    Returns False for what is no debit of a payment here. Raises the gateway's errors.
    """
    charge = gateway.current().retrieve_charge(charge_id)
    if charge.method_type not in DEBITS or charge.intent_id is None:
        return False
    with db.reading() as session:
        found = queries.by_intent(session, charge.intent_id)
    if found is None or found.review_reason:
        return False
    with db.transaction() as session:
        debits.book(session, stripe_sync.locked(KIND, session, found.id), charge)
    return True


def mail_verification(payment_id: str) -> None:
    """Tell who pays where their bank account is verified; by a pay link its holder alone, if they gave an address. Nothing once it is."""
    with db.reading() as session:
        payment = session.get_one(Payment, payment_id)
    to = payment.receipt_to if payment.pay_link_id else ""
    if payment.verification_url and (to or not payment.pay_link_id):
        number = payment.description if payment.has_invoices else ""
        cards.mail_verification(
            f"verification:{payment_id}", payment.customer_id, payment.verification_url, number=number, to=to
        )


# Against card testing


def count_declined_charge(charge_id: str) -> None:
    """Count a declined charge that its payment no longer shows, for another try was made since. A second call changes nothing.

    Raises the gateway's errors.
    """
    with db.reading() as session:
        if cards.knows(session, charge_id):
            return
    charge = gateway.current().retrieve_charge(charge_id)
    if charge.paid or charge.intent_id is None or charge.card is None:
        return
    failure = Failure("card_declined", fingerprint=charge.card.fingerprint, charge_id=charge.id)
    with db.transaction() as session:
        payment = queries.by_intent(session, charge.intent_id)
        if payment is not None:
            cards.follow_payment(
                session,
                payment.customer_id,
                failure,
                intent_id=charge.intent_id,
                paid=False,
                subjects=payment.card_is_tried_for(
                    one.invoice_id for one in queries.allocations_of(session, payment.id)
                ),
            )


def end_card_testing(intent_id: str) -> None:
    """Cancel a payment whose customer has had too many cards declined: with its secret a browser may go on trying cards at Stripe.

    Raises as `cancel` does.
    """
    with db.reading() as session:
        payment = queries.by_intent(session, intent_id)
        if payment is None or payment.status not in statuses.WAITING_FOR_CUSTOMER or not payment.failure_code:
            return
        if not cards.is_beyond(session, payment.customer_id):
            return
    log.warning("payment_stopped", payment_id=payment.id)
    cancel(payment.id)
