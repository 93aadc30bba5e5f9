"""`flask books`: the figures of the page on the terminal, and an exit status for a nightly check."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import time_machine
from flask import Flask

from portal.core import db
from tests.books.conftest import AFTERWARDS, NOON, book, compared, moved

pytestmark = pytest.mark.database("sqlite")


@pytest.fixture
def october(app: Flask) -> None:
    with db.transaction() as session:
        compared(session)
        moved(session, "charge", 1_000_00, 2_50)
        book(session, "charge", 1_000_00)
        book(session, "fee", 2_50)


def run(app: Flask, *arguments: str) -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=["books", *arguments])
    return result.exit_code, result.output


def test_equal_books_are_a_table_and_status_0(app: Flask, october: None) -> None:
    status, output = run(app, "--month", "2026-10")
    assert status == 0
    assert output == (
        "2026-10-01 to 2026-10-31, EUR\n"
        "                     Our books   Stripe  Difference\n"
        "Balance before            0.00     0.00           -\n"
        "Payments               1000.00  1000.00           -\n"
        "Refunds                   0.00     0.00           -\n"
        "Disputes                  0.00     0.00           -\n"
        "Stripe fees              -2.50    -2.50           -\n"
        "Payouts to the bank       0.00     0.00           -\n"
        "Other                     0.00     0.00           -\n"
        "Balance after           997.50   997.50           -\n"
        "The books are equal.\n"
    )


def test_a_difference_of_a_cent_in_any_currency_is_status_1(app: Flask, october: None) -> None:
    with db.transaction() as session:
        moved(session, "charge", 1, currency="usd")
    status, output = run(app, "--month", "2026-10")
    assert status == 1
    assert "Payments                  0.00    0.01       -0.01" in output
    assert run(app, "--month", "2026-10", "--currency", "EUR")[0] == 0
    assert run(app, "--from", "2026-09-01", "--to", "2026-09-30")[0] == 0


def test_what_came_after_the_last_comparison_is_told_and_no_difference(app: Flask, october: None) -> None:
    with db.transaction() as session:
        book(session, "charge", 50_00, at=AFTERWARDS + timedelta(minutes=1), subject="pay_new")
    status, output = run(app, "--month", "2026-11")
    assert status == 0
    assert f"The books are equal. Not compared yet: 1 movement since {AFTERWARDS:%Y-%m-%d %H:%M} UTC." in output
    status, output = run(app, "--month", "2026-11", "--json")
    assert (status, json.loads(output)[0]["not_compared"]) == (0, 1)


def test_programs_get_minor_units(app: Flask, october: None) -> None:
    status, output = run(app, "--from", "2026-10-15", "--to", "2026-10-15", "--json")
    assert status == 0
    (found,) = json.loads(output)
    assert (found["currency"], found["from"], found["to"], found["equal"]) == ("eur", "2026-10-15", "2026-10-15", True)
    assert found["figures"]["charged"] == {"ours": 1_000_00, "stripe": 1_000_00, "difference": 0}


def test_without_a_choice_it_is_this_month(app: Flask, october: None) -> None:
    with time_machine.travel(NOON):
        assert run(app)[1].startswith("2026-10-01 to 2026-10-31, EUR")
        assert run(app, "--from", "2026-10-14")[1].startswith("2026-10-14 to 2026-10-15, EUR")


def test_new_books_are_equal(app: Flask) -> None:
    assert run(app, "--month", "2026-10") == (0, "2026-10-01 to 2026-10-31: nothing has moved yet\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--month", "November"), ("--month", "2026-10", "--from", "2026-10-01"), ("--currency", "euro"),
        ("--from", "2026-10-02", "--to", "2026-10-01"), ("--to", "9999-12-31"), ("--from", "yesterday"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(app: Flask, arguments: tuple[str, ...]) -> None:
    assert run(app, *arguments)[0] == 2
