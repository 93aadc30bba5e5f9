"""A payment of 119 euros that has arrived, its customer, and staff who decide."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import stripe

from portal import gateway
from portal.core import config, db
from portal.core.db import new_id
from portal.core.four_eyes import Reviewer
from portal.core.money import Money
from portal.jobs import outbox
from portal.payments import intents
from portal.refunds import job_handlers, queries, service
from portal.refunds.models import Refund
from portal.refunds.policy import RefundReason
from tests import factories
from tests.live import SandboxServer
from tests.payments.conftest import Checkout


@dataclass
class Counter(Checkout):
    """The till after the payment, and the people behind the counter."""

    user_id: str = ""
    payment_id: str = ""
    clerks: dict[str, Reviewer] = field(default_factory=dict)

    @property
    def support(self) -> Reviewer:
        return self.clerks["support"]

    @property
    def approver(self) -> Reviewer:
        return self.clerks["approver"]

    @property
    def admin(self) -> Reviewer:
        return self.clerks["admin"]

    def ask(
        self,
        minor: int = 119_00,
        *,
        reason: str = RefundReason.PRODUCT_NOT_RECEIVED,
        key: str | None = None,
        words: str = "",
    ) -> str:
        """The customer asks; returns the refund's id."""
        key = key or new_id("ask")
        money = Money(minor, "eur")
        return service.ask(self.customer_id, self.user_id, self.payment_id, money, reason, words, client_key=key)

    def propose(
        self, reviewer: Reviewer, minor: int = 119_00, reason: str = RefundReason.GOODWILL, words: str = ""
    ) -> str:
        return service.propose(
            reviewer.id, self.payment_id, Money(minor, "eur"), reason, words, client_key=new_id("ask")
        )

    def approved(self, minor: int = 119_00) -> str:
        """Asked for and approved, and not yet sent."""
        refund_id = self.ask(minor)
        service.approve(refund_id, self.support)
        return refund_id

    def execute(self, refund_id: str) -> None:
        """As the worker does it, until nothing more is known for now."""
        with suppress(outbox.Reschedule):
            job_handlers.execute(refund_id)

    def refunded(self, minor: int = 119_00) -> str:
        refund_id = self.approved(minor)
        self.execute(refund_id)
        return refund_id

    def refund(self, refund_id: str) -> Refund:
        with db.reading() as session:
            return queries.by_id(session, refund_id)

    def touch(self, refund_id: str, **values: Any) -> None:
        """Write straight into a refund's row, as time or an accident would have left it."""
        with db.transaction() as session:
            for name, value in values.items():
                setattr(session.get_one(Refund, refund_id), name, value)

    @property
    def sums(self) -> tuple[int, int, int]:
        """(refunded, reserved, remaining) in minor units."""
        payment = self.payment
        with db.reading() as session:
            found = queries.sums(session, payment)
        return found.refunded.minor, found.reserved.minor, found.remaining.minor

    @property
    def at_stripe(self) -> list[stripe.Refund]:
        """What Stripe holds, newest first."""
        return self.sandbox.client.v1.refunds.list({"limit": 100}).data


@pytest.fixture
def counter(settings: config.Settings, sandbox: SandboxServer) -> Iterator[Counter]:
    gateway.forget()
    with db.transaction() as session:
        customer = factories.customer(session)
        invoice = factories.invoice(session, customer)
        user = factories.user(session, customer)
        clerks = {
            role: Reviewer(factories.staff(session, role=role).id, role) for role in ("support", "approver", "admin")
        }
    one = Counter(sandbox, customer.id, invoice.id, user_id=user.id, clerks=clerks)
    started = one.start()
    one.confirm(started.intent_id)
    sandbox.control("finish")
    intents.refresh(started.payment_id)
    one.payment_id = started.payment_id
    yield one
    gateway.forget()
