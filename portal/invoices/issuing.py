"""An invoice is issued: it gets its number, and what was drafted is frozen. Others find this behind portal.invoices.service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts.models import Customer
from portal.accounts.service import Deactivated
from portal.core import audit, clock, company_days, db, numbering
from portal.core.errors import N_, Conflict, NotFound
from portal.core.idempotency import check_client_key
from portal.invoices import details, drafts, price_list, taxing
from portal.invoices.drafts import InvoiceDraft
from portal.invoices.models import Invoice, InvoiceLine
from portal.invoices.statuses import InvoiceStatus
from portal.invoices.totals import Totals
from portal.ledger import revenue
from portal.vat import service as vat

# Why not, for programs.
DUPLICATE_REFERENCE: Final = "duplicate_reference"

# What else is done, in the same transaction, when an invoice is issued.
WithDraft = Callable[[Session, Invoice, InvoiceDraft], None]
_on_issue: list[WithDraft] = []


def on_issue(also: WithDraft) -> WithDraft:
    """Have this function called with each invoice that is issued, with its customer and lines, and with what it was made of: documents
    stand to the right.
    """
    _on_issue.append(also)
    return also


def issue(draft: InvoiceDraft, *, client_key: str | None = None) -> Invoice:
    """Number the invoice and freeze its totals. It is open, and comes back with its lines.

    A second call issues a second invoice, unless it has the same `client_key`, the key of a form: then the first one comes back,
    without its lines. A `draft.external_reference` that the customer has already raises Conflict, and a
    customer who is deactivated Deactivated. Raises Invalid for what portal.invoices.drafts.check,
    price_list.check_lines and taxing.check refuse, NotFound for an unknown customer.
    """
    sums = drafts.check(draft)
    if client_key is not None:
        check_client_key(client_key)
    try:
        with db.transaction() as session:
            return add(session, draft, sums, client_key)
    except _SentBefore:
        with db.reading() as session:
            return session.execute(select(Invoice).where(Invoice.client_key == client_key)).scalar_one()


class _SentBefore(Exception):
    """This form has issued its invoice already: the number just taken goes back with the transaction."""


def add(session: Session, draft: InvoiceDraft, sums: Totals, client_key: str | None = None) -> Invoice:
    customer = session.get(Customer, draft.customer_id)
    if customer is None:
        raise NotFound
    if customer.deactivated_at is not None:
        raise Deactivated
    # The counter's row stays locked until the commit, so nobody else issues between the next look and our insert.
    number = numbering.take(session, numbering.INVOICES)
    if client_key is not None and session.scalar(select(Invoice.id).where(Invoice.client_key == client_key)):
        raise _SentBefore
    price_list.check_lines(session, draft)
    vat_id = taxing.check(session, draft, customer)
    same = draft.external_reference and by_external_reference(session, draft.customer_id, draft.external_reference)
    if same:
        raise Conflict(
            N_("This customer already has an invoice with the reference %(reference)s."),
            code=DUPLICATE_REFERENCE,
            reference=draft.external_reference,
            existing_id=same.id,
        )
    invoice = row_of(draft, sums, customer, f"INV-{draft.first_day.year}-{number:06d}", client_key)
    session.add(invoice)
    session.flush()
    book(session, invoice)
    facts: dict[str, Any] = {
        "number": invoice.number,
        "total_minor": invoice.total_minor,
        "currency": invoice.currency,
    }
    if not draft.mailed:
        facts["mailed"] = False
    if vat_id is not None:
        facts["vat_check"] = vat_id.check.id if vat_id.check else vat_id.result
        vat.keep_fresh(session, customer)
    audit.record(session, "invoice.issued", invoice.id, facts, customer_id=invoice.customer_id)
    for also in _on_issue:
        also(session, invoice, draft)
    return invoice


def book(session: Session, invoice: Invoice) -> None:
    """Post what the invoice, which has its lines loaded, is over: owed by its customer, against revenue and tax of each rate, on its day.

    A second call writes nothing.
    """
    revenue.sell(
        session,
        "invoice",
        [revenue.Part(tax.rate_basis_points, tax.net_minor, tax.tax_minor) for tax in invoice.taxes],
        invoice.item,
        currency=invoice.currency,
        subject=invoice.id,
        at=min(company_days.noon(invoice.issued_on), invoice.created_at),
    )


def row_of(
    draft: InvoiceDraft, sums: Totals, customer: Customer, number: str, client_key: str | None = None
) -> Invoice:
    """The row of an invoice with its lines, as it is issued; in no session."""
    return Invoice(
        id=db.new_id("inv"),
        number=number,
        customer=customer,
        status=InvoiceStatus.OPEN,
        currency=draft.currency,
        net_minor=sums.net_minor,
        tax_minor=sums.tax_minor,
        total_minor=sums.total_minor,
        issued_on=draft.first_day,
        due_on=draft.last_day,
        supplied_from=draft.supplied_from,
        supplied_to=draft.supplied_to,
        **details.of(draft) | {"buyer_reference": draft.buyer_reference or customer.buyer_reference},
        external_reference=draft.external_reference,
        client_key=client_key,
        note=draft.note,
        discount_minor=sums.discount_minor,
        discount_basis_points=draft.discount.basis_points,
        discount_reason=draft.discount.reason,
        created_at=clock.now(),
        void_reason="",
        lines=[
            InvoiceLine(
                id=db.new_id("inl"),
                position=position,
                description=line.description.strip(),
                quantity_thousandths=line.quantity_thousandths,
                unit=line.unit,
                unit_price_minor=line.unit_price_minor,
                tax_rate_basis_points=line.tax_rate_basis_points,
                supplies=line.kind,
                item_id=line.item_id,
                net_minor=amounts.net_minor,
                tax_minor=amounts.tax_minor,
                discount_minor=amounts.discount_minor,
                discount_basis_points=line.discount.basis_points,
                discount_reason=line.discount.reason,
                whole_discount_minor=amounts.whole_discount_minor,
            )
            for position, (line, amounts) in enumerate(zip(draft.lines, sums.lines, strict=True), start=1)
        ],
    )


def by_external_reference(session: Session, customer_id: str, external_reference: str) -> Invoice | None:
    return session.scalar(
        select(Invoice).where(Invoice.customer_id == customer_id, Invoice.external_reference == external_reference)
    )
