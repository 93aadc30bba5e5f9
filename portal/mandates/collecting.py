"""Collecting an invoice that is paid automatically: the default payment method is charged off session, once an attempt.

    collect       begins an attempt (the row says so before Stripe is asked), has payments.service.pay_with_card charge the default
                  off session under a key made from the collection and the attempt, and writes down what came of it

A crash at any line leaves the attempt begun: whoever comes next goes on with the same key, and the card is charged once. The payment is the
invoice's one live payment, so a customer who pays by hand in the same moment pays the same payment intent.

Locks are taken in this order: mandate, collection, invoice, audit head.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import gateway
from portal.core import audit, clock, crash, db, recovery
from portal.core.errors import Conflict, Invalid, NotFound
from portal.core.money import Money
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStatus
from portal.mandates import jobs, policy, queries, statuses
from portal.mandates.models import Collection, Mandate
from portal.mandates.statuses import CollectionStatus
from portal.payment_methods import queries as methods
from portal.payment_methods.models import PaymentMethod
from portal.payments import queries as payment_queries
from portal.payments import service as payments
from portal.payments.models import Payment
from portal.payments.statuses import PaymentStatus

log = structlog.get_logger(__name__)

# While the customer answers their bank, or the bank takes its time, a collection looks again after this long.
CHECK_AGAIN_AFTER: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that has begun: what to charge, `at_most` what was due when it began, and the key under which it is charged once."""

    collection_id: str
    customer_id: str
    invoice_id: str
    payment_method_id: str
    client_key: str
    at_most: Money


def collect(collection_id: str) -> None:
    """Charge a collection whose time has come, or go on with an attempt that someone began. A second call repeats nothing.

    Raises the gateway's errors while it is not known what came of it: the job comes again, under the same key.
    """
    recovery.refuse_now()
    begun = _begin(collection_id)
    if begun is None:
        return
    crash.point("attempt begun")
    try:
        payment = payments.pay_with_card(
            begun.customer_id,
            payments.whole(begun.invoice_id),
            begun.payment_method_id,
            client_key=begun.client_key,
            off_session=True,
            at_most=begun.at_most,
        )
    except Conflict as error:  # paid or withdrawn a moment ago, being paid in the page, or set aside for staff
        log.info("collection_waits", collection_id=collection_id, code=error.code)
        if not close_if_settled(collection_id):
            _wait(collection_id, sent=False)
    except (
        NotFound,
        Invalid,
    ) as error:  # it was removed, has run out, or has lost its mandate, since the attempt began
        code = statuses.EXPIRED if error.code == "card_expired" else statuses.NO_METHOD
        _fail(collection_id, code, "", "", payment_id=None)
    else:
        crash.point("attempt charged")
        _conclude(collection_id, payment)


def _begin(collection_id: str) -> Attempt | None:
    """Write down that an attempt begins, before anything is sent; or what makes it fail without asking any bank."""
    with db.reading() as session:
        mandate_id = queries.collection(session, collection_id).mandate_id
    with db.transaction() as session:
        mandate = session.get_one(Mandate, mandate_id, with_for_update=True)
        row = locked(session, collection_id)
        if row.status not in statuses.ACTIVE or row.noticed_at is None:
            return None
        if not row.is_trying:
            if _is_settled(session, row) or _comes_later(row, row.noticed_at):
                return None
            if mandate.ended_at is not None:
                end(session, row, CollectionStatus.CANCELED)
                return None
            if not _start_attempt(session, row):
                return None
        # A reversal that makes more due ends the collection under its lock, which is held here: so this is what the notice allows.
        due = session.get_one(Invoice, row.invoice_id).amount_due
        key = f"{row.id}:{row.attempts}"
        return Attempt(row.id, row.customer_id, row.invoice_id, row.payment_method_id or "", key, due)


def _comes_later(row: Collection, noticed_at: datetime) -> bool:
    """Whether it is too early to charge, also when the row's next try says otherwise: the company may have moved to another zone."""
    row.next_attempt_at = max(row.next_attempt_at, policy.charged_from(row.charge_on, noticed_at))
    return row.next_attempt_at > clock.now()


def _start_attempt(session: Session, row: Collection) -> bool:
    mandate, invoice = session.get_one(Mandate, row.mandate_id), session.get_one(Invoice, row.invoice_id)
    method = queries.charged_under(session, mandate, row.customer_id, invoice.currency)
    known_answer = method is not None and _is_final_decline(row, method.stripe_payment_method_id)
    row.attempts += 1
    row.first_attempt_at = row.first_attempt_at or clock.now()
    if method is None or known_answer:
        code = row.failure_code if known_answer else _why_nothing(session, row.customer_id)
        told = (row.decline_code, row.advice_code) if known_answer else ("", "")
        _note_failure(session, row, code, *told, payment_id=None)
        return False
    row.is_trying = True
    row.payment_method_id = method.id
    row.tried_method = method.stripe_payment_method_id
    row.updated_at = clock.now()
    audit.record(
        session,
        "collection.attempt",
        row.id,
        {"number": row.attempts, "method": method.id},
        customer_id=row.customer_id,
    )
    return True


def _is_final_decline(row: Collection, method_id: str) -> bool:
    """The bank has said for good that it will not charge this card, or that its data is wrong, which another try does not mend."""
    if method_id != row.tried_method:
        return False
    is_final = gateway.is_final(row.failure_code, row.decline_code, row.advice_code)
    return is_final or gateway.wants_card_data(row.advice_code)


def _why_nothing(session: Session, customer_id: str) -> str:
    kept = methods.of_customer(session, customer_id)
    return statuses.EXPIRED if any(one.is_default and one.is_expired for one in kept) else statuses.NO_METHOD


def _conclude(collection_id: str, payment: Payment) -> None:
    with db.reading() as session:
        unanswered = payment_queries.unanswered(session, payment.id) is not None
    if payment.has_succeeded:
        close_if_settled(collection_id)
    elif payment.status == PaymentStatus.CANCELED:  # by a person, who may have voided the invoice: no bank has said no
        if not close_if_settled(collection_id):
            _try_anew(collection_id)
    elif unanswered or payment.is_processing:
        _wait(collection_id, sent=True)
    elif payment.requires_action or payment.review_reason:
        _wait(collection_id, sent=False)
    else:
        _fail(collection_id, payment.failure_code, payment.decline_code, payment.advice_code, payment_id=payment.id)


def _wait(collection_id: str, *, sent: bool) -> None:
    """Look again later. An attempt of which nothing was sent is none, and does not count."""
    with db.transaction() as session:
        row = locked(session, collection_id)
        if row.status not in statuses.ACTIVE:
            return
        row.next_attempt_at = clock.now() + CHECK_AGAIN_AFTER
        row.updated_at = clock.now()
        if not sent and row.is_trying:
            row.is_trying = False
            row.attempts -= 1


def _try_anew(collection_id: str) -> None:
    """The next try comes soon, and under a key of its own: this one's belongs to a payment that is over."""
    with db.transaction() as session:
        row = locked(session, collection_id)
        if row.status in statuses.ACTIVE and row.is_trying:
            row.is_trying = False
            row.next_attempt_at = clock.now() + CHECK_AGAIN_AFTER
            row.updated_at = clock.now()


def _fail(collection_id: str, code: str, decline_code: str, advice_code: str, *, payment_id: str | None) -> None:
    with db.transaction() as session:
        row = locked(session, collection_id)
        if row.status in statuses.ACTIVE and row.is_trying:
            _note_failure(session, row, code, decline_code, advice_code, payment_id=payment_id)


def _note_failure(
    session: Session, row: Collection, code: str, decline_code: str, advice_code: str, *, payment_id: str | None
) -> None:
    """An attempt has failed: plan the next one, or give up; the customer hears of it each time, staff at the end."""
    row.is_trying = False
    row.failure_code = code
    row.decline_code = decline_code
    row.advice_code = advice_code
    audit.record(
        session,
        "collection.attempt_failed",
        row.id,
        {"number": row.attempts, "code": code, "decline_code": decline_code, "advice_code": advice_code},
        customer_id=row.customer_id,
    )
    if session.get_one(Mandate, row.mandate_id).ended_at is not None:
        end(session, row, CollectionStatus.CANCELED)
        return
    again_at = _next_attempt(session, row)
    if again_at is None:
        log.error("collection_given_up", collection_id=row.id, invoice_id=row.invoice_id)
        end(session, row, CollectionStatus.GIVEN_UP)
        jobs.mail_staff.enqueue(session, collection_id=row.id)
    else:
        row.status = CollectionStatus.RETRYING
        row.next_attempt_at = again_at
        row.updated_at = clock.now()
    jobs.mail_failure.enqueue(
        session,
        collection_id=row.id,
        number=row.attempts,
        code=code,
        decline_code=decline_code,
        advice_code=advice_code,
        again_at=again_at.isoformat() if again_at else None,
        payment_id=payment_id,
    )


def _next_attempt(session: Session, row: Collection) -> datetime | None:
    """A debit fails days after it was tried, and is tried again for want of money alone."""
    tried = session.get(PaymentMethod, row.payment_method_id) if row.payment_method_id else None
    if tried is None or not tried.is_debit or row.failure_code in statuses.NOTHING_TRIED:
        return policy.next_attempt(row.first_attempt_at or clock.now(), row.attempts)
    has_no_money = gateway.LACKS_MONEY in {row.failure_code, row.decline_code}
    return policy.next_debit(row.attempts, clock.now()) if has_no_money else None


def close_if_settled(collection_id: str) -> bool:
    """End a collection whose invoice is paid or withdrawn; False, having done nothing, when it is still owed."""
    with db.transaction() as session:
        row = locked(session, collection_id)
        return row.status not in statuses.ACTIVE or _is_settled(session, row)


def _is_settled(session: Session, row: Collection) -> bool:
    """Whether nothing is owed any more; the collection has ended by this."""
    status = session.execute(select(Invoice.status).where(Invoice.id == row.invoice_id)).scalar_one()
    if status == InvoiceStatus.OPEN:
        return False
    end(session, row, CollectionStatus.PAID if status == InvoiceStatus.PAID else CollectionStatus.CANCELED)
    return True


def end(session: Session, row: Collection, status: CollectionStatus) -> None:
    before, row.status = row.status, status
    row.is_trying = False
    row.updated_at = clock.now()
    audit.record(
        session,
        f"collection.{status}",
        row.id,
        {"before": before, "attempts": row.attempts},
        customer_id=row.customer_id,
    )
    crash.point("collection ended")


def locked(session: Session, collection_id: str) -> Collection:
    row = session.execute(
        select(Collection)
        .where(Collection.id == collection_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
    if row is None:
        raise NotFound
    return row
