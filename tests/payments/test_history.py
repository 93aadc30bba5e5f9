"""The payment history: newest first, narrowed by what is in the address, and as quick on the last page as on the first."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, insert, text
from sqlalchemy.orm import Session

from portal.accounts.models import Customer
from portal.core import clock, db
from portal.payments import queries
from portal.payments.models import Payment
from tests import factories
from tests.counting import counted_queries

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def bulk(session: Session, customer: Customer, count: int, **values: Any) -> None:
    """Payments a minute apart, each named by its number; the largest number is the newest."""
    rows = [
        {
            "id": f"pay_{customer.id[-20:]}{number:06d}",
            "customer_id": customer.id,
            "has_invoices": False,
            "client_key": f"key-{number}",
            "amount_minor": 10_00 + number,
            "currency": "eur",
            "description": f"Deposit no. {number:06d}",
            "status": "succeeded",
            "created_at": START + timedelta(minutes=number),
            "updated_at": START,
            **values,
        }
        for number in range(1, count + 1)
    ]
    session.execute(insert(Payment), rows)


@pytest.fixture
def customer(settings: object) -> Customer:
    with db.transaction() as session:
        return factories.customer(session)


@pytest.fixture
def reader(app: Flask, customer: Customer) -> FlaskClient:
    with db.transaction() as session:
        person = factories.user(session, customer)
    browser = app.test_client()
    factories.sign_in(browser, person)
    return browser


def pay(customer: Customer, **values: Any) -> str:
    with db.transaction() as session:
        return factories.payment(session, customer, **values).id


def shown(browser: FlaskClient, address: str = "/payments", *, code: int = 200, **filters: str) -> str:
    answer = browser.get(f"{address}?{urlencode(filters)}" if filters else address)
    assert answer.status_code == code, answer.get_data(as_text=True)
    return answer.get_data(as_text=True)


def titles(page: str) -> list[str]:
    return [html.unescape(one) for one in re.findall(r'class="row-link" href="[^"]+">([^<]+)<', page)]


def numbers(page: str) -> list[int]:
    return [int(title.rpartition(" ")[2]) for title in titles(page)]


def link(page: str, rel: str) -> str | None:
    found = re.search(rf'href="([^"]+)" rel="{rel}"', page)
    return html.unescape(found[1]) if found else None


def test_forty_five_payments_fill_three_pages_there_and_back(reader: FlaskClient, customer: Customer) -> None:
    with db.transaction() as session:
        bulk(session, customer, 45)
    pages = [shown(reader)]
    while (older := link(pages[-1], "next")) is not None:
        pages.append(shown(reader, older))
    assert [len(numbers(page)) for page in pages] == [20, 20, 5]
    assert [number for page in pages for number in numbers(page)] == list(range(45, 0, -1))
    back = [pages[-1]]
    while (newer := link(back[-1], "prev")) is not None:
        back.append(shown(reader, newer))
    assert [numbers(page) for page in reversed(back)] == [numbers(page) for page in pages]


def test_a_page_stays_the_same_while_payments_are_added(reader: FlaskClient, customer: Customer) -> None:
    with db.transaction() as session:
        bulk(session, customer, 45)
    second = link(shown(reader), "next")
    assert second is not None
    before = numbers(shown(reader, second))
    for _ in range(3):
        pay(customer, description="Deposit no. 99")
    assert numbers(shown(reader, second)) == before == list(range(25, 5, -1))


@pytest.mark.database("sqlite")
def test_payments_of_the_same_moment_are_all_there(reader: FlaskClient, customer: Customer) -> None:
    with db.transaction() as session:
        bulk(session, customer, 45, created_at=START)
    page = shown(reader)
    found = numbers(page)
    while (older := link(page, "next")) is not None:
        page = shown(reader, older)
        found += numbers(page)
    assert sorted(found) == list(range(1, 46))


@pytest.mark.settings(PORTAL_TIMEZONE="America/Los_Angeles")
def test_a_day_of_the_filter_is_the_day_that_the_page_shows(reader: FlaskClient, customer: Customer) -> None:
    """In Los Angeles it is still the last evening of February."""
    pay(customer, description="Late", created_at=datetime(2028, 3, 1, 7, 59, 59, 999_999, tzinfo=UTC))
    pay(customer, description="Early", created_at=datetime(2028, 2, 29, 8, tzinfo=UTC))
    pay(customer, description="Next", created_at=datetime(2028, 3, 1, 8, tzinfo=UTC))
    page = shown(reader, since="2028-02-29", until="2028-02-29")
    assert titles(page) == ["Late", "Early"]
    assert page.count("Feb 29, 2028") == 2
    assert titles(shown(reader, until="2028-02-28")) == []
    assert titles(shown(reader, since="2028-03-01")) == ["Next"]


@pytest.mark.database("sqlite")
@pytest.mark.parametrize("cursor", ["x", "bm90IGEgY3Vyc29y", "%00", "é", "YWZ0ZXIgeCB5", "A" * 4000])
def test_a_page_that_nobody_gave_out_is_not_found(reader: FlaskClient, cursor: str) -> None:
    shown(reader, code=404, page=cursor)


def test_each_filter_finds_what_it_says(reader: FlaskClient, customer: Customer) -> None:
    with db.transaction() as session:
        paid = factories.invoice(session, customer, number="INV-2026-000077", reference="PO 4711", status="paid")
        factories.payment(session, customer, paid, description="Invoice", created_at=START)
        factories.payment(session, customer, description="100% of it", amount_minor=5_00, created_at=START)
        factories.payment(session, customer, description="100x of_it", card_last4="1881", created_at=START)
        factories.payment(session, customer, description="Yen", currency="jpy", amount_minor=500, created_at=START)
        factories.payment(session, customer, description="Waits", status="requires_action", card_last4="")
        factories.payment(session, customer, description="Works", status="processing")
        factories.payment(session, customer, description="Gone", status="canceled")
        stranger = factories.customer(session)
        factories.payment(session, stranger, description="100% of another's")

    def found(**filters: str) -> set[str]:
        return set(titles(shown(reader, code=200, **filters)))

    of_march = {"Invoice", "100% of it", "100x of_it", "Yen"}
    assert found(status="succeeded") == of_march
    assert found(status="unfinished") == {"Waits"}
    assert found(status="processing") == {"Works"}
    assert found(status="canceled") == {"Gone"}
    assert found(since="2026-03-01", until="2026-03-01") == of_march
    assert found(until="2026-02-28") == set()
    assert found(since="2026-03-02") == {"Waits", "Works", "Gone"}
    assert found(until="9999-12-31", since="0001-01-01") == of_march | {"Waits", "Works", "Gone"}
    assert found(currency="JPY") == {"Yen"}
    assert found(currency="eur", most="5.00") == {"100% of it"}
    assert found(currency="eur", least="100") == {"Invoice"}
    assert found(currency="jpy", least="500", most="500") == {"Yen"}
    assert found(q="100%") == {"100% of it"}
    assert found(q="OF_IT") == {"100x of_it"}
    assert found(q="%") == {"100% of it"}
    assert found(q="_") == {"100x of_it"}
    assert found(q="１００％") == {"100% of it"}  # full-width
    assert found(q="po 4711") == found(q="000077") == {"Invoice"}
    assert found(q="1881") == {"100x of_it"}
    assert found(q="'; DROP TABLE payments; --") == set()
    assert found(q="100", currency="eur", status="succeeded", most="10") == {"100% of it"}


@pytest.mark.database("sqlite")
@pytest.mark.parametrize(
    "filters",
    [
        {"status": "stolen"},
        {"since": "yesterday"},
        {"until": "2026-02-30"},
        {"currency": "euros"},
        {"currency": "€"},
        {"least": "5"},
        {"least": "5.001", "currency": "eur"},
        {"most": "a lot", "currency": "eur"},
        {"most": "1e99", "currency": "eur"},
        {"most": "99999999999999999999", "currency": "eur"},
        {"q": "x" * 101},
    ],
)
def test_a_wrong_filter_is_told_keeps_what_was_typed_and_exports_nothing(
    reader: FlaskClient, filters: dict[str, str]
) -> None:
    page = shown(reader, code=422, **filters)
    for name, value in filters.items():
        if name != "status":
            assert value in html.unescape(page), name
    assert "payments.csv" not in page
    shown(reader, "/payments.csv", code=422, **filters)


@pytest.mark.database("postgresql")
def test_what_postgresql_cannot_store_is_a_bad_request(reader: FlaskClient) -> None:
    shown(reader, "/payments?q=%00", code=400)
    shown(reader, "/payments/%00", code=400)


@pytest.mark.database("sqlite")
def test_the_pager_and_the_download_keep_every_filter(reader: FlaskClient, customer: Customer) -> None:
    with db.transaction() as session:
        bulk(session, customer, 25)
    filters = {
        "q": "no. 0", "status": "succeeded", "since": "2026-03-01", "until": "2026-03-02", "currency": "eur",
        "least": "1", "most": "99",
    }  # fmt: skip
    page = shown(reader, code=200, **filters)
    older = link(page, "next")
    download = re.search(r'href="(/payments\.csv[^"]*)"', page)
    assert older is not None and download is not None
    for address in (older, html.unescape(download[1])):
        kept = {name: value for name, (value,) in parse_qs(urlsplit(address).query).items()}
        kept.pop("page", None)
        kept.pop("for", None)  # whom a file is for is no filter
        assert kept == filters
    assert len(shown(reader, html.unescape(download[1])).splitlines()) == 1 + 25
    newer = link(shown(reader, older), "prev")
    assert newer is not None and parse_qs(urlsplit(newer).query)["q"] == ["no. 0"]


@pytest.mark.database("sqlite")
def test_htmx_gets_the_table_and_everyone_else_the_page(reader: FlaskClient, customer: Customer) -> None:
    pay(customer)
    part = reader.get("/payments", headers={"HX-Request": "true", "HX-Target": "payments-table"})
    assert part.get_data(as_text=True).lstrip().startswith('<div id="payments-table"')
    assert "HX-Request" in part.vary
    assert "<!doctype html>" in shown(reader).lower()


@pytest.mark.database("sqlite")
def test_a_full_page_takes_no_more_queries_than_a_short_one(reader: FlaskClient, customer: Customer) -> None:
    pay(customer)
    shown(reader)
    with counted_queries() as short:
        shown(reader)
    with db.transaction() as session:
        for _ in range(45):
            factories.payment(session, customer, factories.invoice(session, customer, status="paid"))
    with counted_queries() as full:
        shown(reader)
    assert len(full) <= len(short) + 1  # the invoices of the page, all at once
    assert len(full) <= 6


def plan(session: Session, customer_id: str, wanted: queries.Filter, page: str | None) -> str:
    """How the database goes about the query of a page."""
    explained: list[str] = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        if "payments" in statement and statement.startswith("SELECT"):
            word = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
            with connection.connection.cursor() if word == "EXPLAIN" else _closing(connection) as asked:
                asked.execute(f"{word} {statement}", parameters)
                explained.append("\n".join(str(row) for row in asked.fetchall()))

    event.listen(db.engine(), "before_cursor_execute", explain)
    try:
        queries.history(session, customer_id, wanted, page)
    finally:
        event.remove(db.engine(), "before_cursor_execute", explain)
    return explained[0]


@contextmanager
def _closing(connection: Any) -> Iterator[Any]:
    cursor = connection.connection.cursor()
    try:
        yield cursor
    finally:
        cursor.close()


def test_deep_pages_go_by_the_index_and_sort_nothing(database: str) -> None:
    with db.transaction() as session:
        crowd = [factories.customer(session) for _ in range(2)]
        for customer in crowd:
            bulk(session, customer, 10_000)
        session.execute(text("ANALYZE"))
    with db.reading() as session:
        first = queries.history(session, crowd[0].id, queries.Filter())
        for status, index in (("", "ix_payments_history"), ("succeeded", "ix_payments_history_status")):
            how = plan(session, crowd[0].id, queries.Filter(status=status), first.older)
            assert index in how or (status and "ix_payments_history" in how), how
            assert "SCAN payments" not in how and "Seq Scan on payments " not in how, how
            assert "TEMP B-TREE" not in how and "Sort" not in how.replace("Incremental Sort", ""), how
    assert clock.now() > START


def test_words_are_found_whatever_their_case_accents_and_form(database: str) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
        for description in ("Anzahlung Möbel", "Gebu\u0308hr ÉTÉ"):
            factories.payment(session, customer, description=description)
        invoice = factories.invoice(session, customer, reference="Bestellung Süd 12")
        factories.payment(session, customer, invoice, description="By invoice")
    with db.reading() as session:
        for typed, name in {
            "MÖBEL": "Anzahlung Möbel",
            "moebel": "Anzahlung Möbel",
            "Mo\u0308bel": "Anzahlung Möbel",
            "gebühr": "Gebu\u0308hr ÉTÉ",
            "été": "Gebu\u0308hr ÉTÉ",
            "SUED 12": "By invoice",
        }.items():
            rows = queries.history(session, customer.id, queries.Filter(text=typed)).rows
            assert [row.description for row in rows] == [name], typed
