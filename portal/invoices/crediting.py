"""Credits of invoices that are not paid yet: lines, or all that is due, taken back with a reason and a credit note, before any money moved.

All of it happens under the invoice's lock, which a payment through Stripe is started under as well, and after what its customer has begun
to pay by card is called off: so nobody pays an amount that is credited at the same moment. From the threshold of refunds on, over all that
was credited of the invoice, a second person must agree; what the first one proposes changes nothing yet, and the invoice stays due as it
is. What is paid is given back by a refund, which has a credit note of its own. A credit is never taken back: a new invoice is issued.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from portal.core import audit, clock, crash, db, four_eyes, recovery, texts
from portal.core.errors import N_, Conflict, Forbidden, NotFound
from portal.core.four_eyes import Reviewer
from portal.core.idempotency import check_client_key
from portal.core.money import Money
from portal.core.permissions import Permission
from portal.invoices import credit_lines, queries, service
from portal.invoices.credit_lines import CreditedLine, Wanted
from portal.invoices.models import Invoice, InvoiceCredit
from portal.invoices.statuses import CreditStatus, InvoiceStatus
from portal.ledger import revenue
from portal.ledger.revenue import Part
from portal.webhook_endpoints import service as webhook_endpoints
from portal.webhook_endpoints.models import EventType

# More credits of one invoice than this are a mistake, and all of them are shown on its page.
MOST_CREDITS: Final = 50
# Why not, for programs.
CREDIT_WAITS: Final = "credit_waits"
MORE_THAN_DUE: Final = "more_than_due"


class OwnCredit(four_eyes.FourEyes):
    message = N_("You proposed this credit, so it cannot be approved by you. Please ask a colleague.")


class DecidedAlready(Conflict):
    code = "credit_decided"
    message = N_("A colleague has decided about this credit already, so nothing was changed.")


WithCredit = Callable[[Session, Invoice, InvoiceCredit], None]
_on_credit: list[WithCredit] = []


def on_credit(also: WithCredit) -> WithCredit:
    """Have this function called, in the same transaction, with each credit that is booked; the invoice has its customer and lines."""
    _on_credit.append(also)
    return also


@dataclass(frozen=True, slots=True)
class _Reckoned:
    lines: tuple[CreditedLine, ...]
    parts: tuple[Part, ...]

    @property
    def total_minor(self) -> int:
        return sum(part.total_minor for part in self.parts)


def credit(
    invoice_id: str,
    by: Reviewer | None,
    *,
    reason: str,
    lines: Sequence[Wanted] | None = None,
    client_key: str | None = None,
) -> InvoiceCredit:
    """Take back these lines of an open invoice, or all that is due of it where none are named; the customer reads the reason.

    `by` is None for an operator at the command line. Where two people must agree nothing is booked before the second one has: the credit
    comes back `proposed`. Else what is due is lowered, and the credit note issued, at once. A second call with the same key returns the
    same credit. Raises Forbidden; Invalid for a reason or lines that cannot be; NotFound; Conflict for more than is due, for an invoice
    that is not open or is being paid, or while another credit or a recorded payment of it waits; and the gateway's errors.
    """
    _only_bookkeepers(by)
    if client_key is not None:
        check_client_key(client_key)
    reason = texts.one_line(reason, field="reason", longest=service.LONGEST_REASON, required=True)
    known = _known(client_key)
    if known is not None:
        return _same(known, invoice_id)
    service.clear_way(invoice_id)
    with db.transaction() as session:
        recovery.refuse(session)
        invoice = service.lock(session, invoice_id)
        known = queries.credit_by_key(session, client_key) if client_key is not None else None
        if known is not None:
            return _same(known, invoice_id)
        _refuse_closed(session, invoice)
        earlier = queries.credits_of(session, invoice_id)
        _refuse_more(invoice, earlier)
        reckoned = _reckon(session, invoice, lines, earlier)
        amount = invoice.in_currency(reckoned.total_minor)
        together = amount + invoice.amount_credited
        needs_two = four_eyes.are_needed(together)
        row = InvoiceCredit(
            id=db.new_id("icr"),
            invoice_id=invoice.id,
            status=CreditStatus.PROPOSED if needs_two else CreditStatus.CREDITED,
            amount_minor=amount.minor,
            currency=amount.currency,
            lines=[line.to_json() for line in reckoned.lines],
            reason=reason,
            client_key=client_key,
            proposed_by=by.id if by else None,
            proposed_at=clock.now(),
        )
        session.add(row)
        session.flush()
        if needs_two:
            _audit(session, "invoice.credit_proposed", invoice, row, {"reason": reason})
        else:
            _book(session, invoice, row, reckoned.parts)
        return row


def approve(credit_id: str, by: Reviewer) -> InvoiceCredit:
    """Agree, as the second person, to a credit that a colleague has proposed: it is booked now, and its credit note issued.

    A second call by the same person changes nothing. Raises OwnCredit for the one who proposed it, DecidedAlready, Conflict where less is
    due by now or the invoice is being paid, Forbidden, NotFound, and the gateway's errors.
    """
    _only_bookkeepers(by)
    with db.reading() as session:
        invoice_id = queries.credit(session, credit_id).invoice_id
    service.clear_way(invoice_id)
    with db.transaction() as session:
        recovery.refuse(session)
        invoice, row = _locked(session, credit_id)
        if not row.waits:
            if row.status == CreditStatus.CREDITED and by.id == row.decided_by:
                return row
            raise DecidedAlready
        if by.id == row.proposed_by:
            raise OwnCredit
        _refuse_closed(session, invoice)
        parts = _parts_again(session, invoice, row)
        row.status, row.decided_by, row.decided_at = CreditStatus.CREDITED, by.id, clock.now()
        _book(session, invoice, row, parts)
        return row


def reject(credit_id: str, by: Reviewer, reason: str) -> InvoiceCredit:
    """Do not agree to a credit, or take back one's own proposal: nothing was booked, and nothing is.

    A second call raises DecidedAlready. Raises Invalid without a reason, Forbidden, NotFound.
    """
    _only_bookkeepers(by)
    reason = texts.one_line(reason, field="reason", longest=service.LONGEST_REASON, required=True)
    with db.transaction() as session:
        invoice, row = _locked(session, credit_id)
        if not row.waits:
            raise DecidedAlready
        row.status, row.rejection = CreditStatus.REJECTED, reason
        row.decided_by, row.decided_at = by.id, clock.now()
        _audit(session, "invoice.credit_rejected", invoice, row, {"reason": reason})
        return row


def lines_of(row: InvoiceCredit) -> list[CreditedLine]:
    """Which lines a credit takes back, in the order of the invoice; none where all rates were lowered alike."""
    return [CreditedLine.from_json(line) for line in row.lines]


# What is booked


def _reckon(
    session: Session, invoice: Invoice, wanted: Sequence[Wanted] | None, earlier: Sequence[InvoiceCredit]
) -> _Reckoned:
    """What a credit comes to. Raises Invalid where more than is due, or than is left of a line, is wanted."""
    sold = revenue.sold(session, invoice.id)
    if wanted is None:
        return _Reckoned((), tuple(revenue.shared(invoice.due_minor, sold)))
    lines = queries.lines_of(session, invoice.id)
    booked = [line for one in earlier if one.status == CreditStatus.CREDITED for line in lines_of(one)]
    credited = credit_lines.of_lines(wanted, lines, booked, invoice.currency)
    reckoned = _Reckoned(credited, tuple(credit_lines.parts_of(credited, lines, sold, invoice.currency)))
    _refuse_more_than_due(invoice, reckoned.total_minor)
    return reckoned


def _parts_again(session: Session, invoice: Invoice, row: InvoiceCredit) -> list[Part]:
    """What a credit that was proposed comes to by now, which must be what was proposed. Raises Conflict where it is not."""
    _refuse_more_than_due(invoice, row.amount_minor)
    sold, lines = revenue.sold(session, invoice.id), lines_of(row)
    if not lines:
        return revenue.shared(row.amount_minor, sold)
    parts = credit_lines.parts_of(lines, queries.lines_of(session, invoice.id), sold, invoice.currency)
    if sum(part.total_minor for part in parts) != row.amount_minor:
        raise Conflict(N_("What is left of the invoice has changed. Please reject this credit, and propose it again."))
    return parts


def _book(session: Session, invoice: Invoice, row: InvoiceCredit, parts: Sequence[Part]) -> None:
    at = row.decided_at or row.proposed_at
    revenue.credit(session, parts, invoice.item, currency=invoice.currency, subject=invoice.id, movement=row.id, at=at)
    invoice.credited_minor += row.amount_minor
    service.close_if_even(session, invoice, at)
    _audit(session, "invoice.credited", invoice, row, {"reason": row.reason})
    for also in _on_credit:
        also(session, queries.for_staff(session, invoice.id), row)
    _announce(session, invoice, row, at)
    crash.point("invoice credited")


def _announce(session: Session, invoice: Invoice, row: InvoiceCredit, at: datetime) -> None:
    """Tell the customer's systems."""
    facts = {
        "invoice_id": invoice.id,
        "invoice_number": invoice.number,
        "status": invoice.status,
        "amount": row.amount_minor,
        "amount_due": invoice.amount_due.minor,
        "currency": invoice.currency,
        "credited_at": at.isoformat().replace("+00:00", "Z"),
    }
    webhook_endpoints.emit(session, invoice.customer_id, EventType.INVOICE_CREDITED, facts)


# What is checked


def _only_bookkeepers(by: Reviewer | None) -> None:
    if by is not None and not by.may(Permission.CLOSE_INVOICES):
        raise Forbidden


def _refuse_closed(session: Session, invoice: Invoice) -> None:
    """Raises Conflict for an invoice of which nothing is due, and for one that is being paid in one way or another."""
    if invoice.status == InvoiceStatus.PAID:
        raise Conflict(
            N_("Invoice %(number)s is paid. Please refund the payment: the refund issues the credit note."),
            code=service.ALREADY_PAID,
            number=invoice.number,
        )
    if invoice.status == InvoiceStatus.VOID:
        raise Conflict(
            N_("Invoice %(number)s is void, so there is nothing to credit."),
            code=service.INVOICE_VOID,
            number=invoice.number,
        )
    if invoice.status == InvoiceStatus.CREDITED:
        raise Conflict(
            N_("Invoice %(number)s is credited in full already."), code=service.INVOICE_CREDITED, number=invoice.number
        )
    service.refuse_withdrawn(invoice)
    service.refuse_while_recording(session, invoice)
    service.run_guards(session, invoice)


def _refuse_more(invoice: Invoice, earlier: Sequence[InvoiceCredit]) -> None:
    if any(one.waits for one in earlier):
        raise Conflict(
            N_("Another credit of invoice %(number)s waits for its approval. Please decide about that one first."),
            code=CREDIT_WAITS,
            number=invoice.number,
        )
    if len(earlier) >= MOST_CREDITS:
        raise Conflict(N_("Too many credits of this invoice were made."))


def _refuse_more_than_due(invoice: Invoice, minor: int) -> None:
    if minor > invoice.due_minor:
        raise Conflict(
            N_("%(amount)s would be credited, and %(due)s is due. What is paid is given back by a refund."),
            code=MORE_THAN_DUE,
            amount=Money(minor, invoice.currency),
            due=invoice.amount_due,
        )


def _same(known: InvoiceCredit, invoice_id: str) -> InvoiceCredit:
    if known.invoice_id != invoice_id:
        raise Conflict
    return known


# Rows


def _known(client_key: str | None) -> InvoiceCredit | None:
    if client_key is None:
        return None
    with db.reading() as session:
        return queries.credit_by_key(session, client_key)


def _locked(session: Session, credit_id: str) -> tuple[Invoice, InvoiceCredit]:
    """The credit with its invoice, both as they are now, and nobody else's until the transaction ends. Raises NotFound."""
    invoice = service.lock(session, queries.credit(session, credit_id).invoice_id)
    row = session.get(InvoiceCredit, credit_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound
    return invoice, row


def _audit(session: Session, action: str, invoice: Invoice, row: InvoiceCredit, facts: dict[str, Any]) -> None:
    session.flush()
    told = {"number": invoice.number, "credit": row.id, "amount": str(row.amount), "due": str(invoice.amount_due)}
    audit.record(session, action, invoice.id, told | facts, customer_id=invoice.customer_id)
