"""A customer's statement of account: what they owed before a period, what changed it, what they owe after it, and how old that is.

All of it comes from the postings of the ledger. Receivables, overpayments and refunds on their way are a customer's accounts: what is
moved between these changes nothing. Amounts are positive where the customer owes more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Final

from sqlalchemy import ColumnElement, Select, bindparam, case, func, or_, select
from sqlalchemy.orm import Session

from portal.core import company_days
from portal.core.errors import N_, Invalid
from portal.core.money import Money
from portal.documents.of_postings import Numbers, base_kind, movement
from portal.invoices.models import Invoice
from portal.ledger import LedgerAccount, Posting
from portal.reconciliation.figures import Period

# A statement is one document that people read: a longer period is taken in parts.
MOST_POSTINGS: Final = 3_000
# Days overdue at which an age begins: not due, up to 30, up to 60, up to 90, and more.
AGES: Final = (0, 1, 31, 61, 91)

_SIDE: Final = (LedgerAccount.RECEIVABLES, LedgerAccount.OVERPAYMENTS, LedgerAccount.REFUNDS)

INVOICE: Final = "invoice"
SALE: Final = "sale"
CANCELLATION: Final = "cancellation"
PAYMENT: Final = "payment"
OTHER_PAYMENT: Final = "other_payment"
OTHER_PAYMENT_REVERSED: Final = "other_payment_reversed"
REFUND: Final = "refund"
REFUND_RETURNED: Final = "refund_returned"
CREDIT_NOTE: Final = "credit_note"
CREDIT_NOTE_CANCELED: Final = "credit_note_canceled"
PAID_TWICE: Final = "paid_twice"
CLOSED: Final = "closed"
REOPENED: Final = "reopened"
DEBIT_RETURNED: Final = "debit_returned"

KINDS: Final = {
    INVOICE: N_("Invoice"),
    SALE: N_("Purchase"),
    CANCELLATION: N_("Invoice canceled"),
    PAYMENT: N_("Payment"),
    OTHER_PAYMENT: N_("Payment received"),
    OTHER_PAYMENT_REVERSED: N_("Payment corrected"),
    REFUND: N_("Refund paid"),
    REFUND_RETURNED: N_("Refund returned by the bank"),
    CREDIT_NOTE: N_("Credit note"),
    CREDIT_NOTE_CANCELED: N_("Credit note canceled"),
    PAID_TWICE: N_("Amount paid twice"),
    CLOSED: N_("Closed without payment"),
    REOPENED: N_("Open again"),
    DEBIT_RETURNED: N_("Direct debit returned by the bank"),
}
_KINDS_OF_POSTINGS: Final = {
    "invoice": INVOICE,
    "sale": SALE,
    "void": CANCELLATION,
    "charge": PAYMENT,
    "debit_returned": DEBIT_RETURNED,
    "outside": OTHER_PAYMENT,
    "outside_reversed": OTHER_PAYMENT_REVERSED,
    "write_off": CLOSED,
    "write_off_reversed": REOPENED,
    "refund": REFUND,
    "refund_outside": REFUND,
    "refund_failed": REFUND_RETURNED,
    "credit": CREDIT_NOTE,
    "credit_reversed": CREDIT_NOTE_CANCELED,
    "overpaid_returned": PAID_TWICE,
    "overpaid_returned_reversed": PAID_TWICE,
}


class TooLong(Invalid):
    code = "statement_too_long"
    message = N_("There are too many entries in this period. Please choose a shorter one.")


@dataclass(frozen=True, slots=True)
class Movement:
    """One line: `kind` is one of KINDS, `number` that of its document ("" while it has none), `invoice` that of the invoice it is about."""

    at: datetime
    kind: str
    number: str
    invoice: str
    amount: Money
    balance: Money

    @property
    def day(self) -> date:
        return company_days.day_of(self.at)


@dataclass(frozen=True, slots=True)
class Ageing:
    """What is owed at the end of a statement, by how long it is overdue then, in the order of AGES; and what the customer has too much."""

    owed: tuple[Money, ...]
    credit: Money


@dataclass(frozen=True, slots=True)
class Statement:
    currency: str
    period: Period
    opening: Money
    movements: tuple[Movement, ...]
    ageing: Ageing

    @property
    def closing(self) -> Money:
        return self.movements[-1].balance if self.movements else self.opening


def currencies(session: Session, customer_id: str) -> list[str]:
    """Those in which anything was ever booked of a customer, in order: a leap in the index for each."""
    found: list[str] = []
    while True:
        mine = select(func.min(Posting.currency)).where(Posting.customer_id == customer_id)
        following = session.scalar(mine.where(Posting.currency > found[-1]) if found else mine)
        if following is None:
            return found
        found.append(following)


def statement(session: Session, customer_id: str, currency: str, period: Period) -> Statement:
    """Of these days of the company's. Raises TooLong for more than MOST_POSTINGS."""
    whose = {"customer": customer_id, "currency": currency}
    opening = Money(int(session.scalar(_balance(), whose | {"end": period.begins}) or 0), currency)
    posted = session.scalars(_within(), whose | {"begin": period.begins, "end": period.ends}).all()
    if len(posted) > MOST_POSTINGS:
        raise TooLong
    numbers = Numbers(session, posted)
    movements = tuple(_movements(posted, numbers, opening))
    return Statement(currency, period, opening, movements, _ageing(session, customer_id, currency, period.until))


def balance(session: Session, customer_id: str, currency: str, day: date) -> Money:
    """What was owed at the end of a day of the company's, by all postings that are there now."""
    whose = {"customer": customer_id, "currency": currency, "end": company_days.ends(day)}
    return Money(int(session.scalar(_balance(), whose) or 0), currency)


def _signed(*accounts: LedgerAccount) -> ColumnElement[int]:
    """What each posting adds to these accounts."""
    amount = Posting.amount_minor
    return case((Posting.debit.in_(accounts), amount), else_=0) - case((Posting.credit.in_(accounts), amount), else_=0)


def _mine() -> tuple[ColumnElement[bool], ...]:
    return Posting.customer_id == bindparam("customer"), Posting.currency == bindparam("currency")


@cache
def _balance() -> Select[int]:
    """Of the :customer in the :currency before the :end."""
    return select(func.sum(_signed(*_SIDE))).where(*_mine(), Posting.at < bindparam("end"))


@cache
def _within() -> Select[Posting]:
    """Those from the :begin on until before the :end that change the balance, oldest first; one more than are shown."""
    period = Posting.at >= bindparam("begin"), Posting.at < bindparam("end")
    ordered = select(Posting).where(*_mine(), *period, _signed(*_SIDE) != 0).order_by(Posting.at, Posting.id)
    return ordered.limit(MOST_POSTINGS + 1)


def _movements(posted: Sequence[Posting], numbers: Numbers, opening: Money) -> Iterator[Movement]:
    """The postings of one thing that happened are one line: an invoice has one for each rate, and for its tax."""
    together: dict[tuple[datetime, str, str | None, str], list[Posting]] = {}
    for one in posted:
        together.setdefault((one.at, _kind(one), one.item_id, movement(one)), []).append(one)
    sums = {
        key: sum(one.amount_minor * ((one.debit in _SIDE) - (one.credit in _SIDE)) for one in rows)
        for key, rows in together.items()
    }
    balance = opening
    # What is owed stands before what pays it at the same moment.
    for key in sorted(together, key=lambda key: (key[0], sums[key] < 0)):
        at, kind, _, _ = key
        amount = Money(sums[key], opening.currency)
        balance += amount
        one = together[key][0]
        yield Movement(at, kind, numbers.document(one), numbers.invoice(one), amount, balance)


def _kind(posting: Posting) -> str:
    kind = base_kind(posting)
    return _KINDS_OF_POSTINGS.get(kind, kind)


@cache
def _open_items() -> Select[date, int]:
    """What is left of the :customer's items in the :currency before the :end, by the day on which it is due."""
    touches = or_(Posting.debit == LedgerAccount.RECEIVABLES, Posting.credit == LedgerAccount.RECEIVABLES)
    left = func.sum(_signed(LedgerAccount.RECEIVABLES))
    items = select(Posting.item_id, left.label("left")).where(*_mine(), Posting.at < bindparam("end"), touches)
    item = items.group_by(Posting.item_id).having(left != 0).subquery().c
    return (
        select(Invoice.due_on, func.sum(item.left)).join(Invoice, Invoice.id == item.item_id).group_by(Invoice.due_on)
    )


def _ageing(session: Session, customer_id: str, currency: str, day: date) -> Ageing:
    whose = {"customer": customer_id, "currency": currency, "end": company_days.ends(day)}
    owed = [0] * len(AGES)
    for due_on, minor in session.execute(_open_items(), whose):
        late = (day - due_on).days
        owed[max(at for at, begins in enumerate(AGES) if begins == 0 or late >= begins)] += int(minor)
    balance = int(session.scalar(_balance(), whose) or 0)
    return Ageing(tuple(Money(minor, currency) for minor in owed), Money(sum(owed) - balance, currency))
