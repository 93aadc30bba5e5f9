"""Calling off a payment that waits for its customer: at Stripe first, and outside any transaction, so that it can take no money any more.

A success that arrives meanwhile wins: Stripe refuses to cancel what has succeeded, and it is settled as what it is. Who dies in between
leaves a payment that waits as before, or one that is canceled at Stripe, of which a webhook or the follow-up job tells. Either way
the same call goes on.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from portal import stripe_sync
from portal.core import audit, crash, db
from portal.core.errors import N_, Conflict, NotFound, Unavailable
from portal.invoices import service as invoices
from portal.invoices.models import Invoice
from portal.payments import allocating, queries, statuses
from portal.payments.intents import (
    KIND,
    AlreadyPaid,
    InProgress,
    UnderReview,
    refresh,
)
from portal.payments.order_rules import Share
from portal.payments.statuses import PaymentStatus


def cancel(payment_id: str) -> str:
    """Call off a payment that has an intent; returns its status as it is then. One that has succeeded meanwhile is settled instead.

    A second call changes nothing. Raises Conflict for a payment without an intent, and the gateway's errors.
    """
    return stripe_sync.cancel(KIND, payment_id).status


def cancel_waiting(payment_id: str) -> None:
    """Call off a payment that its customer has not finished, whoever asks for it: nothing is charged, and its invoice can be paid anew.

    So it goes also while a try to charge a card has no answer: what did not reach Stripe before the cancel charges nothing after it.
    A second call changes nothing. Raises NotFound, AlreadyPaid when it has succeeded, also at this moment, InProgress while the bank has
    the word, UnderReview, and the gateway's errors, after which the same call goes on.
    """
    with db.transaction() as session:
        payment = stripe_sync.locked(KIND, session, payment_id)
        if payment.review_reason:
            raise UnderReview(N_("This payment is under review and cannot be canceled before that is decided."))
        if payment.status not in statuses.FINAL:
            facts = {"status": payment.status}
            audit.record(session, "payment.cancel_asked", payment.id, facts, customer_id=payment.customer_id)
        status: str = payment.status
        intent_id = payment.stripe_intent_id
    crash.point("cancel asked")
    if status in statuses.MOVING:
        status = refresh(payment_id).status
    if status not in statuses.FINAL | statuses.MOVING:
        if intent_id is None:
            stripe_sync.ensure(KIND, payment_id)
        status = cancel(payment_id)
    if status == PaymentStatus.CANCELED:
        return
    if status == PaymentStatus.SUCCEEDED:
        raise AlreadyPaid(N_("This payment has succeeded and can no longer be canceled."))
    if status in statuses.WAITING_FOR_CUSTOMER:
        raise Unavailable
    raise InProgress(
        N_("The bank is processing this payment, so it cannot be canceled now. Please wait for the result.")
    )


def end_others(
    customer_id: str, shares: Sequence[Share], pay_link_id: str | None = None, *, off_session: bool = False
) -> None:
    """Outside any transaction, before invoices are paid: call off what stands in the way of paying just these shares.

    That is what was begun and not finished of some of them, or of other amounts, or with further invoices: so an invoice has one live
    payment, whichever selection it is in. And what was begun through a pay link when somebody signed in pays, and the other way round: so
    neither side has the secret of an intent to which the other one's cards are shown.

    Nothing where nothing was begun, or what goes on is not at Stripe yet. Raises InProgress while money of such a payment may move, and
    `off_session` while its customer answers the bank; NotFound, Invalid, and else as `cancel_waiting` does.
    """
    with db.reading() as session:
        found = queries.live_of_invoices(session, [one.invoice_id for one in shares])
        wanted = allocating.wanted(session, customer_id, shares) if found else {}
    for live in found:
        if live.has_succeeded:
            continue
        if live.amounts == wanted:
            if live.stripe_intent_id is not None and (live.pay_link_id is None) != (pay_link_id is None):
                cancel_waiting(live.id)
            continue
        if live.may_move or (off_session and live.requires_action):
            raise InProgress
        cancel_waiting(live.id)


# What stands in an invoice's way


@invoices.clears_way
def _cancel_payment_of(invoice_id: str) -> None:
    """Whoever withdraws an invoice, or records that it was paid in another way, calls off what its customer has begun and not finished."""
    with db.reading() as session:
        live = queries.live_of_invoice(session, invoice_id)
        number = session.get_one(Invoice, invoice_id).number
    if live is None:
        return
    try:
        cancel_waiting(live.id)
    except NotFound:
        return
    except AlreadyPaid as error:
        raise AlreadyPaid(
            N_("Invoice %(number)s was paid by card in the meantime, so nothing was changed."), number=number
        ) from error
    except InProgress as error:
        raise InProgress(
            N_("The bank is processing a payment of invoice %(number)s. Please wait for its result."),
            number=number,
        ) from error
    except UnderReview as error:
        raise UnderReview(
            N_("A card payment of invoice %(number)s is under review. Please decide about it first."), number=number
        ) from error


@invoices.guards_void
def _no_payment_under_way(session: Session, invoice: Invoice) -> None:
    """An invoice that someone began to pay a moment ago must not be withdrawn under their hands, nor what is due of it be changed."""
    live = queries.live_of_invoice(session, invoice.id)
    if live is not None and not live.has_succeeded:
        raise Conflict(N_("A payment of invoice %(number)s was just started. Please try again."), number=invoice.number)
