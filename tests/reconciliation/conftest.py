"""A company's account at Stripe with some business in it, of which the portal may not have heard."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

from portal import gateway
from portal.core import config, db
from portal.core.db import new_id
from portal.core.money import Money
from portal.payments import service as payments
from portal.payments.models import Payment
from portal.payments.queries import WITH_INVOICES
from portal.reconciliation import queries, service
from portal.reconciliation.models import Discrepancy, RunKind
from portal.reconciliation.service import Report
from tests import factories
from tests.live import SandboxServer
from tests.payments.conftest import everything


@dataclass
class Account:
    """One customer who orders things; bank and browser are played through Stripe's SDK. No webhook ever arrives."""

    sandbox: SandboxServer
    customer_id: str

    def begun(self, minor: int = 20_00, description: str = "Poster") -> Payment:
        """A payment that Stripe knows and nobody has confirmed."""
        payment_id = payments.record_custom_payment(
            self.customer_id, Money(minor, "eur"), description, client_key=new_id("key")
        )
        payments.ensure_confirmable(payment_id, self.customer_id, save_card=False)
        return self.payment(payment_id)

    def charged(self, minor: int = 20_00, description: str = "Poster", method: str = "pm_card_visa") -> Payment:
        """Paid at Stripe, and nobody has told the portal."""
        payment = self.begun(minor, description)
        self.confirm(str(payment.stripe_intent_id), method)
        return self.payment(payment.id)

    def paid(self, minor: int = 20_00, description: str = "Poster") -> Payment:
        """Paid, and in our books with its fee."""
        payment = self.charged(minor, description)
        self.settle()
        payments.refresh(payment.id)
        return self.payment(payment.id)

    def confirm(self, intent_id: str, method: str = "pm_card_visa") -> None:
        self.sandbox.client.v1.payment_intents.confirm(intent_id, {"payment_method": method})

    def foreign_charge(self, minor: int = 7_00, method: str = "pm_card_visa", **metadata: str) -> str:
        """Another program takes money on the same account; returns the intent's id."""
        intent = self.sandbox.client.v1.payment_intents.create(
            {
                "amount": minor,
                "currency": "eur",
                "confirm": True,
                "payment_method": method,
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                "metadata": metadata,
            }
        )
        return intent.id

    def settle(self) -> None:
        """Let Stripe do what takes it some time: balance transactions, outcomes of refunds."""
        self.sandbox.control("finish")

    def alter(self, table: str, object_id: str, change: Callable[[dict[str, Any]], object]) -> None:
        """Change one of Stripe's objects behind its back."""
        with closing(sqlite3.connect(self.sandbox.database, timeout=30)) as connection, connection:
            (body,) = connection.execute(f"SELECT body FROM {table} WHERE id = ?", (object_id,)).fetchone()  # noqa: S608
            found = json.loads(body)
            created = found.get("created")
            change(found)
            connection.execute(f"UPDATE {table} SET body = ? WHERE id = ?", (json.dumps(found), object_id))  # noqa: S608
            if found.get("created") != created:  # by which lists are ordered and narrowed
                connection.execute(f"UPDATE {table} SET created = ? WHERE id = ?", (found["created"], object_id))  # noqa: S608

    def payment(self, payment_id: str) -> Payment:
        with db.reading() as session:
            return session.get_one(Payment, payment_id, options=[WITH_INVOICES])

    def reconcile(self, kind: RunKind = RunKind.COMMAND, **given: Any) -> Report:
        self.settle()
        return service.execute(service.begin(kind, to_now=True, **given))


@pytest.fixture
def account(settings: config.Settings, sandbox: SandboxServer) -> Iterator[Account]:
    gateway.forget()
    with db.transaction() as session:
        customer = factories.customer(session)
    yield Account(sandbox, customer.id)
    gateway.forget()


def books() -> dict[str, list[Any]]:
    """All rows of all tables but those of the runs themselves."""
    rows = everything()
    del rows["reconciliations"]
    rows["discrepancies"] = [row[:8] for row in rows["discrepancies"]]  # when one was seen again is no change
    return rows


def found() -> list[tuple[str, str]]:
    """The open discrepancies, as code and subject."""
    with db.reading() as session:
        return sorted((discrepancy.code, discrepancy.subject) for discrepancy in queries.open_discrepancies(session))


def discrepancy(code: str) -> Discrepancy:
    with db.reading() as session:
        (only,) = [one for one in queries.open_discrepancies(session) if one.code == code]
    return only


def tamper(table: str, row_id: str, assignment: str) -> None:
    """Write into a row that is never changed, as someone with the database's password could."""
    with db.engine().begin() as connection:
        postgresql = connection.dialect.name == "postgresql"
        if table == "postings" and postgresql:
            connection.execute(text("ALTER TABLE postings DISABLE TRIGGER USER"))
        elif table == "postings":
            connection.execute(text("DROP TRIGGER IF EXISTS postings_no_update"))
        connection.execute(text(f"UPDATE {table} SET {assignment} WHERE id = :id"), {"id": row_id})  # noqa: S608
