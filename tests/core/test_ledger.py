"""The books: every movement once, both sides at once, currencies apart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from portal.core import clock, db
from portal.core.money import Money
from portal.ledger import Item, LedgerAccount, Posting, balance, post, revenue
from tests.core.conftest import GaveUpError, given_up

PAID: dict[str, Any] = {
    "debit": LedgerAccount.STRIPE,
    "credit": LedgerAccount.RECEIVABLES,
    "amount": Money(119_00, "eur"),
    "subject": "pay_1",
    "reference": "charge:ch_1",
}


def book(**changes: Any) -> None:
    with db.transaction() as session:
        post(session, "charge", **(PAID | changes))


def balances(account: str) -> dict[str, int]:
    with db.reading() as session:
        return balance(session, account)


def test_a_movement_is_booked_once_however_often_it_is_told(database: str) -> None:
    for _ in range(3):
        book()
    book(amount=Money(1, "usd"))  # the same reference with other facts is still the same movement
    assert balances(LedgerAccount.STRIPE) == {"eur": 119_00}


def test_twenty_who_book_the_same_movement_at_once_book_it_once(database: str) -> None:
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: book(), range(20)))
    assert balances(LedgerAccount.STRIPE) == {"eur": 119_00}


def test_balances_keep_currencies_apart_and_both_sides_equal(database: str) -> None:
    book()
    book(reference="charge:ch_2", amount=Money(5_000, "jpy"))
    book(reference="fee:txn_1", debit=LedgerAccount.FEES, credit=LedgerAccount.STRIPE, amount=Money(2_03, "eur"))
    book(reference="payout:po_1", debit=LedgerAccount.BANK, credit=LedgerAccount.STRIPE, amount=Money(100_00, "eur"))
    assert balances(LedgerAccount.STRIPE) == {"eur": 119_00 - 2_03 - 100_00, "jpy": 5_000}
    assert balances(LedgerAccount.RECEIVABLES) == {"eur": -119_00, "jpy": -5_000}
    for currency in ("eur", "jpy"):
        assert (
            sum(
                balances(account).get(currency, 0)
                for account in (LedgerAccount.STRIPE, LedgerAccount.RECEIVABLES, LedgerAccount.FEES, LedgerAccount.BANK)
            )
            == 0
        )


def test_an_account_without_postings_has_no_balance(sqlite_database: str) -> None:
    assert balances(LedgerAccount.BANK) == {}


def test_amounts_beyond_32_bits_are_kept_to_the_last_cent(database: str) -> None:
    book(amount=Money(9_007_199_254_740_993, "idr"))
    assert balances(LedgerAccount.STRIPE) == {"idr": 9_007_199_254_740_993}


def test_the_database_refuses_postings_that_make_no_sense(database: str) -> None:
    nonsense: list[dict[str, Any]] = [
        {"amount": Money(0, "eur")},
        {"amount": Money(-1, "eur")},
        {"credit": LedgerAccount.STRIPE},
        {"debit": "pocket"},
        {"credit": "pocket"},
        {"subject": None},
    ]
    for changes in nonsense:
        with pytest.raises(IntegrityError):
            book(**changes)
    with db.reading() as session:
        assert session.execute(select(func.count()).select_from(Posting)).scalar_one() == 0


def test_a_posting_leaves_with_its_transaction(database: str) -> None:
    with pytest.raises(GaveUpError):
        given_up(lambda session: post(session, "charge", **PAID))
    assert balances(LedgerAccount.STRIPE) == {}
    book()
    assert balances(LedgerAccount.STRIPE) == {"eur": 119_00}


def test_what_is_withdrawn_is_booked_back_as_sale_and_as_tax(sqlite_database: str) -> None:
    item, now = Item("cus_1", "inv_1"), clock.now()
    with db.transaction() as session:
        parts = [revenue.Part(1900, 100_00, 19_00)]
        revenue.sell(session, "invoice", parts, item, currency="eur", subject=item.id, at=now)
        revenue.withdraw(session, "void", item, subject=item.id, at=now)
        found = session.execute(select(Posting.kind, Posting.debit, Posting.amount_minor)).all()
    assert ("void", LedgerAccount.REVENUE, 100_00) in found
    assert ("void_tax", LedgerAccount.TAX, 19_00) in found
