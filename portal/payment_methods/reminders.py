"""Reminding customers by mail of cards that expire, REMINDER_DAYS before the last day.

What was sent stands on the card's row: done jobs are forgotten after a while, and their keys with them.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from portal.accounts import unsubscribing
from portal.accounts.models import Customer, OptionalMail
from portal.content import language, mail
from portal.core import audit, db
from portal.core.errors import N_
from portal.jobs import outbox
from portal.payment_methods import jobs, keeping, queries
from portal.payment_methods.models import PaymentMethod, reminder_at

SUBJECT: Final = N_("Your card ending in %(last4)s expires on %(day)s")

# As many cards as a run of the job marks before it makes room for others: a few seconds, far from the end of its lease.
MOST_A_RUN: Final = 500


def remind() -> None:
    """Mark each card whose reminder is due and leave the job that mails it; a second run finds nothing more.

    Who was not reminded in time (the worker was down) gets the reminder that is due now, and never the one before it.
    Raises outbox.Reschedule when there are more than one run takes.
    """
    with db.reading() as session:
        due = queries.due_reminders(session, MOST_A_RUN)
    for payment_method_id in due:
        _remind(payment_method_id)
    if len(due) == MOST_A_RUN:
        raise outbox.Reschedule(0)


def _remind(payment_method_id: str) -> None:
    with db.transaction() as session:
        card = session.get_one(PaymentMethod, payment_method_id)
        keeping.lock_customer(session, card.customer_id)
        session.refresh(card)
        days = card.reminder_due
        if days is None:
            return
        card.reminded_days = days
        last_day = str(card.last_day)
        audit.record(
            session,
            "payment_method.expiry_reminder",
            card.id,
            {"last_day": last_day, "days_before": days},
            customer_id=card.customer_id,
        )
        jobs.mail_expiry.enqueue(session, payment_method_id=card.id, last_day=last_day, days=days)


def send(payment_method_id: str, last_day: date, days: int) -> None:
    """Send one reminder to the card's customer, in their language.

    Nothing is sent when its time has passed before it could be (the card is removed, renewed or expired, or the next reminder
    is due). A second call sends the same Message-ID again. Raises what mail.send raises when the server refuses.
    """
    with db.reading() as session:
        card = session.get_one(PaymentMethod, payment_method_id)
        customer = session.get_one(Customer, card.customer_id)
        uses = queries.uses(session, [card]).get(card.id, [])
    if not customer.wants(OptionalMail.CARD_EXPIRY):
        return
    if card.removed_at is not None or card.last_day != last_day or reminder_at(last_day) != days:
        return
    locale = language.supported(customer.language)
    day = language.date_text(last_day, locale)
    mail.send(
        key=f"card_expiry:{card.id}:{card.last_day}:{days}",
        to=customer.email,
        subject=language.translate(SUBJECT, locale, last4=card.last4, day=day),
        template="payment_methods/mails/expiry",
        locale=locale,
        customer_id=customer.id,
        unsubscribe_at=unsubscribing.address(customer.id, OptionalMail.CARD_EXPIRY),
        name=customer.name,
        card=card,
        uses=uses,
    )
