"""How an invoice stands for whoever has to pay it: due, or on its way to be paid, so that nobody is asked for the money twice.

An open invoice is on its way while a payment of it is under review, is being processed or waits for 3-D Secure, and when it is going to be
charged by itself. Those who know of that stand to the right of invoices and cannot be asked from here: they say so themselves, each for
a status of UNDER_WAY, as a condition on Invoice. All pages, sums and answers take it from `case_of`, so they never differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, case, func, or_, select, type_coerce
from sqlalchemy.orm import Session

from portal.core import company_days, db
from portal.core.enums import EnumText
from portal.invoices.models import Invoice
from portal.invoices.statuses import UNDER_WAY, InvoiceStanding, InvoiceStatus, Standing

Condition = Callable[[], ColumnElement[bool]]
Days = Callable[[Session, Sequence[str]], Mapping[str, date]]
_conditions: dict[InvoiceStanding, list[Condition]] = {}
_days: dict[InvoiceStanding, Days] = {}


def tells(status: InvoiceStanding) -> Callable[[Condition], Condition]:
    """This function says which open invoices are in a status of UNDER_WAY, or InvoiceStanding.RETRYING: as a condition on Invoice."""

    def register(condition: Condition) -> Condition:
        _conditions.setdefault(status, []).append(condition)
        for made in (case_of, _standings, sums_of_open):
            made.cache_clear()
        return condition

    return register


def tells_days(*statuses: InvoiceStanding) -> Callable[[Days], Days]:
    """This function says, for ids of open invoices in one of these statuses, which day goes with that: when they are charged next, or by
    when their money is expected.
    """

    def register(days: Days) -> Days:
        _days.update(dict.fromkeys(statuses, days))
        return days

    return register


@lru_cache(maxsize=1)
def case_of(today: date) -> ColumnElement[InvoiceStanding]:
    """The standing of an Invoice in a question. Made once a day, for building it costs what asking it does."""
    told = [
        (or_(*(condition() for condition in _conditions[status])), status)
        for status in (*UNDER_WAY, InvoiceStanding.RETRYING)
        if status in _conditions
    ]
    standing = case(
        (Invoice.status != InvoiceStatus.OPEN, Invoice.status),
        *told,
        (Invoice.due_on < today, InvoiceStanding.OVERDUE),
        else_=InvoiceStatus.OPEN,
    )
    return type_coerce(standing, EnumText(InvoiceStanding, 20))


@lru_cache(maxsize=2)
def _standings(today: date, dialect: str) -> Select[str, InvoiceStanding]:
    """The standings of the invoices with the :ids."""
    return select(Invoice.id, case_of(today)).where(db.among(Invoice.id, "ids", dialect))


@lru_cache(maxsize=1)
def sums_of_open(today: date) -> Select[*tuple[Any, ...]]:
    """The open invoices of the :customer by currency, standing, and whether they are late: how many, and what is due of them."""
    late = (Invoice.due_on < today).label("late")
    each = select(Invoice.currency, Invoice.due_minor.label("due_minor"), case_of(today).label("status"), late)
    one = each.where(Invoice.customer_id == bindparam("customer"), Invoice.status == InvoiceStatus.OPEN).subquery().c
    alike = (one.currency, one.status, one.late)
    return select(*alike, func.count(), func.sum(one.due_minor)).group_by(*alike)


def of(session: Session, invoices: Sequence[Invoice]) -> dict[str, Standing]:
    """How each of these invoices stands now, by its id; one question, one for each kind of days, and none without open ones."""
    open_ids = [invoice.id for invoice in invoices if invoice.status == InvoiceStatus.OPEN]
    found = {invoice.id: Standing(InvoiceStanding(invoice.status)) for invoice in invoices}
    if not open_ids:
        return found
    rows = db.rows_in(session, _standings(company_days.today(), db.dialect_of(session)), {"ids": open_ids})
    statuses = {row[0]: row[1] for row in rows}
    asked: dict[Days, list[str]] = {}
    for invoice_id, status in statuses.items():
        if status in _days:
            asked.setdefault(_days[status], []).append(invoice_id)
    days = {invoice_id: day for tell, ids in asked.items() for invoice_id, day in tell(session, ids).items()}
    return found | {invoice_id: Standing(status, days.get(invoice_id)) for invoice_id, status in statuses.items()}
