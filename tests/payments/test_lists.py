"""Lists as apps ask for them: in pages of their own size, in either order, and with the total."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from portal.accounts.models import Customer
from portal.core import clock, db
from portal.core.errors import Invalid, NotFound
from portal.core.keyset import Page
from portal.documents import queries as receipts
from portal.documents import service
from portal.invoices import queries as invoices
from portal.payments import queries
from portal.payments.models import Payment
from portal.refunds import queries as refunds
from tests import factories
from tests.payments.test_history import bulk, customer

__all__ = ["customer"]

ALL = queries.Filter()


def numbers(page: Page[Payment]) -> list[int]:
    return [int(row.description.rpartition(" ")[2]) for row in page.rows]


@pytest.fixture
def forty_five(customer: Customer) -> Customer:
    with db.transaction() as session:
        bulk(session, customer, 45)
        bulk(session, factories.customer(session), 3)
    return customer


def read(customer: Customer, cursor: str | None = None, **how: int | bool) -> Page[Payment]:
    with db.reading() as session:
        return queries.history(session, customer.id, ALL, cursor, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("oldest_first", [False, True])
@pytest.mark.parametrize("size", [1, 7, 45, 100])
def test_pages_of_any_size_lead_through_all_and_back(forty_five: Customer, size: int, oldest_first: bool) -> None:
    expected = list(range(1, 46)) if oldest_first else list(range(45, 0, -1))
    pages = [read(forty_five, size=size, oldest_first=oldest_first)]
    assert pages[0].newer is None
    while pages[-1].older is not None:
        pages.append(read(forty_five, pages[-1].older, size=size, oldest_first=oldest_first))
    assert [number for page in pages for number in numbers(page)] == expected
    assert {len(page.rows) for page in pages[:-1]} <= {size}
    back = [pages[-1]]
    while back[-1].newer is not None:
        back.append(read(forty_five, back[-1].newer, size=size, oldest_first=oldest_first))
    assert numbers(back[-1]) == numbers(pages[0])


@pytest.mark.parametrize("size", [0, 101])
@pytest.mark.database("sqlite")
def test_what_is_beyond_the_bounds_is_refused(customer: Customer, size: int) -> None:
    with pytest.raises(Invalid) as refused:
        read(customer, size=size)
    assert refused.value.field == "limit"
    with pytest.raises(NotFound):
        read(customer, "nobody-gave-this-out")


def test_the_total_is_of_what_the_filter_finds(forty_five: Customer) -> None:
    with db.transaction() as session:
        factories.payment(session, forty_five, status="canceled", succeeded_at=None, created_at=clock.now())
    with db.reading() as session:
        assert queries.count(session, forty_five.id, ALL) == 46
        assert queries.count(session, forty_five.id, queries.Filter(status="canceled")) == 1
        assert queries.count(session, forty_five.id, queries.Filter(text="no. 00004")) == 6
        assert queries.count(session, "cus_of_nobody", ALL) == 0


OTHERS: dict[str, Callable[[Session, str, str | None, int], Page[Any]]] = {
    "invoices": lambda session, owner, cursor, size: invoices.page_for_customer(session, owner, cursor=cursor, size=size),
    "documents": lambda session, owner, cursor, size: receipts.of_customer(session, owner, cursor, size=size),
    "refunds": lambda session, owner, cursor, size: refunds.of_customer(session, owner, cursor, size=size),
}  # fmt: skip


@pytest.mark.parametrize("which", OTHERS)
def test_other_lists_have_pages_of_any_size_too(customer: Customer, which: str) -> None:
    ids = []
    for number in range(5):
        at = clock.now() - timedelta(days=number)
        with db.transaction() as session:
            invoice = factories.invoice(session, customer, status="paid", paid_at=at, created_at=at)
            payment = factories.payment(session, customer, invoice)
            factories.refund(session, payment, asked_at=at)
            ids.append(payment.id)
    for payment_id in ids:
        service.issue(payment_id)
    with db.reading() as session:
        first = OTHERS[which](session, customer.id, None, 2)
        second = OTHERS[which](session, customer.id, first.older, 3)
    assert (len(first.rows), len(second.rows), second.older) == (2, 3, None)
    with pytest.raises(Invalid), db.reading() as session:
        OTHERS[which](session, customer.id, None, 101)
