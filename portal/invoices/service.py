"""What is done with invoices: issued, voided, paid. What staff record of payments elsewhere is portal.invoices.outside's, what they take
back of an invoice before it is paid portal.invoices.crediting's.

open → paid, credited, written off or void; back to open where a recorded payment or a write-off is reversed. Whoever changes an
invoice, or starts to pay one, first takes its row (FOR UPDATE), so that the two never happen side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core import audit, clock, crash, db, recovery, texts
from portal.core.errors import N_, Conflict, Invalid, NotFound
from portal.core.money import Money
from portal.invoices import drafts, queries
from portal.invoices.issuing import DUPLICATE_REFERENCE, add, book, by_external_reference, issue, on_issue, row_of
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStatus
from portal.ledger import revenue
from portal.webhook_endpoints import service as webhook_endpoints
from portal.webhook_endpoints.models import EventType

__all__ = [
    "DUPLICATE_REFERENCE",
    "add",
    "book",
    "by_external_reference",
    "clear_way",
    "clears_way",
    "close_if_even",
    "count",
    "guards_void",
    "issue",
    "lock",
    "lock_open",
    "lock_payable",
    "mark_paid",
    "on_due_again",
    "on_issue",
    "on_void",
    "refuse_unpayable",
    "refuse_while_recording",
    "refuse_withdrawn",
    "row_of",
    "run_guards",
    "tell_due_again",
    "uncount",
    "void",
]

LONGEST_REASON: Final = 300
# Why not, for programs.
ALREADY_PAID: Final = "already_paid"
INVOICE_VOID: Final = "invoice_void"
INVOICE_CREDITED: Final = "invoice_credited"
WRITTEN_OFF: Final = "written_off"
PARTLY_PAID: Final = "partly_paid"
PARTLY_CREDITED: Final = "partly_credited"
BEING_RECORDED: Final = "payment_being_recorded"
AMOUNT_CHANGED: Final = "amount_changed"
REST_NOT_CHARGEABLE: Final = "rest_not_chargeable"


# What else is done, in the same transaction, when an invoice is voided, and when more of one is due.

WithInvoice = Callable[[Session, Invoice], None]
_on_void: list[WithInvoice] = []


def on_void(also: WithInvoice) -> WithInvoice:
    """Have this function called with each invoice that is voided."""
    _on_void.append(also)
    return also


_on_due_again: list[WithInvoice] = []


def on_due_again(also: WithInvoice) -> WithInvoice:
    """Likewise with each of which more is due than a moment ago, because a recorded payment was reversed; its lock is held."""
    _on_due_again.append(also)
    return also


# Voiding

VoidGuard = Callable[[Session, Invoice], None]
_void_guards: list[VoidGuard] = []


def guards_void(guard: VoidGuard) -> VoidGuard:
    """Ask this function, too, before an invoice is voided or recorded as paid elsewhere: it gets the locked row and raises Conflict
    to refuse.

    Payments stand to the right of invoices and cannot be asked from here; so they say themselves that an invoice with a
    live payment must not be voided. The other side of the same promise is theirs as well: a payment is started under
    the lock of `lock_open`, which refuses a void invoice.
    """
    _void_guards.append(guard)
    return guard


def run_guards(session: Session, invoice: Invoice) -> None:
    """Raises Conflict when one of the guards does. The caller holds the invoice's lock."""
    for guard in _void_guards:
        guard(session, invoice)


ClearWay = Callable[[str], None]
_clearers: list[ClearWay] = []


def clears_way(clearer: ClearWay) -> ClearWay:
    """Have this function, too, end what stands in the way before an invoice is voided or recorded as paid elsewhere.

    It gets the id of an invoice that is open, outside any transaction, and may take its time at Stripe; it raises Conflict when
    what stands there cannot be ended, or has paid the invoice. The guards have the last word, under the invoice's lock.
    """
    _clearers.append(clearer)
    return clearer


def clear_way(invoice_id: str) -> None:
    """Outside any transaction: end what stands in the way of closing an open invoice, or of changing what is due of it."""
    with db.reading() as session:
        status = session.scalar(select(Invoice.status).where(Invoice.id == invoice_id))
    if status == InvoiceStatus.OPEN:
        for clearer in _clearers:
            clearer(invoice_id)
    crash.point("way cleared")


def void(invoice_id: str, reason: str) -> Invoice:
    """Withdraw an open invoice: nobody owes it any longer, and its number stays used. A card payment that waits for its customer is
    called off at Stripe first.

    A second call changes nothing and keeps the first reason. Raises Invalid without a reason, NotFound, and Conflict for
    a paid invoice, also one that is paid at this moment, for one of which a part is credited, or when a guard (see guards_void) refuses;
    and the gateway's errors.
    """
    reason = texts.one_line(reason, field="reason", longest=LONGEST_REASON)
    if not reason:
        raise Invalid(N_("Please give a reason."), field="reason")
    clear_way(invoice_id)
    with db.transaction() as session:
        recovery.refuse(session)  # it may have been paid after the backup
        invoice = lock(session, invoice_id)
        if invoice.status == InvoiceStatus.VOID:
            return invoice
        if invoice.status == InvoiceStatus.PAID:
            raise Conflict(
                N_("Invoice %(number)s is paid and can no longer be voided."), code=ALREADY_PAID, number=invoice.number
            )
        if invoice.status == InvoiceStatus.WRITTEN_OFF:
            refuse_withdrawn(invoice)
        if invoice.paid_minor:
            raise Conflict(
                N_(
                    "%(paid)s of invoice %(number)s is paid, so it cannot be voided. If that is wrong, reverse the recorded "
                    "payment first."
                ),
                code=PARTLY_PAID,
                number=invoice.number,
                paid=invoice.amount_paid,
            )
        if invoice.credited_minor:
            raise Conflict(
                N_(
                    "%(credited)s of invoice %(number)s is credited, so it cannot be voided. Please credit the rest instead."
                ),
                code=PARTLY_CREDITED,
                number=invoice.number,
                credited=invoice.amount_credited,
            )
        refuse_while_recording(session, invoice)
        run_guards(session, invoice)
        invoice.status = InvoiceStatus.VOID
        invoice.voided_at = clock.now()
        invoice.void_reason = reason
        revenue.withdraw(session, "void", invoice.item, subject=invoice.id, at=invoice.voided_at)
        _record_change(session, "invoice.voided", invoice, {"reason": reason})
        for also in _on_void:
            also(session, invoice)
        return invoice


# Being paid


def lock_open(session: Session, invoice_id: str, customer_id: str) -> Invoice:
    """The customer's invoice, locked until the caller's transaction ends, and certainly open: for starting to pay it.

    Raises NotFound for an unknown or someone else's id, Conflict when it is paid, credited or void.
    """
    invoice = lock(session, invoice_id, customer_id)
    refuse_unpayable(invoice)
    return invoice


def refuse_unpayable(invoice: Invoice) -> None:
    """Raises Conflict when it is paid, credited, written off or void, in words for who wants to pay it."""
    if invoice.status == InvoiceStatus.PAID:
        raise Conflict(
            N_("Invoice %(number)s is already paid. You were not charged again."),
            code=ALREADY_PAID,
            number=invoice.number,
        )
    if invoice.status == InvoiceStatus.VOID:
        raise Conflict(
            N_("Invoice %(number)s was voided. You do not have to pay it."), code=INVOICE_VOID, number=invoice.number
        )
    if invoice.status == InvoiceStatus.CREDITED:
        raise Conflict(
            N_("Invoice %(number)s was corrected in full. You do not have to pay it."),
            code=INVOICE_CREDITED,
            number=invoice.number,
        )
    if invoice.status == InvoiceStatus.WRITTEN_OFF:
        raise Conflict(
            N_("Invoice %(number)s is closed. If you want to pay it, please write to us."),
            code=WRITTEN_OFF,
            number=invoice.number,
        )


def lock_payable(
    session: Session, invoice_id: str, customer_id: str, *, at_most: Money | None = None, is_alone: bool = True
) -> Invoice:
    """Likewise, and what is due of it can be charged now: for whoever starts a payment, which is of `Invoice.amount_due`.

    Besides, raises Conflict while a payment that arrived in another way waits for its approval, and when more is due than `at_most`,
    which is what the customer was shown or told; and where Stripe would refuse so small a rest, if `is_alone` says that no other invoice
    is paid with it.
    """
    invoice = lock_open(session, invoice_id, customer_id)
    refuse_while_recording(session, invoice)
    is_known = at_most is None or (at_most.currency == invoice.currency and invoice.amount_due <= at_most)
    if not is_known:
        raise Conflict(
            N_("You were not charged: %(due)s is due of invoice %(number)s now. Please look at it again."),
            code=AMOUNT_CHANGED,
            due=invoice.amount_due,
            number=invoice.number,
        )
    if invoice.is_reduced and is_alone:
        try:
            drafts.check_chargeable(invoice.amount_due)
        except Invalid as error:
            raise Conflict(
                N_("The rest of %(due)s cannot be paid by card. Please pay it in another way."),
                code=REST_NOT_CHARGEABLE,
                due=invoice.amount_due,
            ) from error
    return invoice


def refuse_while_recording(session: Session, invoice: Invoice) -> None:
    """Raises Conflict while a payment that arrived in another way waits for its approval. The caller holds the invoice's lock."""
    if queries.is_being_recorded(session, invoice.id):
        raise Conflict(
            N_(
                "We are recording a payment of invoice %(number)s that reached us in another way. Please do not pay it again."
            ),
            code=BEING_RECORDED,
            number=invoice.number,
        )


def mark_paid(session: Session, invoice_id: str, at: datetime, amount: Money | None = None) -> None:
    """In the caller's transaction, which settles the payment: `amount` of the invoice, or all that is due, is paid since `at`.

    Where less is paid than was due, the rest can be paid anew. A second call of a paid invoice changes nothing and keeps the first
    moment. Raises Conflict for an invoice that is void or credited, NotFound.
    """
    invoice = lock(session, invoice_id)
    if invoice.status == InvoiceStatus.PAID:
        return
    refuse_withdrawn(invoice)
    count(session, invoice, invoice.amount_due if amount is None else amount, at)
    if invoice.status == InvoiceStatus.OPEN:
        invoice.opening += 1
    _record_change(session, "invoice.paid", invoice, {"paid_at": at.isoformat(), "due": str(invoice.amount_due)})


def refuse_withdrawn(invoice: Invoice) -> None:
    """Raises Conflict for an invoice that was voided, credited in full or written off, and is not to be paid as it is."""
    if invoice.status == InvoiceStatus.VOID:
        raise Conflict(
            N_("Invoice %(number)s was voided and cannot be paid."), code=INVOICE_VOID, number=invoice.number
        )
    if invoice.status == InvoiceStatus.CREDITED:
        raise Conflict(
            N_("Invoice %(number)s was credited in full and cannot be paid."),
            code=INVOICE_CREDITED,
            number=invoice.number,
        )
    if invoice.status == InvoiceStatus.WRITTEN_OFF:
        raise Conflict(
            N_("Invoice %(number)s is written off. Please reverse the write-off first."),
            code=WRITTEN_OFF,
            number=invoice.number,
        )


def count(session: Session, invoice: Invoice, amount: Money, at: datetime) -> None:
    """In the caller's transaction, which holds the invoice's lock: so much of an open invoice is paid. It is paid, since `at`, when
    nothing is due any more. What is more than was due is not counted.
    """
    invoice.paid_minor = min(invoice.paid_minor + amount.minor, invoice.total_minor - invoice.credited_minor)
    close_if_even(session, invoice, at)


def close_if_even(session: Session, invoice: Invoice, at: datetime) -> None:
    """Likewise, after what is due of an open invoice has changed: when nothing is due any more it is paid since `at`, or credited where
    nothing of it was ever paid.
    """
    if invoice.due_minor:
        return
    if not invoice.paid_minor:
        invoice.status = InvoiceStatus.CREDITED
        return
    invoice.status = InvoiceStatus.PAID
    invoice.paid_at = at
    _announce_paid(session, invoice, at)


def uncount(session: Session, invoice: Invoice, amount: Money) -> None:
    """Likewise: so much was not paid after all, and is due again. What was paid through Stripe stays so; the rest can be paid anew."""
    invoice.paid_minor -= amount.minor
    if invoice.status == InvoiceStatus.PAID:
        invoice.status = InvoiceStatus.OPEN
        invoice.paid_at = None
        invoice.opening += 1
    tell_due_again(session, invoice)


def tell_due_again(session: Session, invoice: Invoice) -> None:
    """Call what was registered by `on_due_again`. The caller holds the invoice's lock."""
    session.flush()
    for also in _on_due_again:
        also(session, invoice)


def _announce_paid(session: Session, invoice: Invoice, at: datetime) -> None:
    """Tell the customer's systems, however the money came."""
    facts = {
        "invoice_id": invoice.id,
        "invoice_number": invoice.number,
        "status": invoice.status,
        "amount": invoice.paid_minor,
        "currency": invoice.currency,
        "paid_at": at.isoformat().replace("+00:00", "Z"),
    }
    webhook_endpoints.emit(session, invoice.customer_id, EventType.INVOICE_PAID, facts)


def lock(session: Session, invoice_id: str, customer_id: str | None = None) -> Invoice:
    """An invoice's row as it is now, not as the session may remember it, and nobody else's until the transaction ends.

    Raises NotFound, also for another customer's.
    """
    wanted = select(Invoice).where(Invoice.id == invoice_id)
    if customer_id is not None:
        wanted = wanted.where(Invoice.customer_id == customer_id)
    invoice = session.scalar(wanted.with_for_update().execution_options(populate_existing=True))
    if invoice is None:
        raise NotFound
    return invoice


def _record_change(session: Session, action: str, invoice: Invoice, facts: dict[str, str]) -> None:
    session.flush()
    change = {"number": invoice.number, "status": [InvoiceStatus.OPEN, invoice.status], **facts}
    audit.record(session, action, invoice.id, change, customer_id=invoice.customer_id)
