"""Invoices: read by their customer, issued by staff and API clients."""

from __future__ import annotations

from decimal import Decimal

from portal.api import invoice_schemas, representations, schemas
from portal.api.callers import Caller
from portal.api.once import key_of
from portal.api.operations import blueprint, operation
from portal.core import db
from portal.core.errors import Invalid, NotFound
from portal.invoices import crediting, details, queries, service
from portal.invoices.credit_lines import Wanted
from portal.invoices.discounts import Discount
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.invoices.statuses import CreditStatus

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
    caller.require_company()
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
        discount=discount_of(body),
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
        discount=discount_of(line),
    )


def discount_of(of: invoice_schemas.NewInvoice | invoice_schemas.NewInvoiceLine) -> Discount:
    """What the body says of a discount; none where it says nothing."""
    return Discount(int(Decimal(of.discount_percent) * 100), of.discount_amount, of.discount_reason)


@bp.post("/invoices/<invoice_id>/void")
@operation(
    "invoices:credit",
    tag="Invoices",
    answer=invoice_schemas.Invoice,
    refusals=(404, 409),
    body=invoice_schemas.VoidReason,
    again=_shown,
    limit="changes",
)
def void_invoice(caller: Caller, invoice_id: str, body: invoice_schemas.VoidReason) -> invoice_schemas.Invoice:
    """Void an open invoice: nobody owes it any longer, and its number stays used.

    For staff. The reason is for the audit trail. What a part of is paid or credited is not voided: credit the rest.
    """
    caller.reviewer()
    service.void(invoice_id, body.reason)
    return _shown(caller, invoice_id)


@bp.get("/invoices/<invoice_id>/credits")
@operation("invoices:read", tag="Invoices", answer=invoice_schemas.CreditList, refusals=(404,))
def list_credits(caller: Caller, invoice_id: str) -> invoice_schemas.CreditList:
    """List the credits of an invoice, the first one first; its customer sees those that are booked."""
    with db.reading() as session:
        if caller.for_company:
            queries.for_staff(session, invoice_id)
        else:
            queries.for_customer(session, invoice_id, caller.customer())
        rows = queries.credits_of(session, invoice_id)
        shown = [row for row in rows if caller.for_company or row.status == CreditStatus.CREDITED]
        return invoice_schemas.CreditList(data=representations.credits_of(session, shown))


def _credit_shown(caller: Caller, credit_id: str) -> invoice_schemas.Credit:
    caller.reviewer()
    with db.reading() as session:
        row = queries.credit(session, credit_id)
        return representations.credits_of(session, [row])[0]


@bp.post("/invoices/<invoice_id>/credits")
@operation(
    "invoices:credit",
    tag="Invoices",
    answer=invoice_schemas.Credit,
    status=201,
    refusals=(404,),
    body=invoice_schemas.NewCredit,
    again=_credit_shown,
    limit="changes",
)
def credit_invoice(caller: Caller, invoice_id: str, body: invoice_schemas.NewCredit) -> invoice_schemas.Credit:
    """Credit an invoice that is not paid: lines, or all that is due.

    For staff. What is due is lowered, and a credit note is issued. From the four-eyes threshold on, with what was credited of the invoice
    before, a colleague must approve it first. What is paid is given back by a refund, which issues its own credit note.
    """
    wanted = None if body.lines is None else [_wanted(line) for line in body.lines]
    row = crediting.credit(invoice_id, caller.reviewer(), reason=body.reason, lines=wanted, client_key=key_of(caller))
    return _credit_shown(caller, row.id)


def _wanted(line: invoice_schemas.NewCreditLine) -> Wanted:
    quantity = None if line.quantity is None else int(Decimal(line.quantity) * 1_000)
    return Wanted(line.line, quantity, line.net)


@bp.post("/invoice-credits/<credit_id>/approval")
@operation("invoices:credit", tag="Invoices", answer=invoice_schemas.Credit, refusals=(404, 409), limit="changes")
def approve_credit(caller: Caller, credit_id: str) -> invoice_schemas.Credit:
    """Approve a credit that a colleague has proposed. For staff, who signed in ten minutes ago at most. A second call changes nothing."""
    reviewer = caller.reviewer()
    caller.require_recent_proof()
    return _credit_shown(caller, crediting.approve(credit_id, reviewer).id)


@bp.post("/invoice-credits/<credit_id>/rejection")
@operation(
    "invoices:credit",
    tag="Invoices",
    answer=invoice_schemas.Credit,
    refusals=(404,),
    body=invoice_schemas.CreditRejection,
    again=_credit_shown,
    limit="changes",
)
def reject_credit(caller: Caller, credit_id: str, body: invoice_schemas.CreditRejection) -> invoice_schemas.Credit:
    """Reject a credit that was proposed, or take back one's own: nothing changes. For staff."""
    return _credit_shown(caller, crediting.reject(credit_id, caller.reviewer(), body.reason).id)
