"""What must be true of the books by themselves, and is asked at the end of each run: no money given back beyond what came in, a document
for each movement, nothing that stands still, nothing that was tampered with. And what looks as if it was charged twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice
from typing import Any, Final

from sqlalchemy import ColumnElement, String, case, exists, func, literal, or_, select
from sqlalchemy.orm import Session

from portal.core import audit, clock, company_days, db, method_kinds
from portal.core.db import UTCDateTime
from portal.documents.models import Document, PaymentDocument, RefundDocument
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStatus
from portal.ledger import LedgerAccount, Posting
from portal.payments import queries as payments
from portal.payments.models import Confirmation, Payment
from portal.payments.statuses import PaymentStatus
from portal.reconciliation.run import Checkpoint, DiscrepancyDraft, Run
from portal.reconciliation.transactions import COMES_WITHIN, totals_at
from portal.refunds import statuses as refund_statuses
from portal.refunds.models import Refund, Resolution
from portal.refunds.statuses import RefundStatus

# Nothing but a wait for a person lasts longer.
STUCK_AFTER: Final = timedelta(minutes=15)
# The same customer, amount and text within this time is hardly meant.
CHARGED_TWICE_WITHIN: Final = timedelta(hours=24)
# Of an invoice, what its postings say otherwise than its row.
INVOICE_CODES: Final = ("invoice_total", "invoice_due", "invoice_credited", "invoice_written_off")
# Of one kind: who has more than these has one fault many times.
MOST: Final = 100

_IN_BETWEEN: Final = (PaymentStatus.CREATED, PaymentStatus.PROCESSING, PaymentStatus.REQUIRES_CAPTURE)


def all_of_them(run: Run, _after: str | None) -> Iterator[Checkpoint]:
    for check in (
        unposted_payments,
        over_refunded,
        receipts,
        credit_notes,
        unsent_documents,
        stuck_payments,
        stuck_refunds,
        charged_twice,
        invoices_add_up,
    ):
        if run.recovering and check in _HELD:
            run.incomplete.update(_HELD[check])
            continue
        check(run)
        yield Checkpoint(check.__name__)
    if run.is_full_run:
        totals(run)
        yield Checkpoint("totals")
        audit_trail(run)
        yield Checkpoint("audit_trail")


def _rows(run: Run, query: Any, *codes: str) -> list[Any]:
    """At most MOST of them; where there may be more, the run does not know which ones have gone."""
    with db.reading() as session:
        found = list(session.execute(query.limit(MOST)))
    if len(found) == MOST:
        run.incomplete.update(codes)
    return found


def _paid(run: Run) -> Any:
    """Payments of the span that have succeeded; when a row succeeds it is changed, so the index of changes leads to them."""
    return (Payment.status == PaymentStatus.SUCCEEDED) & (Payment.updated_at >= run.since)


def unposted_payments(run: Run) -> None:
    """Paid here, and nothing of it in the books."""
    posted = exists().where(Posting.reference == literal("charge:") + Payment.stripe_intent_id)
    for (row,) in _rows(run, select(Payment).where(_paid(run), ~posted), "paid_unposted"):
        facts = {"payment": row.id, "amount_minor": row.amount_minor, "currency": row.currency}
        run.record(DiscrepancyDraft("paid_unposted", row.id, facts, row.id, row.succeeded_at))


def over_refunded(run: Run) -> None:
    """D: more was given back than came in."""
    given = func.sum(Refund.amount_minor)
    is_given_back = or_(Refund.status == RefundStatus.SUCCEEDED, Refund.resolution == Resolution.PAID_OUTSIDE)
    changed = select(Refund.payment_id).where(Refund.updated_at >= run.since, is_given_back)
    query = (
        select(Payment, given)
        .join(Refund, Refund.payment_id == Payment.id)
        .where(Payment.id.in_(changed), is_given_back)
        .group_by(Payment.id)
        .having(given > Payment.amount_minor)
    )
    for payment, total in _rows(run, query, "over_refunded"):
        facts = {"payment": payment.id, "amount_minor": payment.amount_minor, "currency": payment.currency}
        run.record(
            DiscrepancyDraft(
                "over_refunded", payment.id, facts | {"given_minor": int(total)}, payment.id, payment.succeeded_at
            )
        )


def receipts(run: Run) -> None:
    """E: a payment without its receipt, a while after it was paid."""
    issued = exists().where(PaymentDocument.payment_id == Payment.id)
    late = Payment.succeeded_at < clock.now() - STUCK_AFTER
    for (payment,) in _rows(run, select(Payment).where(_paid(run), late, ~issued), "receipt_missing"):
        run.record(
            DiscrepancyDraft("receipt_missing", payment.id, {"payment": payment.id}, payment.id, payment.succeeded_at)
        )


def credit_notes(run: Run) -> None:
    """E: a refund without its credit note."""
    issued = exists().where(RefundDocument.refund_id == Refund.id)
    late = (Refund.succeeded_at < clock.now() - STUCK_AFTER) & (Refund.updated_at >= run.since)
    query = select(Refund).where(Refund.status == RefundStatus.SUCCEEDED, late, ~issued)
    for (refund,) in _rows(run, query, "credit_note_missing"):
        facts = {"refund": refund.id, "payment": refund.payment_id}
        run.record(DiscrepancyDraft("credit_note_missing", refund.id, facts, refund.payment_id, refund.succeeded_at))


def unsent_documents(run: Run) -> None:
    """E: a document that no mail server has taken, and whose job is not trying any more."""
    span = (Document.issued_at >= run.since) & (Document.issued_at < clock.now() - STUCK_AFTER)
    wanted = Document.mailed_at.is_(None) & Document.mail_waived_at.is_(None)
    query = select(Document).where(span, wanted, Document.revoked_at.is_(None))
    for (document,) in _rows(run, query, "document_unsent"):
        facts = {"document": document.number} | ({"payment": document.payment_id} if document.payment_id else {})
        run.record(DiscrepancyDraft("document_unsent", document.id, facts, document.payment_id, document.issued_at))


def stuck_payments(run: Run) -> None:
    """F: a payment that is neither at its end nor waits for its customer."""
    before = clock.now() - STUCK_AFTER
    stuck = Payment.status.in_(_IN_BETWEEN) & (Payment.updated_at < before) & (Payment.review_reason == "") & _is_late()
    for (payment,) in _rows(run, select(Payment).where(stuck), "stuck"):
        run.record(_stuck(payment.id, payment.status, payment))
    unanswered = Confirmation.answered_at.is_(None) & (Confirmation.created_at < before)
    query = select(Confirmation, Payment).join(Confirmation.payment).where(unanswered, Payment.review_reason == "")
    for _confirmation, payment in _rows(run, query, "stuck"):
        run.record(_stuck(payment.id, "unanswered", payment))


def _is_late() -> ColumnElement[bool]:
    """That a payment is of a kind that takes no days, or has taken all the days that its bank may take."""
    today = company_days.today()
    kinds = [
        (Payment.method_kind == kind.name)
        & (Payment.expected_on < company_days.working_days_after(today, kind.working_days - kind.longest_days))
        for kind in method_kinds.DEBITS.values()
    ]
    return or_(Payment.expected_on.is_(None), *kinds)


def _stuck(subject: str, status: str, payment: Payment) -> DiscrepancyDraft:
    return DiscrepancyDraft("stuck", subject, {"payment": payment.id, "status": status}, payment.id)


def stuck_refunds(run: Run) -> None:
    """F: a refund that was approved and that Stripe has not heard of; a pending one waits for a bank, which may take days."""
    sending = (RefundStatus.APPROVED, RefundStatus.EXECUTING)
    before = clock.now() - STUCK_AFTER
    query = select(Refund).where(Refund.status.in_(sending), Refund.updated_at < before, Refund.review_reason == "")
    for (refund,) in _rows(run, query, "stuck_refund"):
        facts = {"payment": refund.payment_id, "refund": refund.id, "status": refund.status}
        run.record(DiscrepancyDraft("stuck_refund", refund.id, facts, refund.payment_id))


def charged_twice(run: Run) -> None:
    """The same customer, amount and text within a day. Nothing is given back by itself: a person decides.

    Payments of two invoices are two debts; what came back already, or is on its way, is settled.
    """
    alike = (Payment.customer_id, Payment.currency, Payment.amount_minor, Payment.description)
    in_order = (Payment.created_at, Payment.id)
    paid = select(
        Payment.id,
        Payment.created_at,
        func.lag(Payment.id, type_=String()).over(partition_by=alike, order_by=in_order).label("first_id"),
        func.lag(Payment.created_at, type_=UTCDateTime()).over(partition_by=alike, order_by=in_order).label("first_at"),
    ).where(Payment.status == PaymentStatus.SUCCEEDED, Payment.updated_at >= run.since - CHARGED_TWICE_WITHIN)
    pairs = paid.subquery()
    with db.reading() as session:
        query = select(pairs).where(pairs.c.first_id.is_not(None)).order_by(pairs.c.id)
        with session.execute(query.execution_options(yield_per=1_000)) as found:
            near = list(islice((row for row in found if row.created_at - row.first_at <= CHARGED_TWICE_WITHIN), MOST))
        twice = [(session.get_one(Payment, row.id), session.get_one(Payment, row.first_id)) for row in near]
        kept = [
            (payment, first)
            for payment, first in twice
            if not (_is_back(session, payment) or _two_debts(session, payment, first))
        ]
    if len(near) == MOST:
        run.incomplete.add("charged_twice")
    for payment, first in kept:
        facts = {"payment": payment.id, "first": first.id, "amount_minor": payment.amount_minor}
        facts["currency"] = payment.currency
        run.record(DiscrepancyDraft("charged_twice", payment.id, facts, payment.id, payment.succeeded_at))


def _is_back(session: Session, payment: Payment) -> bool:
    refunds = select(Refund.id).where(Refund.payment_id == payment.id, Refund.status.not_in(refund_statuses.FREED))
    return session.scalar(refunds.limit(1)) is not None


def _two_debts(session: Session, payment: Payment, first: Payment) -> bool:
    found = payments.allocations_of_all(session, [payment.id, first.id])
    paid = [{one.invoice_id for one in found.get(each.id, [])} for each in (payment, first)]
    return all(paid) and paid[0].isdisjoint(paid[1])


def invoices_add_up(run: Run) -> None:
    """J: what an invoice was issued over is, by the postings, what is due, was paid, credited and written off of it, as its row says.

    Of those with a posting in the span, or of all in a full run. What was paid is the rest of the others: it needs no sum of its own.
    """
    receivables, sold_on = LedgerAccount.RECEIVABLES, (LedgerAccount.REVENUE, LedgerAccount.TAX)
    owed_by, paid_by = Posting.debit == receivables, Posting.credit == receivables
    is_credit = Posting.kind.in_(("credit", "credit_tax"))

    def balance(more: Any, less: Any) -> Any:
        return func.sum(case((more, Posting.amount_minor), (less, -Posting.amount_minor), else_=0))

    changed = select(Posting.item_id).where(Posting.at >= run.since, Posting.item_id.is_not(None))
    by_item = (
        select(
            Posting.item_id.label("item"),
            balance(owed_by, paid_by).label("due"),
            balance(owed_by & Posting.credit.in_(sold_on), paid_by & Posting.debit.in_(sold_on) & ~is_credit).label(
                "sold"
            ),
            balance(paid_by & is_credit, owed_by & is_credit).label("credited"),
            balance(
                paid_by & (Posting.debit == LedgerAccount.BAD_DEBTS),
                owed_by & (Posting.credit == LedgerAccount.BAD_DEBTS),
            ).label("written_off"),
            func.max(Posting.at).label("at"),
        )
        .where(Posting.item_id.is_not(None) if run.is_full_run else Posting.item_id.in_(changed))
        .group_by(Posting.item_id)
        .having(
            func.sum(case((Posting.kind == "invoice", 1), else_=0)) > 0
        )  # else it was issued before this was booked
        .subquery()
    )
    is_now = Invoice.status
    stated = {
        "total": (by_item.c.sold, case((is_now == InvoiceStatus.VOID, 0), else_=Invoice.total_minor)),
        "due": (by_item.c.due, case((is_now == InvoiceStatus.OPEN, Invoice.due_minor), else_=0)),
        "credited": (by_item.c.credited, Invoice.credited_minor),
        "written_off": (by_item.c.written_off, case((is_now == InvoiceStatus.WRITTEN_OFF, Invoice.due_minor), else_=0)),
    }
    columns: list[Any] = [
        column.label(f"{side}_{name}")
        for name, pair in stated.items()
        for side, column in zip(("books", "row"), pair, strict=True)
    ]
    wrong = or_(*(ours != rows for ours, rows in stated.values()))
    query = (
        select(Invoice, by_item.c.at, *columns)
        .join(by_item, by_item.c.item == Invoice.id)
        .where(wrong)
        .order_by(Invoice.id)
    )
    for invoice, at, *found in _rows(run, query, *INVOICE_CODES):
        pairs = zip(stated, found[::2], found[1::2], strict=True)
        name, ours, rows = next((name, int(ours), int(rows)) for name, ours, rows in pairs if ours != rows)
        facts = {"invoice": invoice.number, "ours_minor": ours, "stated_minor": rows, "difference_minor": ours - rows}
        facts["currency"] = invoice.currency
        run.record(DiscrepancyDraft(f"invoice_{name}", invoice.id, facts, about_at=at))


def totals(run: Run) -> None:
    """C: what Stripe holds for us by the books is what its movements come to, added up anew in a full run. Debits equal credits (H)
    because each posting is both.
    """
    with db.reading() as session:
        found = totals_at(session, run.until - COMES_WITHIN, anew=run.is_full_run)
    for currency, balance in found.items():
        difference = balance.ours - balance.stripes
        if difference:
            facts = {
                "ours_minor": balance.ours,
                "stripe_minor": balance.stripes,
                "difference_minor": difference,
                "currency": currency,
            }
            run.record(DiscrepancyDraft("totals_differ", currency, facts))


def audit_trail(run: Run) -> None:
    """I: nobody has tampered with the audit trail."""
    with db.reading() as session:
        broken = audit.verify(session)
    if broken:
        run.record(DiscrepancyDraft("audit_broken", "audit", {"what": broken}))


# In recovery mode the jobs that do these wait, so nothing is known by their being undone.
_HELD: Final[dict[Callable[[Run], None], tuple[str, ...]]] = {
    receipts: ("receipt_missing",),
    credit_notes: ("credit_note_missing",),
    unsent_documents: ("document_unsent",),
    stuck_payments: ("stuck",),
    stuck_refunds: ("stuck_refund",),
}
