"""The history as CSV, for the customer's own books."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Final

from portal.payments.models import Payment

COLUMNS: Final = (
    "date", "payment", "status", "amount", "currency", "description", "invoice", "card", "stripe_payment_intent",
)  # fmt: skip
# A cell that starts so is run as a formula by spreadsheets. Source: OWASP, "CSV injection".
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def defused(cell: str) -> str:
    """A cell that a spreadsheet shows instead of running."""
    return "'" + cell if cell.startswith(_FORMULA_STARTS) else cell


def rows(payments: Iterable[Payment]) -> Iterator[str]:
    """Lines of CSV (RFC 4180) with a header and a byte-order mark, so that spreadsheets read the umlauts; amounts with a point."""
    yield "\ufeff" + _line(COLUMNS)
    for payment in payments:
        yield _line(
            (
                payment.created_at.isoformat(timespec="seconds"),
                payment.id,
                payment.status,
                payment.amount.plain(),
                payment.currency.upper(),
                payment.description,
                payment.invoice.number if payment.invoice else "",
                f"{payment.card_brand} {payment.card_last4}".strip(),
                payment.stripe_intent_id or "",
            )
        )


def _line(cells: Iterable[str]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow([defused(cell) for cell in cells])
    return written.getvalue()
