"""What of reminders waits for staff."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core.errors import N_
from portal.reminders import queries
from portal.reminders.models import InvoiceReminder
from portal.web.waiting import Backlog, Staff, counted


def waiting(session: Session, _staff: Staff) -> Iterator[Backlog]:
    """Invoices that are still owed after the last reminder of the plan."""
    if not queries.plan():
        return
    moments = queries.ended().with_only_columns(InvoiceReminder.created_at).order_by(InvoiceReminder.created_at)
    found = session.execute(select(*counted(moments))).one()
    yield Backlog(N_("Invoices after the last reminder"), "mail", "support_reminders.ended", *found)
