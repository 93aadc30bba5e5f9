"""Invoices: read by their customer, issued by staff and API clients."""

from __future__ import annotations

from decimal import Decimal

from portal.api import invoice_schemas, representations, schemas
from portal.api.callers import Caller, NotForCustomers
from portal.api.once import key_of
from portal.api.operations import blueprint, operation
from portal.core import db
from portal.core.errors import Invalid, NotFound
from portal.invoices import details, queries, service
from portal.invoices.drafts import InvoiceDraft, LineDraft

bp = blueprint("invoices")


@bp.get("/invoices")
@operation(
    "invoices:read",
    tag="Invoices",
    answer=schemas.Page[invoice_schemas.InvoiceSummary],
    query=invoice_schemas.InvoiceList,
    refusals=(404,),
)
def list_invoices(caller: Caller, query: invoice_schemas.InvoiceList) -> schemas.Page[invoice_schemas.InvoiceSummary]:
    """List invoices, newest first."""
    whose = caller.customer_named(query.customer_id)
    with db.reading() as session:
        if whose is None:
            found = queries.page_for_staff(session, status=query.status, cursor=query.cursor, size=query.limit)
        else:
            found = queries.page_for_customer(
                session, whose, status=query.status, cursor=query.cursor, size=query.limit
            )
        rows = representations.invoice_summaries(session, found.rows)
    return representations.page(found, rows)


@bp.get("/invoices/<invoice_id>")
@operation("invoices:read", tag="Invoices", answer=invoice_schemas.Invoice, refusals=(404,))
def get_invoice(caller: Caller, invoice_id: str) -> invoice_schemas.Invoice:
    """Get one invoice with its lines."""
    return _shown(caller, invoice_id)


def _shown(caller: Caller, invoice_id: str) -> invoice_schemas.Invoice:
    with db.reading() as session:
        whose = caller.customer_id
        row = (
            queries.for_customer(session, invoice_id, whose, with_lines=True)
            if whose
            else queries.for_staff(session, invoice_id)
        )
        shown = representations.invoice(session, row)
    caller.record_access(row.id, row.customer_id, "invoice")
    return shown


@bp.post("/invoices")
@operation(
    "invoices:write",
    tag="Invoices",
    answer=invoice_schemas.Invoice,
    status=201,
    body=invoice_schemas.NewInvoice,
    again=_shown,
    limit="changes",
)
def issue_invoice(caller: Caller, body: invoice_schemas.NewInvoice) -> invoice_schemas.Invoice:
    """Issue an invoice.

    For staff and API clients. It is open at once, its number and totals are final. Tax is reckoned once a rate, as EN 16931 has it.
    """
    if not caller.for_company:
        raise NotForCustomers
    draft = InvoiceDraft(
        customer_id=body.customer_id,
        currency=body.currency,
        lines=tuple(_line(line) for line in body.lines),
        issued_on=body.issued_on,
        due_on=body.due_on,
        supplied_from=body.supplied_from,
        supplied_to=body.supplied_to,
        **details.of(body),
        external_reference=body.external_reference,
        note=body.note,
    )
    try:
        row = service.issue(draft, client_key=key_of(caller))
    except NotFound as error:
        raise Invalid(error.message, field="customer_id", code="unknown_customer") from error
    return _shown(caller, row.id)


def _line(line: invoice_schemas.NewInvoiceLine) -> LineDraft:
    return LineDraft(
        description=line.description,
        quantity_thousandths=int(Decimal(line.quantity) * 1_000),
        unit_price_minor=line.unit_price,
        tax_rate_basis_points=int(Decimal(line.tax_rate) * 100),
        unit=line.unit,
        supplies=line.supplies or "",
    )
