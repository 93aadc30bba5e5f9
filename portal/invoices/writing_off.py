"""What is due of an invoice and will not come is written off: always by two people, with a reason, and taken back when it comes after all.

It is booked from receivables to bad debts with its tax, in one sum: whether and when the tax is corrected (in Germany § 17 (2) UStG) is for
the adviser, who sees the bookings. No document is issued, for the customer owes it all the same; but nothing is asked for any more. All of
it happens under the invoice's lock, after what its customer has begun to pay by card is called off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, joinedload

from portal import ledger
from portal.core import audit, clock, crash, db, four_eyes, keyset, recovery, texts
from portal.core.db import inline_literals
from portal.core.errors import N_, Conflict, Forbidden, NotFound
from portal.core.four_eyes import Reviewer
from portal.core.idempotency import check_client_key
from portal.core.permissions import Permission
from portal.invoices import queries, service
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStatus, WriteOffStatus
from portal.invoices.write_offs import WriteOff
from portal.ledger import LedgerAccount

# More of one invoice than this are a mistake, and all of them are shown on its page.
MOST_WRITE_OFFS: Final = 20
# Why not, for programs.
WRITE_OFF_WAITS: Final = "write_off_waits"


class OwnWriteOff(four_eyes.FourEyes):
    message = N_("You proposed this write-off, so it cannot be approved by you. Please ask a colleague.")


class DecidedAlready(Conflict):
    code = "write_off_decided"
    message = N_("A colleague has decided about this write-off already, so nothing was changed.")


def propose(invoice_id: str, by: Reviewer | None, *, reason: str, client_key: str | None = None) -> WriteOff:
    """Propose to write off all that is due of an open invoice; a colleague must agree before anything changes.

    `by` is None for an operator at the command line. A second call with the same key returns the same one. Raises Forbidden, Invalid
    without a reason, NotFound, and Conflict for an invoice that is not open, or of which a credit, a payment or another write-off waits.
    """
    _only_bookkeepers(by)
    if client_key is not None:
        check_client_key(client_key)
    reason = texts.one_line(reason, field="reason", longest=service.LONGEST_REASON, required=True)
    with db.transaction() as session:
        recovery.refuse(session)
        invoice = service.lock(session, invoice_id)
        known = session.scalar(select(WriteOff).where(WriteOff.client_key == client_key)) if client_key else None
        if known is not None:
            if known.invoice_id != invoice_id:
                raise Conflict
            return known
        _refuse_closed(session, invoice)
        earlier = of_invoice(session, invoice_id)
        if any(one.waits for one in earlier):
            raise Conflict(N_("This invoice waits to be written off already."), code=WRITE_OFF_WAITS)
        if len(earlier) >= MOST_WRITE_OFFS:
            raise Conflict(N_("This invoice was written off too often."))
        row = WriteOff(
            id=db.new_id("wof"),
            invoice_id=invoice.id,
            status=WriteOffStatus.PROPOSED,
            amount_minor=invoice.due_minor,
            currency=invoice.currency,
            reason=reason,
            client_key=client_key,
            proposed_by=by.id if by else None,
            proposed_at=clock.now(),
        )
        session.add(row)
        _audit(session, "invoice.write_off_proposed", invoice, row, {"reason": reason})
        return row


def approve(write_off_id: str, by: Reviewer) -> WriteOff:
    """Agree, as the second person: it is booked, and nothing is asked for of the invoice any more.

    A second call by the same person changes nothing. Raises OwnWriteOff for the one who proposed it, DecidedAlready, Conflict where another
    amount is due by now or the invoice is being paid, Forbidden, NotFound, and the gateway's errors.
    """
    _only_bookkeepers(by)
    with db.reading() as session:
        invoice_id = one(session, write_off_id).invoice_id
    service.clear_way(invoice_id)
    with db.transaction() as session:
        recovery.refuse(session)
        invoice, row = _locked(session, write_off_id)
        if not row.waits:
            if row.status == WriteOffStatus.BOOKED and row.decided_by == by.id:
                return row
            raise DecidedAlready
        if by.id == row.proposed_by:
            raise OwnWriteOff
        _refuse_closed(session, invoice)
        service.run_guards(session, invoice)
        if row.amount != invoice.amount_due:
            raise Conflict(
                N_("%(due)s is due by now. Please reject this write-off, and propose it again."), due=invoice.amount_due
            )
        row.status, row.decided_by, row.decided_at = WriteOffStatus.BOOKED, by.id, clock.now()
        invoice.status = InvoiceStatus.WRITTEN_OFF
        _post(session, "write_off", invoice, row, LedgerAccount.BAD_DEBTS, LedgerAccount.RECEIVABLES)
        _audit(session, "invoice.written_off", invoice, row, {"reason": row.reason})
        crash.point("invoice written off")
        return row


def reject(write_off_id: str, by: Reviewer, reason: str) -> WriteOff:
    """Do not agree, or take back one's own proposal: nothing was booked, and nothing is.

    A second call raises DecidedAlready. Raises Invalid without a reason, Forbidden, NotFound.
    """
    _only_bookkeepers(by)
    reason = texts.one_line(reason, field="reason", longest=service.LONGEST_REASON, required=True)
    with db.transaction() as session:
        invoice, row = _locked(session, write_off_id)
        if not row.waits:
            raise DecidedAlready
        row.status, row.rejection = WriteOffStatus.REJECTED, reason
        row.decided_by, row.decided_at = by.id, clock.now()
        _audit(session, "invoice.write_off_rejected", invoice, row, {"reason": reason})
        return row


def reverse(write_off_id: str, by: Reviewer, reason: str) -> WriteOff:
    """Take a write-off back, because the money comes after all: the invoice is open by that amount again, and can be paid or recorded.

    One person is enough, for it gives nothing away. A second call changes nothing. Raises Invalid without a reason, DecidedAlready for one
    that was never booked, Forbidden, NotFound.
    """
    _only_bookkeepers(by)
    reason = texts.one_line(reason, field="reason", longest=service.LONGEST_REASON, required=True)
    with db.transaction() as session:
        recovery.refuse(session)
        invoice, row = _locked(session, write_off_id)
        if row.status == WriteOffStatus.REVERSED:
            return row
        if row.status != WriteOffStatus.BOOKED:
            raise DecidedAlready
        row.status, row.reversal_reason = WriteOffStatus.REVERSED, reason
        row.reversed_by, row.reversed_at = by.id, clock.now()
        invoice.status = InvoiceStatus.OPEN
        _post(session, "write_off_reversed", invoice, row, LedgerAccount.RECEIVABLES, LedgerAccount.BAD_DEBTS)
        service.tell_due_again(session, invoice)
        _audit(session, "invoice.write_off_reversed", invoice, row, {"reason": reason})
        return row


# Reading


def one(session: Session, write_off_id: str) -> WriteOff:
    """Raises NotFound."""
    found = session.get(WriteOff, write_off_id)
    if found is None:
        raise NotFound
    return found


def of_invoice(session: Session, invoice_id: str) -> list[WriteOff]:
    """The first one first; there are few."""
    rows = select(WriteOff).where(WriteOff.invoice_id == invoice_id)
    return list(session.scalars(rows.order_by(WriteOff.proposed_at, WriteOff.id)))


def waiting() -> Select[WriteOff]:
    """All that wait for a second person, across invoices."""
    return select(WriteOff).where(inline_literals(WriteOff.status, [WriteOffStatus.PROPOSED]))


def page_of_waiting(session: Session, *, cursor: str | None = None) -> keyset.Page[WriteOff]:
    """Likewise with their invoices and customers, the oldest first. Raises as keyset.page does."""
    wanted = waiting().options(joinedload(WriteOff.invoice).joinedload(Invoice.customer))
    return keyset.page(session, wanted, WriteOff.proposed_at, WriteOff.id, cursor, ascending=True)


# Rows


def _only_bookkeepers(by: Reviewer | None) -> None:
    if by is not None and not by.may(Permission.CLOSE_INVOICES):
        raise Forbidden


def _refuse_closed(session: Session, invoice: Invoice) -> None:
    if invoice.status != InvoiceStatus.OPEN:
        raise Conflict(N_("Nothing of invoice %(number)s is due."), number=invoice.number)
    service.refuse_while_recording(session, invoice)
    if any(credit.waits for credit in queries.credits_of(session, invoice.id)):
        raise Conflict(
            N_("Another credit of invoice %(number)s waits for its approval. Please decide about that one first."),
            code="credit_waits",
            number=invoice.number,
        )


def _post(
    session: Session, kind: str, invoice: Invoice, row: WriteOff, debit: LedgerAccount, credit: LedgerAccount
) -> None:
    ledger.post(
        session,
        kind,
        debit=debit,
        credit=credit,
        amount=row.amount,
        subject=invoice.id,
        reference=f"{kind}:{row.id}",
        at=row.reversed_at or row.decided_at,
        item=invoice.item,
    )


def _locked(session: Session, write_off_id: str) -> tuple[Invoice, WriteOff]:
    """The write-off with its invoice, both as they are now, and nobody else's until the transaction ends. Raises NotFound."""
    invoice = service.lock(session, one(session, write_off_id).invoice_id)
    row = session.get(WriteOff, write_off_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound
    return invoice, row


def _audit(session: Session, action: str, invoice: Invoice, row: WriteOff, facts: Mapping[str, Any]) -> None:
    session.flush()
    told = {"number": invoice.number, "write_off": row.id, "amount": str(row.amount)}
    audit.record(session, action, invoice.id, {**told, **facts}, customer_id=invoice.customer_id)
