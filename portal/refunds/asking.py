"""Asking for money back: a customer within the policy's window, or staff without a request. The amount is reserved from then on.

Requests that race are put in a row by the lock of their payment, so together they never exceed what was paid.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from portal.core import clock, company_days, db, idempotency, money, texts
from portal.core.db import new_id
from portal.core.errors import N_, Conflict, Invalid
from portal.core.money import Money
from portal.payments import queries as payments
from portal.payments.models import Payment
from portal.refunds import executing, policy, queries, statuses
from portal.refunds.executing import locked
from portal.refunds.models import Refund, RefundOrigin
from portal.refunds.policy import RefundReason
from portal.refunds.settling import lock_payment, move
from portal.refunds.statuses import RefundStatus

LONGEST_TEXT: Final = 2_000


class WindowOver(Conflict):
    code = "refund_window_over"
    message = N_(
        "A refund for this reason could be requested until %(day)s. Please contact us if you think it "
        "should still be made."
    )


class NotRefundable(Conflict):
    code = "payment_not_refundable"
    message = N_("This payment cannot be refunded now.")


class AlreadyDecided(Conflict):
    code = "refund_already_decided"
    message = N_("This refund has been decided already. Nothing was changed.")


_WHY_NOT: Final = {
    executing.NOT_PAID: N_("Only a successful payment can be refunded."),
    executing.DISPUTED: N_("This payment is disputed at the bank, so it cannot be refunded here as well."),
    executing.METHOD_OVER: N_(
        "Its payment method takes no refunds any more after so many days. Please pay the money back another way."
    ),
}


def ask(
    customer_id: str,
    user_id: str | None,
    payment_id: str,
    amount: Money | None,
    reason: str,
    explanation: str,
    *,
    client_key: str,
    invoice_id: str | None = None,
) -> str:
    """A customer asks for money back; returns the refund's id. A second call with the same key returns the same one.

    A payment of several invoices is given back invoice by invoice: `invoice_id` says of which. Without an amount all that is left is asked
    for; what that was, the first call with the key has settled.

    `user_id` is missing where an app of the company's own asked, with an outside sign-in.

    Raises NotFound for another customer's payment, Invalid for an amount that is not left or a reason without its text, WindowOver,
    NotRefundable. Nothing is sent to Stripe by this.
    """
    return _record(
        payment_id,
        amount,
        _chosen(reason, policy.OF_CUSTOMERS),
        explanation,
        customer_id=customer_id,
        user_id=user_id,
        origin=RefundOrigin.CUSTOMER,
        client_key=client_key,
        invoice_id=invoice_id,
    )


def propose(
    user_id: str,
    payment_id: str,
    amount: Money | None,
    reason: str,
    note: str,
    *,
    client_key: str,
    invoice_id: str | None = None,
) -> str:
    """Staff propose a refund that nobody asked for; it is decided like all others. Raises as `ask` does, but for the window."""
    return _record(
        payment_id,
        amount,
        _chosen(reason, policy.OF_STAFF),
        note,
        customer_id=None,
        user_id=user_id,
        origin=RefundOrigin.STAFF,
        client_key=client_key,
        invoice_id=invoice_id,
    )


def _chosen(reason: str, offered: tuple[RefundReason, ...]) -> RefundReason:
    if reason not in offered:
        raise Invalid(N_("Please choose a reason."), field="reason")
    return RefundReason(reason)


def _record(  # noqa: PLR0913  # the facts of one request
    payment_id: str,
    amount: Money | None,
    reason: RefundReason,
    text: str,
    *,
    customer_id: str | None,
    user_id: str | None,
    origin: RefundOrigin,
    client_key: str,
    invoice_id: str | None,
) -> str:
    idempotency.check_client_key(client_key)
    text = plain_text(text, "explanation")
    if reason == RefundReason.OTHER and not text:
        raise Invalid(N_("Please give a reason in a few words."), field="explanation")
    with db.transaction() as session:
        payment = lock_payment(session, payment_id, customer_id)
        known = queries.by_client_key(session, payment.customer_id, client_key)
        if known is not None:
            is_same = known.payment_id == payment_id and invoice_id in {None, known.invoice_id}
            if not is_same or amount not in {None, known.asked}:
                raise Invalid(
                    N_("This form was already used for another refund. Please reload the page."), code="key_reused"
                )
            return known.id
        refuse_where_impossible(session, payment)
        if origin == RefundOrigin.CUSTOMER:
            _refuse_after_window(payment, reason)
        invoice_id = chosen_invoice(session, payment, invoice_id)
        remaining = queries.remaining(session, payment, invoice_id)
        wanted = remaining if amount is None else amount
        check_amount(wanted, remaining)
        row = add(
            session, payment, invoice_id, wanted, reason, text, origin=origin, user_id=user_id, client_key=client_key
        )
        move(session, row, RefundStatus.REQUESTED, {"origin": origin, "reason": reason})
        return row.id


def chosen_invoice(session: Session, payment: Payment, invoice_id: str | None) -> str | None:
    """Which invoice of a payment is given back: the one that was named, or the only one. None of a payment without one.

    Raises Invalid (field "invoice_id") for one that it did not pay, and where it paid several and none is named.
    """
    paid = [one.invoice_id for one in payments.allocations_of(session, payment.id)]
    if invoice_id is not None and invoice_id not in paid:
        raise Invalid(N_("This payment did not pay that invoice."), field="invoice_id")
    if invoice_id is None and len(paid) > 1:
        raise Invalid(
            N_("This payment is for several invoices. Please choose the one that is refunded."), field="invoice_id"
        )
    return invoice_id or next(iter(paid), None)


def add(  # noqa: PLR0913  # the facts of one refund
    session: Session,
    payment: Payment,
    invoice_id: str | None,
    amount: Money,
    reason: RefundReason,
    text: str,
    *,
    origin: RefundOrigin,
    user_id: str | None,
    client_key: str,
) -> Refund:
    """Write a refund in its first status; the amount is reserved by it. In the caller's transaction, which holds the payment's lock."""
    row = drafted(payment, invoice_id, amount, reason, text, origin=origin, user_id=user_id, client_key=client_key)
    session.add(row)
    session.flush()
    return row


def drafted(
    payment: Payment,
    invoice_id: str | None,
    amount: Money,
    reason: RefundReason,
    text: str,
    *,
    origin: RefundOrigin,
    user_id: str | None,
    client_key: str,
) -> Refund:
    """A refund in its first status that is not written yet."""
    now = clock.now()
    return Refund(
        id=new_id("rfd"),
        payment_id=payment.id,
        invoice_id=invoice_id,
        customer_id=payment.customer_id,
        client_key=client_key,
        origin=origin,
        asked_by=user_id,
        asked_at=now,
        asked_minor=amount.minor,
        amount_minor=amount.minor,
        currency=amount.currency,
        reason=reason,
        explanation=text,
        status=RefundStatus.REQUESTED,
        rejection="",
        staff_note="",
        attempt=1,
        acquirer_reference_number="",
        failure_reason="",
        resolution="",
        resolution_note="",
        review_reason="",
        updated_at=now,
        version=0,
    )


def plain_text(text: str, field: str) -> str:
    return texts.several_lines(text, field=field, longest=LONGEST_TEXT)


def refuse_where_impossible(session: Session, payment: Payment) -> None:
    reason = executing.why_not(session, payment)
    if reason:
        raise NotRefundable(_WHY_NOT.get(reason, NotRefundable.message))


def why_not_refundable(session: Session, payment: Payment) -> NotRefundable | Invalid | None:
    """What a proposal of a refund of this payment would be refused with, whatever its amount; None where one can be proposed."""
    try:
        refuse_where_impossible(session, payment)
        remaining = queries.sums(session, payment).remaining
        check_amount(remaining, remaining)
    except (NotRefundable, Invalid) as refusal:
        return refusal
    return None


def _refuse_after_window(payment: Payment, reason: str) -> None:
    last_day = policy.last_day(reason, payment.succeeded_at or payment.created_at)
    if company_days.today() > last_day:
        raise WindowOver(day=last_day)


def check_amount(amount: Money, remaining: Money) -> None:
    if amount.currency != remaining.currency:
        raise Invalid(N_("The refund is in another currency than the payment."), field="amount")
    if remaining.minor <= 0:  # first: whoever names no amount asks for all that is left, which is zero then
        raise Invalid(N_("Nothing of this payment is left to refund."), field="amount", code="nothing_left")
    if amount.minor <= 0:
        raise Invalid(N_("Please enter an amount above zero."), field="amount")
    _refuse_between_steps(amount)
    if amount > remaining:
        raise Invalid(
            N_("At most %(remaining)s of this payment can still be refunded."),
            field="amount",
            code="too_much",
            remaining=remaining,
        )


def _refuse_between_steps(amount: Money) -> None:
    """Stripe gives back in the steps in which it charges."""
    try:
        money.check_granularity(amount)
    except ValueError as error:
        step = money.charge_step(amount.currency)
        raise Invalid(N_("This currency is refunded in steps of %(step)s."), field="amount", step=step) from error


def withdraw(refund_id: str, customer_id: str) -> None:
    """The customer does not want it any more. A second call changes nothing. Raises NotFound, AlreadyDecided."""
    with db.reading() as session:
        queries.for_customer(session, refund_id, customer_id)
    with db.transaction() as session:
        row = locked(session, refund_id)
        if row.status == RefundStatus.WITHDRAWN:
            return
        if row.status not in statuses.UNDECIDED:
            raise AlreadyDecided
        move(session, row, RefundStatus.WITHDRAWN)


def windows(payment: Payment) -> dict[str, bool]:
    """Which reasons a customer may still give for this payment, in the order in which they are offered."""
    paid_at = payment.succeeded_at or payment.created_at
    return {reason: company_days.today() <= policy.last_day(reason, paid_at) for reason in policy.OF_CUSTOMERS}
