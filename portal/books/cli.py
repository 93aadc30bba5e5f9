"""`flask books`: the figures of a period on the terminal, for a person, a script or a nightly check."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime
from typing import Any

import click
from flask.cli import with_appcontext

from portal import clock, db, money
from portal.books.forms import month_of
from portal.reconciliation import figures
from portal.reconciliation.figures import Figures, Period

_NAMES = {
    figures.OPENING: "Balance before",
    figures.CHARGED: "Payments",
    figures.REFUNDED: "Refunds",
    figures.DISPUTED: "Disputes",
    figures.FEES: "Stripe's fees",
    figures.PAID_OUT: "Payouts to the bank",
    figures.OTHER: "Other",
    figures.CLOSING: "Balance after",
}


@click.group(invoke_without_command=True)
@click.option(
    "--from", "since", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY", help="The first day, such as 2026-11-01."
)
@click.option("--to", "until", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY", help="The last day.  [default: today]")
@click.option("--month", metavar="MONTH", help="Such as 2026-11.  [default: this month]")
@click.option("--currency", metavar="CODE", help="One alone, such as eur.  [default: all that moved]")
@click.option("--json", "as_json", is_flag=True, help="For programs: amounts in minor units.")
@click.pass_context
@with_appcontext
def books(
    context: click.Context,
    since: datetime | None,
    until: datetime | None,
    month: str | None,
    currency: str | None,
    *,
    as_json: bool,
) -> None:
    """What our books and Stripe say of a period; exit status 1 when they differ. Days are UTC days, both included."""
    if context.invoked_subcommand is not None:
        return
    period = _period(since, until, month)
    if currency is not None and not money.is_currency(currency.lower()):
        raise click.BadParameter("three letters, such as eur", param_hint="--currency")
    with db.reading() as session:
        wanted = [currency.lower()] if currency else figures.currencies(session)
        found = [figures.of(session, code, period) for code in wanted]
    click.echo(json.dumps([_facts(one) for one in found], indent=2) if as_json else _tables(found, period))
    if not all(one.equal for one in found):
        sys.exit(1)


def _period(since: datetime | None, until: datetime | None, month: str | None) -> Period:
    today = clock.today()
    if month is not None:
        if since or until:
            raise click.UsageError("--month, or --from and --to")
        first = month_of(month)
        if first is None:
            raise click.BadParameter("such as 2026-11", param_hint="--month")
        return Period.of_month(first)
    if since is None and until is None:
        return Period.of_month(today)
    last: date = until.date() if until else today
    first = since.date() if since else last.replace(day=1)
    if last < first:
        raise click.UsageError("the last day is before the first one")
    if last == date.max:
        raise click.BadParameter("there is no day after it", param_hint="--to")
    return Period(first, last)


def _tables(found: list[Figures], period: Period) -> str:
    title = f"{period.since} to {period.until}"
    if not found:
        return f"{title}: nothing has moved yet"
    return "\n\n".join(_table(one, title) for one in found)


def _table(found: Figures, title: str) -> str:
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
    return "\n".join([f"{title}, {found.currency.upper()}", *lines, verdict])


def _facts(found: Figures) -> dict[str, Any]:
    return {
        "currency": found.currency,
        "from": found.period.since.isoformat(),
        "to": found.period.until.isoformat(),
        "equal": found.equal,
        "figures": {
            line.name: {
                "ours": line.ours.minor, "stripe": line.stripes.minor, "difference": line.difference.minor,
            }
            for line in found.lines
        },
    }  # fmt: skip
