"""What of the portal's own running waits for staff: webhooks, discrepancies, dead jobs, and events that customers' systems did not take."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from sqlalchemy import literal_column, select
from sqlalchemy.orm import Session

from portal.core import clock
from portal.core.errors import N_
from portal.core.permissions import Permission, may
from portal.jobs.models import DEAD, WAITING, JobRow
from portal.reconciliation.models import Discrepancy, DiscrepancyStatus
from portal.stripe_events.models import EventStatus, StripeEvent
from portal.web.waiting import Backlog, MailKind, Staff, counted
from portal.webhook_endpoints.models import Delivery, DeliveryStatus

# What was given up longer ago is history: an endpoint that takes nothing is switched off, and its owners are told.
GIVEN_UP_FOR: Final = timedelta(days=7)
# A webhook that waits for a shorter time is on its way.
WEBHOOKS_LATE_AFTER: Final = timedelta(minutes=5)


def waiting(session: Session, staff: Staff) -> Iterator[Backlog]:
    """In one query."""
    now = clock.now()
    is_open = Discrepancy.status == literal_column(f"'{DiscrepancyStatus.OPEN}'")
    received, found, given_up = StripeEvent.received_at, Discrepancy.found_at, Delivery.created_at
    late = StripeEvent.status == EventStatus.RECEIVED, received < now - WEBHOOKS_LATE_AFTER
    lost = Delivery.status == DeliveryStatus.FAILED, given_up > now - GIVEN_UP_FOR
    kinds = (
        counted(select(received).where(*late).order_by(received)),
        counted(select(found).where(is_open).order_by(found)),
        counted(select(JobRow.finished_at).where(DEAD).order_by(JobRow.finished_at)),
        counted(select(given_up).where(*lost).order_by(given_up)),
        counted(select(JobRow.waits_since).where(WAITING).order_by(JobRow.waits_since)),
    )
    rows = iter(session.execute(select(*(column for kind in kinds for column in kind))).one())
    events, discrepancies, dead, deliveries, held_up = [(next(rows), next(rows), next(rows)) for _ in kinds]
    if may(staff.role, Permission.VIEW_BOOKS):
        yield Backlog(N_("Open discrepancies"), "alert", "reconciliation.index", *discrepancies)
    if not may(staff.role, Permission.VIEW_OPERATIONS):
        return
    number, oldest, _newest = held_up  # one outage, however many jobs it holds up
    yield Backlog(
        N_("Jobs that wait for a service that does not answer"),
        "alert",
        "operations.index",
        number,
        oldest,
        oldest,
        mail=MailKind.OUTAGES,
    )
    yield Backlog(
        N_("Webhooks of Stripe not applied"), "clock", "operations.events", *events, arguments={"status": "received"}
    )
    yield Backlog(N_("Jobs that failed permanently"), "x-circle", "operations.jobs", *dead)
    yield Backlog(
        N_("Deliveries that failed permanently in the last 7 days"),
        "external",
        "operations.deliveries",
        *deliveries,
        arguments={"status": "failed"},
    )
