"""Postings and balances."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, Select, String, case, func, or_, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.core import clock, db
from portal.core.db import Base, UTCDateTime, new_id, one_of
from portal.core.enums import EnumText
from portal.core.money import Money


class LedgerAccount(StrEnum):
    STRIPE = "stripe_balance"  # what Stripe holds for us
    UNDERWAY = "underway"  # direct debits that Stripe has in our balance, and whose banks have not answered yet
    RECEIVABLES = "receivables"  # what customers have been asked for, and have not paid
    REVENUE = "revenue"  # what was sold, without tax
    TAX = "tax"  # what of it is owed to the tax office
    OVERPAYMENTS = "overpayments"  # what customers have paid too much, and get back
    BAD_DEBTS = "bad_debts"  # what customers owe and will not pay, with its tax
    FEES = "fees"  # what Stripe keeps
    REFUNDS = "refunds"  # between the money that goes back and what it is given back of: nothing is left on it
    DISPUTES = "disputes"
    BANK = "bank"  # what was paid out
    EXCHANGE = "exchange"  # between what was paid and what Stripe settled it in
    OTHER = "other"  # what is not of the portal's business, and was explained by a person


_OF_CUSTOMERS: Final = text("customer_id IS NOT NULL")
_OF_ITEMS: Final = text("item_id IS NOT NULL")


@dataclass(frozen=True, slots=True)
class Item:
    """What is owed, and by whom: an invoice, or a payment without one, which is both."""

    customer_id: str
    id: str


class Posting(Base):
    """An amount moves from the credited account to the debited one. Rows are never changed or deleted (a trigger refuses).

    `subject` is the row whose change it is. What is sold, owed or given back says besides whose it is: `customer_id`, and `item_id`, the
    invoice, or the payment without one. `tax_rate_basis_points` is the rate of what is sold and of its tax; none where no tax is stated.
    """

    __tablename__ = "postings"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    kind: Mapped[str] = mapped_column(String(40))
    debit: Mapped[LedgerAccount] = mapped_column(EnumText(LedgerAccount, 40))
    credit: Mapped[LedgerAccount] = mapped_column(EnumText(LedgerAccount, 40))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    subject: Mapped[str] = mapped_column(String(40))
    reference: Mapped[str] = mapped_column(String(120), unique=True)
    customer_id: Mapped[str | None] = mapped_column(String(40))
    item_id: Mapped[str | None] = mapped_column(String(40))
    tax_rate_basis_points: Mapped[int | None] = mapped_column(Integer)

    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("debit <> credit", name="two_accounts"),
        one_of("debit", LedgerAccount),
        one_of("credit", LedgerAccount),
        Index("ix_postings_subject", "subject"),
        Index("ix_postings_period", "currency", "at", "id"),
        Index("ix_postings_at", "at", "id"),
        # All that a balance of a customer adds up: it is read from this alone.
        Index(
            "ix_postings_customer",
            *("customer_id", "currency", "at", "id", "debit", "credit", "amount_minor", "item_id"),
            sqlite_where=_OF_CUSTOMERS,
            postgresql_where=_OF_CUSTOMERS,
        ),
        Index("ix_postings_item", "item_id", sqlite_where=_OF_ITEMS, postgresql_where=_OF_ITEMS),
    )

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)


def post(  # noqa: PLR0913  # the facts of one posting
    session: Session,
    kind: str,
    *,
    debit: LedgerAccount,
    credit: LedgerAccount,
    amount: Money,
    subject: str,
    reference: str,
    at: datetime | None = None,
    item: Item | None = None,
    rate: int | None = None,
) -> None:
    """Write a posting in the caller's transaction; `rate` is that of tax, in basis points.

    `reference` names the movement at Stripe ("charge:ch_…", "fee:txn_…"); a second call with it writes nothing.
    """
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    session.execute(
        insert(Posting)
        .values(
            id=new_id("pst"),
            at=at or clock.now(),
            kind=kind,
            debit=debit,
            credit=credit,
            amount_minor=amount.minor,
            currency=amount.currency,
            subject=subject,
            reference=reference,
            customer_id=item.customer_id if item else None,
            item_id=item.id if item else None,
            tax_rate_basis_points=rate,
        )
        .on_conflict_do_nothing(index_elements=["reference"])
    )


def post_exchange(
    session: Session, kind: str, *, paid: Money, settled: Money, subject: str, transaction_id: str, at: datetime
) -> None:
    """Write, once, that Stripe settled an amount in another currency: `paid` of the one becomes `settled` of the other.

    Both come in (of a charge), or both are negative (of a refund). Nothing is written within one currency.
    """
    if paid.currency == settled.currency:
        return
    incoming = paid.minor > 0
    for amount, which, is_in in ((paid, "from", not incoming), (settled, "to", incoming)):
        post(
            session,
            f"{kind}_exchange",
            debit=LedgerAccount.STRIPE if is_in else LedgerAccount.EXCHANGE,
            credit=LedgerAccount.EXCHANGE if is_in else LedgerAccount.STRIPE,
            amount=abs(amount),
            subject=subject,
            reference=f"exchange_{which}:{transaction_id}",
            at=at,
        )


def post_fee(session: Session, kind: str, fee: Money, subject: str, transaction_id: str, at: datetime) -> None:
    """Write, once, what Stripe took for a movement, or gave back with it when it is negative; nothing for none."""
    if fee.minor == 0:
        return
    taken = fee.minor > 0
    post(
        session,
        kind,
        debit=LedgerAccount.FEES if taken else LedgerAccount.STRIPE,
        credit=LedgerAccount.STRIPE if taken else LedgerAccount.FEES,
        amount=abs(fee),
        subject=subject,
        reference=f"{kind}:{transaction_id}",
        at=at,
    )


def balance(session: Session, account: str) -> dict[str, int]:
    """Debits minus credits of an account, in minor units by currency."""
    signed = case((Posting.debit == account, Posting.amount_minor), else_=-Posting.amount_minor)
    rows = session.execute(
        select(Posting.currency, func.sum(signed))
        .where(or_(Posting.debit == account, Posting.credit == account))
        .group_by(Posting.currency)
    )
    return {currency: int(total) for currency, total in rows}


# Every list of payments asks this.
@cache
def _sums(dialect: str) -> Select[str, str, int]:
    """Of the :subjects."""
    sums = select(Posting.subject, Posting.kind, func.sum(Posting.amount_minor))
    return sums.where(db.among(Posting.subject, "subjects", dialect)).group_by(Posting.subject, Posting.kind)


def sums_of(session: Session, subjects: Iterable[str]) -> dict[str, dict[str, int]]:
    """What was posted about each subject, in minor units by kind: {"pay_…": {"charge": 119_00, "refund": 20_00}}."""
    rows = db.rows_in(session, _sums(db.dialect_of(session)), {"subjects": list(subjects)})
    found: dict[str, dict[str, int]] = {}
    for subject, kind, total in rows:
        found.setdefault(subject, {})[kind] = int(total)
    return found
