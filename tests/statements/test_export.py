"""The history as a file: safe to open in a spreadsheet, and the same rows as on the page."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal import ledger
from portal.accounts.models import Customer
from portal.content import csv_lines
from portal.core import clock, company_days, db, time_zones
from portal.disputes.models import FUNDS_WITHDRAWN, DisputeStep
from portal.documents import service as receipts
from portal.ledger import LedgerAccount
from portal.payments import queries
from portal.payments.models import Payment
from portal.refunds.models import Refund
from portal.refunds.statuses import RefundStatus
from portal.statements import export
from portal.statements import queries as statements
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
        "kind": "payment",
        "payment": made.id,
        "id": made.id,
        "document": "",
        "status": "succeeded",
        "amount": "119.00",
        "booked": "119.00",
        "currency": "EUR",
        "net": "",
        "tax": "",
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
    plain = ("", "a=b", "1-2", "-4711", "-1", "+49 40 123456", "-1.234,56", "\u200bAda")
    assert [csv_lines.defused(cell) for cell in plain] == list(plain)
    formulas = ("=1", "-1+2", "+A1", "@SUM(A1)", "\t=1", "＝1", "＋A1", "－A1", "＠A1", "−A1")  # full-width
    hidden = tuple(f"{unseen}=1" for unseen in "\u200b\u200d\ufeff\u00ad\u200f")
    for cell in (*formulas, *hidden):
        assert csv_lines.defused(cell) == "'" + cell


MARCH = datetime(2026, 3, 1, 12, tzinfo=UTC)
LINES = (("Power", 1_000, 100_00, 1900), ("Books", 1_000, 50_00, 700), ("Stamps", 1_000, 10_00, 0))


@pytest.fixture
def paid(customer: Customer) -> str:
    """A payment of three rates with its receipt, of which a part was given back with a credit note, and another part in vain."""
    with db.transaction() as session:
        invoice = factories.invoice(session, customer, LINES, number="INV-2026-000007", status="paid")
        payment_id = factories.payment(session, customer, invoice, created_at=MARCH, succeeded_at=MARCH).id
    receipts.issue(payment_id)
    with db.transaction() as session:
        payment = session.get_one(Payment, payment_id)
        good = factories.refund(session, payment, amount_minor=91_25, asked_at=MARCH, succeeded_at=MARCH).id
        factories.refund(session, payment, amount_minor=10_00, status="pending", succeeded_at=None, asked_at=MARCH)
        ledger.post(
            session,
            "refund",
            debit=LedgerAccount.REFUNDS,
            credit=LedgerAccount.STRIPE,
            amount=payment.money(91_25),
            subject=payment_id,
            reference=f"refund:{good}",
        )
    receipts.issue_credit_note(good)
    return payment_id


@pytest.mark.database("sqlite", "postgresql")
def test_refunds_and_disputes_are_lines_with_their_documents_and_taxes_by_rate(customer: Customer, paid: str) -> None:
    with db.transaction() as session:
        payment = session.get_one(Payment, paid)
        lost = factories.dispute(session, payment, amount_minor=91_25, status="lost", created_at=clock.now())
        facts = {"number": 2, "at": clock.now(), "what": FUNDS_WITHDRAWN, "stripe_transaction_id": "txn_1"}
        session.add(DisputeStep(id="dst_taken", dispute_id=lost.id, **facts))
        ledger.post(
            session,
            "dispute",
            debit=LedgerAccount.DISPUTES,
            credit=LedgerAccount.STRIPE,
            amount=payment.money(91_25),
            subject=paid,
            reference="dispute:txn_1",
        )
    with db.reading() as session:
        found = list(statements.lines(session, queries.export(session, customer.id, queries.Filter())))
        text = "".join(export.rows(found, csv_lines.FOR_PROGRAMS))
    table = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    paying, given, waiting, disputed = table
    assert (paying["kind"], paying["status"], paying["booked"]) == ("payment", "disputed", "182.50")
    assert paying["document"].startswith("PC-") and given["document"].startswith("CN-")
    assert (paying["net"], paying["tax"]) == ("160.00", "22.50")
    assert (paying["net_19"], paying["tax_19"], paying["net_7"], paying["tax_7"]) == (
        "100.00",
        "19.00",
        "50.00",
        "3.50",
    )
    assert (paying["net_0"], paying["tax_0"]) == ("10.00", "0.00")
    assert (given["kind"], given["status"], given["amount"], given["booked"]) == (
        "refund",
        "succeeded",
        "-91.25",
        "-91.25",
    )
    assert (given["net_19"], given["tax_19"], given["net"], given["tax"]) == ("-50.00", "-9.50", "-80.00", "-11.25")
    assert (waiting["status"], waiting["amount"], waiting["booked"], waiting["document"]) == (
        "pending",
        "-10.00",
        "0.00",
        "",
    )
    assert (disputed["kind"], disputed["status"], disputed["amount"], disputed["booked"]) == (
        "dispute",
        "lost",
        "-91.25",
        "-91.25",
    )
    assert {row["payment"] for row in table} == {paid} and {row["invoice"] for row in table} == {"INV-2026-000007"}


def test_a_credit_note_that_was_revoked_takes_nothing_back(customer: Customer, paid: str) -> None:
    with db.transaction() as session:
        refund = session.scalars(select(Refund).where(Refund.status == "succeeded")).one()
        refund.status, refund.failed_at = RefundStatus.FAILED, clock.now()
    receipts.revoke_credit_note(refund.id)
    with db.reading() as session:
        found = list(statements.lines(session, [session.get_one(Payment, paid)]))
    failed = next(line for line in found if line.status == "failed")
    assert failed.document.startswith("CN-") and failed.taxes == () and failed.booked.minor == 0


@pytest.mark.settings(PORTAL_TIMEZONE="Europe/Berlin")
def test_a_spreadsheet_in_german_has_semicolons_decimal_commas_and_the_readers_time(
    reader: FlaskClient, paid: str
) -> None:
    reader.get("/language/de")
    answer = reader.get("/payments.csv?for=spreadsheets")
    table = list(csv.reader(io.StringIO(answer.get_data().decode("utf-8-sig"), newline=""), delimiter=";"))
    heading, paying, given = table[0], table[1], table[2]
    assert heading[:3] == ["Datum (Europe/Berlin)", "Art", "Zahlung"] and "Netto 19 %" in heading
    assert paying[0] == "2026-03-01 13:00:00" and paying[heading.index("Betrag")] == "182,50"
    assert given[heading.index("Betrag")] == "-91,25" and given[heading.index("Status")] == "Erstattet"
    assert reader.get("/payments.csv?for=people").status_code == 422


@pytest.mark.settings(PORTAL_TIMEZONE="Europe/Berlin")
def test_times_of_a_spreadsheet_are_by_the_clocks_of_who_opens_it(reader: FlaskClient, paid: str) -> None:
    reader.set_cookie(time_zones.COOKIE, "Pacific/Kiritimati")
    for language, heading in (("en", "Date (Pacific/Kiritimati)"), ("de", "Datum (Pacific/Kiritimati)")):
        reader.get(f"/language/{language}")
        lines = reader.get("/payments.csv?for=spreadsheets").get_data().decode("utf-8-sig").splitlines()
        assert lines[0].startswith(heading) and lines[1].startswith("2026-03-02 02:00:00")
    assert rows(reader)[0]["date"] == "2026-03-02T02:00:00+14:00"


def test_a_spreadsheet_in_english_has_commas_and_points(reader: FlaskClient, paid: str) -> None:
    answer = reader.get("/payments.csv?for=spreadsheets")
    table = list(csv.DictReader(io.StringIO(answer.get_data().decode("utf-8-sig"), newline="")))
    assert (table[0]["Amount"], table[0]["Net 19 %"], table[0]["Status"]) == ("182.50", "100.00", "Partially refunded")


def test_a_spreadsheet_has_the_words_of_the_pages_for_every_status(
    reader: FlaskClient, customer: Customer, paid: str
) -> None:
    with db.transaction() as session:
        factories.dispute(session, session.get_one(Payment, paid), status="under_review")
        for status, code in (
            ("requires_payment_method", "card_declined"),
            ("requires_capture", None),
            ("canceled", None),
        ):
            factories.payment(
                session,
                session.get_one(Customer, customer.id),
                status=status,
                succeeded_at=None,
                failure_code=code,
            )
    reader.get("/language/de")
    answer = reader.get("/payments.csv?for=spreadsheets")
    table = csv.DictReader(io.StringIO(answer.get_data().decode("utf-8-sig"), newline=""), delimiter=";")
    assert {"Abgelehnt", "Reserviert", "Abgebrochen", "In Prüfung"} <= {row["Status"] for row in table}


def test_both_files_are_offered(reader: FlaskClient, paid: str) -> None:
    page = reader.get("/payments?status=succeeded").get_data(as_text=True)
    assert "/payments.csv?status=succeeded&amp;for=spreadsheets" in page
    assert "/payments.csv?status=succeeded&amp;for=programs" in page


@pytest.mark.parametrize(
    "path", ["/support/books/postings.csv", "/support/books/transactions.csv", "/support/operations/audit.csv"]
)
def test_every_file_of_staff_is_for_programs_or_for_spreadsheets(app: Flask, path: str) -> None:
    with db.transaction() as session:
        admin = factories.staff(session, "admin", language="de")
    browser = app.test_client()
    factories.sign_in(browser, admin)
    program = browser.get(path).get_data().decode("utf-8-sig").splitlines()[0]
    spreadsheet = browser.get(f"{path}?for=spreadsheets").get_data(as_text=True).splitlines()[0]
    assert "," in program and ";" not in program and "at" in program.split(",")
    assert ";" in spreadsheet and f"Datum ({company_days.zone()})" in spreadsheet
