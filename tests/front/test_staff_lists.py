"""The lists of staff: what is filtered, sums, files, saved views, and how much of them a screen shows."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page

from portal.accounts.models import Customer
from portal.app import FEATURES
from portal.content.mail import SentMail
from portal.core import clock, db, listed
from portal.core.listing import Wanted
from portal.identity.models import User
from portal.ledger import LedgerAccount, post
from portal.reconciliation.models import StripePayout
from portal.web.staff_lists import StaffList
from tests import factories
from tests.books.conftest import moved
from tests.front.signing_in import sign_in
from tests.live import LivePortal
from tests.plans import plans


@pytest.fixture
def desk(app: Flask) -> FlaskClient:
    browser = app.test_client()
    with db.transaction() as session:
        user: User = factories.staff(session, "approver")
    factories.sign_in(browser, user)
    return browser


def _text(client: FlaskClient, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    return answer.text


def _rows(client: FlaskClient, path: str) -> int:
    return _text(client, path).count("data-open href")


@pytest.fixture
def customer(app: Flask) -> Customer:
    with db.transaction() as session:
        return factories.customer(session, name="Spree Bikes GmbH")


def _payment(customer: Customer, **values: Any) -> str:
    with db.transaction() as session:
        return factories.payment(session, customer, **values).id


def test_a_payment_that_was_refunded_is_not_called_paid(desk: FlaskClient, customer: Customer) -> None:
    with db.transaction() as session:
        payment = factories.payment(session, customer, amount_minor=20_00)
        post(
            session, "refund", debit=LedgerAccount.REFUNDS, credit=LedgerAccount.STRIPE, amount=payment.amount,
            subject=payment.id, reference="refund:1",
        )  # fmt: skip
    page = _text(desk, "/support/payments")
    assert "Refunded" in page.partition("<tbody")[2]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 3),
        ("status=succeeded", 2),
        ("status=canceled", 1),
        ("status=unfinished", 0),
        ("q=4242", 3),
        ("q=0000", 0),
        ("q=repair", 1),
        ("currency=eur&least=50", 1),
        ("currency=eur&most=49.99", 1),
        ("currency=usd", 1),
        ("currency=eur&least=10&sort=smallest", 2),
        ("customer=spree", 3),
        ("customer=spree&status=canceled&currency=eur", 0),
        ("since=2020-01-01", 3),
        ("until=2020-01-01", 0),
        ("q=repair&status=succeeded&customer=spree&currency=eur&least=1&most=99&since=2020-01-01", 1),
    ],
)
def test_payments_are_filtered_by_any_of_it_together(
    desk: FlaskClient, customer: Customer, query: str, found: int
) -> None:
    _payment(customer, amount_minor=50_00, description="Repair")
    _payment(customer, amount_minor=10_00, description="Ride")
    _payment(customer, amount_minor=10_00, currency="usd", status="canceled", succeeded_at=None)
    assert _rows(desk, f"/support/payments?{query}") == found


def test_what_is_filtered_is_summed_by_currency(desk: FlaskClient, customer: Customer) -> None:
    for minor, currency in ((50_00, "eur"), (10_50, "eur"), (7_00, "usd")):
        _payment(customer, amount_minor=minor, currency=currency)
    page = _text(desk, "/support/payments?status=succeeded")
    assert "€60.50" in page
    assert "$7.00" in page
    assert "3 entries" in page


def test_an_amount_needs_its_currency_and_says_so(desk: FlaskClient) -> None:
    assert "Please also choose the currency" in _text(desk, "/support/payments?least=10", 422)
    assert "needs a currency" in _text(desk, "/support/payments?sort=largest", 422)


def test_several_customers_that_fit_are_offered(desk: FlaskClient, customer: Customer) -> None:
    with db.transaction() as session:
        factories.customer(session, name="Spree Boats")
    page = _text(desk, "/support/payments?customer=spree")
    assert "Which customer do you mean?" in page
    assert f"customer={customer.id}" in page


def test_pages_lead_on_and_back(desk: FlaskClient, customer: Customer) -> None:
    now = clock.now()
    with db.transaction() as session:
        for number in range(60):
            factories.payment(
                session, customer, description=f"Ride {number}", created_at=now - timedelta(minutes=number)
            )
    for query in ("", "&q=ride", "&currency=eur&sort=largest"):
        first = _text(desk, f"/support/payments?x=1{query}")
        older = first.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
        second = _text(desk, older)
        assert (first.count("data-open href"), second.count("data-open href")) == (50, 10)
        newer = second.partition('rel="prev"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
        assert _rows(desk, newer) == 50
    assert desk.get("/support/payments?page=nonsense").status_code == 404


def test_the_file_holds_what_is_filtered_and_runs_nothing(desk: FlaskClient, customer: Customer) -> None:
    _payment(customer, description="=HYPERLINK(1)", amount_minor=50_00)
    _payment(customer, description="Ride", currency="usd")
    lines = list(csv.DictReader(io.StringIO(_text(desk, "/support/payments/list.csv?currency=eur").lstrip("\ufeff"))))
    assert [(line["payment"], line["amount"], line["amount_currency"]) for line in lines] == [
        ("'=HYPERLINK(1)", "50.00", "EUR")
    ]
    assert desk.get("/support/payments/list.csv?least=1").status_code == 422


def test_invoices_are_found_by_number_customer_and_state(desk: FlaskClient, customer: Customer) -> None:
    with db.transaction() as session:
        number = factories.invoice(session, customer, status="paid").number
        factories.invoice(session, customer, reference="PO 4711")
    for query, found in (
        (f"q={number}", 1),
        (f"q={number[:-2]}", 2),
        (f"q={number[:5]}", 2),
        ("q=po+47", 1),
        ("status=paid", 1),
        ("status=overdue", 0),
        ("customer=bikes&status=open", 1),
    ):
        assert _rows(desk, f"/support/invoices?{query}") == found, query


def test_customers_are_found_by_words_and_state(desk: FlaskClient, customer: Customer) -> None:
    with db.transaction() as session:
        factories.customer(session, name="Havel Boats", email="info@havel.example", deactivated_at=clock.now())
    for query, found in (
        ("", 2),
        ("q=bik+spr", 1),
        ("q=spree+boats", 0),
        (f"q={customer.id}", 1),
        ("state=deactivated", 1),
        ("state=active&q=spree", 1),
    ):
        assert _rows(desk, f"/support/customers?{query}") == found, query


def test_refunds_of_all_states_stand_in_a_list(desk: FlaskClient, customer: Customer) -> None:
    with db.transaction() as session:
        payment = factories.payment(session, customer)
        factories.refund(session, payment, amount_minor=1_00, status="rejected", explanation="Never came")
        factories.refund(session, payment, amount_minor=2_00, status="succeeded")
    for query, found in (
        ("", 2),
        ("status=rejected", 1),
        ("q=never", 1),
        (f"q={payment.id}", 2),
        ("status=failed", 0),
    ):
        assert _rows(desk, f"/support/refunds/all?{query}") == found, query
    assert "€2.00" in _text(desk, "/support/refunds/all?status=succeeded")


def test_documents_tell_whether_they_are_held_sent_or_void(desk: FlaskClient, customer: Customer) -> None:
    with db.transaction() as session:
        number = factories.receipt(session, factories.payment(session, customer)).number
        factories.receipt(
            session, factories.payment(session, customer), missing_glyphs="\ue0a7", mailed_at=None, pdf_sha256=None
        )
    assert _rows(desk, "/support/documents") == 2
    assert _rows(desk, f"/support/documents?q={number}") == 1
    held = _text(desk, "/support/documents?state=held").partition("<tbody")[2]
    assert held.count("data-open href") == 1 and "Held" in held


def test_mails_are_listed_sent_and_refused(desk: FlaskClient, customer: Customer) -> None:
    with db.transaction() as session:
        session.add(
            SentMail(
                key="receipt:rct_1",
                recipient="ada@spree.example",
                subject="Your receipt",
                template="documents/mails/receipt",
                customer_id=customer.id,
                sent_at=clock.now(),
            )
        )
        factories.failed_job(session, name="documents.mail", args={"document_id": "rct_2"})
        factories.failed_job(session, name="payments.follow_up", args={"payment_id": "pay_2"})
    sent = _text(desk, "/support/mails/sent?customer=spree&q=receipt")
    assert "ada@spree.example" in sent and "/support/documents/rct_1/mail" in sent
    assert _rows(desk, "/support/mails/sent?q=nobody@spree.example") == 0
    assert _rows(desk, "/support/mails/unsent") == 1
    assert "rct_2" in _text(desk, "/support/mails/unsent?state=refused")


def test_payouts_are_listed_with_what_they_are_made_of(desk: FlaskClient) -> None:
    now = clock.now()
    with db.transaction() as session:
        moved(session, "charge", 100_00, 2_00, payout_id="po_1")
        row = {"status": "paid", "automatic": True, "currency": "eur", "created_at": now, "arrives_at": now}
        session.add(StripePayout(id="po_1", amount_minor=98_00, **row))
    page = _text(desk, "/support/books/payouts?status=paid")
    assert "€100.00" in page and "€98.00" in page and "po_1" in page


def test_each_list_is_in_the_tabs_of_who_may_see_it(desk: FlaskClient, app: Flask) -> None:
    assert _text(desk, "/support/payments").partition("list-tabs")[2].partition("</nav>")[0].count("<li>") == len(LISTS)
    other = app.test_client()
    with db.transaction() as session:
        supporter = factories.staff(session)
    factories.sign_in(other, supporter)
    tabs = _text(other, "/support/payments").partition("list-tabs")[2].partition("</nav>")[0]
    assert "Payouts" not in tabs and "Refunds" in tabs


def test_a_view_is_saved_under_a_name_and_removed(desk: FlaskClient, app: Flask) -> None:
    token = factories.csrf_token(desk)
    answer = desk.post(
        "/support/lists/payments/views?status=canceled&nonsense=1", data={"csrf_token": token, "name": "Called off"}
    )
    assert answer.headers["Location"] == "/support/payments?status=canceled"
    page = _text(desk, "/support/payments")
    assert "Called off" in page
    assert "Called off" not in _text(desk, "/support/invoices")
    view = page.partition("/views/")[2].partition("/removal")[0]
    other = app.test_client()
    with db.transaction() as session:
        colleague = factories.staff(session)
    factories.sign_in(other, colleague)
    assert "Called off" not in _text(other, "/support/payments")
    other.post(f"/support/lists/payments/views/{view}/removal", data={"csrf_token": factories.csrf_token(other)})
    assert "Called off" in _text(desk, "/support/payments")
    desk.post(f"/support/lists/payments/views/{view}/removal", data={"csrf_token": token})
    assert "Called off" not in _text(desk, "/support/payments")
    assert desk.post("/support/lists/nothing/views", data={"csrf_token": token}).status_code == 404


# However many rows there are


LISTS = {one.name: one for feature in FEATURES for one in feature.lists if isinstance(one, StaffList)}
COMBINATIONS: tuple[dict[str, Any], ...] = (
    {},
    {"customer": "cus_1"},
    {"since": date(2026, 1, 1), "until": date(2026, 2, 1)},
    {"currency": "eur", "least_minor": 100},
    {"currency": "eur", "most_minor": 100, "customer": "cus_1"},
    {"text": "inv_1"},
    {"text": "4242"},
    {"text": "INV-2026-000123"},
    {"text": "any words"},
    {"text": "any words", "customer": "cus_1", "currency": "eur"},
)
# Of few rows that an index has found the order may be made.
FEW = ("inv_1", "4242", "INV-2026-000123", "any words")


@pytest.mark.parametrize("name", sorted(LISTS))
def test_each_filter_goes_along_an_index(database: str, name: str) -> None:
    listing = LISTS[name].listing
    table = listing.row_id.class_.__tablename__
    standard = [(one.name, one.standard) for one in LISTS[name].choices if one.standard]
    states = [((choice, value),) for choice, values in listing.choices.items() for value in values]
    reads_all = re.compile(rf"Seq Scan on {table}\b|SCAN {table}(?! USING)")
    for combination in COMBINATIONS:
        for chosen in [(), *states]:
            choices = tuple({**dict(standard), **dict(chosen)}.items())
            wanted = Wanted(choices=choices, **combination)
            if listing.customer is None and wanted.customer:
                continue
            plan = plans(partial(listed.page, listing=listing, wanted=wanted, size=1))
            # Several ids are looked for by several indexes, whose rows PostgreSQL puts together by what `plans` forbids.
            if wanted.text not in FEW or db.engine().dialect.name == "sqlite":
                assert not reads_all.search(plan), (wanted, plan)
            # Jobs that wait or have failed are few.
            if wanted.text not in FEW and name != "unsent_mails":
                assert "USE TEMP B-TREE FOR ORDER BY" not in plan and "Sort Key: " + table not in plan, (wanted, plan)


def test_a_page_that_has_looked_through_many_rows_goes_on_from_there(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listed, "LOOKED", 10)
    now = clock.now()
    with db.transaction() as session:
        customer = factories.customer(session)
        for number in range(35):
            wanted_one = number in {3, 33}
            factories.payment(
                session,
                customer,
                created_at=now - timedelta(minutes=number),
                description="Rare" if wanted_one else "Ride",
            )
    listing, wanted = LISTS["payments"].listing, Wanted(text="rare")
    with db.reading() as session:
        found, cursors, cursor = [], 0, None
        while True:
            page = listed.page(session, listing, wanted, cursor)
            found += page.page.rows
            if page.page.older is None:
                break
            assert page.is_cut
            cursor, cursors = page.page.older, cursors + 1
        assert len(found) == 2 and cursors == 3
        assert not listed.sums(session, listing, wanted).is_whole
        back = listed.page(session, listing, wanted, page.page.newer)
        assert [row.id for row in back.page.rows] != [row.id for row in page.page.rows]


# On a screen


@pytest.mark.database("sqlite")
def test_sixteen_rows_stand_on_a_small_screen_and_two_lines_on_a_phone(live_portal: LivePortal, page: Page) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
        for number in range(30):
            factories.payment(session, customer, description=f"Invoice INV-2026-{number:06d}")
            factories.invoice(session, customer)
        user = factories.staff(session, "approver")
    sign_in(page, live_portal.url, user)
    page.set_viewport_size({"width": 1280, "height": 800})
    shown = "rows => rows.filter(row => row.getBoundingClientRect().bottom <= innerHeight).length"
    for address in ("/support/payments", "/support/invoices"):
        page.goto(f"{live_portal.url}{address}")
        rows = page.locator("tr[data-row]")
        assert rows.evaluate_all(shown) >= 16, address
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.goto(f"{live_portal.url}/support/payments")
    assert page.locator("table[data-rows]").evaluate("table => table.offsetWidth") > 1800
    page.set_viewport_size({"width": 390, "height": 844})
    heights = page.locator("tr[data-row]").evaluate_all("rows => rows.map(row => row.offsetHeight)")
    assert max(heights) < 70
