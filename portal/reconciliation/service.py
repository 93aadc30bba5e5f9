"""Reconciliation: Stripe's account and the books, held against each other in ten steps, any time and as often as one likes.

    intents, charges, open_payments    1 to 3, 9: what Stripe has of payments is what we have; strays are called off
    refunds_made, open_refunds         4
    disputes_opened, open_disputes     5
    undelivered                        6: events that did not reach us
    transactions, postings, mirrored   7: each movement has its postings, and each posting its movement
    payouts, open_payouts              8
    documents                          in recovery mode: receipts and credit notes get the numbers that they had
    checks                             what must be true of the books by themselves
    (the end)                          10: the watermark is the `until` of the latest that has ended

It never charges and never refunds. What it learns it learns through the services that webhooks call, too; a second run changes
nothing. How far a run has come is written down after every batch, so it goes on there when its process was killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.core import audit, clock, db, recovery, texts
from portal.core.db import database_now, new_id
from portal.core.errors import Conflict, NotFound
from portal.payments.models import Payment
from portal.reconciliation import checks, jobs, lost, objects, payouts, queries, transactions
from portal.reconciliation.models import Discrepancy, DiscrepancyStatus, Reconciliation, RunKind
from portal.reconciliation.run import Checkpoint, DiscrepancyDraft, Run

log = structlog.get_logger(__name__)

LONGEST_NOTE: Final = 2_000

# What is being written at this moment is left to the next run.
LEAVE_OUT: Final = timedelta(minutes=2)
# Spans overlap, for the clocks of two machines differ.
OVERLAP: Final = timedelta(hours=1)
# A refund can fail, and a dispute change, for about a month.
NIGHTLY_SPAN: Final = timedelta(days=35)
# A command that was cut off goes on with what it began within this time.
RESUMED_FOR: Final = timedelta(hours=24)

Walk = Callable[[Run, str | None], Iterator[Checkpoint]]


@dataclass(frozen=True, slots=True)
class Step:
    """`codes` are those of the discrepancies that this step records last; a `whole` step looks at everything, whatever the span."""

    name: str
    walk: Walk
    codes: tuple[str, ...] = ()
    whole: bool = False
    full_only: bool = False  # only in a full run `codes` are closed


_OF_TRANSACTIONS: Final = (
    "unposted",
    "posting_differs",
    "posting_misplaced",
    "payment_fee",
    "unknown_transaction",
    "orphan_charge",
)
STEPS: Final = (
    Step("intents", objects.intents, ("payment_amount", "payment_differs")),
    Step("charges", objects.charges),
    Step("open payments", objects.open_payments, ("payment_missing",), whole=True, full_only=True),
    Step("refunds", objects.refunds_made, ("refund_amount", "refund_status")),
    Step("open refunds", objects.open_refunds, ("refund_missing",), whole=True),
    Step("disputes", objects.disputes_opened),
    Step("open disputes", objects.open_disputes, ("dispute_missing",), whole=True, full_only=True),
    Step("undelivered events", objects.undelivered),
    Step("transactions", transactions.transactions, _OF_TRANSACTIONS),
    Step("postings", transactions.postings, ("posting_alone",)),
    Step("all transactions", transactions.mirrored, _OF_TRANSACTIONS, whole=True, full_only=True),
    Step("payouts", payouts.payouts, ("payout_differs",)),
    Step("open payouts", payouts.open_payouts, ("payout_missing",), whole=True),
    Step("documents", lost.documents),
    Step(
        "checks",
        checks.all_of_them,
        (
            *("paid_unposted", "over_refunded", "receipt_missing", "credit_note_missing", "document_unsent"),
            "charged_twice",
            *checks.INVOICE_CODES,
        ),
    ),
    Step("stuck", lambda _run, _after: iter(()), ("stuck", "stuck_refund"), whole=True),
    Step("totals", lambda _run, _after: iter(()), ("totals_differ", "audit_broken"), whole=True, full_only=True),
)


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `steps` are over, and `part` (0 to 1) of the one that is called `name`."""

    name: str
    done: int
    part: float
    steps: int = len(STEPS)


@dataclass(frozen=True, slots=True)
class Report:
    """What a run covered, counted and left: `discrepancies` are those that are open now, or were found by a dry run."""

    kind: RunKind
    since: datetime
    until: datetime
    seconds: float
    counts: dict[str, int]
    discrepancies: list[Discrepancy]
    dry: bool
    in_recovery: bool  # then nothing can be said of the books yet, whatever was found

    @property
    def open_discrepancies(self) -> int:
        return len(self.discrepancies)


def nothing(_progress: Progress) -> None:
    """Nobody watches."""


def begin(kind: RunKind, since: datetime | None = None, *, to_now: bool = False) -> str:
    """Write down that a run begins; returns its id, for `execute`. A command's that was cut off is taken up again."""
    with db.transaction() as session:
        return begin_in(session, kind, since, to_now=to_now)


def begin_in(session: Session, kind: RunKind, since: datetime | None = None, *, to_now: bool = False) -> str:
    """Likewise, in the caller's transaction."""
    if kind == RunKind.COMMAND:
        unfinished = queries.cut_off(session, since, clock.now() - RESUMED_FOR)
        if unfinished is not None:
            return unfinished
    row = Reconciliation(id=new_id("rec"), kind=kind, started_at=clock.now(), step=1, counts={})
    row.since, row.until = span(session, kind, since, to_now=to_now)
    session.add(row)
    session.flush()
    return row.id


def leave(kind: RunKind, *, to_now: bool = False) -> bool:
    """Leave the job that walks; False when the last run of this kind is still on its way, which goes on by itself."""
    with db.reading() as session:
        if queries.is_under_way(session, kind):
            return False
    reconciliation_id = begin(kind, to_now=to_now)
    with db.transaction() as session:
        jobs.walk.enqueue(session, reconciliation_id=reconciliation_id)
    return True


def span(
    session: Session, kind: RunKind, since: datetime | None = None, *, to_now: bool = False
) -> tuple[datetime, datetime]:
    """From when to when a run of this kind goes: see the constants above. The first of all goes back to the first payment.

    In recovery mode nothing is left out: nobody writes, and what was done in the last minutes may be what was lost.
    """
    now = database_now(session)
    until = now if to_now or recovery.is_on(session) else now - LEAVE_OUT
    if since is not None:
        return since, until
    if kind == RunKind.NIGHTLY:
        return until - NIGHTLY_SPAN, until
    last = queries.watermark(session)
    first = session.scalar(select(func.min(Payment.created_at))) if last is None else None
    return (last or first or until) - OVERLAP, until


def execute(reconciliation_id: str, passed: Callable[[Progress], None] = nothing) -> Report:
    """Go through the steps, from where the row says; `passed` is told how far it is.

    Raises the gateway's errors: a second call goes on behind the last batch that was dealt with. Another call while one runs does
    its work twice and changes nothing by that; of one that has ended, nothing is done.
    """
    started = time.monotonic()
    with db.reading() as session:
        row = session.get(Reconciliation, reconciliation_id)
        recovering = recovery.current(session) is not None
    if row is None:
        raise NotFound
    run = Run(row.kind, row.since, row.until, row.started_at, recovering=recovering)
    run.counts.update(row.counts)
    if row.finished_at is None:
        _walk(run, row, passed)
    with db.reading() as session:
        return _report(session, run, queries.open_discrepancies(session), started)


def _walk(run: Run, row: Reconciliation, passed: Callable[[Progress], None]) -> None:
    for number, step in enumerate(STEPS, 1):
        if number < row.step:
            continue
        passed(Progress(step.name, number - 1, 0))
        for checkpoint in step.walk(run, row.cursor if number == row.step else None):
            _advance(row.id, run, number, checkpoint.cursor)
            passed(Progress(step.name, number - 1, _part(run, checkpoint)))
        if run.is_full_run or not step.full_only:
            run.close_what_is_gone(step.codes, whole=step.whole)
        if run.recovering and step.name == "intents":
            run.close_what_is_gone(lost.LOST, whole=False)
        _advance(row.id, run, number + 1, None)
    _finish(row.id, run)


def _part(run: Run, checkpoint: Checkpoint) -> float:
    """Lists begin with the newest, so the span that is left says how much there is to do."""
    whole = run.until - run.since
    if checkpoint.at is None or not whole:
        return 0
    return min(max((run.until - checkpoint.at) / whole, 0), 1)


def _advance(reconciliation_id: str, run: Run, step: int, cursor: str | None) -> None:
    with db.transaction() as session:
        row = session.get_one(Reconciliation, reconciliation_id, with_for_update=True)
        row.step, row.cursor, row.counts = step, cursor, dict(run.counts)


def _finish(reconciliation_id: str, run: Run) -> None:
    with db.transaction() as session:
        row = session.get_one(Reconciliation, reconciliation_id, with_for_update=True)
        row.finished_at = clock.now()
        row.open_discrepancies = len(queries.open_discrepancies(session))
        log.info("reconciled", kind=row.kind, open_discrepancies=row.open_discrepancies, **run.counts)


def dry_run(
    kind: RunKind,
    since: datetime | None = None,
    *,
    to_now: bool = False,
    passed: Callable[[Progress], None] = nothing,
) -> Report:
    """A dry run: what would be found. Nothing is written, neither to the books nor about the run."""
    started = time.monotonic()
    with db.reading() as session:
        run = Run(kind, *span(session, kind, since, to_now=to_now), clock.now(), dry=True)
    for number, step in enumerate(STEPS, 1):
        passed(Progress(step.name, number - 1, 0))
        for checkpoint in step.walk(run, None):
            passed(Progress(step.name, number - 1, _part(run, checkpoint)))
    with db.reading() as session:
        found = [_as_row(draft) for draft in _distinct(run.drafts) if not queries.is_resolved(session, draft)]
        return _report(session, run, found, started)


def _distinct(drafts: list[DiscrepancyDraft]) -> list[DiscrepancyDraft]:
    return list({(draft.code, draft.subject, draft.fingerprint): draft for draft in drafts}.values())


def _as_row(draft: DiscrepancyDraft) -> Discrepancy:
    return Discrepancy(
        code=draft.code,
        subject=draft.subject,
        facts=dict(draft.facts),
        payment_id=draft.payment_id,
        about_at=draft.about_at,
        status=DiscrepancyStatus.OPEN,
    )


def _report(session: Session, run: Run, discrepancies: list[Discrepancy], started: float) -> Report:
    """`started` is by the monotonic clock."""
    seconds, held = time.monotonic() - started, recovery.is_on(session)
    return Report(run.kind, run.since, run.until, seconds, dict(run.counts), discrepancies, run.dry, held)


# Discrepancies


def resolve(discrepancy_id: str, user_id: str, note: str) -> None:
    """A person says why a discrepancy is right as it is; found again with the same facts it stays resolved.

    Money that is not of the portal's business is posted as such, so that the books equal Stripe's. Raises NotFound, and Conflict for a
    discrepancy that is not open any more. Raises Invalid (field "note") for no note, or one that cannot be kept.
    """
    note = texts.several_lines(note, field="note", longest=LONGEST_NOTE, required=True)
    with db.transaction() as session:
        discrepancy = session.get(Discrepancy, discrepancy_id, with_for_update=True)
        if discrepancy is None:
            raise NotFound
        if discrepancy.status != DiscrepancyStatus.OPEN:
            raise Conflict
        discrepancy.status, discrepancy.closed_at, discrepancy.closed_by = (
            DiscrepancyStatus.RESOLVED,
            clock.now(),
            user_id,
        )
        discrepancy.resolution = note
        facts: dict[str, Any] = {"code": discrepancy.code, "subject": discrepancy.subject, "note": note}
        audit.record(session, "discrepancy.resolved", discrepancy.id, facts)
        if discrepancy.code in {"orphan_charge", "unknown_transaction", *lost.LOST}:
            transactions.book_as_other(session, discrepancy.subject)
