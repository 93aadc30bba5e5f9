"""A small set of books: movements at Stripe, and the postings that tell of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from html import unescape
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal import ledger
from portal.books import service
from portal.core import db
from portal.core.db import new_id
from portal.core.money import Money
from portal.documents.models import CreditNote, Document, Receipt
from portal.ledger import LedgerAccount
from portal.payments.models import Payment
from portal.reconciliation.models import Reconciliation, StripeTransaction
from tests import factories
from tests.documents.conftest import example, example_note

As = Callable[[str], FlaskClient]

NOON = datetime(2026, 10, 15, 12, tzinfo=UTC)
OCTOBER = date(2026, 10, 1)
AFTERWARDS = datetime(2026, 11, 3, 9, tzinfo=UTC)
_numbers = count(1)

STRIPE, UNDERWAY, RECEIVABLES, REVENUE, TAX, OVERPAYMENTS, BAD_DEBTS, FEES, REFUNDS, DISPUTES, BANK, EXCHANGE, OTHER = (
    LedgerAccount
)
# kind → debit, credit
SIDES = {
    "charge": (STRIPE, RECEIVABLES), "charge_exchange": (STRIPE, EXCHANGE), "fee": (FEES, STRIPE),
    "refund": (REFUNDS, STRIPE), "refund_failed": (STRIPE, REFUNDS), "refund_exchange": (EXCHANGE, STRIPE),
    "refund_fee": (FEES, STRIPE), "dispute": (DISPUTES, STRIPE), "dispute_reinstated": (STRIPE, DISPUTES),
    "dispute_fee": (FEES, STRIPE), "dispute_fee_returned": (STRIPE, FEES), "stripe_fee": (FEES, STRIPE),
    "stripe_fee_returned": (STRIPE, FEES), "payout": (BANK, STRIPE), "payout_returned": (STRIPE, BANK),
    "topup": (STRIPE, BANK), "topup_returned": (BANK, STRIPE), "other": (OTHER, STRIPE), "other_returned": (STRIPE, OTHER),
    "outside": (BANK, RECEIVABLES), "debit": (STRIPE, UNDERWAY), "debit_failed": (UNDERWAY, STRIPE),
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


def compared(session: Session, until: datetime = AFTERWARDS) -> None:
    """A comparison of the worker's that has seen everything until then."""
    session.add(
        Reconciliation(
            id=new_id("rcn"), kind="frequent", since=NOON, until=until, started_at=until, finished_at=until, counts={},
        )
    )  # fmt: skip


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


# Documents and packs of October, from November on


def issue(at: datetime = NOON, pdf: bytes | None = b"%PDF-1.7 of a receipt", *, digest: str = "") -> str:
    """A receipt of that time, with these bytes; returns its number."""
    with db.transaction() as session:
        payment = factories.payment(session, factories.customer(session))
        return _document(session, Receipt, payment, at, pdf, digest).number


def issue_credit_note(at: datetime, pdf: bytes) -> str:
    with db.transaction() as session:
        payment = factories.payment(session, factories.customer(session))
        refund = factories.refund(session, payment, amount_minor=5_00)
        return _document(session, CreditNote, payment, at, pdf, "", refund_id=refund.id).number


def _document(
    session: Session, kind: type[Document], payment: Payment, at: datetime, pdf: bytes | None, digest: str, **more: str
) -> Document:
    document = kind(
        id=db.new_id("rct"), number=f"{kind.__name__[0]}-{next(_numbers):06d}", payment_id=payment.id,
        customer_id=payment.customer_id, total_minor=payment.amount_minor, currency=payment.currency,
        facts=(example() if kind is Receipt else example_note((1900, 4_20, 80))).to_json(),
        code=f"code-{next(_numbers)}", issued_at=at, pdf=pdf, **more,
        pdf_sha256=None if pdf is None else digest or hashlib.sha256(pdf).hexdigest(),
    )  # fmt: skip
    session.add(document)
    session.flush()
    return document


@pytest.fixture
def user(app: Flask) -> str:
    with db.transaction() as session:
        moved(session, "charge", 100_00, 2_50)
        book(session, "charge", 100_00)
        book(session, "fee", 2_50)
        book(session, "charge", 7_00, at=NOON + timedelta(days=40))
        return factories.staff(session, "approver").id


@pytest.fixture
def november() -> Iterator[None]:
    with time_machine.travel(AFTERWARDS):
        yield


def made(user: str) -> bytes:
    pack_id = service.request(OCTOBER, user)
    service.make(pack_id)
    return b"".join(service.download(pack_id)[1])


def save(content: bytes, folder: Path) -> Path:
    file = folder / "pack.zip"
    file.write_bytes(content)
    return file
