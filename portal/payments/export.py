"""The history as CSV, for the customer's own books."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final
from zoneinfo import ZoneInfo

from portal import csv_lines
from portal.payments.models import Payment

COLUMNS: Final = (
    "date", "payment", "status", "amount", "currency", "description", "invoice", "card", "stripe_payment_intent",
)  # fmt: skip


def rows(payments: Iterable[Payment], zone: ZoneInfo) -> Iterator[str]:
    """Lines of CSV (RFC 4180) with a header and a byte-order mark, so that spreadsheets read the umlauts; amounts with a point,
    times by the clocks of `zone` and with their distance from UTC.
    """
    yield csv_lines.header(COLUMNS)
    for payment in payments:
        yield csv_lines.line(
            (
                payment.created_at.astimezone(zone).isoformat(timespec="seconds"),
                payment.id,
                payment.told_status,
                payment.amount.plain(),
                payment.currency.upper(),
                payment.description,
                payment.invoice.number if payment.invoice else "",
                f"{payment.card_brand} {payment.card_last4}".strip(),
                payment.stripe_intent_id or "",
            )
        )
