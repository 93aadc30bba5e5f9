"""What is over its time is removed, by the schedule of portal.privacy.kinds; files that were asked for are swept by the service.

Vouchers and books are not: triggers keep them, for whoever still has to verify them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, or_, select, tuple_, update

from portal.content.mail import RefusedAddress, SentMail
from portal.core import clock, company_days, db
from portal.evidence.models import Evidence
from portal.privacy import rows
from portal.privacy.inventory import BY_TABLE
from portal.privacy.kinds import YEARS_OF_LETTERS
from portal.refunds.models import Refund, RefundMessage
from portal.stripe_events.models import HAS_BODY, StripeEvent

KEEP_BODIES: Final = timedelta(days=90)
BATCH: Final = 500
_OF_REFUNDS: Final = ("explanation", "rejection", "staff_note", "resolution_note")


@dataclass(frozen=True, slots=True, eq=False)
class Over:
    """Rows of a table before a moment: removed, or with `emptied` columns."""

    table: type[Any]
    moment: Any
    before: datetime
    emptied: dict[str, Any] | None = None
    also: ColumnElement[bool] | Any = None


def sweep() -> int:
    """Remove what is over its time, some rows at a time; returns how many rows that were."""
    return sum(_remove(one) for one in _schedule())


def after_year(years: int) -> datetime:
    """What came about before this moment is over: its year ended so many years ago."""
    return company_days.begins(date(company_days.today().year - years, 1, 1))


def _schedule() -> Iterator[Over]:
    letters = after_year(YEARS_OF_LETTERS)
    yield Over(RefundMessage, RefundMessage.at, letters)
    texts = [getattr(Refund, name) != "" for name in _OF_REFUNDS]
    yield Over(Refund, Refund.asked_at, letters, dict.fromkeys(_OF_REFUNDS, ""), or_(*texts))
    yield Over(Evidence, Evidence.gathered_at, letters)
    yield Over(SentMail, SentMail.sent_at, letters)
    yield Over(RefusedAddress, RefusedAddress.refused_at, letters)
    yield Over(StripeEvent, StripeEvent.received_at, clock.now() - KEEP_BODIES, {"body": b""}, _is_applied())


def _is_applied() -> ColumnElement[bool] | Any:
    return StripeEvent.applied_at.is_not(None) & HAS_BODY


def _remove(over: Over) -> int:
    key, removed = rows.key_of(rows.table_of(BY_TABLE[over.table.__tablename__])), 0
    wanted = select(*key).where(over.moment < over.before).limit(BATCH)
    if over.also is not None:
        wanted = wanted.where(over.also)
    while True:
        with db.transaction() as session:
            found = [tuple(row) for row in session.execute(wanted)]
            if not found:
                return removed
            these = key[0].in_([one[0] for one in found]) if len(key) == 1 else tuple_(*key).in_(found)
            table = key[0].table
            statement = delete(table) if over.emptied is None else update(table).values(over.emptied)
            session.execute(statement.where(these))
        removed += len(found)
