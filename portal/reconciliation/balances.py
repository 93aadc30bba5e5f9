"""What the balance at Stripe came to before a moment, by our books and by Stripe's movements: sums of all that ever was.

They are kept for the beginning of each month of the company, so that a figure adds up the movements since the last of these alone. A
movement that is written, moved or taken away with a time before a kept balance takes that balance away with it, whoever writes it:
triggers of the database do. The next `keep` makes it anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import Select, case, func, or_, select, text
from sqlalchemy.orm import Session

from portal.core import clock, company_days, db, keyset
from portal.ledger import LedgerAccount, Posting
from portal.reconciliation.models import KeptBalance, StripeTransaction

# Stripe tells of a movement within hours; what is kept earlier would be taken away again.
SETTLED_AFTER: Final = timedelta(days=2)
# Each is a short transaction of its own; the rest waits for the next run.
MOST_AT_ONCE: Final = 240
# How long those who write movements may be kept waiting for the one that adds them up.
_LOCK_WAIT: Final = "2s"


class Balance(NamedTuple):
    """In minor units: by our postings to the account STRIPE, and by Stripe's movements after their fees."""

    ours: int = 0
    stripes: int = 0


def currencies(session: Session) -> list[str]:
    """Those that anything was posted or fetched in, in order."""
    return sorted({*keyset.distinct(session, Posting.currency), *keyset.distinct(session, StripeTransaction.currency)})


def before(session: Session, currency: str, moment: datetime, *, anew: bool = False) -> Balance:
    """What all movements of a currency before this moment come to; `anew` adds all of them up, whatever was kept."""
    kept = None if anew else _latest(session, currency, moment)
    ours, stripes = _posted(currency).where(Posting.at < moment), _moved(currency).where(StripeTransaction.at < moment)
    if kept is not None:
        ours, stripes = ours.where(Posting.at >= kept.at), stripes.where(StripeTransaction.at >= kept.at)
    since = Balance(int(session.scalar(ours) or 0), int(session.scalar(stripes) or 0))
    if kept is None:
        return since
    return Balance(kept.ours_minor + since.ours, kept.stripes_minor + since.stripes)


def keep() -> int:
    """Keep the balances of the months that have begun, but for the last days; returns how many. A second call keeps none again.

    On PostgreSQL nobody writes a movement meanwhile: one whose transaction is not over yet would be missing in the sum, and would have
    found no balance to take away. Raises OperationalError when it cannot have the tables for itself within _LOCK_WAIT.
    """
    until = clock.now() - SETTLED_AFTER
    kept = 0
    with db.reading() as session:
        wanted = [(currency, month) for currency in currencies(session) for month in _missing(session, currency, until)]
    for currency, month in wanted[:MOST_AT_ONCE]:
        with db.transaction() as session:
            _without_writers(session)
            if session.get(KeptBalance, (currency, month)) is None:
                found = before(session, currency, month)
                session.add(
                    KeptBalance(currency=currency, at=month, ours_minor=found.ours, stripes_minor=found.stripes)
                )
                kept += 1
    return kept


def _latest(session: Session, currency: str, moment: datetime) -> KeptBalance | None:
    mine = select(KeptBalance).where(KeptBalance.currency == currency, KeptBalance.at <= moment)
    return session.scalar(mine.order_by(KeptBalance.at.desc()).limit(1))


def _missing(session: Session, currency: str, until: datetime) -> Iterator[datetime]:
    """The beginnings of months behind the last kept one, or behind the first movement, that lie before `until`."""
    latest = _latest(session, currency, until)
    since = latest.at if latest is not None else _first(session, currency)
    if since is None:
        return
    month = _next_month(company_days.day_of(since))
    while (begins := company_days.begins(month)) <= until:
        yield begins
        month = _next_month(month)


def _next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def _first(session: Session, currency: str) -> datetime | None:
    ours = session.scalar(select(func.min(Posting.at)).where(Posting.currency == currency))
    stripes = session.scalar(select(func.min(StripeTransaction.at)).where(StripeTransaction.currency == currency))
    return min((moment for moment in (ours, stripes) if moment is not None), default=None)


def _posted(currency: str) -> Select[int]:
    amount = Posting.amount_minor
    moved = func.sum(case((Posting.debit == LedgerAccount.STRIPE, amount), else_=-amount))
    touches = or_(Posting.debit == LedgerAccount.STRIPE, Posting.credit == LedgerAccount.STRIPE)
    return select(moved).where(Posting.currency == currency, touches)


def _moved(currency: str) -> Select[int]:
    net = func.sum(StripeTransaction.amount_minor - StripeTransaction.fee_minor)
    return select(net).where(StripeTransaction.currency == currency)


def _without_writers(session: Session) -> None:
    """SQLite has one writer at a time anyway."""
    if db.dialect_of(session) == "postgresql":
        session.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'"))
        session.execute(text("LOCK TABLE postings, stripe_transactions IN SHARE MODE"))
