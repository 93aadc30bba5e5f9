"""The pages of the books: what an accountant reads there, and where each figure leads."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from html import unescape

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from portal.core import clock, db
from portal.core.audit import AuditEvent
from portal.core.db import new_id
from portal.jobs.models import JobRow
from portal.reconciliation.models import Discrepancy, Reconciliation
from tests import factories
from tests.books.conftest import AFTERWARDS, NOON, As, book, compared, moved, text_of
from tests.counting import counted_queries

pytestmark = pytest.mark.database("sqlite")

BOOKS = "/support/books"
OCTOBER = f"{BOOKS}?month=2026-10"


@pytest.fixture
def october(app: Flask) -> None:
    """A charge of 100.00 with its fee, and a refund of 1,234.56; on both sides."""
    with db.transaction() as session:
        compared(session)
        moved(session, "charge", 10_000_00, 2_50, source_id="ch_1")
        moved(session, "refund", -1_234_56, source_id="re_1", subject="pay_2")
        book(session, "charge", 10_000_00)
        book(session, "fee", 2_50)
        book(session, "refund", 1_234_56, subject="pay_2")


def test_both_sides_stand_beside_each_other_and_that_they_are_equal(october: None, browse: As) -> None:
    text = text_of(browse("approver"), OCTOBER)
    assert "The books are equal" in text
    assert "Payments 10,000.00 10,000.00 Refunds −1,234.56 −1,234.56 " in text
    assert "Stripe fees −2.50 −2.50" in text
    assert "Balance after Oct 31, 2026 8,762.94 8,762.94" in text
    assert "Our books and Stripe differ" not in text


def test_a_difference_is_plain_to_see(october: None, browse: As) -> None:
    with db.transaction() as session:
        moved(session, "charge", 3_00, booked_at=None)
    text = text_of(browse("approver"), OCTOBER)
    assert "Our books and Stripe differ" in text
    assert "The books are equal" not in text
    assert "Payments 10,000.00 10,003.00 −3.00" in text


def test_what_came_after_the_last_comparison_is_no_difference(october: None, browse: As, database: str) -> None:
    with db.transaction() as session:
        for minutes in (1, 2, 3):
            at = AFTERWARDS + timedelta(minutes=minutes)
            book(session, "charge", 50_00, at=at, subject=f"pay_{minutes}")
            book(session, "fee", 1_00, at=at, subject=f"pay_{minutes}")
    browser = browse("approver")
    november = f"{BOOKS}?month=2026-11"
    for address in (OCTOBER, november):
        text = text_of(browser, address)
        assert "The books are equal" in text
        assert "Our books and Stripe differ" not in text
        assert ("Not compared yet: 3 movements since Nov 3, 2026" in text) == (address == november)
    assert "Balance after Nov 30, 2026 8,762.94 8,762.94" in text


def test_before_the_first_comparison_nothing_differs_and_one_can_be_had_at_once(app: Flask, browse: As) -> None:
    with db.transaction() as session:
        book(session, "charge", 50_00)
    browser = browse("approver")
    text = text_of(browser, OCTOBER)
    assert "Not compared yet: 1 movement " in text and "differ" not in text
    for words in ("The reconciliation has started", "A reconciliation is already running"):
        answer = browser.post(f"{BOOKS}/reconciliations", data={"csrf_token": factories.csrf_token(browser)})
        assert words in text_of(browser, answer.location)
    with db.reading() as session:
        (run,) = session.scalars(select(Reconciliation))
        (job,) = session.scalars(select(JobRow).where(JobRow.name == "reconciliation.walk"))
    assert job.args == {"reconciliation_id": run.id}
    assert run.until >= clock.now() - timedelta(minutes=1)


def test_each_figure_leads_to_its_lines(october: None, browse: As) -> None:
    browser = browse("approver")
    page = browser.get(OCTOBER).get_data(as_text=True)
    links = [unescape(link) for link in re.findall(r'href="([^"]*/(?:postings|transactions)\?[^"]*)"', page)]
    assert len(links) == 16
    (refunds,) = (link for link in links if "postings" in link and "group=refunded" in link)
    text = text_of(browser, refunds)
    assert "1 journal entry shown" in text
    assert "€1,234.56" in text
    (refunds,) = (link for link in links if "transactions" in link and "group=refunded" in link)
    assert "1 balance transaction shown" in text_of(browser, refunds)
    opening, closing = (link for link in links if "transactions" in link and "group=balance" in link)
    assert "No balance transactions" in text_of(browser, opening)
    assert "2 balance transactions shown" in text_of(browser, closing)


def test_without_a_choice_it_is_this_month_in_the_currency_that_moved_last(october: None, browse: As) -> None:
    with db.transaction() as session:
        book(session, "charge", 5_00, currency="usd", at=NOON + timedelta(days=1))
    with time_machine.travel(NOON + timedelta(days=2)):
        assert "October 2026, in USD" in text_of(browse("approver"), BOOKS)
        assert "October 2026, in EUR" in text_of(browse("approver"), f"{BOOKS}?currency=EUR")


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("since=2026-10-02&until=2026-10-01", "The last day is before the first one."),
        ("since=2025-01-01&until=2026-10-01", "Please choose at most one year."),
        ("since=0001-01-01", "Please choose at most one year."),
        ("until=9999-12-31&since=9999-12-31", "Please choose at most one year."),
        ("month=2026-13", "Please enter the month as in 2026-11."),
        ("currency=euro", "Please use the three letters of a currency"),
    ],
)
def test_a_wrong_choice_is_named(app: Flask, browse: As, asked: str, answer: str) -> None:
    assert answer in text_of(browse("approver"), f"{BOOKS}?{asked}", status=422)


def test_days_of_ones_own(october: None, browse: As) -> None:
    browser = browse("approver")
    assert "Oct 15, 2026 to Oct 15, 2026, in EUR" in text_of(browser, f"{BOOKS}?since=2026-10-15&until=2026-10-15")
    text = text_of(browser, f"{BOOKS}?since=2026-01-01&until=2026-12-31")
    assert "Payments, refunds and fees by month" in text
    assert "Oct 2026 10,000.00" in text or "October 2026 10,000.00" in text


def test_a_month_without_anything_says_so(app: Flask, browse: As) -> None:
    text = text_of(browse("approver"), OCTOBER)
    assert "Nothing moved" in text
    assert "The books are equal" in text
    assert "None yet. The worker reconciles every few minutes." in text


def test_the_last_reconciliation_and_what_it_left_open(october: None, browse: As) -> None:
    now = clock.now()
    with db.transaction() as session:
        session.add(
            Reconciliation(
                id=new_id("rcn"), kind="nightly", since=NOON - timedelta(days=35), until=NOON, started_at=NOON,
                finished_at=AFTERWARDS + timedelta(hours=1), counts={}, open_discrepancies=1,
            )
        )  # fmt: skip
        for status, subject in (("open", "ch_1"), ("gone", "ch_2")):
            session.add(
                Discrepancy(
                    id=new_id("fnd"), code="x", subject=subject, fingerprint="", facts={}, status=status, found_at=now,
                    seen_at=now,
                )
            )  # fmt: skip
    text = text_of(browse("approver"), OCTOBER)
    assert "of all between Sep 10, 2026" in text
    assert "1 open discrepancy " in text


def test_a_balance_transaction_leads_to_stripe_and_to_the_payment(october: None, browse: As) -> None:
    page = browse("approver").get(f"{BOOKS}/transactions").get_data(as_text=True)
    assert 'href="https://dashboard.stripe.com/test/payments/ch_1"' in page
    assert 'href="/support/payments/pay_1"' in page
    assert "/re_1" not in page  # no page of Stripe's is known by a refund alone


def test_the_postings_lead_to_what_was_paid(october: None, browse: As) -> None:
    approver = browse("approver")
    assert "Balance at Stripe EUR €10,000.00 €1,237.06 €8,762.94" in text_of(approver, f"{BOOKS}/postings")
    assert 'href="/support/payments/pay_1"' in approver.get(f"{BOOKS}/postings").get_data(as_text=True)


@pytest.mark.parametrize(
    ("lines", "group", "amounts"),
    [("postings", "fees", ["2.50"]), ("transactions", "refunded", ["-1234.56"]), ("transactions", "other", [])],
)
def test_the_lines_as_a_file(october: None, browse: As, lines: str, group: str, amounts: list[str]) -> None:
    answer = browse("approver").get(f"{BOOKS}/{lines}.csv?group={group}")
    rows = csv.DictReader(io.StringIO(answer.get_data().decode("utf-8-sig")))
    assert [row["amount"] for row in rows] == amounts
    with db.reading() as session:
        event = session.scalars(select(AuditEvent).order_by(AuditEvent.number.desc()).limit(1)).one()
    assert (event.action, event.facts) == ("books.exported", {"lines": lines, "group": group})


@pytest.mark.parametrize("lines", ["postings", "transactions"])
def test_wrong_filters_make_no_file_and_a_page_that_says_so(app: Flask, browse: As, lines: str) -> None:
    browser = browse("approver")
    for asked in ("since=2026-03-02&until=2026-03-01", "group=x", "currency=euro", "since=never"):
        assert browser.get(f"{BOOKS}/{lines}?{asked}").status_code == 422
        assert browser.get(f"{BOOKS}/{lines}.csv?{asked}").status_code == 422
    assert browser.get(f"{BOOKS}/{lines}?page=nonsense").status_code == 404


def test_what_is_empty_says_so(app: Flask, browse: As) -> None:
    browser = browse("approver")
    for address, words in (
        ("/postings", "No journal entries yet"),
        ("/postings?subject=pay_1", "No journal entries"),
        ("/transactions", "No balance transactions yet"),
        ("/transactions?subject=txn_1", "Stripe has no balance transaction within these filters."),
    ):
        assert words in text_of(browser, BOOKS + address)


def test_longer_books_ask_no_more_questions(october: None, browse: As) -> None:
    browser = browse("approver")
    addresses = (OCTOBER, f"{BOOKS}/postings", f"{BOOKS}/transactions")

    def asked() -> dict[str, int]:
        numbers = {}
        for address in addresses:
            with counted_queries() as statements:
                assert browser.get(address).status_code == 200
            numbers[address] = len(statements)
        return numbers

    asked()  # what is asked once a process
    before = asked()
    with db.transaction() as session:
        for number in range(15):
            moved(session, "charge", 1_00, at=NOON + timedelta(days=number % 9))
            book(session, "charge", 1_00, at=NOON + timedelta(days=number % 9), subject=f"pay_{number}")
    assert asked() == before
