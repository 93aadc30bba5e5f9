"""What of disputes waits for staff."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.core import clock
from portal.core.errors import N_
from portal.disputes.models import NO_DEADLINE, Dispute
from portal.disputes.queries import is_open
from portal.web.waiting import MOST_COUNTED, Backlog, MailKind, Staff

SOON: Final = timedelta(days=3)
THIS_WEEK: Final = timedelta(days=7)


def waiting(session: Session, _staff: Staff) -> Iterator[Backlog]:
    """Disputes that want our evidence, by the days that are left."""
    query = (
        select(Dispute.deadline, Dispute.created_at)
        .where(is_open(), Dispute.deadline < NO_DEADLINE)
        .order_by(Dispute.deadline)
    )
    some = query.limit(MOST_COUNTED + 1).subquery()
    now, deadline = clock.now(), some.c.deadline
    soon = func.count().filter(deadline <= now + SOON)
    week = func.count().filter(deadline > now + SOON, deadline <= now + THIS_WEEK)
    number, first, newest, in_three, in_seven = session.execute(
        select(func.count(), func.min(deadline), func.max(some.c.created_at), soon, week).select_from(some)
    ).one()
    yield Backlog(
        N_("Disputes that want evidence"),
        "shield",
        "support_disputes.index",
        number,
        newest=newest,
        next_due=first,
        parts=((N_("within 3 days"), in_three), (N_("within 7 days"), in_seven)),
        mail=MailKind.DISPUTES,
        position=20,
    )
