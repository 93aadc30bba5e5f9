"""When a payment method is charged by itself, and when again; and the words that a customer agrees to."""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta
from typing import Final

from portal.content.language import translate
from portal.core import company_days
from portal.core.errors import N_

# Every charge is announced this long before: three times 24 hours lie between the mail and the charge, whatever the calendar says.
NOTICE: Final = timedelta(hours=72)
# A notice that is being sent now has left within this time, so that the day that it names holds also around midnight.
MAIL_TAKES: Final = timedelta(minutes=10)
# How often a direct debit is tried: a bank that refuses it for another reason than missing money refuses the next one, too. Source: Nacha,
# "Reinitiation of returned entries" (at most twice more); Stripe, "SEPA Direct Debit payments" (failures that may be retried).
DEBIT_ATTEMPTS: Final = 2
# After a first decline the card is tried again so many days after that first try, and then no more. The words below say so.
RETRY_AFTER_DAYS: Final = (1, 3, 7)

TERMS: Final = (
    N_(
        "I allow %(company)s to charge my default payment method for each of my invoices, in its full amount and "
        "on its due date, until I turn this off."
    ),
    N_(
        "%(company)s notifies me of each charge by e-mail at least 3 days before. An invoice that is due "
        "sooner, or already, is charged 3 days after that e-mail."
    ),
    N_(
        "If a charge fails, it is retried 1, 3 and 7 days after the first attempt, unless my bank has "
        "refused permanently. A direct debit is retried once, if there was not enough money, 3 days after I am notified. "
        "After that I am notified, and nothing more is charged automatically for that invoice."
    ),
    N_(
        "I can turn this off at any time under Automatic payment; charges that have not been sent to my "
        "bank by then are not made."
    ),
)


def terms(company: str, locale: str) -> tuple[str, ...]:
    """The mandate's sentences as a customer reads and agrees to them."""
    return tuple(translate(sentence, locale, company=company) for sentence in TERMS)


def digest(sentences: tuple[str, ...]) -> str:
    """Names a wording, so that nobody agrees to other words than those they were shown."""
    return hashlib.sha256("\n".join(sentences).encode()).hexdigest()[:32]


def soonest_day(now: datetime) -> date:
    """The first day of the company on which a card can be charged whose notice is sent now."""
    return company_days.day_of(now + NOTICE + MAIL_TAKES)


def charge_day(due_on: date, now: datetime) -> date:
    """The company's day on which an invoice is charged whose notice is sent now."""
    return max(due_on, soonest_day(now))


def charged_from(day: date, noticed_at: datetime) -> datetime:
    """From when on the card may be charged: the day has begun where the company is, and NOTICE has passed since the mail."""
    return max(company_days.begins(day), noticed_at + NOTICE)


def next_debit(attempts: int, now: datetime) -> datetime | None:
    """When a direct debit that failed for want of money is tried again, whose notice is sent now; None when it was the last one."""
    return company_days.begins(soonest_day(now)) if attempts < DEBIT_ATTEMPTS else None


def next_attempt(first_attempt_at: datetime, attempts: int) -> datetime | None:
    """When to try again after so many attempts have failed: at the hour of the first one; None when the schedule is over."""
    if attempts > len(RETRY_AFTER_DAYS):
        return None
    return company_days.days_later(first_attempt_at, RETRY_AFTER_DAYS[attempts - 1])
