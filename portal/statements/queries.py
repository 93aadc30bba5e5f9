"""Payments with their refunds and disputes, as lines that each say what they moved, with the documents of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from portal.core.errors import N_
from portal.core.money import Money
from portal.disputes import queries as disputes
from portal.disputes.models import Dispute
from portal.documents import queries as receipts
from portal.documents.models import Document, DocumentKind
from portal.invoices.models import Invoice
from portal.ledger import revenue
from portal.ledger.revenue import Part
from portal.payments import queries as payments
from portal.payments.models import Allocation, Payment
from portal.refunds.models import Refund

PAYMENT: Final = "payment"
REFUND: Final = "refund"
DISPUTE: Final = "dispute"
KINDS: Final = {PAYMENT: N_("Payment"), REFUND: N_("Refund"), DISPUTE: N_("Dispute")}

BATCH: Final = 500
_WITHOUT_TAX: Final = frozenset({DocumentKind.PAYMENT_CONFIRMATION, DocumentKind.REFUND_CONFIRMATION})
# Of the postings of a dispute, those that concern its customer's money; a fee is the company's.
_OF_THE_CUSTOMER: Final = frozenset({disputes.WITHDRAWN, disputes.REINSTATED})


@dataclass(frozen=True, slots=True)
class Tax:
    """Part of a line: its rate in basis points, None where no tax is stated; in minor units, negative where it was given back."""

    rate: int | None
    net_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened. `amount` is what it is about, `booked` what it has moved: nothing while a payment or a refund has not
    succeeded, or once it has failed. Both are negative where the customer gets money.

    `document` is the number of its document, "" while there is none. `taxes` are what its invoice states, or the receipt that is one, or
    what the credit note takes back, as far as that stands; what was paid twice and went back has none.
    """

    at: datetime
    kind: str
    id: str
    status: str
    amount: Money
    booked: Money
    payment: Payment
    document: str = ""
    taxes: tuple[Tax, ...] = ()


def lines(session: Session, found: Iterable[Payment]) -> Iterator[Line]:
    """The lines of these payments, each followed by those of its refunds and disputes, oldest first."""
    rest = iter(found)
    while batch := list(islice(rest, BATCH)):
        yield from _of_batch(session, batch)


def _of_batch(session: Session, batch: Sequence[Payment]) -> Iterator[Line]:
    ids = [payment.id for payment in batch]
    shown = payments.shown_statuses(session, batch)
    documents = {document.refund_id or document.payment_id: document for document in receipts.of_payments(session, ids)}
    stated = _stated(session, batch)
    more: dict[str, list[Line]] = {}
    by_id = {payment.id: payment for payment in batch}
    refunds = select(Refund).where(Refund.payment_id.in_(ids)).order_by(Refund.asked_at, Refund.id)
    for refund in session.scalars(refunds):
        line = _of_refund(refund, by_id[refund.payment_id], documents.get(refund.id))
        more.setdefault(refund.payment_id, []).append(line)
    found = (
        select(Dispute)
        .where(Dispute.payment_id.in_(ids))
        .options(selectinload(Dispute.steps))
        .order_by(Dispute.created_at, Dispute.id)
    )
    for dispute in session.scalars(found):
        line = _of_dispute(session, dispute, by_id[dispute.payment_id])
        more.setdefault(dispute.payment_id, []).append(line)
    for payment in batch:
        yield _of_payment(payment, shown[payment.id], documents.get(payment.id), stated.get(payment.id, ()))
        yield from sorted(more.get(payment.id, []), key=lambda line: line.at)


def _stated(session: Session, batch: Sequence[Payment]) -> dict[str, tuple[Tax, ...]]:
    """What the invoices of these payments state, by the payment's id; what was paid twice pays none. A payment of parts has its shares."""
    paying = [one.id for one in batch if one.has_invoices and one.duplicate is None and one.succeeded_at is not None]
    paid = payments.allocations_of_all(session, paying)
    ids = {one.invoice_id for allocations in paid.values() for one in allocations}
    rows = session.scalars(select(Invoice).where(Invoice.id.in_(ids)).options(selectinload(Invoice.lines)))
    found = {invoice.id: invoice for invoice in rows}
    lowered = [invoice.id for invoice in found.values() if invoice.credited_minor]
    credited = revenue.credited(session, lowered) if lowered else {}
    return {
        payment_id: _summed(
            tax for one in allocations for tax in _taxes(one, found[one.invoice_id], credited.get(one.invoice_id, {}))
        )
        for payment_id, allocations in paid.items()
    }


def _summed(taxes: Iterable[Tax]) -> tuple[Tax, ...]:
    """One a rate, in the order in which they come."""
    sums: dict[int | None, Tax] = {}
    for tax in taxes:
        known = sums.get(tax.rate, Tax(tax.rate, 0, 0))
        sums[tax.rate] = Tax(tax.rate, known.net_minor + tax.net_minor, known.tax_minor + tax.tax_minor)
    return tuple(sums.values())


def _taxes(paid: Allocation, invoice: Invoice, credited: Mapping[int | None, Part]) -> tuple[Tax, ...]:
    """Of what the invoice states and no credit note took back before it was paid."""
    stated = [
        _less(Part(tax.rate_basis_points, tax.net_minor, tax.tax_minor), credited.get(tax.rate_basis_points))
        for tax in invoice.taxes
    ]
    if paid.amount_minor >= invoice.total_minor - invoice.credited_minor:
        return tuple(tax for tax in stated if tax.net_minor or tax.tax_minor)
    given = receipts.share_out(paid.amount_minor, [minor for tax in stated for minor in (tax.net_minor, tax.tax_minor)])
    return tuple(Tax(tax.rate, given[2 * at], given[2 * at + 1]) for at, tax in enumerate(stated))


def _less(stated: Part, part: Part | None) -> Tax:
    net, tax = (part.net_minor, part.tax_minor) if part else (0, 0)
    return Tax(stated.rate, stated.net_minor - net, stated.tax_minor - tax)


def _of_payment(payment: Payment, status: str, receipt: Document | None, stated: tuple[Tax, ...]) -> Line:
    booked = payment.amount if payment.has_succeeded else payment.money(0)
    number, taxes = _document(receipt)
    if receipt is not None and receipt.kind == DocumentKind.PAYMENT_CONFIRMATION:
        taxes = stated
    return Line(payment.created_at, PAYMENT, payment.id, status, payment.amount, booked, payment, number, taxes)


def _of_refund(refund: Refund, payment: Payment, note: Document | None) -> Line:
    amount = -payment.money(refund.amount_minor)
    booked = amount if refund.has_succeeded else payment.money(0)
    number, taxes = _document(note)
    at = refund.succeeded_at or refund.asked_at
    return Line(at, REFUND, refund.id, refund.status, amount, booked, payment, number, taxes)


def _of_dispute(session: Session, dispute: Dispute, payment: Payment) -> Line:
    """What the bank took from us is what its customer has back, and the other way round."""
    moved = sum(
        movement.amount.minor
        for movement in disputes.money_of(session, dispute)
        if movement.kind in _OF_THE_CUSTOMER and movement.amount.currency == payment.currency
    )
    amount = -Money(dispute.amount_minor, dispute.currency)
    return Line(dispute.created_at, DISPUTE, dispute.id, dispute.status, amount, payment.money(moved), payment)


def _document(document: Document | None) -> tuple[str, tuple[Tax, ...]]:
    if document is None:
        return "", ()
    if document.kind in _WITHOUT_TAX:
        return document.number, ()
    if document.revoked_at is not None:
        return document.number, ()
    said = receipts.facts_of(document)
    sign = -1 if document.kind == DocumentKind.CREDIT_NOTE else 1
    taxes = [Tax(tax.tax_rate_basis_points, sign * tax.net_minor, sign * tax.tax_minor) for tax in said.taxes]
    if said.untaxed_minor:
        taxes.append(Tax(None, sign * said.untaxed_minor, 0))
    return document.number, tuple(taxes)
