"""Write-offs of invoices, for staff."""

from __future__ import annotations

from portal.api import invoice_schemas
from portal.api.callers import Caller
from portal.api.invoice_views import bp
from portal.api.once import key_of
from portal.api.operations import operation
from portal.core import db
from portal.invoices import queries, writing_off
from portal.invoices.write_offs import WriteOff

# The blueprint of invoices, with these operations, too.
__all__ = ["bp"]


def _represented(row: WriteOff) -> invoice_schemas.WriteOff:
    return invoice_schemas.WriteOff(
        id=row.id,
        invoice_id=row.invoice_id,
        status=row.status,
        amount=row.amount_minor,
        currency=row.currency,
        reason=row.reason,
        rejection=row.rejection or None,
        proposed_at=row.proposed_at,
        decided_at=row.decided_at,
        reversed_at=row.reversed_at,
    )


def _shown(caller: Caller, write_off_id: str) -> invoice_schemas.WriteOff:
    caller.reviewer()
    with db.reading() as session:
        return _represented(writing_off.one(session, write_off_id))


@bp.get("/invoices/<invoice_id>/write-offs")
@operation("invoices:credit", tag="Invoices", answer=invoice_schemas.WriteOffList, refusals=(404,))
def list_write_offs(caller: Caller, invoice_id: str) -> invoice_schemas.WriteOffList:
    """List the write-offs of an invoice, the first one first. For staff."""
    caller.reviewer()
    with db.reading() as session:
        queries.for_staff(session, invoice_id)
        return invoice_schemas.WriteOffList(
            data=[_represented(row) for row in writing_off.of_invoice(session, invoice_id)]
        )


@bp.post("/invoices/<invoice_id>/write-offs")
@operation(
    "invoices:credit",
    tag="Invoices",
    answer=invoice_schemas.WriteOff,
    status=201,
    refusals=(404,),
    body=invoice_schemas.NewWriteOff,
    again=_shown,
    limit="changes",
)
def write_off_invoice(caller: Caller, invoice_id: str, body: invoice_schemas.NewWriteOff) -> invoice_schemas.WriteOff:
    """Propose to write off all that is due of an invoice. For staff.

    A colleague must approve it, whatever the amount. Then nothing is asked for any more; the customer owes it all the same.
    """
    row = writing_off.propose(invoice_id, caller.reviewer(), reason=body.reason, client_key=key_of(caller))
    return _represented(row)


@bp.post("/write-offs/<write_off_id>/approval")
@operation("invoices:credit", tag="Invoices", answer=invoice_schemas.WriteOff, refusals=(404, 409), limit="changes")
def approve_write_off(caller: Caller, write_off_id: str) -> invoice_schemas.WriteOff:
    """Approve a write-off that a colleague has proposed. For staff, who signed in ten minutes ago at most."""
    reviewer = caller.reviewer()
    caller.require_recent_proof()
    return _represented(writing_off.approve(write_off_id, reviewer))


@bp.post("/write-offs/<write_off_id>/rejection")
@operation(
    "invoices:credit",
    tag="Invoices",
    answer=invoice_schemas.WriteOff,
    refusals=(404,),
    body=invoice_schemas.WriteOffReason,
    again=_shown,
    limit="changes",
)
def reject_write_off(
    caller: Caller, write_off_id: str, body: invoice_schemas.WriteOffReason
) -> invoice_schemas.WriteOff:
    """Reject a write-off that was proposed, or take back one's own. For staff."""
    return _represented(writing_off.reject(write_off_id, caller.reviewer(), body.reason))


@bp.post("/write-offs/<write_off_id>/reversal")
@operation(
    "invoices:credit",
    tag="Invoices",
    answer=invoice_schemas.WriteOff,
    refusals=(404,),
    body=invoice_schemas.WriteOffReason,
    again=_shown,
    limit="changes",
)
def reverse_write_off(
    caller: Caller, write_off_id: str, body: invoice_schemas.WriteOffReason
) -> invoice_schemas.WriteOff:
    """Reverse a write-off, because the money comes after all: the invoice is open by that amount again. For staff."""
    return _represented(writing_off.reverse(write_off_id, caller.reviewer(), body.reason))
