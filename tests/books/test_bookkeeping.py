"""What a bookkeeper signs: accounts through a period, payouts with their lines, and lines by number and by customer."""

from __future__ import annotations

from datetime import UTC, date, datetime

from portal.books import exports, queries
from portal.books.queries import LinesFilter
from portal.books.staff_list import LISTING
from portal.core import db, listed
from portal.core.listing import Wanted
from portal.reconciliation.figures import Period
from portal.reconciliation.models import StripePayout
from tests import factories
from tests.books.conftest import NOON, book, moved

SEPTEMBER = datetime(2026, 9, 30, 12, tzinfo=UTC)
OCTOBER = Period(date(2026, 10, 1), date(2026, 10, 31))


def test_accounts_close_as_they_opened_and_moved(database: str) -> None:
    with db.transaction() as session:
        book(session, "charge", 100_00, at=SEPTEMBER)
        book(session, "fee", 2_00, at=SEPTEMBER)
        book(session, "charge", 50_00)
        book(session, "payout", 90_00, subject="po_1")
        book(session, "charge", 7_00, at=datetime(2026, 11, 1, 12, tzinfo=UTC))
        book(session, "charge", 500, currency="jpy")
    with db.reading() as session:
        found = {line.account: line for line in queries.account_periods(session, "eur", OCTOBER)}
    told = {
        account: (line.opening.minor, line.debits.minor, line.credits.minor, line.closing.minor)
        for account, line in found.items()
    }
    assert told == {
        "stripe_balance": (98_00, 50_00, 90_00, 58_00),
        "receivables": (-100_00, 0, 50_00, -150_00),
        "fees": (2_00, 0, 0, 2_00),
        "bank": (0, 90_00, 0, 90_00),
    }
    assert sum(line.closing.minor for line in found.values()) == 0, "debits and credits are the same"
    lines = "".join(exports.export_accounts("eur", OCTOBER)).splitlines()
    assert lines[0].lstrip("\ufeff") == "account,opening,debits,credits,closing,currency"
    assert lines[1] == "stripe_balance,98.00,50.00,90.00,58.00,EUR"


def test_a_payout_is_shown_with_what_it_is_made_of(database: str) -> None:
    with db.transaction() as session:
        session.add(
            StripePayout(
                id="po_1",
                status="paid",
                automatic=True,
                amount_minor=95_00,
                currency="eur",
                created_at=NOON,
                arrives_at=NOON,
            )
        )
        moved(session, "payout", -95_00, source_id="po_1", payout_id="po_1")
        moved(session, "charge", 100_00, 2_00, payout_id="po_1")
        moved(session, "refund", -3_00, payout_id="po_1")
        moved(session, "charge", 40_00, 1_00, payout_id="po_2")
    with db.reading() as session:
        found = listed.page(session, LISTING, Wanted()).page
        lines = queries.lines_of_payouts(session, found.rows)
    assert [row.id for row in found.rows] == ["po_1"]
    assert (lines["po_1"].number, lines["po_1"].net.minor) == (2, 95_00)
    with db.reading() as session:
        made_of = queries.transactions(session, LinesFilter(subject="po_1")).rows
    assert len(made_of) == 3


def test_lines_are_found_by_document_invoice_and_customer(database: str) -> None:
    with db.transaction() as session:
        customer, other = factories.customer(session), factories.customer(session)
        invoice = factories.invoice(session, customer)
        mine = factories.payment(session, customer, invoice)
        others = factories.payment(session, other)
        receipt = factories.receipt(session, mine)
        number, document = invoice.number, receipt.number
        book(session, "charge", 100_00, subject=mine.id)
        book(session, "charge", 50_00, subject=others.id)
        moved(session, "charge", 100_00, subject=mine.id, booked_at=NOON)
        email = customer.email
    for text in (number, document, mine.id):
        with db.reading() as session:
            wanted = LinesFilter(subject=text)
            # An invoice, with its tax, is found by its own number alone.
            sold = [invoice.id, invoice.id] if text == number else []
            assert sorted(row.subject for row in queries.postings(session, wanted).rows) == sorted([*sold, mine.id]), (
                text
            )
            assert [row.subject for row in queries.transactions(session, wanted).rows] == [mine.id], text
    with db.reading() as session:
        by_mail = queries.of_customer(session, LinesFilter(customer=email))
        assert by_mail.customer == customer.id
        assert {row.subject for row in queries.postings(session, by_mail).rows} == {invoice.id, mine.id}
        nobody = queries.of_customer(session, LinesFilter(customer="nobody@example.test"))
        assert not queries.postings(session, nobody).rows
