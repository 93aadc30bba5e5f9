"""The lines of the books as CSV, a batch at a time: no transaction is open between two of them, however slowly the file is fetched.

Times are by the company's clocks, and say how far these are ahead of UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal
from typing import Final

from portal.books import datev_export, queries
from portal.books.queries import LinesFilter
from portal.content.csv_lines import FOR_PROGRAMS, Cell, Shape
from portal.core import audit, company_days, db
from portal.core.errors import N_
from portal.documents import queries as documents
from portal.documents.models import OF_REFUNDS, Document, DocumentKind
from portal.documents.of_postings import Numbers
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
    "document": N_("Document"),
    "invoice": N_("Invoice"),
    "tax_rate": N_("Tax rate (%%)"),
    "customer": N_("Customer number"),
}
DOCUMENT_COLUMNS: Final = {
    "number": N_("Number"),
    "kind": N_("Kind"),
    "issued_on": N_("Date of issue"),
    "invoice": N_("Invoice"),
    "customer": N_("Customer"),
    "customer_number": N_("Customer number"),
    "country": N_("Country"),
    "tax_id": N_("VAT ID"),
    "currency": N_("Currency"),
    "tax_rate": N_("Tax rate (%%)"),
    "net": N_("Net"),
    "tax": N_("Tax"),
    "total": N_("Total"),
    "document_total": N_("Total of the document"),
    "canceled_on": N_("Canceled on"),
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


KINDS_OF_DOCUMENTS: Final = {
    DocumentKind.INVOICE: N_("Invoice"),
    DocumentKind.RECEIPT: N_("Receipt"),
    DocumentKind.PAYMENT_CONFIRMATION: N_("Payment confirmation"),
    DocumentKind.CREDIT_NOTE: N_("Credit note"),
    DocumentKind.REFUND_CONFIRMATION: N_("Refund confirmation"),
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


def export_documents(period: Period, shape: Shape = FOR_PROGRAMS) -> Iterator[str]:
    """The documents of a period with their tax, a line a rate; that they were taken is recorded before the first."""
    _record("documents", LinesFilter(since=period.since, until=period.until))
    return document_lines(period, most=EXPORT_LIMIT, shape=shape)


def export_datev(period: Period) -> datev_export.Export:
    """The booking batch of a period for DATEV; that it was taken is recorded. Raises as datev_export.prepare does."""
    made = datev_export.prepare(period)
    _record("datev", LinesFilter(since=period.since, until=period.until, currency=datev_export.CURRENCY))
    return made


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
            numbers = Numbers(session, postings)
        for posting in postings:
            yield shape.line(_posting_cells(posting, numbers))
            last = posting
        written += len(postings)
        if len(postings) < EXPORT_BATCH:
            return


def document_lines(period: Period, *, most: int | None = None, shape: Shape = FOR_PROGRAMS) -> Iterator[str]:
    """Lines of CSV, a line for each document of the period and rate of tax in it, in the order in which they were issued.

    What a credit note takes back is negative. A document without a stated tax has one line, without a rate and without tax.
    """
    yield shape.header(DOCUMENT_COLUMNS)
    last: Document | None = None
    written = 0
    while most is None or written < most:
        with db.reading() as session:
            batch = documents.issued(session, period.begins, period.ends, last, EXPORT_BATCH)
        for document in batch:
            for cells in _document_cells(document, shape):
                yield shape.line(cells)
            last = document
        written += len(batch)
        if len(batch) < EXPORT_BATCH:
            return


def _document_cells(document: Document, shape: Shape) -> Iterator[tuple[Cell, ...]]:
    said = documents.facts_of(document)
    sign = -1 if document.kind in OF_REFUNDS else 1
    parts: list[tuple[int | None, int, int]] = [
        (tax.tax_rate_basis_points, tax.net_minor, tax.tax_minor) for tax in said.taxes
    ]
    if said.untaxed_minor or not parts:
        parts.append((None, said.untaxed_minor, 0))
    canceled = document.revoked_at
    kind = shape.translated(KINDS_OF_DOCUMENTS[document.kind]) if shape.locale else document.kind
    for rate, net, tax in parts:
        yield (
            document.number,
            kind,
            said.issued_on,
            said.reference.invoice_number,
            said.buyer.name,
            document.customer_id,
            said.buyer.country,
            said.buyer.tax_id,
            said.currency.upper(),
            "" if rate is None else _percent(rate),
            said.money(sign * net).decimal,
            "" if rate is None else said.money(sign * tax).decimal,
            said.money(sign * (net + tax)).decimal,
            said.money(sign * said.total_minor).decimal,
            company_days.day_of(canceled) if canceled else "",
        )


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


def _posting_cells(posting: Posting, numbers: Numbers) -> tuple[Cell, ...]:
    rate = posting.tax_rate_basis_points
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
        numbers.document(posting),
        numbers.invoice(posting),
        "" if rate is None else _percent(rate),
        posting.customer_id or "",
    )


def _percent(rate: int) -> Decimal:
    """1900 basis points are Decimal("19"), 550 are Decimal("5.5")."""
    return Decimal(f"{Decimal(rate) / 100:f}")


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
