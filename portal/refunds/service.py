"""Asking for money back, and deciding on it: the refund-service of the seed documents, together with `executing` and `settling`.

    ask            a customer, within the policy's window; the amount is reserved from then on, under the payment's lock
    propose        staff, without a request; it goes the same way
    claim          a member of staff looks at it, and no one else decides it meanwhile
    approve        frozen and handed to the worker; above the threshold of its currency after two people have approved
    reject         with a reason that the customer reads

Requests that race are put in a row by the lock of their payment, so together they never exceed what was paid. Whoever decides is checked
here, not in the pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.orm import Session

from portal import audit, clock, config, db, gateway, idempotency, money, outbox
from portal.accounts import queries as accounts
from portal.accounts.models import STAFF_ROLES
from portal.db import new_id
from portal.errors import N_, Conflict, Forbidden, Invalid
from portal.invoices.models import PAID, Invoice
from portal.money import Money
from portal.payments import queries as payments
from portal.payments.models import Payment
from portal.refunds import executing, policy, queries, states
from portal.refunds.models import CUSTOMER, PORTAL, STAFF, STRIPE, Refund, RefundStep
from portal.refunds.settling import adopt, lock_payment, locked, mark, move, refresh, touch

log = structlog.get_logger(__name__)

LONGEST_TEXT: Final = 2_000
# While someone looks at a request, nobody else decides it; whoever forgets it loses it after this long.
CLAIM_HOLDS: Final = timedelta(minutes=15)
# What is under way and was not touched for this long has lost its job.
LEFT_BEHIND_AFTER: Final = timedelta(days=2)
MOST_LEFT_BEHIND: Final = 200


class WindowOver(Conflict):
    code = "refund_window_over"
    message = N_(
        "A refund for this reason could be asked for until %(day)s. Please write to us if you think that it should be made."
    )


class NotRefundable(Conflict):
    code = "payment_not_refundable"
    message = N_("This payment cannot be refunded now.")


class AlreadyDecided(Conflict):
    code = "refund_already_decided"
    message = N_("This refund has been decided already. Nothing was changed.")


class ClaimedByOther(Conflict):
    code = "refund_claimed"
    message = N_("%(name)s is looking at this refund. Please leave it to them, or wait a few minutes.")


class LookFirst(Conflict):
    code = "refund_has_finding"
    message = N_("This refund was set aside. An approver has to release it before it can be approved.")


class FourEyes(Forbidden):
    code = "four_eyes"
    message = N_("Two people must approve this amount, and you are one of them already. Please ask a colleague.")


class NotYours(Forbidden):
    code = "role_too_low"
    message = N_("Your role may not approve this amount. Please ask an approver.")


class ShownByStripe(Conflict):
    code = "refund_found"
    message = N_("Stripe shows this refund after all. It was not sent again.")


_WHY_NOT: Final = {
    executing.NOT_PAID: N_("Only a payment that has arrived can be refunded."),
    executing.DISPUTED: N_("This payment is disputed with the bank, so it cannot be refunded here as well."),
}


@dataclass(frozen=True, slots=True)
class Clerk:
    """A member of staff who decides."""

    id: str
    role: str

    @property
    def is_approver(self) -> bool:
        return self.role in {"approver", "admin"}


# Asking


def ask(
    customer_id: str, user_id: str, payment_id: str, amount: Money, reason: str, explanation: str, *, client_key: str
) -> str:
    """A customer asks for money back; returns the refund's id. A second call with the same key returns the same one.

    Raises NotFound for another customer's payment, Invalid for an amount that is not left or a reason without its text, WindowOver,
    NotRefundable. Nothing is sent to Stripe by this.
    """
    if reason not in policy.OF_CUSTOMERS:
        raise Invalid(N_("Please choose a reason."), field="reason")
    return _record(
        payment_id,
        amount,
        reason,
        explanation,
        customer_id=customer_id,
        user_id=user_id,
        origin=CUSTOMER,
        client_key=client_key,
    )


def propose(user_id: str, payment_id: str, amount: Money, reason: str, note: str, *, client_key: str) -> str:
    """Staff propose a refund that nobody asked for; it is decided like all others. Raises as `ask` does, but for the window."""
    if reason not in policy.OF_STAFF:
        raise Invalid(N_("Please choose a reason."), field="reason")
    return _record(
        payment_id, amount, reason, note, customer_id=None, user_id=user_id, origin=STAFF, client_key=client_key
    )


def _record(
    payment_id: str,
    amount: Money,
    reason: str,
    text: str,
    *,
    customer_id: str | None,
    user_id: str,
    origin: str,
    client_key: str,
) -> str:
    idempotency.check_client_key(client_key)
    text = _text(text, "explanation")
    if reason == policy.OTHER and not text:
        raise Invalid(N_("Please say in a few words why."), field="explanation")
    with db.transaction() as session:
        payment = lock_payment(session, payment_id, customer_id)
        known = queries.by_client_key(session, payment.customer_id, client_key)
        if known is not None:
            if (known.payment_id, known.asked) != (payment_id, amount):
                raise Invalid(
                    N_("This form was already used for another refund. Please reload the page."), code="key_reused"
                )
            return known.id
        _refuse_where_impossible(session, payment)
        if origin == CUSTOMER:
            _refuse_after_window(payment, reason)
        _check_amount(amount, queries.sums(session, payment).remaining)
        row = _add(session, payment, amount, reason, text, origin=origin, user_id=user_id, client_key=client_key)
        move(session, row, states.REQUESTED, {"origin": origin, "reason": reason})
        return row.id


def _add(
    session: Session,
    payment: Payment,
    amount: Money,
    reason: str,
    text: str,
    *,
    origin: str,
    user_id: str | None,
    client_key: str,
) -> Refund:
    now = clock.now()
    row = Refund(
        id=new_id("rfd"),
        payment_id=payment.id,
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
        state=states.REQUESTED,
        rejection="",
        staff_note="",
        attempt=1,
        bank_reference="",
        failure_reason="",
        finding="",
        updated_at=now,
        version=0,
    )
    session.add(row)
    session.flush()
    return row


def _text(text: str, field: str) -> str:
    text = text.strip()
    if len(text) > LONGEST_TEXT:
        raise Invalid(N_("Use at most %(count)s characters."), field=field, count=LONGEST_TEXT)
    return text


def _refuse_where_impossible(session: Session, payment: Payment) -> None:
    reason = executing.why_not(session, payment)
    if reason:
        raise NotRefundable(_WHY_NOT.get(reason, NotRefundable.message))


def _refuse_after_window(payment: Payment, reason: str) -> None:
    end = policy.ends_on(reason, payment.succeeded_at or payment.created_at)
    if clock.now() > end:
        raise WindowOver(day=end.date().isoformat())


def _check_amount(amount: Money, remaining: Money) -> None:
    if amount.currency != remaining.currency:
        raise Invalid(N_("The refund is in another currency than the payment."), field="amount")
    if amount.minor <= 0:
        raise Invalid(N_("Please enter an amount above zero."), field="amount")
    if remaining.minor <= 0:
        raise Invalid(N_("Nothing is left to refund of this payment."), field="amount", code="nothing_left")
    if amount > remaining:
        raise Invalid(
            N_("At most %(remaining)s is left to refund of this payment."),
            field="amount",
            code="too_much",
            remaining=str(remaining),
        )


def withdraw(refund_id: str, customer_id: str) -> None:
    """The customer does not want it any more. A second call changes nothing. Raises NotFound, AlreadyDecided."""
    with db.reading() as session:
        queries.for_customer(session, refund_id, customer_id)
    with db.transaction() as session:
        row = locked(session, refund_id)
        if row.state == states.WITHDRAWN:
            return
        if row.state not in states.UNDECIDED:
            raise AlreadyDecided
        move(session, row, states.WITHDRAWN)


# Deciding


def claim(refund_id: str, clerk: Clerk) -> None:
    """Look at a request, so that nobody else decides it meanwhile; it holds for CLAIM_HOLDS, and again with each call.

    Raises AlreadyDecided, ClaimedByOther, NotFound, Forbidden.
    """
    _only_staff(clerk)
    with db.transaction() as session:
        row = _undecided(session, refund_id, clerk)
        if row.claimed_by != clerk.id:
            audit.record(session, "refund.claimed", row.id, customer_id=row.customer_id)
        row.claimed_by, row.claimed_at = clerk.id, clock.now()


def release(refund_id: str, clerk: Clerk) -> None:
    """Give a claim back. One that is someone else's, or none, stays as it is."""
    _only_staff(clerk)
    with db.transaction() as session:
        row = locked(session, refund_id)
        if row.claimed_by == clerk.id:
            row.claimed_by = row.claimed_at = None


def approve(refund_id: str, clerk: Clerk, *, amount: Money | None = None, note: str = "") -> str:
    """Approve a refund, in full or for less; returns its state: `approved`, or `approved_once` while a second person must agree.

    What is approved is frozen. A changed amount voids the approval that was there. Raises AlreadyDecided, ClaimedByOther, FourEyes
    and NotYours (the threshold of its currency), LookFirst while it has a finding, for it would not be sent, NotRefundable, Invalid
    for an amount that was not asked for, NotFound.
    """
    _only_staff(clerk)
    note = _text(note, "note")
    with db.transaction() as session:
        row = _undecided(session, refund_id, clerk)
        if row.finding:
            raise LookFirst
        payment = session.get_one(Payment, row.payment_id)
        _refuse_where_impossible(session, payment)
        if row.reason == policy.OTHER and not (note or row.staff_note or row.origin == STAFF):
            raise Invalid(N_("For another reason, please note why it is approved."), field="note")
        _change_amount(session, row, payment, amount)
        if note:
            row.staff_note = note
        if not needs_two(session, row):
            _decide(session, row, clerk)
        elif row.state == states.REQUESTED:
            row.first_approved_by, row.first_approved_at = clerk.id, clock.now()
            row.claimed_by = row.claimed_at = None
            move(session, row, states.APPROVED_ONCE, {"by": clerk.id})
        else:
            _agree(session, row, clerk)
        return row.state


def needs_two(session: Session, row: Refund) -> bool:
    """Whether two people must approve this refund. What was given back of the payment before counts: nobody splits an amount in two."""
    return policy.needs_four_eyes(queries.given_back_with(session, row))


def _change_amount(session: Session, row: Refund, payment: Payment, amount: Money | None) -> None:
    if amount is None or amount == row.amount:
        return
    _check_amount(amount, min(row.asked, queries.sums(session, payment).remaining + row.amount))
    before, row.amount_minor = row.amount, amount.minor
    facts = {"before": str(before), "after": str(amount)}
    audit.record(session, "refund.amount_changed", row.id, facts, customer_id=row.customer_id)
    if row.state == states.APPROVED_ONCE:
        row.first_approved_by = row.first_approved_at = None
        move(session, row, states.REQUESTED, {"void": "the amount was changed"})


def _agree(session: Session, row: Refund, clerk: Clerk) -> None:
    """The second approval: by neither the one who asked nor the one who approved first."""
    if clerk.id in {row.asked_by, row.first_approved_by}:
        raise FourEyes
    if not clerk.is_approver:
        raise NotYours
    _decide(session, row, clerk)


def _decide(session: Session, row: Refund, clerk: Clerk | None) -> None:
    row.decided_by, row.decided_at = clerk.id if clerk else None, clock.now()
    row.claimed_by = row.claimed_at = None
    move(session, row, states.APPROVED, {"by": clerk.id if clerk else "portal"})
    outbox.enqueue(session, "refunds.execute", key=f"execute:{row.id}:{row.attempt}", refund_id=row.id)


def reject(refund_id: str, clerk: Clerk, *, rejection: str, note: str = "") -> None:
    """Refuse a refund with a reason that the customer reads. Raises AlreadyDecided, ClaimedByOther, Invalid, NotFound."""
    _only_staff(clerk)
    rejection, note = _text(rejection, "rejection"), _text(note, "note")
    if not rejection:
        raise Invalid(N_("Please tell the customer why."), field="rejection")
    with db.transaction() as session:
        row = _undecided(session, refund_id, clerk)
        row.rejection = rejection
        row.staff_note = note or row.staff_note
        row.decided_by, row.decided_at = clerk.id, clock.now()
        row.claimed_by = row.claimed_at = None
        move(session, row, states.REJECTED, {"by": clerk.id})


def lift_finding(refund_id: str, clerk: Clerk) -> None:
    """What was found has been looked at: the refund can be decided like all others. A second call changes nothing.

    Raises NotYours, AlreadyDecided (what is under way is decided by send_again and give_up), ClaimedByOther, NotFound.
    """
    if not clerk.is_approver:
        raise NotYours
    with db.transaction() as session:
        row = _undecided(session, refund_id, clerk)
        if not row.finding:
            return
        facts = {"finding": row.finding}
        row.finding = ""
        touch(row)
        audit.record(session, "refund.finding_lifted", row.id, facts, customer_id=row.customer_id)


def _only_staff(clerk: Clerk) -> None:
    if clerk.role not in STAFF_ROLES:
        raise Forbidden


def _undecided(session: Session, refund_id: str, clerk: Clerk) -> Refund:
    row = locked(session, refund_id)
    if row.state not in states.UNDECIDED:
        raise AlreadyDecided
    if is_claimed(row) and row.claimed_by != clerk.id:
        raise ClaimedByOther(name=accounts.user(session, str(row.claimed_by)).name)
    return row


def is_claimed(row: Refund) -> bool:
    """Whether someone is looking at it now."""
    return row.claimed_at is not None and clock.now() - row.claimed_at < CLAIM_HOLDS


# What a person decides about an unknown one


def send_again(refund_id: str, clerk: Clerk) -> None:
    """Send an unknown refund once more, after a last look at Stripe's list.

    Raises ShownByStripe, having taken it over, when Stripe has it after all; NotYours, Conflict when it is not unknown, and the
    gateway's errors.
    """
    if not clerk.is_approver:
        raise NotYours
    if _is_shown_by_stripe(refund_id):
        raise ShownByStripe
    with db.transaction() as session:
        row = locked(session, refund_id)
        if row.state != states.UNKNOWN:
            raise Conflict
        executing.send_again(session, row)
        outbox.enqueue(session, "refunds.execute", key=f"execute:{row.id}:{row.attempt}", refund_id=row.id)


def give_up(refund_id: str, clerk: Clerk) -> None:
    """Declare that an unknown refund was never made: its amount is free again. Raises as `send_again` does."""
    if not clerk.is_approver:
        raise NotYours
    if _is_shown_by_stripe(refund_id):
        raise ShownByStripe
    with db.transaction() as session:
        row = locked(session, refund_id)
        if row.state != states.UNKNOWN:
            raise Conflict
        row.finding = ""
        row.failed_at = clock.now()
        row.failure_reason = "not_sent"
        move(session, row, states.FAILED, {"by": clerk.id})


def _is_shown_by_stripe(refund_id: str) -> bool:
    with db.reading() as session:
        intent_id = queries.by_id(session, refund_id).payment.stripe_intent_id
    for found in gateway.current().list_refunds(intent_id or ""):
        if found.metadata.get("refund_id") == refund_id:
            with db.transaction() as session:
                locked(session, refund_id).finding = ""
            adopt(refund_id, found)
            return True
    return False


# What the portal does by itself


def return_duplicate(payment_id: str) -> str | None:
    """Give back what was paid twice: the one refund that nobody has to approve.

    That is a payment of an invoice that was paid when the money arrived, or the money that a second intent of a payment has taken.
    Returns the refund's id, also on a second call; None when the payment is no duplicate after all. Raises Conflict while the
    payment has not arrived.
    """
    key = f"duplicate:{payment_id}"
    with db.transaction() as session:
        payment = lock_payment(session, payment_id)
        known = queries.by_client_key(session, payment.customer_id, key)
        if known is not None:
            return known.id
        if not payment.has_succeeded:
            raise Conflict
        left = queries.sums(session, payment).remaining
        if not _is_duplicate(session, payment) or executing.why_not(session, payment) or left.minor <= 0:
            return None
        row = _add(session, payment, left, policy.DUPLICATE, "", origin=PORTAL, user_id=None, client_key=key)
        _decide(session, row, None)
        return row.id


def _is_duplicate(session: Session, payment: Payment) -> bool:
    if payment.invoice_id is None:
        return payment.client_key.startswith("second:")
    return payment.finding != "" and session.get_one(Invoice, payment.invoice_id).status == PAID


# What Stripe tells


def hear_of_refund(stripe_refund_id: str) -> bool:
    """Stripe says that something happened to a refund: learn what. Returns False when it is of none of our payments.

    One whose id we lost is found by its metadata and adopted. One that was made at Stripe's dashboard is recorded as it is there.
    """
    with db.reading() as session:
        known = queries.by_stripe_id(session, stripe_refund_id)
    if known is not None:
        refresh(known.id)
        return True
    return _take_in(gateway.current().retrieve_refund(stripe_refund_id))


def hear_of_payment(intent_id: str) -> bool:
    """Stripe says that a payment was refunded: take in every refund that it shows of it."""
    with db.reading() as session:
        ours = payments.by_intent(session, intent_id) is not None
    if ours:
        for found in list(gateway.current().list_refunds(intent_id)):
            _take_in(found)
    return ours


def _take_in(found: gateway.Refund) -> bool:
    with db.reading() as session:
        row = session.get(Refund, found.metadata.get("refund_id", "")) or queries.by_stripe_id(session, found.id)
        payment = payments.by_intent(session, found.intent_id or "")
    if row is not None:
        adopt(row.id, found)
        return True
    if payment is None:
        return False
    adopt(_record_foreign(payment.id, found), found)
    return True


def _record_foreign(payment_id: str, found: gateway.Refund) -> str:
    """A refund that was made at Stripe without us: nobody here asked for it or decided on it."""
    with db.transaction() as session:
        payment = lock_payment(session, payment_id)
        key = f"stripe:{found.id}"
        known = queries.by_client_key(session, payment.customer_id, key)
        if known is not None:
            return known.id
        beyond = found.amount > queries.sums(session, payment).remaining
        row = _add(session, payment, found.amount, policy.OTHER, "", origin=STRIPE, user_id=None, client_key=key)
        row.asked_at = row.sent_at = found.created
        row.state = states.EXECUTING
        row.stripe_refund_id = found.id  # so that nothing is ever sent for this row
        touch(row)
        session.add(RefundStep(id=new_id("rfs"), refund_id=row.id, at=found.created, state=states.EXECUTING))
        facts = {"stripe_refund": found.id, "amount": str(found.amount)}
        audit.record(session, "refund.made_at_stripe", row.id, facts, customer_id=row.customer_id)
        outbox.enqueue(session, "refunds.follow_up", key=f"follow_refund:{row.id}", refund_id=row.id)
        if beyond:
            _mark_others(session, payment, row)
        return row.id


def _mark_others(session: Session, payment: Payment, foreign: Refund) -> None:
    """What was asked for here is not left any more: staff must see it before they decide. The execution would refuse it, too."""
    for other in queries.of_payment(session, payment.id):
        if other.id != foreign.id and other.state in states.UNDECIDED:
            mark(
                session,
                other,
                "money of this payment was given back at Stripe's dashboard meanwhile: too little is left",
            )


def sweep() -> None:
    """Find refunds under way whose job has died, and leave a new one. A second run finds nothing more."""
    today = f"{clock.today():%Y%m%d}"
    with db.transaction() as session:
        for row in queries.left_behind(session, clock.now() - LEFT_BEHIND_AFTER, MOST_LEFT_BEHIND):
            outbox.enqueue(session, "refunds.follow_up", key=f"follow_refund:{row.id}:{today}", refund_id=row.id)


def windows(payment: Payment) -> dict[str, bool]:
    """Which reasons a customer may still give for this payment, in the order in which they are offered."""
    paid_at = payment.succeeded_at or payment.created_at
    return {reason: clock.now() <= policy.ends_on(reason, paid_at) for reason in policy.OF_CUSTOMERS}


def shown_threshold(currency: str) -> Money | None:
    """From which amount on two people must agree in this currency, for those who decide; None when it is always two."""
    threshold = config.current().refund_four_eyes.get(currency)
    return None if threshold is None else money.from_decimal(threshold, currency)
