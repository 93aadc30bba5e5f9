"""A customer with an open invoice, and Stripe's sandbox to pay it at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import stripe
from sqlalchemy import func, or_, select

from portal import gateway
from portal.core import config, db
from portal.core.audit import AuditEvent
from portal.core.db import Base
from portal.invoices.models import Invoice
from portal.jobs.models import JobRow
from portal.ledger import LedgerAccount, Posting
from portal.payment_methods import queries as payment_methods
from portal.payment_methods import service as cards
from portal.payment_methods.models import PaymentMethod
from portal.payments import queries, service
from portal.payments.models import Payment
from tests import factories
from tests.live import SandboxServer

MONEY = (LedgerAccount.STRIPE, LedgerAccount.BANK)


def keep_card(sandbox: SandboxServer, customer_id: str, method: str = "pm_card_visa") -> PaymentMethod:
    """One more card that a customer keeps, here and at Stripe."""
    kept = sandbox.client.v1.payment_methods.attach(method, {"customer": cards.ensure_stripe_customer(customer_id)})
    cards.upsert(kept.id)
    with db.reading() as session:
        card = payment_methods.by_method(session, kept.id)
    assert card is not None
    return card


@dataclass
class Checkout:
    """Where one customer pays one invoice of 119 euros; the bank and the browser are played through the SDK."""

    sandbox: SandboxServer
    customer_id: str
    invoice_id: str

    def start(self, key: str = "first-click", *, save_card: bool = False) -> service.Started:
        return service.start_for_invoice(self.customer_id, self.invoice_id, client_key=key, save_card=save_card)

    def confirm(self, intent_id: str, method: str = "pm_card_visa") -> None:
        """As the browser does it. Raises stripe.CardError when the bank says no."""
        self.sandbox.client.v1.payment_intents.confirm(intent_id, {"payment_method": method})

    def decline(self, intent_id: str, method: str) -> None:
        with pytest.raises(stripe.CardError):
            self.confirm(intent_id, method)

    def keep_card(self, method: str = "pm_card_visa") -> PaymentMethod:
        return keep_card(self.sandbox, self.customer_id, method)

    def bank(self, card: PaymentMethod, like: str) -> None:
        """The card's bank answers from now on as it does for this test card."""
        self.sandbox.control("cards/behave", payment_method=card.stripe_payment_method_id, like=like)

    def fail(self, fault: str, path: str, *, times: int = 1, method: str = "*") -> None:
        self.sandbox.control("faults", fault=fault, path=path, times=times, method=method)

    @property
    def intents(self) -> list[stripe.PaymentIntent]:
        """What Stripe holds, newest first."""
        return self.sandbox.client.v1.payment_intents.list({"limit": 100}).data

    @property
    def payments(self) -> list[Payment]:
        with db.reading() as session:
            return queries.of_invoice(session, self.invoice_id, self.customer_id)

    @property
    def payment(self) -> Payment:
        (only,) = self.payments
        return only

    @property
    def invoice(self) -> Invoice:
        with db.reading() as session:
            return session.get_one(Invoice, self.invoice_id)

    def change(self, **values: Any) -> None:
        """Write straight into the only payment's row, as time or an accident would have left it."""
        with db.transaction() as session:
            row = session.execute(select(Payment).where(queries.is_of_invoice(self.invoice_id))).scalar_one()
            for name, value in values.items():
                setattr(row, name, value)


@pytest.fixture
def checkout(settings: config.Settings, sandbox: SandboxServer) -> Iterator[Checkout]:
    gateway.forget()
    with db.transaction() as session:
        customer = factories.customer(session)
        invoice = factories.invoice(session, customer)
    yield Checkout(sandbox, customer.id, invoice.id)
    gateway.forget()


def books() -> list[tuple[str, str, int]]:
    """All postings of money that moved, at Stripe or at the bank, as (kind, reference, minor units)."""
    moved = or_(Posting.debit.in_(MONEY), Posting.credit.in_(MONEY))
    with db.reading() as session:
        query = select(Posting.kind, Posting.reference, Posting.amount_minor).where(moved).order_by(Posting.id)
        return [(kind, reference, amount) for kind, reference, amount in session.execute(query)]


def jobs(name: str) -> list[dict[str, Any]]:
    """The arguments of all jobs of a name, waiting or done."""
    with db.reading() as session:
        return list(session.execute(select(JobRow.args).where(JobRow.name == name)).scalars())


def audited(action: str) -> int:
    with db.reading() as session:
        return session.execute(select(func.count()).where(AuditEvent.action == action)).scalar_one()


def everything() -> dict[str, list[Any]]:
    """All rows of all tables: two equal answers mean that nothing was written in between."""
    with db.reading() as session:
        return {
            table.name: [tuple(row) for row in session.execute(select(table).order_by(*table.primary_key))]
            for table in Base.metadata.sorted_tables
        }
