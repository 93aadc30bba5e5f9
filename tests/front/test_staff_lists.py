"""The lists of staff: what is filtered, sums, files, saved views, and how much of them a screen shows."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.accounts.models import Customer
from portal.core import clock, db
from portal.identity.models import User
from portal.ledger import LedgerAccount, post
from tests import factories


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
    return _text(client, path).count("data-open")


@pytest.fixture
def customer(app: Flask) -> Customer:
    with db.transaction() as session:
        return factories.customer(session, name="Spree Bikes GmbH")


def _payment(customer: Customer, **values: object) -> str:
    with db.transaction() as session:
        return factories.payment(session, customer, **values).id


def test_a_payment_that_was_refunded_is_not_called_paid(desk: FlaskClient, customer: Customer) -> None:
    with db.transaction() as session:
        payment = factories.payment(session, customer, amount_minor=20_00)
        post(
            session, "refund", debit=LedgerAccount.RECEIVED, credit=LedgerAccount.STRIPE, amount=payment.amount,
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
        assert (first.count("data-open"), second.count("data-open")) == (50, 10)
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
