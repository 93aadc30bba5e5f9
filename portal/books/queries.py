"""Reading the books line by line: our postings, and the balance transactions of Stripe. Nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Select, func, literal_column, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.books.models import Pack
from portal.core import company_days, keyset
from portal.core.errors import NotFound
from portal.core.money import Money
from portal.ledger import LedgerAccount, Posting
from portal.reconciliation import figures
from portal.reconciliation.models import Discrepancy, DiscrepancyStatus, StripeTransaction

# Beside the groups of the figures: all that touches the balance at Stripe.
BALANCE: Final = "balance"
GROUPS: Final = (BALANCE, *figures.GROUPS)
# A number beyond this is shown as "more than".
MOST_COUNTED: Final = 1_000
# They live for a month: who has more of them has pressed very often.
MOST_PACKS: Final = 50


@dataclass(frozen=True, slots=True)
class LinesFilter:
    """Days are the company's, both included; `subject` is the id of what a line is about, here or at Stripe; `group` is one of GROUPS."""

    since: date | None = None
    until: date | None = None
    currency: str = ""
    subject: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account was debited and credited in one currency."""

    account: str
    debits: Money
    credits: Money

    @property
    def difference(self) -> Money:
        """Debits minus credits."""
        return self.debits - self.credits


# Postings


def balances(session: Session, wanted: LinesFilter) -> list[Balance]:
    """The accounts that anything was posted to, by currency and in the order of the ledger."""
    query = _posted(wanted)
    if not wanted.currency and not wanted.subject:  # so that the index of periods is of use
        query = query.where(Posting.currency.in_(keyset.distinct(session, Posting.currency)))
    summed = query.with_only_columns(
        Posting.currency, Posting.debit, Posting.credit, func.sum(Posting.amount_minor)
    ).group_by(Posting.currency, Posting.debit, Posting.credit)
    totals: dict[tuple[str, LedgerAccount], list[int]] = {}
    for currency, debit, credit, total in session.execute(summed):
        totals.setdefault((currency, debit), [0, 0])[0] += int(total)
        totals.setdefault((currency, credit), [0, 0])[1] += int(total)
    in_order = sorted(totals, key=lambda key: (key[0], list(LedgerAccount).index(key[1])))
    return [
        Balance(account, *(Money(minor, currency) for minor in totals[currency, account]))
        for currency, account in in_order
    ]


def postings(session: Session, wanted: LinesFilter, cursor: str | None = None) -> keyset.Page[Posting]:
    """A page of postings, the newest first. Raises NotFound for a cursor that nobody gave out."""
    return keyset.page(session, _posted(wanted), Posting.at, Posting.id, cursor)


def posting_batch(session: Session, wanted: LinesFilter, before: Posting | None, most: int) -> Sequence[Posting]:
    """The newest postings that fit, from before this one on."""
    query = _posted(wanted).order_by(Posting.at.desc(), Posting.id.desc()).limit(most)
    if before is not None:
        query = query.where(tuple_(Posting.at, Posting.id) < (before.at, before.id))
    return session.scalars(query).all()


def _posted(wanted: LinesFilter) -> Select[Posting]:
    query = _within(select(Posting), wanted, Posting.currency, Posting.at)
    if wanted.subject:
        query = query.where(Posting.subject == wanted.subject)
    if wanted.group:
        query = query.where(figures.touches_balance())
    if wanted.group and wanted.group != BALANCE:
        query = query.where(figures.group_of_posting() == wanted.group)
    return query


# Stripe's balance transactions


def transactions(session: Session, wanted: LinesFilter, cursor: str | None = None) -> keyset.Page[StripeTransaction]:
    """A page of balance transactions, the newest first. Raises NotFound for a cursor that nobody gave out."""
    return keyset.page(session, _moved(wanted), StripeTransaction.at, StripeTransaction.id, cursor)


def transaction_batch(
    session: Session, wanted: LinesFilter, before: StripeTransaction | None, most: int
) -> Sequence[StripeTransaction]:
    """The newest balance transactions that fit, from before this one on."""
    found = StripeTransaction
    query = _moved(wanted).order_by(found.at.desc(), found.id.desc()).limit(most)
    if before is not None:
        query = query.where(tuple_(found.at, found.id) < (before.at, before.id))
    return session.scalars(query).all()


def _moved(wanted: LinesFilter) -> Select[StripeTransaction]:
    found = StripeTransaction
    query = _within(select(found), wanted, found.currency, found.at)
    if wanted.subject:
        named = (found.id, found.source_id, found.subject, found.payout_id)
        query = query.where(or_(*(column == wanted.subject for column in named)))
    if wanted.group == figures.FEES:  # of whatever it was taken
        query = query.where(or_(found.fee_minor != 0, figures.group_of_transaction() == figures.FEES))
    elif wanted.group and wanted.group != BALANCE:
        query = query.where(figures.group_of_transaction() == wanted.group)
    return query


def _within(
    query: Select[Any], wanted: LinesFilter, currency: InstrumentedAttribute[str], at: InstrumentedAttribute[datetime]
) -> Select[Any]:
    if wanted.currency:
        query = query.where(currency == wanted.currency)
    if wanted.since:
        query = query.where(at >= company_days.begins(wanted.since))
    if wanted.until:
        query = query.where(at < company_days.ends(wanted.until))
    return query


# What is chosen from


def currency_of_newest(session: Session) -> str | None:
    """The currency that was posted in last; None before the first posting."""
    return session.scalar(select(Posting.currency).order_by(Posting.at.desc(), Posting.id.desc()).limit(1))


def number_of_discrepancies(session: Session) -> int:
    """How many are open, up to MOST_COUNTED and one more."""
    limited = (
        select(Discrepancy.id)
        .where(Discrepancy.status == literal_column(f"'{DiscrepancyStatus.OPEN}'"))
        .limit(MOST_COUNTED + 1)
    )
    return session.scalar(select(func.count()).select_from(limited.subquery())) or 0


# Packs


def packs(session: Session) -> Sequence[Pack]:
    """The newest MOST_PACKS, the newest first."""
    return session.scalars(select(Pack).order_by(Pack.requested_at.desc(), Pack.id.desc()).limit(MOST_PACKS)).all()


def pack(session: Session, pack_id: str) -> Pack:
    """Raises NotFound."""
    found = session.get(Pack, pack_id)
    if found is None:
        raise NotFound
    return found
