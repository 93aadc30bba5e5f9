"""`flask backup` and `flask restore`: a copy of the database, and what is done after one was put back. docs/backups.md is the way."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from flask.cli import with_appcontext
from sqlalchemy.exc import OperationalError

from portal.core import audit, clock, config, db, marks, recovery, upkeep
from portal.core.backups import NotSQLite, copy_to
from portal.core.commands import as_json_option, show_one
from portal.core.errors import PortalError
from portal.core.upkeep import UpkeepKind
from portal.jobs import own_jobs
from portal.reconciliation import messages, recovering, service
from portal.reconciliation.cli import progress_bar
from portal.reconciliation.recovering import Status

_REASONS = {
    recovery.OPERATOR: "an operator said that the database was restored",
    recovery.MARK: "the file of marks tells of an audit event that the database does not have",
    recovery.STRIPE: "Stripe has a payment of a customer of ours that no row knows",
}


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@as_json_option
@with_appcontext
def backup(file: Path, *, as_json: bool) -> None:
    """Copy the SQLite database into FILE while the portal runs; nobody else can read it. PostgreSQL has commands of its own.

    \b
    Example:
      flask backup /backups/portal-2026-11-29.db
    """
    begun = clock.now()
    try:
        copy = copy_to(file)
    except FileExistsError as error:
        raise click.ClickException(f"{file} is there already, and a backup is never written over") from error
    except (NotSQLite, OSError) as error:
        raise click.ClickException(str(error)) from error
    try:
        with _told_plainly():
            upkeep.record(UpkeepKind.BACKUP, begun, f"flask backup, up to audit event {copy.last_event}")
    except OperationalError:  # the copy is whole all the same
        click.echo(f"The database was busy: write it down by flask record backup --at {begun.isoformat()}", err=True)
    show_one(
        {"file": str(file), "bytes": copy.size, "last_event": copy.last_event},
        f"{file}: {copy.size:,} bytes, up to audit event {copy.last_event}. It was read again and is whole.",
        as_json=as_json,
    )


@click.group()
def restore() -> None:
    """After a database was restored from a backup: nothing is charged or numbered before it is compared with Stripe."""


@restore.command()
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]), help="When the backup was made, or earlier (UTC)."
)
@click.option("--reason", default="", help="For the audit trail.")
@as_json_option
@with_appcontext
def begin(since: datetime | None, reason: str, *, as_json: bool) -> None:
    """Say that the database was restored: recovery mode is on, and the worker begins the comparison with Stripe.

    \b
    Example:
      flask restore begin --reason "disk of db1 failed, backup of 08:00"
    """
    with _told_plainly(), db.transaction() as session:
        begun = recovery.begin(
            session, recovery.OPERATOR, {"note": reason}, since=since.replace(tzinfo=UTC) if since else None
        )
        if begun:
            own_jobs.tend_recovery.enqueue(session)
    told = "Recovery mode is on." if begun else "Recovery mode is on already."
    show_one({"in_recovery": True, "begun_now": begun}, told, as_json=as_json)


@restore.command()
@as_json_option
@with_appcontext
def status(*, as_json: bool) -> None:
    """Say whether recovery mode is on, why, and what is left to do. Exit status 1 while it is on.

    \b
    Example:
      flask restore status --json
    """
    with db.reading() as session:
        found = recovering.status(session)
        discrepancies = recovering.left_open(session)
    told = [messages.of(discrepancy) for discrepancy in discrepancies if found.is_on]
    text = "\n".join([*_lines(found), *(f"\n✗ {words.title}\n  {words.what_to_do}" for words in told)])
    left = [{"title": words.title, "what_to_do": words.what_to_do} for words in told]
    show_one({"in_recovery": found.is_on, "left": left}, text, as_json=as_json)
    if found.is_on:
        sys.exit(1)


def _lines(found: Status) -> Iterator[str]:
    if found.lost_event == 0:
        yield f"The file of marks cannot be read: {config.current().marks_file}. Recovery mode is on until it can, or is taken away."
    if found.found is None:
        if found.lost_event:
            yield f"The database does not have audit event {found.lost_event}, of which the file of marks tells: recovery mode is on."
            yield "The worker begins the comparison as soon as it runs."
        elif found.lost_event is None:
            yield "Recovery mode is off."
            kept = config.current().marks_file
            yield f"Marks are kept in {kept}." if kept else "PORTAL_MARKS_FILE is not set: a restore is noticed later."
        return
    yield f"Recovery mode is on since {found.found.begun_at:%Y-%m-%d %H:%M} UTC: {_REASONS[found.found.reason]}."
    if found.run is None:
        yield "The comparison with Stripe has not begun: is the worker running?"
    elif found.run.finished_at is None:
        yield f"The comparison from {found.run.since:%Y-%m-%d %H:%M} UTC is on its way: step {found.run.step} of {len(service.STEPS)}."
    else:
        counts = ", ".join(f"{name}: {number}" for name, number in found.run.counts.items())
        yield f"The comparison from {found.run.since:%Y-%m-%d %H:%M} UTC has ended. {counts}"
        yield f"Left of the restore: {found.left}." + (
            "" if found.left else " “flask restore finish” ends recovery mode."
        )


@restore.command()
@as_json_option
@with_appcontext
def compare(*, as_json: bool) -> None:
    """Compare with Stripe now, in this terminal: the first time, or once more after something was put right.

    \b
    Example:
      flask restore compare
    """
    with _told_plainly(), progress_bar() as passed:
        service.execute(recovering.compare_again(), passed)
    show_one({"compared": True}, "The comparison has ended; “flask restore status” says what is left.", as_json=as_json)


@restore.command()
@click.option(
    "--overrule", default="", metavar="REASON", help="End it against what is left; the reason is in the audit trail."
)
@as_json_option
@with_appcontext
def finish(overrule: str, *, as_json: bool) -> None:
    """End recovery mode, after a comparison that left nothing open: money moves again, and numbers go on.

    \b
    Example:
      flask restore finish
    """
    with _told_plainly():
        recovering.finish(overrule)
    show_one({"in_recovery": False}, "Recovery mode is off.", as_json=as_json)


@contextmanager
def _told_plainly() -> Iterator[None]:
    """What a command does is the operator's doing, and what goes wrong is a sentence, not a traceback."""
    try:
        with audit.acting(audit.Actor("cli")):
            yield
    except (PortalError, marks.Unreadable) as error:
        text = error.text() if isinstance(error, PortalError) else str(error)
        raise click.ClickException(text) from error
