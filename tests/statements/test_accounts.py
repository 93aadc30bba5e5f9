"""The statement of account: balances before and after, each movement with its document, and how old what is owed is; all from postings."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any, get_args

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from pypdf import PdfReader
from sqlalchemy import insert

from portal.accounts.models import Customer
from portal.api import statement_schemas
from portal.core import clock, company_days, db
from portal.core.errors import Conflict, NotFound
from portal.core.money import Money
from portal.documents import service as documents
from portal.invoices import outside, service
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.invoices.models import Invoice
from portal.ledger import Posting
from portal.payments.models import Payment
from portal.reconciliation.figures import Period
from portal.refunds import crediting
from portal.statements import accounts
from portal.statements import service as statements
from portal.statements.accounts import Statement
from tests import factories
from tests.plans import plans

JUNE, JULY = Period(date(2026, 6, 1), date(2026, 6, 30)), Period(date(2026, 7, 1), date(2026, 7, 31))


def eur(minor: int) -> Money:
    return Money(minor, "eur")


@pytest.fixture
def customer(database: str) -> str:
    """One who reads German."""
    with db.transaction() as session:
        return factories.customer(session, language="de").id


def at(day: date) -> Any:
    return time_machine.travel(company_days.noon(day) + timedelta(hours=1), tick=False)


def issue(customer: str, day: date, *rates: int, due: date | None = None, currency: str = "eur") -> Invoice:
    lines = tuple(LineDraft("Green electricity", 1_000, 100_00, rate) for rate in rates or (1900,))
    with at(day):
        return service.issue(InvoiceDraft(customer, currency, lines, issued_on=day, due_on=due or day))


def record(invoice: Invoice, day: date, minor: int) -> str:
    with at(day):
        return factories.record_outside(invoice.id, amount=eur(minor), paid_on=day).id


def read(customer: str, period: Period = JUNE, currency: str = "eur") -> Statement:
    with db.reading() as session:
        return accounts.statement(session, customer, currency, period)


def shown(found: Statement) -> list[tuple[str, str, int]]:
    return [(one.kind, one.number, one.amount.minor) for one in found.movements]


def test_a_period_begins_with_what_was_owed_and_ends_with_what_is(customer: str) -> None:
    may = issue(customer, date(2026, 5, 31), 1900, 700)
    june = issue(customer, date(2026, 6, 1))
    paid = record(may, date(2026, 6, 30), 226_00)
    with at(date(2026, 7, 1)):
        outside.reverse(paid, factories.reviewer(), "another customer's")
    found = read(customer)
    assert (found.opening, found.closing) == (eur(226_00), eur(119_00))
    assert shown(found) == [("invoice", june.number, 119_00), ("other_payment", may.number, -226_00)]
    assert [one.balance for one in found.movements] == [eur(345_00), eur(119_00)]
    after = read(customer, JULY)
    assert (after.opening, shown(after)) == (eur(119_00), [("other_payment_reversed", may.number, 226_00)])
    assert read(customer, Period(date(2026, 1, 1), date(2026, 5, 30))).closing == eur(0)


def test_all_rates_of_an_invoice_and_its_cancellation_are_a_line_each(customer: str) -> None:
    invoice = issue(customer, date(2026, 6, 3), 1900, 700, 0)
    with at(date(2026, 6, 4)):
        service.void(invoice.id, "Billed twice")
    assert shown(read(customer)) == [("invoice", invoice.number, 326_00), ("cancellation", invoice.number, -326_00)]


def test_a_refund_and_its_credit_note_stand_beside_each_other_and_change_nothing(customer: str) -> None:
    with at(date(2026, 6, 10)), db.transaction() as session:
        payment = factories.payment(session, session.get_one(Customer, customer))
    with at(date(2026, 6, 10)):
        receipt = documents.issue(payment.id)
    with at(date(2026, 6, 12)), db.transaction() as session:
        refund = factories.refund(session, session.get_one(Payment, payment.id), amount_minor=20_00)
        crediting.credit(session, refund, session.get_one(Payment, payment.id), clock.now())
    with at(date(2026, 6, 12)):
        documents.issue_credit_note(refund.id)
    found = read(customer)
    assert receipt.startswith("rct_")
    assert shown(found) == [("sale", "R-2026-000001", 50_00), ("credit_note", "CN-2026-000001", -20_00)]


@pytest.mark.parametrize(
    ("late", "place"), [(-1, 0), (0, 0), (1, 1), (30, 1), (31, 2), (60, 2), (61, 3), (90, 3), (91, 4), (400, 4)]
)
def test_what_is_owed_has_its_age_at_the_end_of_the_period(customer: str, late: int, place: int) -> None:
    due = JUNE.until - timedelta(days=late)
    invoice = issue(customer, min(due, date(2026, 6, 2)), due=due)
    record(invoice, date(2026, 6, 3), 19_00)
    found = read(customer)
    assert [amount.minor for amount in found.ageing.owed] == [100_00 if at == place else 0 for at in range(5)]
    assert (found.ageing.credit, found.closing) == (eur(0), eur(100_00))


def test_another_customer_and_another_currency_are_other_accounts(customer: str) -> None:
    with db.transaction() as session:
        other = factories.customer(session).id
    issue(other, date(2026, 6, 2))
    issue(customer, date(2026, 6, 2), currency="usd")
    assert (shown(read(customer)), read(customer).closing) == ([], eur(0))
    assert read(customer, currency="usd").closing == Money(119_00, "usd")
    with db.reading() as session:
        assert accounts.currencies(session, customer) == ["usd"]
        assert accounts.currencies(session, other) == ["eur"]


def test_random_histories_add_up_on_every_day(customer: str) -> None:
    chance = Random(7)
    days = [date(2026, 6, 1) + timedelta(days=chance.randrange(60)) for _ in range(25)]
    for day in sorted(days):
        invoice = issue(
            customer,
            day,
            *chance.sample([1900, 700, 0], chance.randint(1, 3)),
            due=day + timedelta(days=chance.randrange(40)),
        )
        if chance.random() < 0.5:
            record(invoice, day + timedelta(days=1), chance.randint(1, 100_00))
    ends = [date(2026, 6, 1) + timedelta(days=number) for number in range(-1, 70, 7)]
    for first, last in pairwise(ends):
        found = read(customer, Period(first + timedelta(days=1), last))
        before = read(customer, Period(date(2026, 1, 1), first))
        assert found.opening == before.closing
        assert found.closing - found.opening == Money(sum(one.amount.minor for one in found.movements), "eur")
        assert sum(one.minor for one in found.ageing.owed) - found.ageing.credit.minor == found.closing.minor


def test_more_than_a_document_holds_is_refused(customer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "MOST_POSTINGS", 3)
    accounts._within.cache_clear()
    for _ in range(2):
        issue(customer, date(2026, 6, 2))
    with pytest.raises(accounts.TooLong):
        read(customer)
    accounts._within.cache_clear()


# As files


def made(customer: str) -> tuple[str, bytes]:
    file_id = statements.request(customer, None, "eur", JUNE)
    with pytest.raises(Conflict):
        statements.request(customer, None, "eur", JULY)
    statements.make(file_id)
    row, parts = statements.download(file_id, customer)
    return row.id, b"".join(parts)


def test_the_pdf_is_tagged_and_in_the_customers_language(customer: str) -> None:
    invoice = issue(customer, date(2026, 6, 2))
    file_id, content = made(customer)
    pdf = PdfReader(io.BytesIO(content))
    root: Any = pdf.trailer["/Root"]
    assert (root["/Lang"], root["/MarkInfo"]["/Marked"]) == ("de", True)
    words = pdf.pages[0].extract_text()
    assert "Kontoauszug" in words and invoice.number in words and "119,00" in words
    with pytest.raises(NotFound):
        statements.download(file_id, "cus_another")


def test_a_file_that_is_asked_for_again_is_the_one_that_was_made_and_goes_after_some_days(customer: str) -> None:
    assert statements.made(customer, "eur", JUNE) is None
    assert statements.made(customer, "eur", JUNE) is None
    with db.reading() as session:
        [row] = statements.files(session, customer)
    statements.make(row.id)
    again = statements.made(customer, "eur", JUNE)
    assert again is not None and again[0].id == row.id
    with time_machine.travel(datetime.now(UTC) + timedelta(days=4)):
        statements.sweep()
    with db.reading() as session:
        assert statements.files(session, customer) == []


@pytest.fixture
def reader(app: Flask, customer: str) -> FlaskClient:
    with db.transaction() as session:
        user = factories.user(session, session.get_one(Customer, customer))
    browser = app.test_client()
    factories.sign_in(browser, user)
    return browser


@pytest.mark.database("sqlite")
def test_the_csv_has_both_balances_and_a_side_for_each_amount(reader: FlaskClient, customer: str) -> None:
    invoice = issue(customer, date(2026, 6, 2))
    record(invoice, date(2026, 6, 3), 19_00)
    answer = reader.get("/statement/file.csv?since=2026-06-01&until=2026-06-30&currency=eur")
    rows = list(csv.DictReader(io.StringIO(answer.get_data().decode("utf-8-sig"), newline="")))
    assert [tuple(row.values()) for row in rows] == [
        ("2026-06-01", "opening_balance", "", "", "", "", "0.00", "EUR"),
        ("2026-06-02", "invoice", invoice.number, invoice.number, "119.00", "", "119.00", "EUR"),
        ("2026-06-03", "other_payment", invoice.number, invoice.number, "", "19.00", "100.00", "EUR"),
        ("2026-06-30", "closing_balance", "", "", "", "", "100.00", "EUR"),
    ]
    page = reader.get("/statement?since=2026-06-01&until=2026-06-30").get_data(as_text=True)
    assert invoice.number in page and "100.00" in page


def test_a_statement_reads_its_own_customers_part_of_one_index(customer: str) -> None:
    def other(number: int) -> dict[str, Any]:
        return {
            "id": f"pst_{number:026d}", "at": clock.now(), "kind": "invoice", "debit": "receivables", "credit": "revenue",
            "amount_minor": 1, "currency": "eur", "subject": f"inv_{number}", "reference": f"invoice:{number}",
            "customer_id": f"cus_{number % 50}", "item_id": f"inv_{number}",
        }  # fmt: skip

    with db.transaction() as session:
        session.execute(insert(Posting), [other(number) for number in range(3_000)])
    plan = plans(lambda session: accounts.statement(session, "cus_7", "eur", JUNE))
    reading = [line for line in plan.splitlines() if re.search(r"(on|SEARCH|SCAN) postings", line)]
    assert len(reading) >= 3 and all("ix_postings_customer" in line for line in reading), plan


def test_the_api_has_a_word_for_every_kind_of_movement() -> None:
    assert get_args(statement_schemas.Kind) == tuple(accounts.KINDS)
