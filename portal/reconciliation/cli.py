"""`flask reconcile`: Stripe's account and the books held against each other, for a person at a terminal or a script."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import click
from flask.cli import with_appcontext

from portal.core import audit, company_days
from portal.core.errors import PortalError
from portal.reconciliation import messages, service
from portal.reconciliation.models import Discrepancy, RunKind
from portal.reconciliation.service import Progress, Report

# Of the progress bar: fine enough for a long step.
PARTS_OF_A_STEP: Final = 100


@click.command()
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]),
    help="Compare everything from then on, by the company's clocks.",
)
@click.option("--nightly", is_flag=True, help="Compare the last 35 days, all that is open, and the audit trail.")
@click.option("--dry-run", is_flag=True, help="Only say what would be found; nothing is written.")
@click.option("--to-now", is_flag=True, help="Do not leave out the last two minutes.")
@click.option("--json", "as_json", is_flag=True, help="Tell it as JSON.")
@with_appcontext
def reconcile(*, since: datetime | None, nightly: bool, dry_run: bool, to_now: bool, as_json: bool) -> None:
    """Hold the books against Stripe's. Exit status 1 while there are open discrepancies; a second run changes nothing.

    Without --since or --nightly it begins where the worker's last run ended. It never charges and never refunds. One that was
    cut off is taken up where it was.

    \b
    Example:
      flask reconcile --nightly
      flask reconcile --since 2026-11-01 --dry-run
    """
    if since is not None and nightly:
        raise click.UsageError("--since and --nightly are two different spans")
    begin = since.replace(tzinfo=company_days.zone()).astimezone(UTC) if since else None
    kind = RunKind.NIGHTLY if nightly else RunKind.COMMAND
    try:
        with audit.acting(audit.Actor("cli")), progress_bar() as passed:
            if dry_run:
                report = service.dry_run(kind, begin, to_now=to_now, passed=passed)
            else:
                report = service.execute(service.begin(kind, begin, to_now=to_now), passed)
    except PortalError as error:
        raise click.ClickException(
            f"{error.text()} Stripe could not be asked; run it again, and it goes on where it was."
        ) from error
    click.echo(json.dumps(_as_json(report), indent=2) if as_json else _as_text(report))
    if report.open_discrepancies or report.in_recovery:
        sys.exit(1)


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None]]:
    """A progress bar for a person; a script gets none."""
    hidden = not sys.stderr.isatty()
    length = len(service.STEPS) * PARTS_OF_A_STEP
    with click.progressbar(
        length=length, label="Reconciling", file=sys.stderr, hidden=hidden, item_show_func=lambda name: name or ""
    ) as bar:

        def passed(progress: Progress) -> None:
            at = round((progress.done + progress.part) * PARTS_OF_A_STEP)
            bar.update(max(at - bar.pos, 0), progress.name)

        yield passed
        bar.update(length - bar.pos, "")


def _as_text(report: Report) -> str:
    since, until = (company_days.here(moment) for moment in (report.since, report.until))
    span = f"{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M %Z}"
    compared = ", ".join(f"{name}: {number}" for name, number in report.counts.items())
    lines = [f"Compared {span} in {report.seconds:.1f} s.", compared or "There was nothing to compare."]
    for discrepancy in report.discrepancies:
        words = messages.of(discrepancy)
        lines += ["", f"✗ {words.title}", f"  {words.what_to_do}"]
    if report.discrepancies or report.in_recovery:
        lines += ["", f"Open discrepancies: {report.open_discrepancies}"]
    else:
        lines += ["Open discrepancies: 0. The books equal Stripe's."]
    if report.in_recovery:
        lines.append(
            "Recovery mode is on: nothing can be said of the books before flask restore status says that all is compared."
        )
    if report.dry:
        lines.append("Nothing was written.")
    return "\n".join(lines)


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "kind": report.kind,
        "since": report.since.isoformat(),
        "until": report.until.isoformat(),
        "seconds": round(report.seconds, 3),
        "dry_run": report.dry,
        "in_recovery": report.in_recovery,
        "counts": report.counts,
        "open_discrepancies": report.open_discrepancies,
        "discrepancies": [_discrepancy_as_json(discrepancy) for discrepancy in report.discrepancies],
    }


def _discrepancy_as_json(discrepancy: Discrepancy) -> dict[str, Any]:
    words = messages.of(discrepancy)
    return {
        "id": discrepancy.id,
        "code": discrepancy.code,
        "subject": discrepancy.subject,
        "payment": discrepancy.payment_id,
        "facts": discrepancy.facts,
        "title": words.title,
        "what_to_do": words.what_to_do,
    }
