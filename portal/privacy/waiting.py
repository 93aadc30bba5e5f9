"""What of personal data waits for staff."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from portal.core.errors import N_
from portal.core.permissions import Permission, may
from portal.privacy import queries
from portal.privacy.models import Erasure
from portal.web.waiting import Backlog, Staff, counted


def waiting(session: Session, staff: Staff) -> Iterator[Backlog]:
    """Erasures that wait for this person's decision: not those that they proposed themselves. It opens the oldest."""
    if not may(staff.role, Permission.ANSWER_PRIVACY_REQUESTS):
        return
    mine = queries.waiting().where(or_(Erasure.requested_by.is_(None), Erasure.requested_by != staff.id))
    first = mine.with_only_columns(Erasure.customer_id).limit(1).scalar_subquery()
    number, oldest, newest, customer_id = session.execute(
        select(*counted(mine.with_only_columns(Erasure.requested_at)), first)
    ).one()
    yield Backlog(
        N_("Erasures of customers to decide"),
        "people",
        "support_privacy.staff_show",
        number,
        oldest=oldest,
        newest=newest,
        arguments={"customer_id": customer_id or ""},
        position=13,
    )
