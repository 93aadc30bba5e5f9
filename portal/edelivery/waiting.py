"""What of networks waits for staff."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core.errors import N_
from portal.edelivery import queries
from portal.edelivery.models import Handover
from portal.web.waiting import Backlog, Staff, counted


def waiting(session: Session, _staff: Staff) -> Iterator[Backlog]:
    """E-invoices that no network took."""
    moments = queries.not_taken().with_only_columns(Handover.created_at).order_by(Handover.created_at)
    found = session.execute(select(*counted(moments))).one()
    yield Backlog(N_("E-invoices that the network did not take"), "file", "support_edelivery.not_taken", *found)
