"""Figures as a text with columns, for the terminal and for a pack, and as facts for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from portal.reconciliation import figures
from portal.reconciliation.figures import Figures, Period

_NAMES: Final = {
    figures.OPENING: "Balance before",
    figures.CHARGED: "Payments",
    figures.REFUNDED: "Refunds",
    figures.DISPUTED: "Disputes",
    figures.FEES: "Stripe fees",
    figures.PAID_OUT: "Payouts to the bank",
    figures.OTHER: "Other",
    figures.CLOSING: "Balance after",
}
COLUMNS: Final = ("currency", "figure", "our_books", "stripe", "difference")


def text(found: Sequence[Figures], period: Period, *, compared: bool = True) -> str:
    """A table a currency, without a line break at the end. In recovery mode nothing is `compared`, and no verdict is given."""
    title = f"{period.since} to {period.until}"
    if not found:
        return f"{title}: nothing has moved yet"
    return "\n\n".join(_table(one, title, compared=compared) for one in found)


def _table(found: Figures, title: str, *, compared: bool) -> str:
    """Four columns, the amounts at the right, as wide as the widest."""
    rows = [("", "Our books", "Stripe", "Difference")]
    for line in found.lines:
        difference = line.difference.plain() if line.difference else "-"
        rows.append((_NAMES[line.name], line.ours.plain(), line.stripes.plain(), difference))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  ".join([name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))])
        for name, *cells in rows
    ]
    verdict = "The books are equal." if found.equal else "The books differ."
    if found.newer:
        since = f" since {found.compared_to:%Y-%m-%d %H:%M} UTC" if found.compared_to else ""
        verdict += f" Not compared yet: {found.newer} {'movement' if found.newer == 1 else 'movements'}{since}."
    if not compared:
        verdict = "Recovery mode: not compared yet, see flask restore status."
    return "\n".join([f"{title}, {found.currency.upper()}", *lines, verdict])


def facts(found: Figures) -> dict[str, Any]:
    """Amounts in minor units; days are the company's, both included."""
    return {
        "currency": found.currency,
        "from": found.period.since.isoformat(),
        "to": found.period.until.isoformat(),
        "equal": found.equal,
        "compared_to": found.compared_to.isoformat() if found.compared_to else None,
        "not_compared": found.newer,
        "figures": {
            line.name: {
                "ours": line.ours.minor, "stripe": line.stripes.minor, "difference": line.difference.minor,
            }
            for line in found.lines
        },
    }  # fmt: skip
