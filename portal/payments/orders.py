"""Paying from an app: the payment-processor for whoever has no page.

    process
        _place      transaction A: the payment, the order that led to it, and the confirmation to be sent if the order says what is charged
        _finish     Stripe: what was begun is finished: the intent is made, and the confirmation sent, each under a key from its row

An order is written down with what it begins. So the same key finds it again whatever was lost in between, and what is left to do
stands in rows that the worker knows: `payments.follow_up` and `payments.finish_confirmation` do it when nobody comes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from portal.accounts import queries as accounts
from portal.core import clock, crash, db, idempotency, method_kinds, recovery, texts
from portal.core.db import new_id
from portal.core.errors import N_, Invalid
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStatus
from portal.payment_methods import service as cards
from portal.payment_methods.fence import MandateMissing, NotAccepted
from portal.payment_methods.models import ID_PREFIX
from portal.payments import allocating, confirming, order_rules, queries, statuses
from portal.payments.allocating import Part
from portal.payments.canceling import end_others
from portal.payments.intents import check_limits, ensure_confirmable, ensure_intent, record, refresh, refuse_unresolved
from portal.payments.models import Payment, PlacedOrder
from portal.payments.order_rules import Order
from portal.payments.statuses import PaymentStatus

CONFIRM: Final = "confirm"
AUTHENTICATE: Final = "authenticate"
VERIFY: Final = "verify"


class KeyReused(Invalid):
    code = "key_reused"
    message = N_("This key was already used for another payment. Please use a new one.")


@dataclass(frozen=True, slots=True)
class OrderResult:
    """A payment as it is now. Where its customer has a step left, `next_action` names it and `client_secret` is for taking it:

    - "confirm": the client confirms the payment with a card of its customer's choice;
    - "authenticate": the customer answers the bank (3-D Secure), or approves on the page of the payment method;
    - "verify": the customer types on the payment's `verification_url` which small amounts arrived.
    """

    payment: Payment
    client_secret: str | None
    next_action: str | None


def process(order: Order) -> OrderResult:
    """Pay an invoice, or an amount, as an app orders it; returns the payment as it is then, declined ones too.

    The same order with the same key repeats nothing: what it began is finished, and the payment returned as it is now. An invoice
    that is being paid already goes on with its live payment, whose metadata stand. When the answer to a charge is lost, the
    payment comes back as `processing` (see statuses.public_status), and the worker finds out what happened. What has not reached Stripe
    within confirming.PRESENT_FOR is not charged any more.

    Raises, before anything is written: Invalid for a bad key or order, KeyReused, NotFound for another customer's invoice or card
    (Stripe is not asked) and while payments without an invoice are off, Conflict for an invoice that is not open, Unresolved while a
    payment of the same customer, amount and text may still be charged (unless the order allows it), AlreadyPaid, InProgress,
    UnderReview, cards.Expired and cards.UnknownMethod. Later: CardGone and UnknownMethod when Stripe does not take the
    card, and the gateway's errors, after which the same call goes on.
    """
    idempotency.check_client_key(order.client_key)
    with db.reading() as session:
        recovery.refuse(session)
        payment_id = _placed_before(session, order)
    if payment_id is None:
        order_rules.check(order)
        _check_amount(order)
        source = _source(order)
        if order.invoices:
            end_others(order.customer_id, order.invoices)
        crash.point("order checked")
        payment_id = _place(order, source)
    crash.point("order placed")
    return _finish(payment_id, order.customer_id, has_source=order.method is not None)


def current(payment_id: str, customer_id: str) -> OrderResult:
    """A payment as it is now, after what was begun for it is finished, with the secret while a step is left to its customer.

    Raises NotFound for another customer's, and what `process` raises later.
    """
    with db.reading() as session:
        queries.for_customer(session, payment_id, customer_id)
        order = queries.last_order(session, payment_id)
        tried = queries.last_card_tried(session, payment_id)
    return _finish(payment_id, customer_id, has_source=(order.method if order else tried) is not None)


# Before it is written


def _check_amount(order: Order) -> None:
    """Raises NotFound and Invalid for an amount that cannot be paid, or is not the invoice's."""
    if not order.invoices:
        if order.amount is not None:
            check_limits(order.amount)
        return
    allocating.check_shares(order.invoices)
    with db.reading() as session:
        allocating.wanted(session, order.customer_id, order.invoices)
        if len(order.invoices) == 1:
            _check_amount_due(order, session.get_one(Invoice, order.invoices[0].invoice_id))


def _check_amount_due(order: Order, invoice: Invoice) -> None:
    if invoice.status != InvoiceStatus.OPEN:
        return  # it is told that there is nothing to pay
    if order.amount is not None and order.amount != invoice.amount_due:
        raise Invalid(
            N_("%(due)s is due of invoice %(number)s."),
            field="amount" if order.amount.currency == invoice.currency else "currency",
            number=invoice.number,
            due=invoice.amount_due,
        )


def _source(order: Order) -> cards.PaymentSource | None:
    """What the order is charged to, if it says so. Stripe may be asked, so this comes last."""
    if order.method is None:
        if order.ip:
            cards.begin_payment(
                order.customer_id, order.ip, order.invoices[0].invoice_id if order.invoices else order.client_key
            )
        return None
    if order.method.startswith(f"{ID_PREFIX}_"):
        order_rules.check_id(order.method)
        return cards.from_saved(order.customer_id, order.method)
    return cards.from_reference(order.customer_id, order.method, ip=order.ip, agreed=order.mandate is not None)


# Phase one: the order is written


def _placed_before(session: Session, order: Order) -> str | None:
    """The payment that this order led to, if its key was used. Raises KeyReused when it was used for anything else."""
    placed = queries.order_by_key(session, order.customer_id, order.client_key)
    if placed is None:
        if queries.is_key_used(session, order.customer_id, order.client_key):
            raise KeyReused
        return None
    if placed.fingerprint != order.fingerprint:
        raise KeyReused
    return placed.payment_id


def _place(order: Order, source: cards.PaymentSource | None) -> str:
    """Write down the order with what it begins; returns the payment's id, also when another call with the key was faster."""
    with db.transaction() as session:
        accounts.customer(session, order.customer_id, lock=True)  # whoever comes with the same key waits here
        payment_id = _placed_before(session, order)
        if payment_id is not None:
            return payment_id
        amount, description = order.amount, texts.tidied(order.description)
        live, parts = None, list[Part]()
        if order.invoices:
            parts = allocating.lock_parts(session, order.customer_id, order.invoices)
            if len(parts) == 1:
                _check_amount_due(order, parts[0].invoice)  # a part may have been recorded meanwhile
            amount, description = allocating.total(parts), allocating.described(parts)
            live = allocating.live(session, parts)
        elif amount is not None and not order.allow_duplicate:
            refuse_unresolved(session, order.customer_id, amount, order.description.strip())
        if amount is None:
            raise Invalid(field="amount")
        if source is not None:
            kind, is_new = method_kinds.of(source.kind), source.payment_method_id is None
            if kind is not None and (
                amount.currency not in (kind.currencies or {amount.currency}) or (order.save_card and not kind.saved)
            ):
                raise NotAccepted
            if order.save_card and is_new and source.kind in method_kinds.WITH_MANDATE and order.mandate is None:
                raise MandateMissing
        if live is None:
            payment = record(
                session,
                customer_id=order.customer_id,
                parts=parts,
                client_key=order.client_key,
                amount=amount,
                description=description,
                save_card=order.save_card,
            )
            payment.items = [item.to_json() for item in order.items]
            payment.extra = dict(order.metadata)
            _record_order(session, order, payment.id, source)
            return payment.id
    return _join(order, live.id, source)


def _join(order: Order, payment_id: str, source: cards.PaymentSource | None) -> str:
    """Go on with the live payment of an invoice, in a transaction of its own: locked after the invoice it would be out of turn."""
    started = ensure_confirmable(payment_id, order.customer_id, save_card=order.save_card)
    if started.status == PaymentStatus.REQUIRES_ACTION:
        source = None  # its customer is answering the bank: nothing new is begun meanwhile
    with db.transaction() as session:
        accounts.customer(session, order.customer_id, lock=True)
        known = _placed_before(session, order)
        if known is None:
            _record_order(session, order, payment_id, source)
    return known or payment_id


def _record_order(session: Session, order: Order, payment_id: str, source: cards.PaymentSource | None) -> None:
    """The row of the order, and the confirmation to be sent for it, in the caller's transaction."""
    if source is not None:
        confirming.record(
            session, payment_id, source, client_key=order.client_key, off_session=False, mandate=order.mandate
        )
    session.add(
        PlacedOrder(
            id=new_id("ord"),
            customer_id=order.customer_id,
            client_key=order.client_key,
            payment_id=payment_id,
            fingerprint=order.fingerprint,
            method=order.method,
            created_at=clock.now(),
        )
    )
    session.flush()
    crash.point("order recorded")


# Phase two: what was begun is finished


def _finish(payment_id: str, customer_id: str, *, has_source: bool) -> OrderResult:
    """The payment after Stripe was asked as far as need be. Whoever said what is charged is not asked to confirm what was declined."""
    with db.reading() as session:
        payment = queries.for_customer(session, payment_id, customer_id)
        pending = queries.unanswered(session, payment_id)
        held = recovery.is_on(session)
    if held:  # it is read as it stands: nothing is sent, and nobody is given the means to pay
        return OrderResult(payment, None, None)
    if pending is not None:
        confirming.finish_attempt(pending.id)
        with db.reading() as session:
            payment = queries.for_customer(session, payment_id, customer_id)
        if payment.is_unanswered or _next_action(payment, has_source=has_source) is None:
            return OrderResult(payment, None, None)
    if payment.status in statuses.FINAL or payment.review_reason:
        return OrderResult(payment, None, None)
    intent = ensure_intent(payment_id) if payment.stripe_intent_id is None else refresh(payment_id)
    with db.reading() as session:
        payment = queries.for_customer(session, payment_id, customer_id)
    action = _next_action(payment, has_source=has_source)
    return OrderResult(payment, intent.client_secret if action else None, action)


def _next_action(payment: Payment, *, has_source: bool) -> str | None:
    if payment.review_reason:
        return None
    if payment.status == PaymentStatus.REQUIRES_ACTION:
        return VERIFY if payment.verification_url else AUTHENTICATE
    if payment.status in {PaymentStatus.REQUIRES_PAYMENT_METHOD, PaymentStatus.REQUIRES_CONFIRMATION}:
        return None if has_source and payment.failure_code else CONFIRM
    return None
