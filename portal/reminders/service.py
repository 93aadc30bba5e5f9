"""Reminders of invoices: by plan (`remind`), or by hand (`send_now`); and invoices that staff set aside.

Each step is written down once, under the lock of the invoice, under which payments are started and settled, too; the job that mails it
looks at the invoice once more, under the same lock, just before it sends. So nobody is reminded of what is paid, being paid, disputed,
void, or set aside.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from portal.accounts.models import Customer
from portal.core import audit, clock, company_days, crash, db, recovery, texts
from portal.core.db import new_id
from portal.core.errors import N_, Conflict, Invalid
from portal.invoices import queries as invoice_queries
from portal.invoices import service as invoices
from portal.invoices.models import Invoice
from portal.jobs import outbox
from portal.reminders import jobs, policy, queries
from portal.reminders.models import LONGEST_REASON, InvoiceReminder, ReminderHold

# How many invoices are read at a time.
PAGE: Final = 200
# Two colleagues do not remind the same customer on one day.
BY_HAND_AGAIN_AFTER: Final = timedelta(hours=20)
LONGEST_HOLD: Final = timedelta(days=366)

WHY_NOT: Final = {
    "not_due": N_("Nothing is due of this invoice."),
    "under_way": N_("This invoice is being paid, so nobody is reminded of it."),
    "disputed": N_("A payment of this invoice is disputed, so nobody is reminded of it."),
}


@dataclass(frozen=True, slots=True)
class OfInvoice:
    """What staff see of an invoice's reminders; `hold` is None where there was never one, `next_step` where none is planned."""

    sent: list[InvoiceReminder]
    hold: ReminderHold | None
    is_held: bool
    next_step: tuple[int, date] | None
    customer_is_off: bool


# By plan


def remind(at: datetime | None = None) -> None:
    """Write down each step that is due now and leave the job that mails it; a second run finds nothing more.

    Customers for whom it is no working hour `at` this moment, now where it is left out, wait for a later run.
    """
    if not queries.plan():
        return
    today = company_days.today()
    after: tuple[date, str] | None = None
    zones: dict[str, ZoneInfo] = {}
    while True:
        with db.reading() as session:
            found = queries.candidates(session, today, after, PAGE)
            for invoice in found:
                if invoice.customer_id not in zones:
                    zones[invoice.customer_id] = queries.zone_of(session, invoice.customer_id)
        for invoice in found:
            if policy.is_welcome(at or clock.now(), zones[invoice.customer_id]):
                decide(invoice.id)
        if len(found) < PAGE:
            return
        after = (found[-1].due_on, found[-1].id)


def decide(invoice_id: str) -> str | None:
    """Write down the step of an invoice that is due today, if nothing speaks against it; returns the reminder's id.

    A second call finds it and writes nothing. Raises NotFound.
    """
    with db.transaction() as session:
        recovery.refuse(session)
        invoice = invoices.lock(session, invoice_id)
        if session.get_one(Customer, invoice.customer_id).reminders_off:
            return None
        hold = queries.hold(session, invoice_id)
        today = company_days.today()
        step = policy.step_due(
            queries.plan(),
            invoice.due_on,
            today,
            known_on=company_days.day_of(invoice.created_at),
            held_until=hold.until if hold else None,
        )
        if step is None or (hold is not None and hold.until >= today):
            return None
        if queries.reminder(session, invoice_id, step) is not None or queries.hinders(session, invoice):
            return None
        return _write(session, invoice, step, None)


def _write(session: Session, invoice: Invoice, step: int | None, asked_by: str | None) -> str:
    row = InvoiceReminder(id=new_id("rem"), invoice_id=invoice.id, step=step, asked_by=asked_by, created_at=clock.now())
    session.add(row)
    session.flush()
    facts = {"number": invoice.number, "due": str(invoice.amount_due), "step": step}
    audit.record(session, "invoice.reminded", invoice.id, facts, customer_id=invoice.customer_id)
    jobs.mail.enqueue(session, reminder_id=row.id)
    crash.point("reminder recorded")
    return row.id


def still_needed(reminder_id: str) -> InvoiceReminder | None:
    """The reminder, when its mail is still to be sent: the invoice is looked at once more, under its lock. Else it is dropped, and why is
    written down. None also for one that was mailed or dropped already.
    """
    with db.reading() as session:
        invoice_id = session.get_one(InvoiceReminder, reminder_id).invoice_id
    with db.transaction() as session:
        invoice = invoices.lock(session, invoice_id)
        row = session.get_one(InvoiceReminder, reminder_id, populate_existing=True)
        if row.mailed_at is not None or row.dropped_at is not None:
            return None
        hold = queries.hold(session, invoice_id)
        held = "held" if hold is not None and hold.until >= company_days.today() else None
        why = held or queries.hinders(session, invoice)
        if why is None:
            return row
        row.dropped_at = clock.now()
        facts = {"number": invoice.number, "why": why, "step": row.step}
        audit.record(session, "invoice.reminder_dropped", invoice_id, facts, customer_id=invoice.customer_id)
        return None


def mark_mailed(reminder_id: str, to: str) -> None:
    """Record that a mail server took it; a second call keeps the first time. The mails to further recipients come after that."""
    with db.transaction() as session:
        row = session.get_one(InvoiceReminder, reminder_id, with_for_update=True)
        if row.mailed_at is not None:
            return
        row.mailed_at = clock.now()
        invoice = session.get_one(Invoice, row.invoice_id)
        facts = {"number": invoice.number, "to": to, "step": row.step}
        audit.record(session, "invoice.reminder_mailed", invoice.id, facts, customer_id=invoice.customer_id)
        for recipient in queries.recipients(session, invoice.customer_id):
            jobs.mail_copy.enqueue(session, reminder_id=reminder_id, recipient_id=recipient.id)
        crash.point("reminder marked")


def requeue_lost_jobs() -> int:
    """Leave the job that mails a reminder for all that have none; returns how many. A second run finds nothing more."""
    with db.transaction() as session:
        found = queries.left_behind(session, outbox.MOST_REQUEUED)
        for reminder_id in found:
            jobs.mail.requeue(session, reminder_id=reminder_id)
        return len(found)


# By hand


def send_now(invoice_id: str, *, by: str) -> None:
    """A member of staff wants a reminder to go out now, whatever the hour and the plan.

    Raises NotFound, and Conflict where nobody is to be reminded (see queries.hinders), while the invoice is held, and within a day of the
    last reminder.
    """
    with db.transaction() as session:
        invoice = invoices.lock(session, invoice_id)
        hold = queries.hold(session, invoice_id)
        if hold is not None and hold.until >= company_days.today():
            raise Conflict(N_("Reminders of this invoice are on hold. Please release them first."))
        why = queries.hinders(session, invoice)
        if why is not None:
            raise Conflict(WHY_NOT[why])
        sent = queries.of_invoice(session, invoice_id)
        if sent and sent[0].created_at > clock.now() - BY_HAND_AGAIN_AFTER:
            raise Conflict(N_("A reminder of this invoice went out within the last day."))
        _write(session, invoice, None, by)


def hold(invoice_id: str, *, reason: str, until: date, by: str) -> None:
    """Nobody is reminded of the invoice before the day after `until`. A later hold takes the place of the first.

    Raises NotFound, Conflict for an invoice that is not open, and Invalid, naming the field that is wrong.
    """
    reason = texts.one_line(reason, field="reason", longest=LONGEST_REASON, required=True)
    today = company_days.today()
    if not today <= until <= today + LONGEST_HOLD:
        raise Invalid(N_("Please choose a day from today on, within a year."), field="until")
    with db.transaction() as session:
        invoice = invoices.lock(session, invoice_id)
        if not invoice.amount_due.minor:
            raise Conflict(WHY_NOT["not_due"])
        row = queries.hold(session, invoice_id) or ReminderHold(invoice_id=invoice_id)
        row.until, row.reason, row.held_by, row.held_at = until, reason, by, clock.now()
        session.add(row)
        session.flush()
        facts = {"number": invoice.number, "reason": reason, "until": until.isoformat()}
        audit.record(session, "invoice.reminders_held", invoice_id, facts, customer_id=invoice.customer_id)


def release(invoice_id: str) -> None:
    """Reminders of the invoice go on by the plan: the hold ended yesterday. A second call changes nothing. Raises NotFound."""
    with db.transaction() as session:
        invoice = invoices.lock(session, invoice_id)
        row = queries.hold(session, invoice_id)
        if row is not None and row.until >= company_days.today():
            row.until = company_days.today() - company_days.A_DAY
            facts = {"number": invoice.number}
            audit.record(session, "invoice.reminders_released", invoice_id, facts, customer_id=invoice.customer_id)


def of_invoice(invoice_id: str) -> OfInvoice:
    """Raises NotFound."""
    today = company_days.today()
    with db.reading() as session:
        invoice = invoice_queries.for_staff(session, invoice_id)
        sent = list(queries.of_invoice(session, invoice_id))
        hold = queries.hold(session, invoice_id)
    coming = [(step, invoice.due_on + timedelta(days=step)) for step in queries.plan()]
    return OfInvoice(
        sent,
        hold,
        is_held=hold is not None and hold.until >= today,
        next_step=next((one for one in coming if one[1] > today), None),
        customer_is_off=invoice.customer.reminders_off,
    )
