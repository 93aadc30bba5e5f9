"""The way of a payment: record the intent to pay, make it known at Stripe, record what Stripe says.

The payment-processor of the seed documents. No transaction is open while Stripe is asked, and the id of an intent is committed
before the intent can take money; so a crash at any line leaves a row from which the rest can be found out:

    start_…      transaction A: the row, its audit event and the follow-up job
    proceed      Stripe: create the intent under a key made from the row; transaction B: its id
    (browser)    Stripe: the customer confirms, with 3-D Secure where the bank asks
    refresh      Stripe: fetch the intent; transaction C: settle

Webhooks, the page after paying, and the follow-up job all end in `refresh`, and `settle` is the only place where a status changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import audit, clock, config, db, gateway, idempotency, money, outbox
from portal.accounts.models import Customer
from portal.cards import queries as saved_cards
from portal.cards import service as cards
from portal.db import new_id
from portal.errors import N_, Conflict, Invalid, NotFound, RateLimited, Unavailable
from portal.invoices import service as invoices
from portal.invoices.models import Invoice
from portal.money import Money
from portal.payments import confirming, queries, states
from portal.payments.intents import UnderReview, adopt, change_saving, ensure_intent
from portal.payments.models import Confirmation, Payment
from portal.payments.settling import add_step, refresh

log = structlog.get_logger(__name__)

# The worker looks after every payment by itself, first after this long: webhooks may be lost. Seconds.
FIRST_LOOK_SECONDS: Final = 60
LONGEST_LOOK_SECONDS: Final = 6 * 3600
# A payment that its customer has not finished by then is canceled.
ABANDONED_AFTER_DAYS: Final = 7


class AlreadyPaid(Conflict):
    code = "already_paid"
    message = N_("This is paid already. You were not charged again.")


class InProgress(Conflict):
    code = "payment_in_progress"
    message = N_("Your bank is still working on this payment. You need not do anything; we will send you the receipt.")


@dataclass(frozen=True, slots=True)
class Started:
    """What a browser or an app needs to let the customer confirm. The secret belongs to this customer alone."""

    payment_id: str
    intent_id: str
    status: str
    client_secret: str


# Phase one: the row


def start_for_invoice(customer_id: str, invoice_id: str, *, client_key: str, save_card: bool) -> Started:
    """Begin paying an open invoice, or go on with the payment that it already has: two tabs and two devices reach the same one.

    Raises NotFound, Conflict (not open any more), AlreadyPaid, InProgress, UnderReview, and the gateway's errors; after
    Unavailable the row is there and the worker goes on, and a second call finds it.
    """
    idempotency.check_client_key(client_key)
    with db.transaction() as session:
        invoice = invoices.lock_open(session, invoice_id, customer_id)
        payment = queries.live_of_invoice(session, invoice_id)
        if payment is None:
            _refuse_used_key(session, customer_id, client_key)
            payment = _record(
                session,
                customer_id=customer_id,
                invoice_id=invoice_id,
                client_key=client_key,
                amount=invoice.total,
                description=invoice.number,
                save_card=save_card,
            )
    return proceed(payment.id, customer_id, save_card=save_card)


def record_other(customer_id: str, amount: Money, description: str, *, client_key: str) -> str:
    """Record that a customer wants to pay an amount without an invoice; returns the payment's id.

    A second call with the same key returns the same payment. Raises Invalid for an amount outside the limits or a key that
    was used for another amount, NotFound while such payments are switched off.
    """
    idempotency.check_client_key(client_key)
    check_limits(amount)
    with db.transaction() as session:
        session.execute(select(Customer.id).where(Customer.id == customer_id).with_for_update())
        known = _by_client_key(session, customer_id, client_key)
        if known is not None:
            if known.amount != amount or known.invoice_id is not None:
                raise Invalid(
                    N_("This form was already used for another payment. Please reload the page."), code="key_reused"
                )
            return known.id
        return _record(
            session,
            customer_id=customer_id,
            invoice_id=None,
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
        raise Invalid(N_("We do not take payments in this currency."), field="currency")
    least, most = (money.from_decimal(limit, amount.currency) for limit in limits)
    if not least <= amount <= most:
        raise Invalid(
            N_("Please enter an amount from %(least)s to %(most)s."),
            field="amount",
            least=least.plain(),
            most=most.plain(),
        )
    try:
        money.check_granularity(amount)
    except ValueError as error:
        raise Invalid(N_("Please enter an amount that can be paid by card."), field="amount") from error


def _by_client_key(session: Session, customer_id: str, client_key: str) -> Payment | None:
    return session.execute(
        select(Payment).where(Payment.customer_id == customer_id, Payment.client_key == client_key)
    ).scalar_one_or_none()


def _refuse_used_key(session: Session, customer_id: str, client_key: str) -> None:
    if _by_client_key(session, customer_id, client_key) is not None:
        raise Conflict


def _record(
    session: Session,
    *,
    customer_id: str,
    invoice_id: str | None,
    client_key: str,
    amount: Money,
    description: str,
    save_card: bool,
) -> Payment:
    now = clock.now()
    payment = Payment(
        id=new_id("pay"),
        customer_id=customer_id,
        invoice_id=invoice_id,
        client_key=client_key,
        amount_minor=amount.minor,
        currency=amount.currency,
        description=description,
        save_card=save_card,
        status=states.CREATED,
        attempt=1,
        version=1,
        created_at=now,
        updated_at=now,
    )
    session.add(payment)
    session.flush()
    add_step(session, payment)
    audit.record(
        session,
        "payment.started",
        payment.id,
        {"amount": str(amount), "invoice": invoice_id},
        customer_id=customer_id,
    )
    outbox.enqueue(
        session,
        "payments.follow_up",
        key=f"follow_up:{payment.id}",
        delay_seconds=FIRST_LOOK_SECONDS,
        payment_id=payment.id,
    )
    return payment


# Phase two: the intent


def proceed(payment_id: str, customer_id: str, *, save_card: bool) -> Started:
    """Make sure that Stripe has this payment's intent and that it can be confirmed now. Raises as start_for_invoice does."""
    with db.reading() as session:
        payment = queries.for_customer(session, payment_id, customer_id)
    if payment.finding:
        raise UnderReview
    intent = ensure_intent(payment_id) if payment.stripe_intent_id is None else refresh(payment_id)
    if intent.status == states.SUCCEEDED:
        raise AlreadyPaid
    if intent.status == states.PROCESSING:
        raise InProgress
    if intent.status == states.CANCELED:
        raise Conflict
    # Once the bank has been asked, the choice that it was asked with stands.
    if intent.status != states.REQUIRES_ACTION and save_card != (intent.setup_future_usage is not None):
        intent = change_saving(payment_id, intent, save_card=save_card)
    return Started(payment_id, intent.id, intent.status, intent.client_secret)


# Instead of the browser: a saved card is charged from here


def pay_with_card(
    customer_id: str, invoice_id: str, card_id: str, *, client_key: str, off_session: bool = False
) -> Payment:
    """Pay an open invoice with a saved card; returns the payment as it is then, declined ones too.

    On session it may come back `requires_action`: its page lets the customer answer the bank. Off session a bank that wants to ask
    declines instead (failure code "authentication_required"). A payment that waits for its customer's answer to the bank is left as
    it is. A second call with the same key repeats nothing and returns the payment as it is now. When the answer is lost, the
    payment comes back with a confirmation that is unanswered (see queries.unanswered), and the worker finds out what happened.

    Raises NotFound for another customer's invoice or card, before Stripe is asked; cards.Expired, CardGone, Conflict (not open
    any more, or the key was used for another invoice), AlreadyPaid, InProgress, UnderReview; and the gateway's errors as long as
    nothing was sent that could charge the card.
    """
    idempotency.check_client_key(client_key)
    with db.reading() as session:
        begun = queries.by_press(session, customer_id, client_key)
    if begun is None:
        payment_id, begun = _begin_with_card(customer_id, invoice_id, card_id, client_key, off_session=off_session)
    else:
        payment_id = begun.payment_id
    if begun is not None:
        try:
            confirming.finish(begun.id)
        except gateway.Misconfigured:
            raise
        except (Unavailable, RateLimited):
            log.warning("confirmation_unanswered", payment_id=payment_id, exc_info=True)
    with db.reading() as session:
        payment = queries.for_customer(session, payment_id, customer_id)
    if payment.invoice_id != invoice_id:
        raise Conflict
    return payment


def _begin_with_card(
    customer_id: str, invoice_id: str, card_id: str, client_key: str, *, off_session: bool
) -> tuple[str, Confirmation | None]:
    """The payment's id, and the confirmation to be sent unless the payment waits for its customer's answer to the bank."""
    with db.reading() as session:
        card = saved_cards.for_customer(session, card_id, customer_id)
    if card.is_expired:
        raise cards.Expired
    started = start_for_invoice(customer_id, invoice_id, client_key=client_key, save_card=False)
    if started.status == states.REQUIRES_ACTION:
        return started.payment_id, None
    with db.transaction() as session:
        begun = confirming.claim(session, started.payment_id, card, client_key=client_key, off_session=off_session)
    return started.payment_id, begun


def look_again(payment_id: str) -> None:
    """Learn at Stripe what has become of a payment, and finish what a press of its customer's button began.

    Raises Conflict for a payment without an intent, and the gateway's errors.
    """
    with db.reading() as session:
        begun = queries.unanswered(session, payment_id)
    if begun is not None:
        confirming.finish(begun.id)
    else:
        refresh(payment_id)


@invoices.guards_void
def _no_payment_under_way(session: Session, invoice: Invoice) -> None:
    """An invoice that someone is paying must not be withdrawn under their hands."""
    if queries.live_of_invoice(session, invoice.id) is not None:
        raise Conflict(N_("Invoice %(number)s is being paid. Cancel the payment first."), number=invoice.number)


# The worker's part


def follow_up(payment_id: str) -> None:
    """Finish what was begun, whoever died: make the missing intent, learn the outcome, cancel what was abandoned.

    Raises outbox.Later while the payment is not at its end; a payment that is, and has its fee, needs no more looks.
    """
    with db.reading() as session:
        payment = session.get(Payment, payment_id)
    if payment is None or payment.finding or payment.status == states.CANCELED:
        return
    intent = ensure_intent(payment_id) if payment.stripe_intent_id is None else refresh(payment_id)
    if intent.status == states.SUCCEEDED and intent.charge and intent.charge.balance_transaction:
        return
    age = clock.now() - payment.created_at
    if intent.status in states.WAITING_FOR_CUSTOMER and age > timedelta(days=ABANDONED_AFTER_DAYS):
        cancel(payment_id)
        return
    if intent.status != states.CANCELED:
        raise outbox.Later(min(max(age.total_seconds() / 2, FIRST_LOOK_SECONDS), LONGEST_LOOK_SECONDS))


def cancel(payment_id: str) -> None:
    """Call off a payment that waits for its customer. One that has succeeded in the meantime is settled instead."""
    with db.reading() as session:
        payment = session.get(Payment, payment_id)
    if payment is None or payment.stripe_intent_id is None:
        raise Conflict
    try:
        gateway.current().cancel_intent(payment.stripe_intent_id, f"cancel:{payment.id}:{payment.attempt}")
    except gateway.UnexpectedState:
        log.info("cancel_too_late", payment_id=payment_id)
    refresh(payment_id)


def call_off_waiting(customer_id: str) -> None:
    """Cancel what a customer has begun to pay and not finished: Stripe lost the customer it was begun for.

    The invoices can be paid with a new payment at once. A second call finds nothing left to cancel.
    """
    with db.reading() as session:
        waiting = queries.waiting_for(session, customer_id)
    for payment_id in waiting:
        cancel(payment_id)


def hear_of_intent(intent_id: str) -> bool:
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
        return False
    try:
        adopt(payment_id, intent)
    except UnderReview:
        log.error("second_intent", payment_id=payment_id, intent_id=intent_id)
        if intent.status == states.SUCCEEDED:
            adopt(_record_stray(payment, intent_id), intent)
    return True


def _record_stray(payment: Payment, intent_id: str) -> str:
    """The row for money that a second intent of a payment has taken: it is in the books, and goes back by itself as a duplicate.

    Returns its id, also on a second call.
    """
    key = f"second:{intent_id}"
    with db.transaction() as session:
        session.execute(select(Customer.id).where(Customer.id == payment.customer_id).with_for_update())
        known = _by_client_key(session, payment.customer_id, key)
        if known is not None:
            return known.id
        row = _record(
            session,
            customer_id=payment.customer_id,
            invoice_id=None,
            client_key=key,
            amount=payment.amount,
            description=payment.description,
            save_card=False,
        )
        outbox.enqueue(session, "refunds.return_duplicate", key=f"return:{row.id}", payment_id=row.id)
        return row.id
