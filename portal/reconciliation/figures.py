"""The figures of a period: what came in, went out and is left of the balance at Stripe, once by our books and once by Stripe's.

Both sides are grouped alike, so that a difference stands in the group where it arose. Ours are the postings to the account STRIPE,
by their time; Stripe's are its balance transactions as they were fetched, by the time of our postings for them, and by their own
while there are none. So a movement at midnight is in one period on both sides.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Date, and_, case, func, literal, or_, select, type_coerce
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.core import company_days
from portal.core.money import Money
from portal.ledger import LedgerAccount, Posting
from portal.reconciliation import balances
from portal.reconciliation.models import StripeTransaction

CHARGED: Final = "charged"
REFUNDED: Final = "refunded"
DISPUTED: Final = "disputed"
FEES: Final = "fees"
PAID_OUT: Final = "paid_out"
OTHER: Final = "other"
GROUPS: Final = (CHARGED, REFUNDED, DISPUTED, FEES, PAID_OUT, OTHER)

# Before the first comparison nothing is compared.
NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)

OPENING: Final = "opening"
CLOSING: Final = "closing"

# The kinds of our postings in each group; any other is OTHER.
_KINDS: Final = {
    CHARGED: ("charge", "charge_exchange", "debit", "debit_failed"),
    REFUNDED: ("refund", "refund_exchange", "refund_failed"),
    DISPUTED: ("dispute", "dispute_reinstated"),
    FEES: ("dispute_fee", "dispute_fee_returned", "fee", "refund_fee", "stripe_fee", "stripe_fee_returned"),
    PAID_OUT: ("payout", "payout_returned"),
}
# Stripe's types likewise; its disputes are adjustments. The fee that Stripe takes from any transaction is among FEES, whatever the
# transaction is. Source: Stripe, "Balance transaction types".
_TYPES: Final = {
    CHARGED: ("charge", "payment", "payment_failure_refund"),
    REFUNDED: ("payment_refund", "refund", "refund_failure"),
    FEES: ("network_cost", "stripe_fee", "stripe_fx_fee", "tax_fee"),
    PAID_OUT: ("payout", "payout_cancel", "payout_failure"),
}


@dataclass(frozen=True, slots=True)
class Period:
    """Days of the company, both included."""

    since: date
    until: date

    @classmethod
    def of_month(cls, day: date) -> Period:
        """The month that the day lies in."""
        last = calendar.monthrange(day.year, day.month)[1]
        return cls(day.replace(day=1), day.replace(day=last))

    @property
    def begins(self) -> datetime:
        return company_days.begins(self.since)

    @property
    def ends(self) -> datetime:
        """The first moment after it."""
        return company_days.ends(self.until)

    @property
    def days(self) -> int:
        return (self.until - self.since).days + 1

    @property
    def is_month(self) -> bool:
        return self == Period.of_month(self.since)


@dataclass(frozen=True, slots=True)
class Line:
    """One figure. `name` is OPENING, one of GROUPS, or CLOSING; what lowers the balance is negative."""

    name: str
    ours: Money
    stripes: Money

    @property
    def difference(self) -> Money:
        """Ours minus Stripe's."""
        return self.ours - self.stripes


@dataclass(frozen=True, slots=True)
class Figures:
    """The balance as the period begins, what changed it, and the balance as it ends, in this order.

    Both sides end at `compared_to`, where it lies in the period: Stripe's movements are fetched by comparisons alone, so what our books
    have learned since then stands on one side. `newer` is how many movements of the period that is.
    """

    currency: str
    period: Period
    lines: tuple[Line, ...]
    compared_to: datetime | None = None
    newer: int = 0

    @property
    def compared_on(self) -> date | None:
        """The company's day of the comparison at which both sides end."""
        return company_days.day_of(self.compared_to) if self.compared_to else None

    @property
    def equal(self) -> bool:
        return not any(line.difference for line in self.lines)


@dataclass(frozen=True, slots=True)
class Day:
    """What our books have of a day. Refunds, fees and disputes are negative where they lower the balance."""

    day: date
    charged: Money
    refunded: Money
    fees: Money


def of(session: Session, currency: str, period: Period, compared_to: datetime | None = None) -> Figures:
    """Both sides of a currency, up to `compared_to` if it is given: queries.watermark, or NEVER."""
    end = min(period.ends, compared_to or period.ends)
    begin = min(period.begins, end)
    ours, stripes = _ours(session, currency, begin, end), _stripes(session, currency, begin, end)
    before = balances.before(session, currency, begin)

    def line(name: str, our: int, their: int) -> Line:
        return Line(name, Money(our, currency), Money(their, currency))

    lines = [line(OPENING, *before)]
    lines += [line(group, ours.get(group, 0), stripes.get(group, 0)) for group in GROUPS]
    lines.append(line(CLOSING, before.ours + sum(ours.values()), before.stripes + sum(stripes.values())))
    newer = _newer(session, currency, end, period) if end < period.ends else 0
    return Figures(currency, period, tuple(lines), None if compared_to == NEVER else compared_to, newer)


def _newer(session: Session, currency: str, compared_to: datetime, period: Period) -> int:
    """Movements of the period that our books have and no comparison has seen; a fee is a part of what it was taken from."""
    since = max(compared_to, period.begins)
    moved = select(func.count(Posting.id)).where(Posting.currency == currency, touches_balance())
    query = moved.where(Posting.at >= since, Posting.at < period.ends, group_of_posting() != FEES)
    return int(session.scalar(query) or 0)


def by_day(session: Session, currency: str, period: Period) -> list[Day]:
    """What our books have of each day of the period, also of days without anything."""
    moved = _moved(currency).where(Posting.at >= period.begins, Posting.at < period.ends)
    moved = moved.add_columns(_day_of(session, Posting.at, period).label("day"), group_of_posting().label("part"))
    of_days = moved.subquery()
    rows = session.execute(
        select(of_days.c.day, of_days.c.part, func.sum(of_days.c.moved)).group_by(of_days.c.day, of_days.c.part)
    )
    sums: dict[tuple[date, str], int] = {}
    for day, part, total in rows:
        sums[day, part] = int(total)

    def money(day: date, part: str) -> Money:
        return Money(sums.get((day, part), 0), currency)

    days = (period.since + timedelta(days=number) for number in range(period.days))
    return [Day(day, money(day, CHARGED), money(day, REFUNDED), money(day, FEES)) for day in days]


def touches_balance() -> ColumnElement[bool]:
    """That a posting is to or from the account LedgerAccount.STRIPE."""
    return or_(Posting.debit == LedgerAccount.STRIPE, Posting.credit == LedgerAccount.STRIPE)


def group_of_posting() -> ColumnElement[str]:
    """The group of a posting that touches the balance."""
    return case(*((Posting.kind.in_(kinds), group) for group, kinds in _KINDS.items()), else_=OTHER)


def group_of_transaction() -> ColumnElement[str]:
    """The group of a balance transaction's amount; its fee is among FEES in any case."""
    found = StripeTransaction
    of_dispute = and_(
        found.type == "adjustment",
        or_(
            found.category.startswith("dispute"),
            found.source_id.startswith("du_", autoescape=True),
            found.source_id.startswith("dp_", autoescape=True),
        ),
    )
    # A charge that is no payment of ours, and the like, is booked without a subject once a person has resolved it: as something else.
    of_someone_else = and_(
        found.booked_at.is_not(None),
        found.subject == "",
        or_(found.type.in_((*_TYPES[CHARGED], *_TYPES[REFUNDED])), of_dispute),
    )
    return case(
        (of_someone_else, OTHER),
        *((found.type.in_(types), group) for group, types in _TYPES.items()),
        (of_dispute, DISPUTED),
        else_=OTHER,
    )


def _moved(currency: str) -> Any:
    """What each posting of a currency moves the balance by."""
    amount = Posting.amount_minor
    moved = case((Posting.debit == LedgerAccount.STRIPE, amount), else_=-amount)
    return select(moved.label("moved")).where(Posting.currency == currency, touches_balance())


def _ours(session: Session, currency: str, begin: datetime, end: datetime) -> Mapping[str, int]:
    moved = _moved(currency).where(Posting.at >= begin, Posting.at < end)
    parts = moved.add_columns(group_of_posting().label("part")).subquery()
    rows = session.execute(select(parts.c.part, func.sum(parts.c.moved)).group_by(parts.c.part))
    return {part: int(total) for part, total in rows}


def _stripes(session: Session, currency: str, begin: datetime, end: datetime) -> Mapping[str, int]:
    found = StripeTransaction
    in_it = (found.currency == currency, found.at >= begin, found.at < end)
    columns = (group_of_transaction().label("part"), found.amount_minor, found.fee_minor)
    parts = select(*columns).where(*in_it).subquery()
    rows = session.execute(
        select(parts.c.part, func.sum(parts.c.amount_minor), func.sum(parts.c.fee_minor)).group_by(parts.c.part)
    )
    sums: dict[str, int] = {}
    for part, amount, fee in rows:
        sums[part] = sums.get(part, 0) + int(amount)
        sums[FEES] = sums.get(FEES, 0) - int(fee)
    return sums


def _day_of(session: Session, moment: InstrumentedAttribute[datetime], period: Period) -> ColumnElement[date]:
    """The company's day of a moment in this period.

    SQLite knows no time zones, and PostgreSQL's may be of another year than ours: so both are told when the days begin.
    """
    if period.since > period.until:
        return literal(period.since, Date())
    *earlier, last = company_days.stretches(period.since, period.until)
    day = _day_within(session, moment, last)
    if earlier:
        within = [(moment < stretch.ends, _day_within(session, moment, stretch)) for stretch in earlier]
        day = case(*within, else_=day)
    return type_coerce(day, Date())


def _day_within(
    session: Session, moment: InstrumentedAttribute[datetime], stretch: company_days.Stretch
) -> ColumnElement[Any]:
    """Days of 24 hours are UTC days once the moment is moved by what lies between the two midnights; one alone may be longer."""
    if stretch.first == stretch.last:
        return literal(stretch.first, Date())
    if (
        session.get_bind().dialect.name == "sqlite"
    ):  # which rounds to milliseconds, so to the next day, unless the fraction is cut off
        return func.date(
            func.substr(moment, 1, len("2026-11-30 23:59:59")), f"{int(stretch.ahead.total_seconds())} seconds"
        )
    return func.date(func.timezone("UTC", moment) + stretch.ahead)
