"""The beginning of a payment: its row with the job that looks after it, then its intent at Stripe, ready to be confirmed.

    record_custom_payment, start_for_invoice    transaction A: the row, its audit event and the follow-up job
    ensure_confirmable                          Stripe: create the intent under a key made from the row; transaction B: its id

From then on `refresh` follows the intent. How the row and its intent are kept together is portal.stripe_sync's: KIND says what is a
payment's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import update
from sqlalchemy.orm import Session

from portal import gateway, stripe_sync
from portal.accounts import queries as accounts
from portal.core import audit, clock, config, crash, db, idempotency, metrics, money, recovery, texts
from portal.core.db import new_id
from portal.core.errors import N_, Conflict, Invalid, NotFound, PortalError, Unavailable
from portal.core.money import Money
from portal.core.synced_rows import hold_for_review
from portal.gateway import Intent
from portal.payment_methods import fence
from portal.payment_methods import service as cards
from portal.payments import allocating, jobs, queries, statuses
from portal.payments.allocating import Part
from portal.payments.models import Payment, PaymentStep
from portal.payments.order_rules import LONGEST_DESCRIPTION, Share, whole
from portal.payments.settling import apply, has_changes, mismatch
from portal.payments.statuses import PaymentStatus

log = structlog.get_logger(__name__)

# The worker looks after every payment by itself, first after this long: webhooks may be lost, and all is known within a minute. Seconds.
FIRST_CHECK_SECONDS: Final = 30
NOT_CHARGED: Final = N_("You were not charged. Our payment provider is not responding. Please try again in a minute.")


class AlreadyPaid(Conflict):
    code = "already_paid"
    message = N_("You were not charged again: this is already paid.")


class InProgress(Conflict):
    code = "payment_in_progress"
    message = N_(
        "Your bank is still processing this payment. You don’t need to do anything; we will send you the receipt."
    )


class UnderReview(Conflict):
    code = "payment_under_review"
    message = N_("This payment is under review. Please do not pay again. We will e-mail you.")


class Unresolved(Conflict):
    """`payment_id` is the payment that looks like this one and may still take its money."""

    code = "payment_unresolved"
    message = N_(
        "You were not charged again: a payment of %(amount)s for “%(description)s” is still being "
        "processed. Please wait for its result."
    )

    def __init__(self, payment: Payment) -> None:
        self.payment_id = payment.id
        super().__init__(amount=payment.amount, description=payment.description)


@dataclass(frozen=True, slots=True)
class Started:
    """What a browser or an app needs to let the customer confirm. The secret belongs to this customer alone."""

    payment_id: str
    intent_id: str
    status: str
    client_secret: str


# Phase one: the row


def start_for_invoice(
    customer_id: str,
    invoice_id: str,
    *,
    client_key: str,
    save_card: bool,
    at_most: Money | None = None,
    receipt_to: str = "",
) -> Started:
    """`start` for what is due of one invoice."""
    return start(
        customer_id,
        whole(invoice_id),
        client_key=client_key,
        save_card=save_card,
        at_most=at_most,
        receipt_to=receipt_to,
    )


def start(
    customer_id: str,
    shares: Sequence[Share],
    *,
    client_key: str,
    save_card: bool,
    at_most: Money | None = None,
    receipt_to: str = "",
) -> Started:
    """Begin paying these shares of open invoices with one payment, or go on with the payment that they already have: two tabs and two
    devices reach the same one. `receipt_to` is an address that gets the receipt besides, of who is not signed in.

    Raises NotFound and Invalid (a selection that cannot be paid at once), Conflict (not open any more, being recorded as paid in another
    way, being paid with others or by another amount, or more is due than `at_most`), AlreadyPaid, InProgress, UnderReview, and the
    gateway's errors; after Unavailable the row is there and the worker goes on, and a second call finds it.
    """
    idempotency.check_client_key(client_key)
    with db.transaction() as session:
        recovery.refuse(session)
        parts = allocating.lock_parts(session, customer_id, shares, at_most=at_most)
        payment = allocating.live(session, parts)
        if payment is None:
            if queries.by_client_key(session, customer_id, client_key) is not None:
                raise Conflict
            payment = record(
                session,
                customer_id=customer_id,
                parts=parts,
                client_key=client_key,
                amount=allocating.total(parts),
                description=allocating.described(parts),
                save_card=save_card,
                receipt_to=receipt_to,
            )
    return ensure_confirmable(payment.id, customer_id, save_card=save_card, receipt_to=receipt_to)


def record_custom_payment(
    customer_id: str, amount: Money, description: str, *, client_key: str, allow_duplicate: bool = False
) -> str:
    """Record that a customer wants to pay an amount without an invoice; returns the payment's id.

    A second call with the same key returns the same payment. Raises Invalid for an amount outside the limits or a key that
    was used for another amount, NotFound while such payments are switched off, and Unresolved while the same may still be charged,
    unless `allow_duplicate`.
    """
    idempotency.check_client_key(client_key)
    description = texts.one_line(description, field="description", longest=LONGEST_DESCRIPTION, required=True)
    check_limits(amount)
    with db.transaction() as session:
        recovery.refuse(session)
        accounts.customer(session, customer_id, lock=True)
        known = queries.by_client_key(session, customer_id, client_key)
        if known is not None:
            if known.amount != amount or known.has_invoices:
                raise Invalid(
                    N_("This form was already used for another payment. Please reload the page."), code="key_reused"
                )
            return known.id
        if not allow_duplicate:
            refuse_unresolved(session, customer_id, amount, description)
        return record(
            session,
            customer_id=customer_id,
            client_key=client_key,
            amount=amount,
            description=description,
            save_card=False,
        ).id


def check_limits(amount: Money) -> None:
    """Raises NotFound when payments without an invoice are off, Invalid when the amount is not allowed."""
    settings = config.current()
    if not settings.pay_any_amount:
        raise NotFound
    limits = settings.pay_any_amount_limits.get(amount.currency)
    if limits is None:
        raise Invalid(N_("We do not accept payments in this currency."), field="currency")
    least, most = (money.from_decimal(limit, amount.currency) for limit in limits)
    if not least <= amount <= most:
        raise Invalid(
            N_("Please enter an amount from %(least)s to %(most)s."),
            field="amount",
            least=least,
            most=most,
        )
    try:
        money.check_granularity(amount)
    except ValueError as error:
        raise Invalid(N_("Please enter an amount that can be paid by card."), field="amount") from error


def refuse_unresolved(session: Session, customer_id: str, amount: Money, description: str) -> None:
    """Raises Unresolved while a payment of this customer, amount and text may still take its money by itself.

    The caller holds the customer's lock: of two that are ordered at once one is written first, and the other one finds it.
    """
    alike = queries.unresolved_like(session, customer_id, amount, description)
    if alike is not None:
        metrics.DUPLICATES_STOPPED.labels("payment").inc()
        raise Unresolved(alike)


def record(
    session: Session,
    *,
    customer_id: str,
    client_key: str,
    amount: Money,
    description: str,
    save_card: bool,
    parts: Sequence[Part] = (),
    receipt_to: str = "",
) -> Payment:
    """The row with its allocations, its first step, its audit event and the job that looks after it, in the caller's transaction.

    `parts` are what it takes of invoices, which come to its amount; none of a payment without an invoice.
    """
    now = clock.now()
    payment = Payment(
        id=new_id("pay"),
        customer_id=customer_id,
        has_invoices=bool(parts),
        allocations=allocating.rows_of(parts),
        client_key=client_key,
        amount_minor=amount.minor,
        currency=amount.currency,
        description=description,
        paid_by=_acting("customer"),
        pay_link_id=_acting("pay_link"),
        receipt_to=receipt_to,
        save_card=save_card,
        status=PaymentStatus.CREATED,
        attempt=1,
        version=1,
        created_at=now,
        updated_at=now,
    )
    session.add(payment)
    session.flush()
    session.add(PaymentStep.of(payment))
    audit.record(
        session,
        "payment.started",
        payment.id,
        {"amount": str(amount), **allocating.named(parts)},
        customer_id=customer_id,
    )
    jobs.follow_up.enqueue_in(session, FIRST_CHECK_SECONDS, payment_id=payment.id)
    crash.point("payment recorded")
    return payment


def _acting(kind: str) -> str | None:
    """The id of who acts, if it is one of this kind: the customer's user, or the pay link of somebody who is not signed in."""
    actor = audit.actor()
    return actor.id if actor.kind == kind and actor.id else None


def _note_who_pays(payment: Payment, receipt_to: str) -> None:
    """A payment that somebody else began is paid by whoever goes on with it."""
    now = {"paid_by": _acting("customer"), "pay_link_id": _acting("pay_link"), "receipt_to": receipt_to}
    if payment.status in statuses.FINAL or all(getattr(payment, name) == value for name, value in now.items()):
        return
    with db.transaction() as session:
        session.execute(update(Payment).where(Payment.id == payment.id).values(now))


# Phase two: the intent


def ensure_confirmable(payment_id: str, customer_id: str, *, save_card: bool, receipt_to: str = "") -> Started:
    """Make sure that Stripe has this payment's intent and that it can be confirmed now. Raises as start_for_invoice does."""
    with db.reading() as session:
        recovery.refuse(session)
        payment = queries.for_customer(session, payment_id, customer_id)
    if payment.review_reason:
        raise UnderReview
    _note_who_pays(payment, receipt_to)
    intent = ensure_intent(payment_id) if payment.stripe_intent_id is None else refresh(payment_id)
    if intent.status == PaymentStatus.SUCCEEDED:
        raise AlreadyPaid
    if intent.status == PaymentStatus.PROCESSING:
        raise InProgress
    if intent.status == PaymentStatus.CANCELED:
        raise Conflict
    # Once the bank has been asked, the choice that it was asked with stands.
    if intent.status != PaymentStatus.REQUIRES_ACTION and save_card != (intent.setup_future_usage is not None):
        intent = change_saving(payment_id, intent, save_card=save_card)
    return Started(payment_id, intent.id, intent.status, intent.client_secret)


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


def change_saving(payment_id: str, intent: Intent, *, save_card: bool) -> Intent:
    """Keep the card, or do not, as the customer last chose. Where the intent is too far for that, its first choice stands."""
    try:
        changed = gateway.current().set_saving(intent.id, save_card=save_card)
    except (gateway.UnexpectedState, gateway.Misconfigured):
        log.info("saving_choice_too_late", payment_id=payment_id)
        return intent
    with db.transaction() as session:
        stripe_sync.locked(KIND, session, payment_id).save_card = save_card
    return changed


# Following it


def refresh(payment_id: str) -> Intent:
    """Fetch a payment's intent and take over what it says. Raises as stripe_sync.refresh does."""
    return stripe_sync.refresh(KIND, payment_id)


# What stripe_sync knows of a payment


def _prepare(payment: Payment) -> Mapping[str, Any]:
    with db.reading() as session:
        allocations = queries.allocations_of(session, payment.id)
    return {
        "customer_id": cards.ensure_stripe_customer(payment.customer_id),
        "description": payment.description,
        "metadata": {
            **payment.extra,
            "payment_id": payment.id,
            "customer_id": payment.customer_id,
            **allocating.labels(allocations),
        },
        "save_card": payment.save_card,
        "methods": fence.asked_of_payment(),
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
    can_cancel=lambda intent: intent.status in statuses.WAITING_FOR_CUSTOMER,
)
