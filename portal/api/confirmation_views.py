"""Confirmations of balances, for staff who may see the books."""

from __future__ import annotations

from flask import Response

from portal.api import statement_schemas
from portal.api.callers import Caller, NotForCustomers
from portal.api.operations import operation
from portal.api.statement_views import bp
from portal.core import db
from portal.core.errors import N_, Invalid, NotFound, NotYet
from portal.statements import confirmations

# The blueprint of statements, with these operations, too.
__all__ = ["bp"]


class NotMade(NotYet):
    """The worker has not made the PDF yet."""

    code = "confirmation_being_made"
    message = N_("This balance confirmation is being created. Please ask again in a moment.")


def _shown(caller: Caller, confirmation_id: str) -> statement_schemas.BalanceConfirmation:
    with db.reading() as session:
        row = confirmations.for_company(session, confirmation_id)
    caller.record_access(row.id, row.customer_id, "statement")
    return statement_schemas.BalanceConfirmation(
        id=row.id,
        customer_id=row.customer_id,
        day=row.day,
        balances=row.balances,
        made_at=row.made_at,
        language=row.language,
        verification_code=confirmations.code_text(row),
        pdf_ready=row.pdf_sha256 is not None,
    )


@bp.post("/balance-confirmations")
@operation(
    "balances:confirm",
    tag="Statements",
    answer=statement_schemas.BalanceConfirmation,
    status=201,
    body=statement_schemas.NewBalanceConfirmation,
    again=_shown,
    limit="changes",
)
def confirm_balance(
    caller: Caller, body: statement_schemas.NewBalanceConfirmation
) -> statement_schemas.BalanceConfirmation:
    """Confirm a customer's balance at the end of a day, for auditors.

    For staff who may see the books. It says what the postings say now, in each currency, and stays so; whoever holds its code verifies it.
    """
    if caller.user_id is None:
        raise NotForCustomers
    try:
        made = confirmations.confirm(body.customer_id, body.day, caller.user_id, body.language)
    except NotFound as error:
        raise Invalid(error.message, field="customer_id", code="unknown_customer") from error
    return _shown(caller, made)


@bp.get("/balance-confirmations/<confirmation_id>")
@operation("balances:confirm", tag="Statements", answer=statement_schemas.BalanceConfirmation, refusals=(404,))
def get_balance_confirmation(caller: Caller, confirmation_id: str) -> statement_schemas.BalanceConfirmation:
    """Get one confirmation of a balance."""
    return _shown(caller, confirmation_id)


@bp.get("/balance-confirmations/<confirmation_id>/pdf")
@operation("balances:confirm", tag="Statements", answer=None, refusals=(404,), media_type="application/pdf")
def download_balance_confirmation(caller: Caller, confirmation_id: str) -> Response:
    """Download a confirmation as signed PDF. While it is being made, the answer is 503 with Retry-After."""
    shown = _shown(caller, confirmation_id)
    if not shown.pdf_ready:
        raise NotMade
    found = confirmations.download(confirmation_id, shown.customer_id)
    response = Response(found.pdf, content_type="application/pdf")
    response.headers["Content-Disposition"] = f'attachment; filename="balance-confirmation-{found.day}.pdf"'
    response.headers["Cache-Control"] = "private, no-store"
    return response
