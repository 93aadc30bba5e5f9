"""`flask books`: the figures of a period on the terminal, for a person, a script or a nightly check."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime
from pathlib import Path

import click
from flask.cli import with_appcontext

from portal.books import exports, tables, verifying
from portal.books.forms import month_of
from portal.books.queries import LinesFilter
from portal.core import company_days, db, money, recovery, signing_keys
from portal.core.commands import as_json_option, show_one
from portal.core.errors import Invalid
from portal.reconciliation import balances, figures
from portal.reconciliation import queries as reconciliation
from portal.reconciliation.figures import Period


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
    """What our books and Stripe say of a period; exit status 1 when they differ. Days are the company's, both included.

    \b
    Example:
      flask books --month 2026-11
      flask books --from 2026-11-01 --to 2026-11-15 --currency eur --json
    """
    if context.invoked_subcommand is not None:
        return
    period = _period(since, until, month)
    if currency is not None and not money.is_currency(currency.lower()):
        raise click.BadParameter("three letters, such as eur", param_hint="--currency")
    with db.reading() as session:
        wanted = [currency.lower()] if currency else balances.currencies(session)
        compared_to = reconciliation.watermark(session) or figures.NEVER
        found = [figures.of(session, code, period, compared_to) for code in wanted]
    held = recovery.is_on_now()
    if as_json:
        click.echo(json.dumps([tables.facts(one) | {"in_recovery": held} for one in found], indent=2))
    else:
        click.echo(tables.text(found, period, compared=not held))
    if held or not all(one.equal for one in found):
        sys.exit(1)


def _period(since: datetime | None, until: datetime | None, month: str | None) -> Period:
    today = company_days.today()
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


@books.command("export")
@click.argument("what", type=click.Choice(["journal", "documents", "datev"]))
@click.option("--month", required=True, metavar="MONTH", help="Such as 2026-11.")
@click.option(
    "--to",
    "into",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write.  [default: to the terminal]",
)
@with_appcontext
def export(what: str, month: str, into: Path | None) -> None:
    """A month as a file: its journal, its documents with their tax (CSV), or the booking batch for DATEV (EXTF).

    \b
    Example:
      flask books export datev --month 2026-11 --to EXTF_Buchungsstapel.csv
    """
    period = _period(None, None, month)
    try:
        if what == "datev":
            content = exports.export_datev(period).lines()
        elif what == "documents":
            content = (line.encode() for line in exports.export_documents(period))
        else:
            content = (line.encode() for line in exports.export_postings(LinesFilter(period.since, period.until)))
    except Invalid as error:
        raise click.ClickException(error.text()) from error
    with click.open_file(str(into) if into else "-", "wb") as file:
        for part in content:
            file.write(part)


@books.command("verify-pack")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--key",
    "key_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Hold it against this public key (PEM) instead of the one that the portal has now.",
)
@as_json_option
@with_appcontext
def verify_pack(file: Path, key_file: Path | None, *, as_json: bool) -> None:
    """Check a month-end pack: its signature and every file; exit status 1 names the first that does not fit.

    \b
    Example:
      flask books verify-pack pack-2026-10.zip
    """
    try:
        keys = [verifying.key_from(key_file.read_bytes())] if key_file else verifying.our_keys()
    except ValueError as error:
        raise click.BadParameter(f"{key_file} holds no Ed25519 public key", param_hint="--key") from error
    try:
        manifest, key = verifying.verify(file, *keys)
    except (verifying.BadPack, OSError) as error:
        raise click.ClickException(str(error)) from error
    lines = [f"not in it: {one['number']}: {one['why']}" for one in manifest["missing"]]
    lines.append(f"{manifest['company']}, {manifest['month']}: {len(manifest['files'])} files, all as they were made.")
    lines.append(f"Signed with {signing_keys.fingerprint(key)}")
    facts = {
        "month": manifest["month"],
        "files": len(manifest["files"]),
        "missing": manifest["missing"],
        "key": signing_keys.fingerprint(key),
    }
    show_one(facts, "\n".join(lines), as_json=as_json)
