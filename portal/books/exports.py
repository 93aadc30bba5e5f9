"""The lines of the books as CSV, a batch at a time: no transaction is open between two of them, however slowly the file is fetched.

Times are by the company's clocks, and say how far these are ahead of UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

from portal.books import queries
from portal.books.queries import LinesFilter
from portal.content.csv_lines import FOR_PROGRAMS, Cell, Shape
from portal.core import audit, company_days, db
from portal.core.errors import N_
from portal.ledger import Posting
from portal.reconciliation.figures import Period
from portal.reconciliation.models import StripeTransaction

# Longer files are made a period at a time.
EXPORT_LIMIT: Final = 50_000
EXPORT_BATCH: Final = 500

# What a program calls a column, and what stands above it for people.
POSTING_COLUMNS: Final = {
    "at": N_("Date (%(zone)s)"),
    "posting": N_("Journal entry"),
    "kind": N_("Kind"),
    "debit": N_("Debit"),
    "credit": N_("Credit"),
    "amount": N_("Amount"),
    "currency": N_("Currency"),
    "subject": N_("About"),
    "reference": N_("Reference"),
}
ACCOUNT_COLUMNS: Final = {
    "account": N_("Account"),
    "opening": N_("Opening balance"),
    "debits": N_("Debits"),
    "credits": N_("Credits"),
    "closing": N_("Closing balance"),
    "currency": N_("Currency"),
}
TRANSACTION_COLUMNS: Final = {
    "at": N_("Date (%(zone)s)"),
    "transaction": N_("Balance transaction"),
    "type": N_("Type"),
    "category": N_("Category"),
    "amount": N_("Amount"),
    "fee": N_("Fee"),
    "net": N_("Net"),
    "currency": N_("Currency"),
    "source": N_("Source"),
    "subject": N_("About"),
    "payout": N_("Payout"),
    "created": N_("Created (%(zone)s)"),
    "available": N_("Available (%(zone)s)"),
    "description": N_("Description"),
}


def export_postings(wanted: LinesFilter, shape: Shape = FOR_PROGRAMS) -> Iterator[str]:
    """Lines of CSV, the newest posting first, at most EXPORT_LIMIT; that they were taken is recorded before the first."""
    _record("postings", wanted)
    return posting_lines(wanted, most=EXPORT_LIMIT, shape=shape)


def export_transactions(wanted: LinesFilter, shape: Shape = FOR_PROGRAMS) -> Iterator[str]:
    """The same of Stripe's balance transactions."""
    _record("transactions", wanted)
    return transaction_lines(wanted, most=EXPORT_LIMIT, shape=shape)


def export_accounts(currency: str, period: Period, shape: Shape = FOR_PROGRAMS) -> Iterator[str]:
    """What each account held before and after a period, a line each; that it was taken is recorded before the first."""
    _record("accounts", LinesFilter(since=period.since, until=period.until, currency=currency))
    with db.reading() as session:
        found = queries.account_periods(session, currency, period)
    yield shape.header(ACCOUNT_COLUMNS)
    for line in found:
        amounts = (line.opening, line.debits, line.credits, line.closing)
        yield shape.line((line.account, *(amount.decimal for amount in amounts), currency.upper()))


def _record(lines: str, wanted: LinesFilter) -> None:
    facts = audit.facts_of_filters({"lines": lines, **asdict(wanted)})
    with db.transaction() as session:
        audit.record(session, "books.exported", "books", facts)


def posting_lines(wanted: LinesFilter, *, most: int | None = None, shape: Shape = FOR_PROGRAMS) -> Iterator[str]:
    """Lines of CSV, the newest posting first; all of them, or `most`."""
    yield shape.header(POSTING_COLUMNS)
    last: Posting | None = None
    written = 0
    while most is None or written < most:
        with db.reading() as session:
            postings = queries.posting_batch(session, wanted, last, EXPORT_BATCH)
        for posting in postings:
            yield shape.line(_posting_cells(posting))
            last = posting
        written += len(postings)
        if len(postings) < EXPORT_BATCH:
            return


def transaction_lines(wanted: LinesFilter, *, most: int | None = None, shape: Shape = FOR_PROGRAMS) -> Iterator[str]:
    """Lines of CSV, the newest balance transaction first; all of them, or `most`."""
    yield shape.header(TRANSACTION_COLUMNS)
    last: StripeTransaction | None = None
    written = 0
    while most is None or written < most:
        with db.reading() as session:
            transactions = queries.transaction_batch(session, wanted, last, EXPORT_BATCH)
        for transaction in transactions:
            yield shape.line(_transaction_cells(transaction))
            last = transaction
        written += len(transactions)
        if len(transactions) < EXPORT_BATCH:
            return


def _posting_cells(posting: Posting) -> tuple[Cell, ...]:
    return (
        company_days.here(posting.at),
        posting.id,
        posting.kind,
        posting.debit,
        posting.credit,
        posting.amount.decimal,
        posting.currency.upper(),
        posting.subject,
        posting.reference,
    )


def _transaction_cells(found: StripeTransaction) -> tuple[Cell, ...]:
    return (
        company_days.here(found.at),
        found.id,
        found.type,
        found.category,
        found.amount.decimal,
        found.fee.decimal,
        found.net.decimal,
        found.currency.upper(),
        found.source_id or "",
        found.subject,
        found.payout_id or "",
        company_days.here(found.created_at),
        company_days.here(found.available_on),
        found.description,
    )
