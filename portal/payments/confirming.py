"""Charging a card from here, with its holder present (a press of the button on an invoice, an app's order) or not (automatic payment).

The phases of every move of money: the confirmation is written down with the key it will be sent under (`record`), Stripe is asked outside
any transaction, and the answer is settled like everything that Stripe says (`finish`). The rules about keys are portal.gateway's
(keyed_calls). The intent's id is committed before the confirmation is sent, and an intent succeeds at most once: whatever is lost in
between, the card is charged once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.orm import Session

from portal import gateway, stripe_sync
from portal.core import audit, clock, config, crash, db, idempotency, recovery
from portal.core.db import database_now, new_id
from portal.core.errors import N_, Conflict, Declined, Invalid, RateLimited, Unavailable
from portal.core.method_kinds import WITH_MANDATE
from portal.core.money import Money
from portal.gateway import Intent
from portal.payment_methods import fence
from portal.payment_methods import queries as payment_methods
from portal.payment_methods import service as cards
from portal.payments import jobs, queries
from portal.payments.canceling import end_others
from portal.payments.intents import KIND, Started, ensure_confirmable, ensure_intent, refresh, start
from portal.payments.models import Confirmation, Payment
from portal.payments.order_rules import Share
from portal.payments.restoring import refuse_lost
from portal.payments.settling import emit_failure
from portal.payments.statuses import PaymentStatus

log = structlog.get_logger(__name__)

# When the one who sent a confirmation died, the worker sends it again this much later: after a web request has waited for Stripe twice, and
# so that all is known within a minute. Seconds.
FINISH_AFTER_SECONDS: Final = 30
# A customer who pressed the button wants to pay now: what did not reach Stripe by then is not sent any more.
PRESENT_FOR: Final = timedelta(minutes=30)
# What a payment may be after a try that has charged nothing, and asks nobody anything.
_NOT_CHARGED: Final = frozenset(
    {PaymentStatus.CREATED, PaymentStatus.REQUIRES_PAYMENT_METHOD, PaymentStatus.REQUIRES_CONFIRMATION}
)


class CardGone(Invalid):
    code = "card_gone"
    message = N_("You were not charged. This card is no longer saved here. Please choose another one.")


def record(
    session: Session,
    payment_id: str,
    source: cards.PaymentSource,
    *,
    client_key: str,
    off_session: bool,
    mandate: Mapping[str, str] | None = None,
) -> Confirmation:
    """The confirmation to be sent for a payment, in the caller's transaction; `finish` sends it.

    A second call with the same key gives back the same one; while another one has no answer yet, everybody gets that one.
    """
    payment = stripe_sync.locked(KIND, session, payment_id)
    known = queries.by_press(session, payment.customer_id, client_key) or queries.unanswered(session, payment_id)
    if known is not None:
        return known
    row = Confirmation(
        id=new_id("cnf"),
        payment_id=payment_id,
        customer_id=payment.customer_id,
        client_key=client_key,
        payment_method_id=source.payment_method_id,
        stripe_payment_method_id=source.stripe_payment_method_id,
        off_session=off_session,
        mandate=dict(mandate)
        if mandate is not None and source.kind in WITH_MANDATE and not source.payment_method_id
        else None,
        key_used_at=database_now(session),
        created_at=clock.now(),
    )
    session.add(row)
    session.flush()
    audit.record(
        session,
        "payment.confirmation_begun",
        payment_id,
        {
            "confirmation": row.id,
            "card": source.payment_method_id or source.stripe_payment_method_id,
            "last4": source.last4,
            "off_session": off_session,
        },
        customer_id=payment.customer_id,
    )
    jobs.finish_confirmation.enqueue_in(session, FINISH_AFTER_SECONDS, confirmation_id=row.id)
    crash.point("confirmation recorded")
    return row


def finish_attempt(confirmation_id: str) -> None:
    """Like `finish`, but without Stripe's answer the confirmation stays unanswered, and the worker finds out what happened."""
    try:
        finish(confirmation_id)
    except gateway.Misconfigured:
        raise
    except (Unavailable, RateLimited):
        log.warning("confirmation_unanswered", confirmation_id=confirmation_id, exc_info=True)


def finish(confirmation_id: str) -> None:
    """Send a confirmation that has no answer yet, under its one key, and settle what Stripe says. A second call changes nothing.

    The intent is made first where it is missing. A decline is an answer and raises nothing: it stands in the payment's row. Raises
    CardGone when Stripe does not have the saved card any more, cards.UnknownMethod when it does not take a payment method that an app
    brought, and the gateway's errors: after Unavailable the card may be charged all the same, and the next call finds out.
    """
    with db.reading() as session:
        confirmation, payment, now = queries.confirmation_with_payment(session, confirmation_id)
        held = recovery.is_on(session)
    if confirmation.answered_at is not None:
        return
    if held:
        raise recovery.InRecovery
    in_time = confirmation.off_session or clock.now() - confirmation.created_at < PRESENT_FOR
    is_fresh = in_time and idempotency.is_safe(confirmation.key_used_at, now) and not payment.review_reason
    if is_fresh and payment.stripe_intent_id is None:
        ensure_intent(payment.id)
        with db.reading() as session:
            confirmation, payment, now = queries.confirmation_with_payment(session, confirmation_id)
    gateway.call_once(_charge(confirmation, payment, is_fresh=is_fresh))
    crash.point("confirmation settled")
    _mark_answered(confirmation)


def _charge(confirmation: Confirmation, payment: Payment, *, is_fresh: bool) -> gateway.KeyedCall[Intent]:
    """What is not sent any more (its key or its customer's press is too old, or staff look at the payment) is looked up instead."""
    return gateway.KeyedCall(
        is_fresh=is_fresh,
        send=lambda: _send(confirmation, payment),
        wait=lambda: idempotency.stored_by_another(lambda: _answered(confirmation.id)) is not None,
        look_up=lambda: None if payment.stripe_intent_id is None else refresh(payment.id),
        hold=lambda reason: stripe_sync.hold_by_id(KIND, payment.id, reason),
    )


def _answered(confirmation_id: str) -> str | None:
    with db.reading() as session:
        row = session.get_one(Confirmation, confirmation_id)
    return None if row.answered_at is None else row.id


def _send(confirmation: Confirmation, payment: Payment) -> Intent:
    crash.point("confirmation prepared")
    try:
        intent = gateway.current().confirm_intent(
            str(payment.stripe_intent_id),
            f"confirmation:{confirmation.id}",
            payment_method_id=confirmation.stripe_payment_method_id,
            off_session=confirmation.off_session,
            return_url=_way_back(payment),
            mandate=confirmation.mandate,
        )
    except (Declined, gateway.UnexpectedState) as answer:  # the bank said no; or it was paid elsewhere meanwhile
        log.info("confirmation_refused", payment_id=payment.id, code=answer.code)
        crash.point("confirmation refused")
        return refresh(payment.id)
    except (gateway.MissingAtStripe, gateway.Misconfigured):
        _explain(confirmation)
        raise
    crash.point("confirmation answered")
    if stripe_sync.settle(KIND, payment.id, intent, None, seen_version=payment.version):
        return intent
    return refresh(payment.id)


def _way_back(payment: Payment) -> str:
    """Where a page that this intent might lead to sends its customer back to. By what the intent was made with, which never changes: the
    confirmation's key is good for one and the same call.
    """
    return (
        f"{config.current().base_url}/payments/{payment.id}"
        if fence.may_leave((payment.sent or {}).get("methods") or {})
        else ""
    )


def _explain(confirmation: Confirmation) -> None:
    """Stripe refused the request itself: when that is because of the card, say so. A saved one that was taken away there goes here, too."""
    method = cards.upsert(confirmation.stripe_payment_method_id)
    with db.reading() as session:
        ours = payment_methods.stripe_customers_of(session, confirmation.customer_id)
    if method is None or method.customer_id not in ours:
        _mark_answered(confirmation)
        raise CardGone if confirmation.payment_method_id else cards.UnknownMethod


def _mark_answered(confirmation: Confirmation) -> None:
    """It is known what came of it. Until now everybody was told that the payment is on its way; when it is not, systems hear so now."""
    with db.transaction() as session:
        payment = stripe_sync.locked(KIND, session, confirmation.payment_id)
        row = session.get_one(Confirmation, confirmation.id)
        if row.answered_at is not None:
            return
        row.answered_at = clock.now()
        row.mandate = None  # Stripe keeps it
        crash.point("confirmation marked")
        if payment.status in _NOT_CHARGED:
            emit_failure(session, payment)


# One press, and automatic payment


def pay_with_card(
    customer_id: str,
    shares: Sequence[Share],
    payment_method_id: str,
    *,
    client_key: str,
    off_session: bool = False,
    at_most: Money | None = None,
) -> Payment:
    """Pay these shares of open invoices with a saved card, `at_most` that much; returns the payment as it is then, declined ones too.

    On session it may come back `requires_action`: its page lets the customer answer the bank. Off session a bank that wants to ask
    declines instead (failure code "authentication_required"). A payment that waits for its customer's answer to the bank is left as
    it is. A second call with the same key repeats nothing and returns the payment as it is now. When the answer is lost, the
    payment comes back with a confirmation that is unanswered (see queries.unanswered), and the worker finds out what happened.

    Raises NotFound for another customer's invoice or card, before Stripe is asked; Invalid for a selection that cannot be paid at once;
    cards.Expired, CardGone, Conflict (not open any more, more is due than `at_most`, or the key was used for other invoices), AlreadyPaid,
    InProgress, UnderReview; and the gateway's errors as long as nothing was sent that could charge the card.
    """
    idempotency.check_client_key(client_key)
    with db.reading() as session:
        recovery.refuse(session)
        confirmation = queries.by_press(session, customer_id, client_key)
    if confirmation is None:
        payment_id, confirmation = _begin_with_card(
            customer_id, shares, payment_method_id, client_key, off_session=off_session, at_most=at_most
        )
    else:
        payment_id = confirmation.payment_id
    if confirmation is not None:
        finish_attempt(confirmation.id)
    with db.reading() as session:
        payment = queries.for_customer(session, payment_id, customer_id)
    if set(payment.amounts) != {one.invoice_id for one in shares}:
        raise Conflict
    return payment


def pay_other_with_card(customer_id: str, payment_id: str, payment_method_id: str, *, client_key: str) -> Payment:
    """Pay a payment that was begun without an invoice with a saved card; otherwise like `pay_with_card`, raising the same."""
    idempotency.check_client_key(client_key)
    with db.reading() as session:
        confirmation = queries.by_press(session, customer_id, client_key)
    if confirmation is None:
        source = cards.from_saved(customer_id, payment_method_id)
        started = ensure_confirmable(payment_id, customer_id, save_card=False)
        confirmation = _record_after(started, source, client_key, off_session=False)
    if confirmation is not None:
        if confirmation.payment_id != payment_id:
            raise Conflict
        finish_attempt(confirmation.id)
    with db.reading() as session:
        return queries.for_customer(session, payment_id, customer_id)


def _begin_with_card(
    customer_id: str,
    shares: Sequence[Share],
    payment_method_id: str,
    client_key: str,
    *,
    off_session: bool,
    at_most: Money | None,
) -> tuple[str, Confirmation | None]:
    """The payment's id, and the confirmation to be sent unless the payment waits for its customer's answer to the bank."""
    source = cards.from_saved(customer_id, payment_method_id)
    if off_session:
        for one in shares:
            refuse_lost(customer_id, one.invoice_id)
    end_others(customer_id, shares, off_session=off_session)
    started = start(customer_id, shares, client_key=client_key, save_card=False, at_most=at_most)
    return started.payment_id, _record_after(started, source, client_key, off_session=off_session)


def _record_after(
    started: Started, source: cards.PaymentSource, client_key: str, *, off_session: bool
) -> Confirmation | None:
    if started.status == PaymentStatus.REQUIRES_ACTION:
        return None
    with db.transaction() as session:
        return record(session, started.payment_id, source, client_key=client_key, off_session=off_session)
