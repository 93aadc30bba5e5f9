"""Whom a run is about: customers with invoices and cards, their people, and two members of staff, each with an access token."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from typing import Any, Final

from portal.api import tokens
from portal.core import db
from portal.identity import app_grants
from portal.identity.models import CustomerRole
from tests import factories
from tests.live import SandboxServer
from tests.payments.conftest import keep_card

# The first ones keep a card of each behaviour; the others are not known to Stripe yet, and pay with new cards, of which each may
# try only so many an hour.
CUSTOMERS: Final = 8
WITH_CARDS: Final = 5
INVOICES_EACH: Final = 30
# How customers' saved cards behave, by Stripe's names of test cards, and how often they are chosen.
SAVED: Final = {
    "visa": 12,
    "chargeCustomerFail": 2,
    "authenticationRequired": 3,
    "pendingRefund": 2,
    "refundFail": 1,
}
STAFF: Final = 2
# From 500 euros on two people must approve a refund.
PRICES_MINOR: Final = (12_00, 49_90, 119_00, 250_00, 480_00)


@dataclass
class Payer:
    """One customer and its owner. `invoices` are ids of open ones, `cards` those of saved cards with how often each is chosen."""

    id: str
    email: str
    token: str
    ip: str
    invoices: list[str]
    cards: dict[str, int]


@dataclass
class Paid:
    payment_id: str
    customer_id: str
    amount: int
    invoices: tuple[str, ...] = ()


@dataclass
class World:
    payers: list[Payer]
    staff_tokens: list[str]
    staff_emails: list[str]
    paid: list[Paid] = field(default_factory=list)
    wishes: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add_paid(self, paid: Paid) -> None:
        with self._lock:
            if all(known.payment_id != paid.payment_id for known in self.paid):
                self.paid.append(paid)

    def add_wish(self, refund_id: str) -> None:
        with self._lock:
            self.wishes.append(refund_id)

    def any_of(self, chance: random.Random, choices: list[Any]) -> Any | None:
        with self._lock:
            return chance.choice(choices) if choices else None

    def take_invoice(self, payer: Payer) -> str | None:
        with self._lock:
            return payer.invoices.pop() if payer.invoices else None

    def take_several(self, payer: Payer, chance: random.Random) -> list[str]:
        """One invoice that nobody has taken, and one or two others that the next one may take: selections overlap."""
        with self._lock:
            if len(payer.invoices) < 3:
                return []
            return [payer.invoices.pop(), *chance.sample(payer.invoices[-4:], chance.choice((1, 2)))]


def make(seed: object, sandbox: SandboxServer) -> World:
    """Write the world into the database that `portal.db` is connected to, and into Stripe what its customers keep there."""
    chance = random.Random(f"{seed}:world")
    with db.transaction() as session:
        payers = []
        for number in range(CUSTOMERS):
            email = f"owner{number}@customer{number}.test"
            customer = factories.customer(session, name=f"Customer {number} GmbH", email=email)
            factories.user(session, customer, CustomerRole.OWNER, email=email)
            invoices = [
                factories.invoice(
                    session,
                    customer,
                    [("Green electricity", 1_000 * chance.randint(1, 2), chance.choice(PRICES_MINOR), 1900)],
                ).id
                for _ in range(INVOICES_EACH)
            ]
            payers.append((customer.id, email, invoices))
        staff = [
            factories.staff(session, "approver", email=f"staff{number}@portal.test").email for number in range(STAFF)
        ]
    return World(
        [
            Payer(
                customer_id,
                email,
                token_of(email),
                f"10.{number}.0.1",
                invoices,
                {keep_card(sandbox, customer_id, f"pm_card_{name}").id: weight for name, weight in SAVED.items()}
                if number < WITH_CARDS
                else {},
            )
            for number, (customer_id, email, invoices) in enumerate(payers)
        ],
        [token_of(email) for email in staff],
        staff,
    )


def token_of(email: str) -> str:
    grant = app_grants.sign_in(email, factories.PASSWORD, code=None, wanted=None, ip="127.0.0.1", user_agent="chaos")
    return tokens.sign(grant.user.id, grant.scopes, grant=grant.id)
