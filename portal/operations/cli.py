"""`flask record`: an operator, or the script that makes backups, tells the portal what was done beside it. docs/backups.md is the way.
`flask mail`: what comes back of the mails that were sent. docs/how-to/mail.md is the way.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import BinaryIO

import click
from flask.cli import with_appcontext

from portal.content import bounces
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


@click.group("mail")
def mails() -> None:
    """Mails that were sent, and came back."""


@mails.command()
@click.argument("message", type=click.File("rb"), default="-")
@as_json_option
@with_appcontext
def bounced(message: BinaryIO, *, as_json: bool) -> None:
    """Note that a mail came back, from the message that says so, on standard input: the customer's page names the address.

    Only what answers a mail that was sent from here is noted. A second run notes it again.

    \b
    Example:
      flask mail bounced < bounce.eml
    """
    with told_plainly():
        recorded = [bounces.record(one) for one in bounces.read(message.read())]
    told = [{"to": one.recipient, "mail": one.key, "customer": one.customer_id, "said": one.said} for one in recorded]
    show_one({"bounced": told}, "\n".join(f"{one.recipient}: {one.said}" for one in recorded), as_json=as_json)
