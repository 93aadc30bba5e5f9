"""Reading reminders, and which invoices are due for one; nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Select, and_, exists, or_, select, tuple_
from sqlalchemy.orm import Session, joinedload

from portal.accounts import queries as accounts
from portal.accounts.models import Customer, DocumentRecipient, RecipientMail
from portal.core import company_days, config, keyset, time_zones
from portal.core.method_kinds import DEBITS
from portal.disputes import queries as disputes
from portal.invoices import queries as invoices
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStanding, InvoiceStatus
from portal.payments import queries as payments
from portal.payments.models import Payment
from portal.reminders import jobs
from portal.reminders.models import InvoiceReminder, ReminderHold
from portal.reminders.policy import LATE_DAYS

# What the page of an invoice shows.
MOST_SHOWN: Final = 50


def plan() -> tuple[int, ...]:
    """The steps of the settings, in days after the due date, rising."""
    return config.current().reminders


def candidates(session: Session, today: date, after: tuple[date, str] | None, most: int) -> list[Invoice]:
    """Open invoices for which a step of the plan may be due, with their customers, by due date and id, from after this place on.

    Those for which it was written down already are left out. What else speaks against it is asked for each, under its lock.
    """
    steps = plan()
    windows = []
    for step, following in zip(steps, (*steps[1:], None), strict=True):
        last, first = today - timedelta(days=step), today - timedelta(days=step + LATE_DAYS)
        if following is not None:
            first = max(first, today - timedelta(days=following - 1))
        there = exists().where(InvoiceReminder.invoice_id == Invoice.id, InvoiceReminder.step == step)
        windows.append(and_(Invoice.due_on.between(first, last), ~there))
    held = exists().where(
        ReminderHold.invoice_id == Invoice.id, ReminderHold.until.between(today - timedelta(days=LATE_DAYS + 1), today)
    )
    query = (
        select(Invoice)
        .join(Invoice.customer)
        .where(Invoice.status == InvoiceStatus.OPEN, ~Customer.reminders_off)
        .where(Invoice.due_on <= today - timedelta(days=steps[0]), or_(*windows, held))
        .options(joinedload(Invoice.customer))
        .order_by(Invoice.due_on, Invoice.id)
        .limit(most)
    )
    if after is not None:
        query = query.where(tuple_(Invoice.due_on, Invoice.id) > after)
    return list(session.scalars(query))


def zone_of(session: Session, customer_id: str) -> ZoneInfo:
    """By whose clocks it is working hours for a customer: those of its first owner who has said or shown which, else the company's."""
    for owner in accounts.owners(session, customer_id):
        if time_zones.is_known(owner.time_zone) or time_zones.is_known(owner.guessed_time_zone):
            return owner.zone
    return time_zones.first_known()


def recipients(session: Session, customer_id: str) -> list[DocumentRecipient]:
    """The further recipients of a customer that get reminders."""
    return accounts.recipients(session, customer_id, RecipientMail.REMINDERS)


def is_disputed(session: Session, invoice_id: str) -> bool:
    """Whether a payment of the invoice is disputed, so that what is due of it is not certain. What banks have done to debits is."""
    uncertain = Payment.method_kind.not_in(DEBITS)
    found = select(Payment.id).where(payments.is_of_invoice(invoice_id), uncertain, disputes.is_blocked(Payment.id))
    return session.scalar(found.limit(1)) is not None


def hinders(session: Session, invoice: Invoice) -> str | None:
    """Why nobody is to be reminded of this invoice now, as a word of service.WHY_NOT; None when it is owed and nothing is under way.

    The caller holds the invoice's lock: no payment of it is started or settled meanwhile.
    """
    if invoice.status != InvoiceStatus.OPEN or not invoice.amount_due.minor:
        return "not_due"
    standing = invoices.standings(session, [invoice])[invoice.id]
    if standing.status not in {InvoiceStanding.OPEN, InvoiceStanding.OVERDUE}:
        return "under_way"
    return "disputed" if is_disputed(session, invoice.id) else None


def hold(session: Session, invoice_id: str) -> ReminderHold | None:
    return session.get(ReminderHold, invoice_id)


def reminder(session: Session, invoice_id: str, step: int) -> InvoiceReminder | None:
    query = select(InvoiceReminder).where(InvoiceReminder.invoice_id == invoice_id, InvoiceReminder.step == step)
    return session.scalar(query)


def of_invoice(session: Session, invoice_id: str) -> Sequence[InvoiceReminder]:
    """The newest first, at most MOST_SHOWN."""
    query = select(InvoiceReminder).where(InvoiceReminder.invoice_id == invoice_id)
    newest = query.order_by(InvoiceReminder.created_at.desc(), InvoiceReminder.id.desc())
    return session.scalars(newest.limit(MOST_SHOWN)).all()


def left_behind(session: Session, most: int) -> list[str]:
    """The ids of reminders that are neither mailed nor dropped, and that no job mails."""
    lost = jobs.mail.missing(session, reminder_id=InvoiceReminder.id)
    found = select(InvoiceReminder.id).where(
        InvoiceReminder.mailed_at.is_(None), InvoiceReminder.dropped_at.is_(None), lost
    )
    return list(session.scalars(found.limit(most)))


# After the last step


def ended() -> Select[InvoiceReminder]:
    """The reminders of the plan's last step whose invoices are still owed and not set aside: a person goes on with these."""
    last = plan()[-1] if plan() else None
    held = exists().where(ReminderHold.invoice_id == Invoice.id, ReminderHold.until >= company_days.today())
    return (
        select(InvoiceReminder)
        .join(Invoice, Invoice.id == InvoiceReminder.invoice_id)
        .where(InvoiceReminder.step == last, InvoiceReminder.mailed_at.is_not(None))
        .where(Invoice.status == InvoiceStatus.OPEN, ~held)
    )


@dataclass(frozen=True, slots=True)
class Ended(keyset.Page[InvoiceReminder]):
    """A page of them, newest first, with their invoices by id, which have their customers."""

    invoices: dict[str, Invoice]


def ended_page(session: Session, cursor: str | None) -> Ended:
    found = keyset.page(session, ended(), InvoiceReminder.created_at, InvoiceReminder.id, cursor)
    ids = [one.invoice_id for one in found.rows]
    rows = session.scalars(select(Invoice).where(Invoice.id.in_(ids)).options(joinedload(Invoice.customer)))
    return Ended(found.rows, found.older, found.newer, {row.id: row for row in rows})
