"""One run over a span of time: what it covers, what it counts and what it finds.

A dry run writes nothing at all: neither to the books nor about itself.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy import Row, Select, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.core import audit, clock, db
from portal.core.db import new_id
from portal.reconciliation.models import Discrepancy, DiscrepancyStatus, RunKind

log = structlog.get_logger(__name__)

# So many of Stripe's objects are compared at a time; as many as a page of its lists.
BATCH: Final = 100

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a step is: what it has dealt with last, to go on behind after a kill, and from when that is, for the progress bar."""

    cursor: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DiscrepancyDraft:
    """A discrepancy as it is recorded; see models.Discrepancy."""

    code: str
    subject: str
    facts: Mapping[str, Any]
    payment_id: str | None = None
    about_at: datetime | None = None

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(json.dumps(self.facts, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(slots=True)
class Run:
    """`since` and `until` are both included. Full runs also compare what lies outside of the span and may still change."""

    kind: RunKind
    since: datetime
    until: datetime
    started_at: datetime
    dry: bool = False
    recovering: bool = False  # what the database lost is brought back: see lost.py
    counts: Counter[str] = field(default_factory=Counter)
    drafts: list[DiscrepancyDraft] = field(default_factory=list)
    incomplete: set[str] = field(
        default_factory=set
    )  # codes of which there may be more discrepancies than were recorded

    @property
    def is_full_run(self) -> bool:
        return self.kind == RunKind.NIGHTLY

    def count(self, name: str, number: int = 1) -> None:
        self.counts[name] += number

    def record(self, draft: DiscrepancyDraft) -> None:
        """Keep a discrepancy. One that is known already, open or resolved, is only seen again; one that had gone is open anew."""
        self.drafts.append(draft)
        if self.dry:
            return
        now = clock.now()
        with db.transaction() as session:
            known = session.execute(_same(draft).with_for_update()).scalar_one_or_none()
            if known is None:
                _insert(session, draft, now)
                log.error("books_differ", code=draft.code, subject=draft.subject, **_plain(draft.facts))
                audit.record(session, "discrepancy.found", draft.subject, {"code": draft.code, **_plain(draft.facts)})
                return
            known.seen_at = now
            if known.status == DiscrepancyStatus.GONE:
                known.status, known.closed_at = DiscrepancyStatus.OPEN, None

    def close_what_is_gone(self, codes: Iterable[str], *, whole: bool) -> None:
        """Close the open discrepancies of these codes that this run covers and has not seen again.

        A `whole` step looks at everything whatever the span; any other covers what came to be within it.
        """
        if self.dry:
            return
        query = select(Discrepancy).where(
            Discrepancy.status == DiscrepancyStatus.OPEN,
            Discrepancy.code.in_(set(codes) - self.incomplete),
            Discrepancy.seen_at < self.started_at,
        )
        if not whole:
            query = query.where(Discrepancy.about_at.between(self.since, self.until))
        with db.transaction() as session:
            for gone in session.execute(query.with_for_update()).scalars():
                gone.status, gone.closed_at = DiscrepancyStatus.GONE, clock.now()
                audit.record(session, "discrepancy.gone", gone.subject, {"code": gone.code})


def _same(draft: DiscrepancyDraft) -> Any:
    return select(Discrepancy).where(
        Discrepancy.code == draft.code,
        Discrepancy.subject == draft.subject,
        Discrepancy.fingerprint == draft.fingerprint,
    )


def _insert(session: Session, draft: DiscrepancyDraft, now: datetime) -> None:
    """Two runs at once may find the same."""
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    session.execute(
        insert(Discrepancy)
        .values(
            id=new_id("dsc"),
            code=draft.code,
            subject=draft.subject,
            fingerprint=draft.fingerprint,
            facts=_plain(draft.facts),
            payment_id=draft.payment_id,
            about_at=draft.about_at,
            found_at=now,
            seen_at=now,
            status=DiscrepancyStatus.OPEN,
            resolution="",
        )
        .on_conflict_do_nothing(index_elements=["code", "subject", "fingerprint"])
    )


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in facts.items()}


def rows_after(
    query: Select[*tuple[Any, ...]], key: InstrumentedAttribute[str], after: str | None
) -> Iterator[Sequence[Row[*tuple[Any, ...]]]]:
    """The rows of `query` behind `after`, some at a time in the order of `key`, each time in a view of its own."""
    last = after or ""
    while True:
        with db.reading() as session:
            rows = session.execute(query.where(key > last).order_by(key).limit(BATCH)).all()
        if not rows:
            return
        yield rows
        last = rows[-1].id


def batches(things: Iterable[Thing], size: int | None = None) -> Iterator[list[Thing]]:
    """They in lists of `size`, or of BATCH, the last one shorter; no more than one list is held."""
    iterator = iter(things)
    while batch := list(islice(iterator, size or BATCH)):
        yield batch
