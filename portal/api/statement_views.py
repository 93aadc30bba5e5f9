"""Statements of account, as facts and as PDF."""

from __future__ import annotations

from flask import Response

from portal.api import statement_schemas
from portal.api.callers import Caller
from portal.api.operations import blueprint, operation
from portal.core import db
from portal.core.errors import N_, Invalid, NotYet
from portal.reconciliation.figures import Period
from portal.statements import service

bp = blueprint("statements")

AGES = ("not_due", "days_1_to_30", "days_31_to_60", "days_61_to_90", "days_over_90")


class NotMade(NotYet):
    """The worker has not made the PDF yet."""

    code = "statement_being_made"
    message = N_("This statement is being created. Please ask again in a moment.")


@bp.get("/statements")
@operation(
    "invoices:read",
    tag="Statements",
    answer=statement_schemas.Statement,
    query=statement_schemas.StatementWanted,
    refusals=(404,),
)
def get_statement(caller: Caller, query: statement_schemas.StatementWanted) -> statement_schemas.Statement:
    """Get the statement of an account.

    What was owed before a period, what changed it, what is owed after it, and how old that is; in one currency. A period may have up to
    3,000 entries in the books.
    """
    whose = caller.one_customer(query.customer_id)
    period = _period(query)
    with db.reading() as session:
        found = service.statement(session, whose, query.currency, period)
    owed = {name: amount.minor for name, amount in zip(AGES, found.ageing.owed, strict=True)}
    return statement_schemas.Statement.model_validate(
        {
            "customer_id": whose,
            "currency": found.currency,
            "since": period.since,
            "until": period.until,
            "opening_balance": found.opening.minor,
            "closing_balance": found.closing.minor,
            "movements": [
                {
                    "at": one.at,
                    "kind": one.kind,
                    "document": one.number or None,
                    "invoice": one.invoice or None,
                    "amount": one.amount.minor,
                    "balance": one.balance.minor,
                }
                for one in found.movements
            ],
            "ageing": owed | {"paid_too_much": found.ageing.credit.minor},
        }
    )


@bp.get("/statements/pdf")
@operation(
    "invoices:read",
    tag="Statements",
    answer=None,
    query=statement_schemas.StatementWanted,
    refusals=(404,),
    media_type="application/pdf",
)
def download_statement(caller: Caller, query: statement_schemas.StatementWanted) -> Response:
    """Download a statement as PDF, in the customer's language.

    It is made when it is asked for: while that lasts, the answer is 503 with Retry-After. What was made is the answer for ten minutes.
    """
    whose = caller.one_customer(query.customer_id)
    made = service.made(whose, query.currency, _period(query))
    if made is None:
        raise NotMade
    row, parts = made
    response = Response(parts, content_type="application/pdf")
    response.content_length = row.size
    response.headers["Content-Disposition"] = f'attachment; filename="statement-{row.since}-{row.until}.pdf"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _period(wanted: statement_schemas.StatementWanted) -> Period:
    if wanted.until < wanted.since:
        raise Invalid(N_("The last day is before the first one."), field="until")
    return Period(wanted.since, wanted.until)
