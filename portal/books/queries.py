"""Reading the books line by line: our postings, and the balance transactions of Stripe. Nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import CompoundSelect, Select, func, literal, literal_column, or_, select, tuple_, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.accounts import queries as accounts
from portal.books.models import Pack
from portal.core import company_days, keyset
from portal.core.errors import NotFound
from portal.core.money import Money
from portal.documents.models import Document
from portal.invoices.models import Invoice
from portal.ledger import LedgerAccount, Posting
from portal.payments.models import Allocation, Payment
from portal.reconciliation import figures
from portal.reconciliation.models import Discrepancy, DiscrepancyStatus, StripePayout, StripeTransaction

# Beside the groups of the figures: all that touches the balance at Stripe.
BALANCE: Final = "balance"
GROUPS: Final = (BALANCE, *figures.GROUPS)
# A number beyond this is shown as "more than".
MOST_COUNTED: Final = 1_000
# They live for a month: who has more of them has pressed very often.
MOST_PACKS: Final = 50


@dataclass(frozen=True, slots=True)
class LinesFilter:
    """Days are the company's, both included; `group` is one of GROUPS.

    `subject` is what a line is about: an id, here or at Stripe, or the number of an invoice or a document. `customer` is the id of one,
    of whose payments the lines are.
    """

    since: date | None = None
    until: date | None = None
    currency: str = ""
    subject: str = ""
    customer: str = ""
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
    if not wanted.currency and not wanted.subject and not wanted.customer:  # so that the index of periods is of use
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
        query = query.where(Posting.subject.in_(_named(wanted.subject)))
    if wanted.customer:
        payments = select(Payment.id).where(Payment.customer_id == wanted.customer)
        invoices = select(Invoice.id).where(Invoice.customer_id == wanted.customer)
        query = query.where(Posting.subject.in_(payments.union_all(invoices)))
    if wanted.group:
        query = query.where(figures.touches_balance())
    if wanted.group and wanted.group != BALANCE:
        query = query.where(figures.group_of_posting() == wanted.group)
    return query


def _named(text: str) -> CompoundSelect[Any]:
    """What a line may be about when someone names it so: itself, an invoice with this number, or the payments of it or of a document."""
    of_document = select(Document.payment_id).where(Document.number == text)
    of_invoice = select(Allocation.payment_id).join(Allocation.invoice).where(Invoice.number == text)
    itself = select(Invoice.id).where(Invoice.number == text)
    return union_all(select(literal(text)), itself, of_document, of_invoice)


def of_customer(session: Session, wanted: LinesFilter) -> LinesFilter:
    """The same, with the customer's id in place of the e-mail address that was typed; nobody's lines for an address that is unknown."""
    if not wanted.customer or "@" not in wanted.customer:
        return wanted
    found = accounts.customer_by_email(session, wanted.customer)
    return replace(wanted, customer=found.id if found else "nobody")


@dataclass(frozen=True, slots=True)
class AccountPeriod:
    """An account through a period: what it held before, what it was debited and credited, and so what it holds after."""

    account: str
    opening: Money
    debits: Money
    credits: Money

    @property
    def closing(self) -> Money:
        return self.opening + self.debits - self.credits


def account_periods(session: Session, currency: str, period: figures.Period) -> list[AccountPeriod]:
    """All accounts that hold or held something in this currency, in the order of the ledger; debits count as more."""
    before = balances(session, LinesFilter(until=period.since - company_days.A_DAY, currency=currency))
    moved = balances(session, LinesFilter(since=period.since, until=period.until, currency=currency))
    openings = {one.account: one.difference for one in before}
    movements = {one.account: one for one in moved}
    none = Money(0, currency)
    return [
        AccountPeriod(
            account,
            openings.get(account, none),
            movements[account].debits if account in movements else none,
            movements[account].credits if account in movements else none,
        )
        for account in LedgerAccount
        if account in openings or account in movements
    ]


# Stripe's balance transactions


@dataclass(frozen=True, slots=True)
class PayoutLines:
    """What a payout is made of, as Stripe says: how many lines there are, their amounts, and the fees that are taken off."""

    number: int
    amount: Money
    fees: Money

    @property
    def net(self) -> Money:
        return self.amount - self.fees


def lines_of_payouts(session: Session, rows: Sequence[StripePayout]) -> dict[str, PayoutLines]:
    """By the payout's id; of payouts whose lines are not known yet there are none."""
    found = StripeTransaction
    currencies = {row.id: row.currency for row in rows}
    query = (
        select(found.payout_id, func.count(), func.sum(found.amount_minor), func.sum(found.fee_minor))
        .where(found.payout_id.in_(currencies), found.type != "payout")
        .group_by(found.payout_id)
    )
    return {
        payout: PayoutLines(number, Money(int(amount), currencies[payout]), Money(int(fees), currencies[payout]))
        for payout, number, amount, fees in session.execute(query)
        if payout is not None
    }


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
        named = (found.id, found.source_id, found.payout_id)
        query = query.where(
            or_(*(column == wanted.subject for column in named), found.subject.in_(_named(wanted.subject)))
        )
    if wanted.customer:
        query = query.where(found.subject.in_(select(Payment.id).where(Payment.customer_id == wanted.customer)))
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
