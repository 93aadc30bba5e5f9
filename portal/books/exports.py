"""The lines of the books as CSV, a batch at a time: no transaction is open between two of them, however slowly the file is fetched.

Times are by the company's clocks, and say how far these are ahead of UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal
from typing import Final

from portal import audit, company_days, csv_lines, db
from portal.books import queries
from portal.books.queries import LinesFilter
from portal.ledger import Posting
from portal.reconciliation.models import StripeTransaction

# Longer files are made a period at a time.
EXPORT_LIMIT: Final = 50_000
EXPORT_BATCH: Final = 500

POSTING_COLUMNS: Final = (
    "at", "posting", "kind", "debit", "credit", "amount", "currency", "subject", "reference",
)  # fmt: skip
TRANSACTION_COLUMNS: Final = (
    "at", "transaction", "type", "category", "amount", "fee", "net", "currency", "source", "subject", "payout",
    "created", "available", "description",
)  # fmt: skip


def export_postings(wanted: LinesFilter) -> Iterator[str]:
    """Lines of CSV, the newest posting first, at most EXPORT_LIMIT; that they were taken is recorded before the first."""
    _record("postings", wanted)
    return posting_lines(wanted, most=EXPORT_LIMIT)


def export_transactions(wanted: LinesFilter) -> Iterator[str]:
    """The same of Stripe's balance transactions."""
    _record("transactions", wanted)
    return transaction_lines(wanted, most=EXPORT_LIMIT)


def _record(lines: str, wanted: LinesFilter) -> None:
    facts = audit.facts_of_filters({"lines": lines, **asdict(wanted)})
    with db.transaction() as session:
        audit.record(session, "books.exported", "books", facts)


def posting_lines(wanted: LinesFilter, *, most: int | None = None) -> Iterator[str]:
    """Lines of CSV, the newest posting first; all of them, or `most`."""
    yield csv_lines.header(POSTING_COLUMNS)
    last: Posting | None = None
    written = 0
    while most is None or written < most:
        with db.reading() as session:
            postings = queries.posting_batch(session, wanted, last, EXPORT_BATCH)
        for posting in postings:
            yield csv_lines.line(_posting_cells(posting))
            last = posting
        written += len(postings)
        if len(postings) < EXPORT_BATCH:
            return


def transaction_lines(wanted: LinesFilter, *, most: int | None = None) -> Iterator[str]:
    """Lines of CSV, the newest balance transaction first; all of them, or `most`."""
    yield csv_lines.header(TRANSACTION_COLUMNS)
    last: StripeTransaction | None = None
    written = 0
    while most is None or written < most:
        with db.reading() as session:
            transactions = queries.transaction_batch(session, wanted, last, EXPORT_BATCH)
        for transaction in transactions:
            yield csv_lines.line(_transaction_cells(transaction))
            last = transaction
        written += len(transactions)
        if len(transactions) < EXPORT_BATCH:
            return


def _posting_cells(posting: Posting) -> tuple[str, ...]:
    return (
        company_days.here(posting.at).isoformat(),
        posting.id,
        posting.kind,
        posting.debit,
        posting.credit,
        posting.amount.plain(),
        posting.currency.upper(),
        posting.subject,
        posting.reference,
    )


def _transaction_cells(found: StripeTransaction) -> tuple[str | Decimal, ...]:
    return (
        company_days.here(found.at).isoformat(),
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
        company_days.here(found.created_at).isoformat(),
        company_days.here(found.available_on).isoformat(),
        found.description,
    )
