"""Payments of invoices that came in another way than through Stripe: recorded by staff, in parts too, and reversed when that was wrong.

All of it happens under the invoice's lock, which a payment through Stripe is started under as well, and after what its customer has begun
to pay by card is called off. From the threshold on two people must agree: what the first one proposes changes nothing yet. While a record
waits so, nobody can begin to pay the invoice by card, and it is not charged by itself (portal.invoices.service.lock_payable).
Nothing is deleted: a wrong record is taken back by a posting the other way round, and the invoice is open by that amount again.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from portal import ledger
from portal.core import audit, clock, company_days, crash, db, four_eyes, recovery, texts
from portal.core.errors import N_, Conflict, Forbidden, Invalid, NotFound
from portal.core.four_eyes import Reviewer
from portal.core.idempotency import check_client_key
from portal.core.money import Money
from portal.core.permissions import Permission
from portal.invoices import drafts, queries, service
from portal.invoices.models import Invoice, OutsidePayment
from portal.invoices.statuses import BOOKED, WAITING, InvoiceStatus, OutsideStatus, OutsideWay
from portal.ledger import LedgerAccount

# More parts of one invoice than this are a mistake, and all of them are shown on its page.
MOST_RECORDS: Final = 50


class OwnRecord(four_eyes.FourEyes):
    message = N_("You recorded this payment, so it cannot be approved by you. Please ask a colleague.")


class OwnReversal(four_eyes.FourEyes):
    message = N_("You asked for this reversal, so it cannot be approved by you. Please ask a colleague.")


class DecidedAlready(Conflict):
    code = "payment_record_decided"
    message = N_("A colleague has decided about this payment already, so nothing was changed.")


def record(
    invoice_id: str,
    by: Reviewer,
    *,
    paid_on: date,
    how: str,
    reference: str,
    reason: str,
    client_key: str,
    amount: Money | None = None,
) -> OutsidePayment:
    """Record that `amount` of an open invoice, or all that is due, arrived in another way than through Stripe (`how`: an OutsideWay).

    The money is booked from receivables to the bank on the day it came in, and the rest stays due. Where two people must agree
    (portal.core.four_eyes, with what was recorded of the invoice before) nothing is booked before the second one has: the record comes
    back `proposed`. No receipt is issued: its numbers and its document are those of payments through Stripe.

    A second call with the same key returns the same record. Raises Forbidden; Invalid for a wrong day, way, text or amount; NotFound;
    Conflict for an invoice that is not open or is being paid, or while another record of it waits; and the gateway's errors.
    """
    _only_bookkeepers(by)
    check_client_key(client_key)
    reference = texts.one_line(reference, field="reference", longest=drafts.LONGEST_REFERENCE)
    reason = texts.one_line(reason, field="reason", longest=service.LONGEST_REASON, required=True)
    _check_day_and_way(paid_on, how)
    with db.reading() as session:
        known = queries.outside_by_key(session, client_key)
    if known is not None:
        return _same(known, invoice_id)
    service.clear_way(invoice_id)
    with db.transaction() as session:
        recovery.refuse(session)
        invoice = service.lock(session, invoice_id)
        known = queries.outside_by_key(session, client_key)
        if known is not None:
            return _same(known, invoice_id)
        _refuse_closed(invoice)
        service.run_guards(session, invoice)
        earlier = queries.outside_payments(session, invoice_id)
        if any(one.status == OutsideStatus.PROPOSED for one in earlier):
            raise Conflict(
                N_("Another payment of invoice %(number)s waits for its approval. Please decide about that one first."),
                number=invoice.number,
            )
        if len(earlier) >= MOST_RECORDS:
            raise Conflict(N_("Too many payments of this invoice were recorded."))
        amount = invoice.amount_due if amount is None else amount
        _check_amount(amount, invoice)
        together = amount + _sum(invoice, [one for one in earlier if one.is_booked])
        row = OutsidePayment(
            id=db.new_id("out"),
            invoice_id=invoice.id,
            status=OutsideStatus.PROPOSED if four_eyes.are_needed(together) else OutsideStatus.RECORDED,
            amount_minor=amount.minor,
            currency=amount.currency,
            how=how,
            paid_on=paid_on,
            reference=reference,
            reason=reason,
            client_key=client_key,
            recorded_by=by.id,
            recorded_at=clock.now(),
        )
        session.add(row)
        session.flush()
        if row.status == OutsideStatus.PROPOSED:
            _audit(session, "invoice.outside_payment_proposed", invoice, row, {"how": how, "reason": reason})
        else:
            _book(session, invoice, row)
        crash.point("outside payment recorded")
        return row


def approve(record_id: str, by: Reviewer) -> OutsidePayment:
    """Agree, as the second person, to what a colleague has proposed: a record, or the reversal of one. It is booked now.

    A second call by the same person changes nothing. Raises OwnRecord and OwnReversal for the one who proposed it, DecidedAlready, Conflict
    where the invoice has changed meanwhile or is being paid, Forbidden, NotFound, and the gateway's errors.
    """
    _only_bookkeepers(by)
    service.clear_way(_invoice_of(record_id))
    with db.transaction() as session:
        recovery.refuse(session)
        invoice, row = _locked(session, record_id)
        if row.status not in WAITING:
            if by.id in {row.decided_by, row.reversed_by}:
                return row
            raise DecidedAlready
        is_reversal = row.status == OutsideStatus.REVERSAL_PROPOSED
        if by.id == row.proposed_by:
            raise OwnReversal if is_reversal else OwnRecord
        service.run_guards(session, invoice)
        if is_reversal:
            row.reversed_by = by.id
            _reverse(session, invoice, row)
        else:
            _refuse_closed(invoice)
            _check_amount(row.amount, invoice)
            row.decided_by, row.decided_at = by.id, clock.now()
            row.status = OutsideStatus.RECORDED
            _book(session, invoice, row)
        return row


def reject(record_id: str, by: Reviewer, reason: str) -> OutsidePayment:
    """Do not agree to what was proposed, or take back one's own proposal: nothing was booked, and nothing is.

    Where a reversal was proposed, what is recorded stands. A second call raises DecidedAlready. Raises Invalid without a reason, Forbidden,
    NotFound.
    """
    _only_bookkeepers(by)
    reason = texts.one_line(reason, field="reason", longest=service.LONGEST_REASON, required=True)
    with db.transaction() as session:
        invoice, row = _locked(session, record_id)
        facts = {"reason": reason}
        if row.status == OutsideStatus.PROPOSED:
            row.status, row.rejection = OutsideStatus.REJECTED, reason
            row.decided_by, row.decided_at = by.id, clock.now()
            _audit(session, "invoice.outside_payment_rejected", invoice, row, facts)
        elif row.status == OutsideStatus.REVERSAL_PROPOSED:
            row.status, row.reversal_reason = OutsideStatus.RECORDED, ""
            row.reversal_by = row.reversal_at = None
            _audit(session, "invoice.outside_reversal_rejected", invoice, row, facts)
        else:
            raise DecidedAlready
        return row


def reverse(record_id: str, by: Reviewer, reason: str) -> OutsidePayment:
    """Take back a record that was wrong: a posting the other way round, and the invoice is open by that amount again.

    Where two people must agree (with what was reversed of the invoice before) it is only proposed. A card payment that waits for its
    customer is called off first; an automatic payment of the invoice ends, since its notice named another amount. A second call changes
    nothing. Raises Invalid without a reason, DecidedAlready for a record that was never booked, Conflict while the invoice is being paid,
    Forbidden, NotFound, and the gateway's errors.
    """
    _only_bookkeepers(by)
    reason = texts.one_line(reason, field="reason", longest=service.LONGEST_REASON, required=True)
    service.clear_way(_invoice_of(record_id))
    with db.transaction() as session:
        recovery.refuse(session)
        invoice, row = _locked(session, record_id)
        if row.status in {OutsideStatus.REVERSED, OutsideStatus.REVERSAL_PROPOSED}:
            return row
        if row.status != OutsideStatus.RECORDED:
            raise DecidedAlready
        service.run_guards(session, invoice)
        row.reversal_by, row.reversal_at, row.reversal_reason = by.id, clock.now(), reason
        before = [one for one in queries.outside_payments(session, invoice.id) if one.reversed_at is not None]
        if four_eyes.are_needed(row.amount + _sum(invoice, before)):
            row.status = OutsideStatus.REVERSAL_PROPOSED
            _audit(session, "invoice.outside_reversal_proposed", invoice, row, {"reason": reason})
        else:
            row.reversed_by = by.id
            _reverse(session, invoice, row)
        return row


# What is booked


def _book(session: Session, invoice: Invoice, row: OutsidePayment) -> None:
    at = _moment(row.paid_on)
    ledger.post(
        session,
        "outside",
        debit=LedgerAccount.BANK,
        credit=LedgerAccount.RECEIVABLES,
        amount=row.amount,
        subject=invoice.id,
        reference=f"outside:{row.id}",
        at=at,
        item=invoice.item,
    )
    facts = {"how": row.how, "paid_on": row.paid_on.isoformat(), "reference": row.reference, "reason": row.reason}
    service.count(session, invoice, row.amount, _paid_at(session, invoice, at))
    _audit(session, "invoice.paid_outside", invoice, row, facts)


def _reverse(session: Session, invoice: Invoice, row: OutsidePayment) -> None:
    row.status, row.reversed_at = OutsideStatus.REVERSED, clock.now()
    ledger.post(
        session,
        "outside_reversed",
        debit=LedgerAccount.RECEIVABLES,
        credit=LedgerAccount.BANK,
        amount=row.amount,
        subject=invoice.id,
        reference=f"outside_reversed:{row.id}",
        at=row.reversed_at,
        item=invoice.item,
    )
    service.uncount(session, invoice, row.amount)
    _audit(session, "invoice.outside_payment_reversed", invoice, row, {"reason": row.reversal_reason})


def _moment(day: date) -> datetime:
    """Only the day is known: its noon, but not in the future."""
    return min(company_days.noon(day), clock.now())


def _paid_at(session: Session, invoice: Invoice, at: datetime) -> datetime:
    """When the invoice was paid if this pays it: with the last of its parts."""
    parts = [one for one in queries.outside_payments(session, invoice.id) if one.status in BOOKED]
    return max([at, *(_moment(one.paid_on) for one in parts)])


# What is checked


def _only_bookkeepers(by: Reviewer) -> None:
    if not by.may(Permission.CLOSE_INVOICES):
        raise Forbidden


def _check_day_and_way(paid_on: date, how: str) -> None:
    if how not in set(OutsideWay):
        raise Invalid(N_("Please choose how the invoice was paid."), field="how")
    if paid_on > company_days.today():
        raise Invalid(N_("The day of the payment cannot lie in the future."), field="paid_on")
    if paid_on < company_days.today() - timedelta(days=drafts.YEARS_BACK * drafts.DAYS_A_YEAR):
        raise Invalid(N_("The day of the payment lies too far in the past."), field="paid_on")


def _check_amount(amount: Money, invoice: Invoice) -> None:
    due = invoice.amount_due
    if amount.currency != due.currency or not 0 < amount.minor <= due.minor:
        raise Invalid(N_("Please enter an amount of at most %(due)s: that much is due."), field="amount", due=due)


def _refuse_closed(invoice: Invoice) -> None:
    if invoice.status == InvoiceStatus.PAID:
        raise Conflict(
            N_("Invoice %(number)s was already paid, so nothing was recorded."),
            code=service.ALREADY_PAID,
            number=invoice.number,
        )
    service.refuse_withdrawn(invoice)


def _same(known: OutsidePayment, invoice_id: str) -> OutsidePayment:
    if known.invoice_id != invoice_id:
        raise Conflict
    return known


def _sum(invoice: Invoice, rows: list[OutsidePayment]) -> Money:
    return invoice.in_currency(sum(one.amount_minor for one in rows))


# Rows


def _invoice_of(record_id: str) -> str:
    with db.reading() as session:
        return queries.outside_payment(session, record_id).invoice_id


def _locked(session: Session, record_id: str) -> tuple[Invoice, OutsidePayment]:
    """The record with its invoice, both as they are now, and nobody else's until the transaction ends. Raises NotFound."""
    invoice_id = queries.outside_payment(session, record_id).invoice_id
    invoice = service.lock(session, invoice_id)
    row = session.get(OutsidePayment, record_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound
    return invoice, row


def _audit(session: Session, action: str, invoice: Invoice, row: OutsidePayment, facts: dict[str, str]) -> None:
    session.flush()
    told = {"number": invoice.number, "payment": row.id, "amount": str(row.amount), "due": str(invoice.amount_due)}
    audit.record(session, action, invoice.id, told | facts, customer_id=invoice.customer_id)
