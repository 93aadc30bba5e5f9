"""Gapless numbers: one locked counter row a series, taken in the transaction that uses the number."""

from typing import Final

from sqlalchemy import BigInteger, String, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.core import marks, recovery
from portal.core.db import Base

RECEIPTS: Final = "receipt"
PAYMENT_CONFIRMATIONS: Final = "payment_confirmation"
CREDIT_NOTES: Final = "credit_note"
REFUND_CONFIRMATIONS: Final = "refund_confirmation"
INVOICES: Final = "invoice"


class NumberSeries(Base):
    __tablename__ = "number_series"

    series: Mapped[str] = mapped_column(String(40), primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)


def take(session: Session, series: str) -> int:
    """The next number of a series, from 1, in the caller's transaction.

    The row stays locked until the caller commits, so a number is never given twice, and a roll-back gives it back. Raises
    recovery.InRecovery while nobody knows which numbers were given out.
    """
    recovery.refuse(session)
    row = _locked(session, series)
    row.last += 1
    session.flush()
    marks.note_number(session, series, row.last)
    return row.last


def keep(session: Session, series: str, number: int) -> None:
    """This number was given out, whatever the database knew of it: new ones go on behind it. A second call changes nothing."""
    row = _locked(session, series)
    row.last = max(row.last, number)
    session.flush()
    marks.note_number(session, series, row.last)


def lasts(session: Session) -> dict[str, int]:
    """The last number of each series, by its name."""
    return {row.series: row.last for row in session.execute(select(NumberSeries)).scalars()}


def _locked(session: Session, series: str) -> NumberSeries:
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    session.execute(insert(NumberSeries).values(series=series, last=0).on_conflict_do_nothing())
    return session.execute(
        select(NumberSeries)
        .where(NumberSeries.series == series)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one()
