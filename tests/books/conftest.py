"""A small set of books: movements at Stripe, and the postings that tell of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape
from itertools import count
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal import db, ledger
from portal.ledger import BANK, DISPUTES, EXCHANGE, FEES, OTHER, RECEIVABLES, REFUNDS, STRIPE
from portal.money import Money
from portal.reconciliation.models import StripeTransaction
from tests import factories

As = Callable[[str], FlaskClient]

NOON = datetime(2026, 10, 15, 12, tzinfo=UTC)
_numbers = count(1)

# kind → debit, credit
SIDES = {
    "charge": (STRIPE, RECEIVABLES), "charge_exchange": (STRIPE, EXCHANGE), "fee": (FEES, STRIPE),
    "refund": (REFUNDS, STRIPE), "refund_failed": (STRIPE, REFUNDS), "refund_exchange": (EXCHANGE, STRIPE),
    "refund_fee": (FEES, STRIPE), "dispute": (DISPUTES, STRIPE), "dispute_reinstated": (STRIPE, DISPUTES),
    "dispute_fee": (FEES, STRIPE), "dispute_fee_returned": (STRIPE, FEES), "stripe_fee": (FEES, STRIPE),
    "stripe_fee_returned": (STRIPE, FEES), "payout": (BANK, STRIPE), "payout_returned": (STRIPE, BANK),
    "topup": (STRIPE, BANK), "topup_returned": (BANK, STRIPE), "other": (OTHER, STRIPE), "other_returned": (STRIPE, OTHER),
    "outside": (BANK, RECEIVABLES),
}  # fmt: skip


def book(session: Session, kind: str, minor: int, *, at: datetime = NOON, **values: Any) -> None:
    """A posting of this kind, between the accounts that it is usually between."""
    debit, credit = values.pop("sides", SIDES[kind])
    currency = values.pop("currency", "eur")
    made: dict[str, Any] = {"subject": "pay_1", "reference": f"{kind}:{next(_numbers)}", **values}
    ledger.post(session, kind, debit=debit, credit=credit, amount=Money(minor, currency), at=at, **made)


def moved(session: Session, type_: str, minor: int, fee: int = 0, **values: Any) -> StripeTransaction:
    """A balance transaction of Stripe's, which our postings explain unless `booked_at` is None."""
    at = values.pop("at", NOON)
    row = StripeTransaction(
        **{
            "id": f"txn_{next(_numbers):08d}", "type": type_, "category": type_, "source_id": None,
            "amount_minor": minor, "fee_minor": fee, "currency": "eur", "created_at": at, "available_on": at,
            "booked_at": at, "subject": "pay_1", **values,
        }
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


@pytest.fixture
def browse(app: Flask) -> As:
    """A browser in which a member of staff with this role has signed in: browse("approver")."""

    def browse(role: str) -> FlaskClient:
        with db.transaction() as session:
            person = factories.staff(session, role)
        client = app.test_client()
        factories.sign_in(client, person)
        return client

    return browse


def text_of(browser: FlaskClient, address: str, status: int = 200) -> str:
    """The words of a page."""
    answer = browser.get(address)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.get_data(as_text=True))).split())
