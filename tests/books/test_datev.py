"""The books as a booking batch for DATEV: held against its published rules, and adding up to the ledger account by account."""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from portal.accounts.models import Customer
from portal.books import datev_export, exports, service
from portal.books.datev_accounts import Chart
from portal.books.queries import LinesFilter
from portal.core import clock, company_days, config, db
from portal.core.errors import Invalid
from portal.documents import service as documents
from portal.documents.models import Document
from portal.invoices import service as invoices
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.ledger import LedgerAccount, Posting
from portal.payments.models import Payment
from portal.reconciliation.figures import Period
from portal.refunds import crediting
from tests import factories
from tests.books.conftest import As, book
from tests.books.datev_rules import problems, rows

JUNE = Period(date(2026, 6, 1), date(2026, 6, 30))
SET_UP = {"PORTAL_DATEV_CONSULTANT": "29098", "PORTAL_DATEV_CLIENT": "55003"}

pytestmark = pytest.mark.settings(**SET_UP)


def issue(*lines: tuple[int, int], day: date = date(2026, 6, 10), currency: str = "eur", **customer: Any) -> str:
    """An invoice with lines of these prices and rates; its id."""
    with time_machine.travel(company_days.noon(day) + timedelta(hours=1), tick=False):
        with db.transaction() as session:
            whose = factories.customer(session, **customer).id
        drafts = tuple(LineDraft("Green electricity", 1_000, price, rate) for price, rate in lines or ((100_00, 1900),))
        return invoices.issue(InvoiceDraft(whose, currency, drafts, issued_on=day)).id


def content(period: Period = JUNE) -> bytes:
    made = datev_export.prepare(period)
    found = b"".join(made.lines())
    assert problems(found) == []
    return found


def bookings(period: Period = JUNE) -> list[tuple[str, str, str, str, str]]:
    """Amount, side, account, contra account and tax key of each, in the order of days and then of these: what is booked in one moment has
    no order.
    """
    names = (
        "Umsatz (ohne Soll/Haben-Kz)",
        "Soll/Haben-Kennzeichen",
        "Konto",
        "Gegenkonto (ohne BU-Schlüssel)",
        "BU-Schlüssel",
    )
    found = sorted(rows(content(period)), key=lambda row: (row["Belegdatum"], *(row[name] for name in names)))
    return [tuple(row[name] for name in names) for row in found]  # type: ignore[misc]


def test_an_invoice_is_one_booking_a_rate_with_its_number_and_when_it_is_due(settings: config.Settings) -> None:
    issue((100_00, 1900), (10_00, 700), name="Größe & „Söhne“ 語 GmbH")
    assert bookings() == [("10,70", "S", "10000", "8300", ""), ("119,00", "S", "10000", "8400", "")]
    row = rows(content())[0]
    with db.reading() as session:
        number = session.scalars(select(Document.number)).one()
    assert (row["Belegfeld 1"], row["Belegdatum"], row["WKZ Umsatz"], row["Fälligkeit"]) == (
        number,
        "1006",
        "EUR",
        "24062026",
    )
    assert row["Buchungstext"] == f"Rechnung {number} Größe & „Söhne“ ? GmbH"


def test_a_void_invoice_goes_back_and_a_payment_settles_its_number(settings: config.Settings) -> None:
    void, paid = issue(), issue((50_00, 0))
    with time_machine.travel(company_days.noon(date(2026, 6, 12)), tick=False):
        invoices.void(void, "Billed twice")
        factories.record_outside(paid, paid_on=date(2026, 6, 12))
    assert bookings()[2:] == [("119,00", "H", "10000", "8400", ""), ("50,00", "S", "1200", "10000", "")]
    with db.reading() as session:
        number = session.scalars(select(Document.number).where(Document.invoice_id == paid)).one()
    assert [row["Belegfeld 1"] for row in rows(content()) if row["Konto"] == "1200"] == [number]


@pytest.mark.parametrize(
    ("country", "tax_id", "account"), [("FR", "FR40303265045", "8336"), ("DE", "", "8200"), ("US", "", "8200")]
)
@pytest.mark.settings(**SET_UP, PORTAL_COMPANY_TAX_ID="DE123456789")
def test_what_has_no_tax_goes_where_its_reason_says(
    settings: config.Settings, country: str, tax_id: str, account: str
) -> None:
    issue((100_00, 0), country=country, tax_id=tax_id)
    assert bookings() == [("100,00", "S", "10000", account, "")]


def test_a_rate_that_no_account_is_known_for_has_its_tax_apart(settings: config.Settings) -> None:
    issue((100_00, 2000))
    assert bookings() == [("100,00", "S", "10000", "8200", ""), ("20,00", "S", "10000", "1770", "")]


@pytest.mark.settings(
    **SET_UP, PORTAL_DATEV_CHART="04", PORTAL_DATEV_ACCOUNT_LENGTH="5", PORTAL_DATEV_ACCOUNTS="debtors:12345,fees:68551",
    PORTAL_DATEV_REVENUE="19:4200,20:4310", PORTAL_DATEV_TAX_KEYS="19:3",
)  # fmt: skip
def test_settings_replace_accounts_and_give_tax_keys(settings: config.Settings) -> None:
    issue((100_00, 1900), (10_00, 2000), (10_00, 700))
    assert bookings() == [
        ("10,70", "S", "123450", "43000", ""), ("119,00", "S", "123450", "42000", "3"), ("12,00", "S", "123450", "43100", ""),
    ]  # fmt: skip
    assert Chart(config.current()).account(LedgerAccount.FEES) == "68551"


def test_a_credit_note_and_its_refund_have_one_number(settings: config.Settings) -> None:
    with time_machine.travel(company_days.noon(date(2026, 6, 10)), tick=False):
        with db.transaction() as session:
            payment = factories.payment(session, factories.customer(session))
        documents.issue(payment.id)
        with db.transaction() as session:
            row = session.get_one(Payment, payment.id)
            refund = factories.refund(session, row, amount_minor=20_00)
            sides = (LedgerAccount.REFUNDS, LedgerAccount.STRIPE)
            book(
                session,
                "refund",
                20_00,
                at=clock.now(),
                sides=sides,
                subject=row.id,
                reference=f"refund:{refund.stripe_refund_id}",
            )
            crediting.credit(session, refund, row, clock.now())
        documents.issue_credit_note(refund.id)
    found = rows(content())
    assert sorted(row["Belegfeld 1"] for row in found) == ["CN-2026-000001", "CN-2026-000001", "R-2026-000001"]
    assert bookings()[:2] == [("20,00", "H", "10000", "8200", ""), ("20,00", "S", "10000", "1360", "")]


def test_all_bookings_together_are_the_ledger(settings: config.Settings) -> None:
    """Of each account: what the file books on it is what was posted, wherever tax is in one booking with its net."""
    for number, rate in enumerate((1900, 700, 1900, 0, 550)):
        issue((33_33 + number, rate), (1_01, rate))
    at = company_days.noon(date(2026, 6, 20))
    with db.transaction() as session:
        book(session, "charge", 100_00, at=at, subject="pay_1")
        book(session, "fee", 2_50, at=at)
        book(session, "payout", 50_00, at=at)
        book(session, "dispute", 10_00, at=at)
        book(session, "other", 5_00, at=at, sides=(LedgerAccount.RECEIVABLES, LedgerAccount.OVERPAYMENTS))
        book(session, "charge", 7_00, at=at, currency="usd")
    booked: Counter[str] = Counter()
    for amount, side, account, contra, _ in bookings():
        minor = int(Decimal(amount.replace(",", ".")) * 100) * (1 if side == "S" else -1)
        booked[account] += minor
        booked[contra] -= minor
    posted: Counter[str] = Counter()
    chart = Chart(config.current())
    with db.reading() as session:
        for one in session.scalars(select(Posting).where(Posting.currency == "eur")):
            for ledger_account, sign in ((one.debit, 1), (one.credit, -1)):
                name = ledger_account
                if name in {LedgerAccount.REVENUE, LedgerAccount.TAX}:
                    own = chart.revenue(one.tax_rate_basis_points, "")
                    known = own or chart.account(name)
                else:
                    known = chart.account(name)
                posted[known] += sign * one.amount_minor
    assert {key: minor for key, minor in booked.items() if minor} == {
        key: minor for key, minor in posted.items() if minor
    }
    assert datev_export.prepare(JUNE).left_out == 1


def test_a_batch_is_the_same_in_parts_of_any_size(settings: config.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        issue((100_00, 1900), (10_00, 700), (5_00, 0))
    whole = bookings()
    monkeypatch.setattr(datev_export, "BATCH", 20)
    assert bookings() == whole


@pytest.mark.settings(**SET_UP, PORTAL_DATEV_FISCAL_YEAR_BEGIN="06-15")
def test_a_batch_is_of_one_fiscal_year(settings: config.Settings) -> None:
    with pytest.raises(Invalid):
        datev_export.prepare(JUNE)
    made = datev_export.prepare(Period(date(2026, 6, 1), date(2026, 6, 14)))
    assert made.batch.begins == date(2025, 6, 15)


@pytest.mark.settings(PORTAL_DATEV_CONSULTANT="", PORTAL_DATEV_CLIENT="")
def test_without_the_advisers_numbers_there_is_none(settings: config.Settings) -> None:
    with pytest.raises(datev_export.NotSetUp):
        datev_export.prepare(JUNE)


def test_a_broken_file_is_told() -> None:
    """The rules of these tests see what DATEV would refuse."""
    batch = b'"EXTF";700;21'
    assert problems(batch + b"\r\n" + b"a\r\n") != []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORTAL_DATEV_CONSULTANT", "1000"), ("PORTAL_DATEV_CHART", "05"), ("PORTAL_DATEV_FISCAL_YEAR_BEGIN", "02-29"),
        ("PORTAL_DATEV_ACCOUNTS", "debtor:1"), ("PORTAL_DATEV_ACCOUNTS", "fees:12"), ("PORTAL_DATEV_TAX_KEYS", "19:12345"),
        ("PORTAL_DATEV_REVENUE", "x"),
    ],
)  # fmt: skip
def test_settings_that_datev_would_refuse_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, settings: config.Settings, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(config.WrongSettings, match=name):
        config.load()


# Where it is to be had


@pytest.mark.database("sqlite")
def test_bookkeepers_take_it_from_the_page_of_accounts_with_an_event(browse: As, app: Flask) -> None:
    issue()
    browser = browse("finance")
    span = "since=2026-06-01&until=2026-06-30"
    assert "DATEV" in browser.get(f"/support/books/accounts?{span}").get_data(as_text=True)
    answer = browser.get(f"/support/books/datev.csv?{span}")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="EXTF_Buchungsstapel_20260601_20260630.csv"'
    assert problems(answer.get_data()) == []
    assert len(rows(answer.get_data())) == 1
    assert browse("support").get(f"/support/books/datev.csv?{span}").status_code == 404


def test_the_documents_of_a_month_have_net_and_tax_a_rate(settings: config.Settings) -> None:
    issue((100_00, 1900), (10_00, 700))
    with db.reading() as session:
        issued = session.scalars(select(Document.issued_at)).one()
    found = list(
        csv.DictReader(
            io.StringIO("".join(exports.document_lines(Period.of_month(company_days.day_of(issued)))).lstrip("\ufeff"))
        )
    )
    assert [(row["tax_rate"], row["net"], row["tax"], row["total"], row["document_total"]) for row in found] == [
        ("19", "100.00", "19.00", "119.00", "129.70"), ("7", "10.00", "0.70", "10.70", "129.70"),
    ]  # fmt: skip


def test_the_journal_names_documents_rates_and_customers(settings: config.Settings) -> None:
    issue()
    lines = "".join(exports.posting_lines(LinesFilter(since=JUNE.since, until=JUNE.until)))
    found = list(csv.DictReader(io.StringIO(lines.lstrip("\ufeff"))))
    with db.reading() as session:
        number, customer = session.scalars(select(Document.number)).one(), session.scalars(select(Customer.id)).one()
    assert {(row["document"], row["invoice"], row["tax_rate"], row["customer"]) for row in found} == {
        (number, number, "19", customer)
    }


@pytest.mark.database("sqlite")
def test_a_months_pack_has_the_batch_and_the_documents(settings: config.Settings) -> None:
    issue()
    with db.transaction() as session:
        user = factories.staff(session, "approver").id
    with time_machine.travel(company_days.noon(date(2026, 7, 20))):
        pack_id = service.request(JUNE.since, user)
    with time_machine.travel(company_days.noon(date(2026, 7, 21))):  # the document is not waited for any longer
        service.make(pack_id)
        with zipfile.ZipFile(io.BytesIO(b"".join(service.download(pack_id)[1]))) as pack:
            batch = pack.read("EXTF_Buchungsstapel_20260601_20260630.csv")
            assert "documents.csv" in pack.namelist()
    assert problems(batch) == []
    assert len(rows(batch)) == 1


@pytest.mark.database("sqlite")
def test_the_command_writes_it(app: Flask, tmp_path: Any) -> None:
    issue()
    file = tmp_path / "EXTF.csv"
    answer = app.test_cli_runner().invoke(args=["books", "export", "datev", "--month", "2026-06", "--to", str(file)])
    assert answer.exit_code == 0, answer.output
    assert problems(file.read_bytes()) == []
