"""The way out of recovery mode: a database that was restored from a backup, compared with Stripe until nothing is lost.

    tend         the worker's, each minute: begins the comparison, and ends the recovery when it has ended clean
    (the run)    a reconciliation back to before the backup, up to this moment; what it brings back is in `lost`
    finish       an operator's, also against what is left; the reason is in the audit trail

Numbers that were given out and whose documents did not come back stay used, and are named in the audit trail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.accounts.models import Customer
from portal.core import audit, clock, db, marks, numbering, recovery
from portal.core.errors import N_, Conflict, Invalid
from portal.core.recovery import Recovery
from portal.documents.models import Document
from portal.invoices.models import Invoice
from portal.reconciliation import jobs, queries, service
from portal.reconciliation.lost import LOST
from portal.reconciliation.models import Discrepancy, DiscrepancyStatus, Reconciliation, RunKind

# So far back a comparison goes at least: refunds and disputes of so old payments still change.
AT_LEAST: Final = timedelta(days=35)
# Clocks differ, and a backup takes its time: the comparison begins before the last moment that the database knows to be compared.
OVERLAP: Final = timedelta(hours=24)
LONGEST_REASON: Final = 500

_LAST_DIGITS: Final = re.compile(r"(\d+)$")


class NotInRecovery(Conflict):
    message = N_("The portal is not in recovery mode.")


class NotCompared(Conflict):
    message = N_(
        "The comparison with Stripe is not finished yet. “flask restore status” shows its progress; "
        "--overrule ends recovery mode anyway."
    )


class StillOpen(Conflict):
    message = N_(
        "Discrepancies left by the restore: %(number)s. Resolve them under Books, Reconciliations; "
        "--overrule ends recovery mode anyway."
    )


def tend() -> None:
    """See to a recovery that is open: begin its comparison, and end it when that has ended and left nothing open.

    One that an operator has begun, an operator ends. Without a recovery the mark outside of the database learns all last numbers.
    """
    _notice()
    with db.transaction() as session:
        found = recovery.current(session)
        if found is None:
            for series, last in numbering.lasts(session).items():
                marks.note_number(session, series, last)
        elif found.reconciliation_id is None:
            begin_run(session, found)
        elif found.reason != recovery.OPERATOR and _why_not_over(session, found) is None:
            _end(session, found, "")


def _notice() -> None:
    """In a transaction of its own: it takes the head of the audit trail, which is locked after the series of numbers."""
    with db.transaction() as session:
        recovery.notice(session)


def compare_again() -> str:
    """Begin another comparison, for what came to be since, or was put right; returns the run's id. Raises NotInRecovery."""
    _notice()
    with db.transaction() as session:
        found = recovery.current(session)
        if found is None:
            raise NotInRecovery
        return begin_run(session, found)


def begin_run(session: Session, found: Recovery) -> str:
    """Begin the comparison of a recovery, and leave the job that walks; returns the run's id. In the caller's transaction."""
    if found.reconciliation_id is None:
        _keep_numbers_of_mark(session, found)
        jobs.mail_recovery_begun.enqueue(session, recovery_id=found.id)
    run_id = service.begin_in(session, RunKind.NIGHTLY, _since(session, found), to_now=True)
    found.reconciliation_id = run_id
    jobs.walk.enqueue(session, reconciliation_id=run_id)
    return run_id


def _since(session: Session, found: Recovery) -> datetime:
    """From before the backup: up to the last comparison that the database knows of, all was in it."""
    last = queries.watermark_before(session, found.begun_at)
    if last is None:
        last = session.scalar(select(func.min(Customer.created_at)))
    earliest = [clock.now() - AT_LEAST, *([last - OVERLAP] if last else []), *([found.since] if found.since else [])]
    return min(earliest)


def finish(overruled: str = "") -> None:
    """End the recovery: money moves and numbers go on. With a reason it ends against what is left.

    Raises NotInRecovery, NotCompared, StillOpen, and Invalid for a reason that is too long.
    """
    overruled = overruled.strip()
    if len(overruled) > LONGEST_REASON:
        raise Invalid(N_("Use at most %(count)s characters."), count=LONGEST_REASON)
    _notice()
    with db.transaction() as session:
        found = recovery.current(session)
        if found is None:
            raise NotInRecovery
        why_not = _why_not_over(session, found)
        if why_not is not None and not overruled:
            raise why_not
        _end(session, found, overruled)


def _why_not_over(session: Session, found: Recovery) -> Conflict | None:
    run = session.get(Reconciliation, found.reconciliation_id) if found.reconciliation_id else None
    if run is None or run.finished_at is None:
        return NotCompared()
    number = len(left_open(session))
    return StillOpen(number=number) if number else None


def left_open(session: Session) -> list[Discrepancy]:
    """The discrepancies that keep the recovery mode on."""
    query = select(Discrepancy).where(Discrepancy.status == DiscrepancyStatus.OPEN, Discrepancy.code.in_(LOST))
    return list(session.execute(query.order_by(Discrepancy.found_at, Discrepancy.id)).scalars())


def _end(session: Session, found: Recovery, overruled: str) -> None:
    if (
        found.reconciliation_id is None
    ):  # overruled before anything was compared: the last numbers are kept all the same
        _keep_numbers_of_mark(session, found)
    for series, last in sorted(numbering.lasts(session).items()):
        unused = _without_document(session, series, found.series.get(series, 0), last)
        if unused:
            audit.record(session, "numbering.gap", found.id, {"series": series, "numbers": _ranges(unused)})
    recovery.end(session, found, {"run": found.reconciliation_id}, overruled)
    jobs.mail_recovery_finished.enqueue(session, recovery_id=found.id)


def _keep_numbers_of_mark(session: Session, found: Recovery) -> None:
    """The numbers that the mark tells of were given out, whatever the backup knew of them."""
    found.series = numbering.lasts(session)
    for series, last in sorted(marks.facts().get("series", {}).items()):
        numbering.keep(session, series, last)


def _without_document(session: Session, series: str, before: int, last: int) -> list[int]:
    """The numbers that were given out after the backup, and whose documents are not there."""
    numbers = range(before + 1, last + 1)
    if not numbers:
        return []
    of_kind = select(Document.number).where(Document.kind == series)
    query = select(Invoice.number) if series == numbering.INVOICES else of_kind
    texts = session.scalars(query.execution_options(yield_per=1_000))
    there = {int(digits[1]) for text in texts if (digits := _LAST_DIGITS.search(text))}
    return [number for number in numbers if number not in there]


def _ranges(numbers: list[int]) -> str:
    """ "13-15, 18" """
    breaks = [0, *(at for at, (one, next_one) in enumerate(pairwise(numbers), 1) if next_one != one + 1), len(numbers)]
    parts = [(numbers[begin], numbers[end - 1]) for begin, end in pairwise(breaks)]
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


# Telling of it


@dataclass(frozen=True, slots=True)
class Status:
    """`found` is the open recovery, `run` its comparison, `left` how many discrepancies keep it on.

    `lost_event` is the audit event that the mark tells of and the database lacks; 0 when the mark cannot be read, none when all is well.
    """

    found: Recovery | None
    run: Reconciliation | None
    left: int
    lost_event: int | None

    @property
    def is_on(self) -> bool:
        return self.found is not None or self.lost_event is not None


def status(session: Session) -> Status:
    found = recovery.current(session)
    run = session.get(Reconciliation, found.reconciliation_id) if found and found.reconciliation_id else None
    return Status(found, run, len(left_open(session)), recovery.lost_event())
