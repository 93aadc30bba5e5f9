"""What of invoices waits for staff."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Select, case, func, or_, select
from sqlalchemy.orm import Session

from portal.core import company_days
from portal.core.errors import N_
from portal.core.money import Money
from portal.core.permissions import Permission, may
from portal.invoices import queries, writing_off
from portal.invoices.models import Invoice, InvoiceCredit, OutsidePayment
from portal.invoices.statuses import InvoiceStatus, OutsideStatus
from portal.invoices.write_offs import WriteOff
from portal.web.waiting import MOST_COUNTED, Backlog, MailKind, Staff, counted

# Sums are made of so many at most.
MOST_SUMMED: Final = 10_000
# Overdue for up to so many days, and what that is called.
AGES: Final = ((30, N_("up to 30 days")), (60, N_("31 to 60 days")), (90, N_("61 to 90 days")))
OLDER: Final = N_("more than 90 days")


def waiting(session: Session, _staff: Staff) -> Iterator[Backlog]:
    """What is overdue, by its age and currency."""
    today = company_days.today()
    overdue = select(Invoice.due_on, Invoice.currency, Invoice.due_minor.label("due_minor")).where(
        Invoice.status == InvoiceStatus.OPEN, Invoice.due_on < today
    )
    some = overdue.limit(MOST_SUMMED).subquery()
    age = case(
        *((some.c.due_on >= today - timedelta(days=days), place) for place, (days, _) in enumerate(AGES)),
        else_=len(AGES),
    )
    rows = session.execute(
        select(age, some.c.currency, func.sum(some.c.due_minor), func.count(), func.min(some.c.due_on))
        .group_by(age, some.c.currency)
        .order_by(age, some.c.currency)
    ).all()
    names = [*(name for _, name in AGES), OLDER]
    numbers: dict[str, int] = defaultdict(int)
    for _, currency, _, number, _ in rows:
        numbers[currency] += number
    yield Backlog(
        N_("Invoices overdue"),
        "file",
        "support_invoices.index",
        min(sum(numbers.values()), MOST_COUNTED + 1),
        oldest=company_days.begins(min(row[4] for row in rows)) if rows else None,
        arguments={"status": "overdue"},
        parts=tuple((names[place], Money(int(total), currency)) for place, currency, total, _, _ in rows),
    )


def waiting_for_second_person(session: Session, staff: Staff) -> Iterator[Backlog]:
    """Recorded payments and reversals that wait for this person's approval: not those that they proposed themselves."""
    if not may(staff.role, Permission.CLOSE_INVOICES):
        return
    proposed_by = case(
        (OutsidePayment.status == OutsideStatus.REVERSAL_PROPOSED, OutsidePayment.reversal_by),
        else_=OutsidePayment.recorded_by,
    )
    mine = queries.outside_waiting().where(proposed_by != staff.id).order_by(OutsidePayment.recorded_at)
    found = session.execute(select(*counted(mine.with_only_columns(OutsidePayment.recorded_at)))).one()
    yield Backlog(
        N_("Recorded payments for my second approval"),
        "people",
        "support_invoices.second_approvals",
        *found,
        mail=MailKind.SECOND_APPROVALS,
        position=10,
    )


def credits_for_second_person(session: Session, staff: Staff) -> Iterator[Backlog]:
    """Credits of invoices that wait for this person's approval: not those that they proposed themselves."""
    label = N_("Credits of invoices for my second approval")
    return _proposed_by_others(
        session, staff, InvoiceCredit, queries.credits_waiting(), label, "support_invoices.credits_waiting", 11
    )


def write_offs_for_second_person(session: Session, staff: Staff) -> Iterator[Backlog]:
    """Likewise write-offs."""
    label = N_("Write-offs for my second approval")
    return _proposed_by_others(
        session, staff, WriteOff, writing_off.waiting(), label, "support_invoices.write_offs_waiting", 12
    )


def _proposed_by_others(
    session: Session,
    staff: Staff,
    table: type[InvoiceCredit | WriteOff],
    waiting: Select[Any],
    label: str,
    endpoint: str,
    position: int,
) -> Iterator[Backlog]:
    if not may(staff.role, Permission.CLOSE_INVOICES):
        return
    is_others = or_(table.proposed_by.is_(None), table.proposed_by != staff.id)
    others = waiting.where(is_others).order_by(table.proposed_at)
    found = session.execute(select(*counted(others.with_only_columns(table.proposed_at)))).one()
    yield Backlog(label, "people", endpoint, *found, mail=MailKind.SECOND_APPROVALS, position=position)
