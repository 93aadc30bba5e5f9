"""What moved today, and on the days before it, for the desk's home. Nothing here commits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from portal.books import charts, queries
from portal.core import company_days
from portal.core.money import Money
from portal.payments.models import Payment, PaymentStep
from portal.payments.statuses import PaymentStatus
from portal.reconciliation import figures
from portal.reconciliation.figures import Day, Period

# So many days are drawn, today among them.
DAYS: Final = 14
# More reasons than these are not read by a person.
MOST_REASONS: Final = 6
MOST_COUNTED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Today:
    """By our books, in the currency that was posted in last. `declined` has each reason of banks with how many payments it stopped today,
    and `recovered` the sums of payments that succeeded today after they had been declined.
    """

    days: list[Day]
    chart: charts.Chart
    declined: list[tuple[str, int]]
    recovered: list[Money]

    @property
    def day(self) -> Day:
        return self.days[-1]


def today(session: Session) -> Today | None:
    """None before anything was booked."""
    currency = queries.currency_of_newest(session)
    if currency is None:
        return None
    day = company_days.today()
    days = figures.by_day(session, currency, Period(day - timedelta(days=DAYS - 1), day))
    begins = company_days.begins(day)
    return Today(days, charts.of_days(days), _declined(session, begins), _recovered(session, begins))


def _declined(session: Session, since: datetime) -> list[tuple[str, int]]:
    code = func.coalesce(func.nullif(Payment.decline_code, ""), Payment.failure_code).label("code")
    waits = Payment.status == PaymentStatus.REQUIRES_PAYMENT_METHOD
    some = select(code).where(waits, Payment.updated_at >= since, Payment.failure_code != "").limit(MOST_COUNTED)
    found = some.subquery()
    number = func.count().label("number")
    rows = session.execute(
        select(found.c.code, number).group_by(found.c.code).order_by(number.desc(), found.c.code).limit(MOST_REASONS)
    )
    return [(str(one), int(count)) for one, count in rows]


def _recovered(session: Session, since: datetime) -> list[Money]:
    was_declined = exists().where(PaymentStep.payment_id == Payment.id, PaymentStep.failure_code != "")
    some = (
        select(Payment.currency, Payment.amount_minor)
        .where(Payment.status == PaymentStatus.SUCCEEDED, Payment.updated_at >= since, Payment.succeeded_at >= since)
        .where(was_declined)
        .limit(MOST_COUNTED)
        .subquery()
    )
    currency, minor = some.c
    rows = session.execute(select(currency, func.sum(minor)).group_by(currency).order_by(currency))
    return [Money(int(total), code) for code, total in rows]
