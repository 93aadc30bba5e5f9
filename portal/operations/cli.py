"""`flask record`: an operator, or the script that makes backups, tells the portal what was done beside it. docs/backups.md is the way."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from flask.cli import with_appcontext

from portal.core import clock, company_days, upkeep
from portal.core.commands import as_json_option, show_one, told_plainly
from portal.core.upkeep import UpkeepKind

_at = click.option(
    "--at",
    "at",
    metavar="TIME",
    default="",
    help="When: 2026-11-30T03:15 by the company's clocks, or with an offset. Left out: now.",
)
_note = click.option("--note", default="", help="Where, or how: one line, which Operations shows.")


@click.group()
def record() -> None:
    """Tell the portal of a backup that was made, or of a restore that was tried: Operations and the metrics show how old they are."""


@record.command()
@_at
@_note
@as_json_option
@with_appcontext
def backup(at: str, note: str, *, as_json: bool) -> None:
    """Record that a backup was made. A copy that "flask backup" makes records itself. A second run with the same time changes nothing.

    \b
    Example:
      flask record backup --note "s3://backups, nightly"
    """
    _record(UpkeepKind.BACKUP, at, note, as_json=as_json)


@record.command("restore-drill")
@_at
@_note
@as_json_option
@with_appcontext
def restore_drill(at: str, note: str, *, as_json: bool) -> None:
    """Record that a backup was restored on another machine and read there. A second run with the same time changes nothing.

    \b
    Example:
      flask record restore-drill --at 2026-11-30 --note "on db2, by Kim: audit trail whole"
    """
    _record(UpkeepKind.RESTORE_DRILL, at, note, as_json=as_json)


def _record(kind: UpkeepKind, at: str, note: str, *, as_json: bool) -> None:
    done_at = _moment(at) if at else clock.now()
    with told_plainly():
        is_new = upkeep.record(kind, done_at, note)
    told = f"Recorded: {kind}, {done_at.isoformat(timespec='seconds')}" if is_new else "This is recorded already."
    show_one({"kind": kind, "at": done_at.isoformat(), "recorded_now": is_new}, told, as_json=as_json)


def _moment(typed: str) -> datetime:
    try:
        wall = datetime.fromisoformat(typed)
    except ValueError as error:
        raise click.ClickException(f"{typed} is no time like 2026-11-30T03:15 or 2026-11-30T03:15+01:00") from error
    return wall.astimezone(UTC) if wall.tzinfo else company_days.moment(wall)
