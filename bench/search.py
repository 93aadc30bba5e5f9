"""What a search of the staff's costs among few payments and among many: the two must not differ.

On SQLite, in a temporary folder, in two databases, one with a hundredth of the payments.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from sqlalchemy import insert

from bench.lines import Line
from bench.timing import costs
from portal.accounts.models import Customer, CustomerWord, words_of
from portal.core import clock, db
from portal.documents import codes
from portal.documents.models import Receipt
from portal.invoices.models import Invoice
from portal.payments.models import Allocation, Payment
from portal.support import search

BATCH = 10_000
PAYMENTS_A_CUSTOMER = 10
FEW = 100  # so many times fewer in the small database
FIRST_NAMES = ("Ada", "Grace", "Linus", "Mara", "Noor", "Tomas", "Yuki")
TRADES = ("Bikes", "Boats", "Bread", "Books", "Bricks")
# What is typed, by the form that it has; each finds something in either database.
TYPED = {
    "one word that thousands have": "gmbh",
    "two words": "ada bikes",
    "the beginning of an address": "contact7@",
    "an id of Stripe": "pi_bench_7",
    "the last four digits of a card": "0007",
    "an amount": "7.00",
    "the beginning of a number": "INV-2026-0000",
    "a counter alone": "7",
    "a reference": "PO 7",
}
# How much dearer a search may be among a hundred times as much, as a ratio.
LIMIT = 2.0


def fill(payments: int) -> None:
    """So many payments, each with its invoice and receipt, of a tenth as many customers."""
    now = clock.now()
    for start in range(0, payments, BATCH):
        numbers = range(start, min(start + BATCH, payments))
        owners = [number for number in numbers if number % PAYMENTS_A_CUSTOMER == 0]
        customers = [
            {
                "id": f"cus_{number // PAYMENTS_A_CUSTOMER}",
                "name": f"{FIRST_NAMES[number // 10 % 7]} {TRADES[number // 10 % 5]} GmbH",
                "email": f"contact{number // PAYMENTS_A_CUSTOMER}@bench.example",
                "created_at": now,
            }
            for number in owners
        ]
        found_by = [
            {"word": word, "customer_id": one["id"]}
            for one in customers
            for word in words_of(str(one["name"]), str(one["email"]))
        ]
        common = [
            {
                "customer_id": f"cus_{number // PAYMENTS_A_CUSTOMER}",
                "currency": "eur",
                "created_at": now - timedelta(minutes=payments - number),
            }
            for number in numbers
        ]
        with db.transaction() as session:
            session.execute(insert(Customer), customers)
            session.execute(insert(CustomerWord), found_by)
            session.execute(
                insert(Invoice),
                [
                    one
                    | {"id": f"inv_{number}", "number": f"INV-2026-{number:06d}", "status": "paid"}
                    | {"net_minor": number % 5_000 + 1_00, "tax_minor": 0, "total_minor": number % 5_000 + 1_00}
                    | {"issued_on": now.date(), "due_on": now.date(), "reference": f"PO {number}"}
                    for number, one in zip(numbers, common, strict=True)
                ],
            )
            session.execute(
                insert(Payment),
                [
                    one
                    | {"id": f"pay_{number}", "client_key": f"bench-{number}", "has_invoices": True}
                    | {"amount_minor": number % 5_000 + 1_00, "description": f"Invoice {number}", "status": "succeeded"}
                    | {"stripe_intent_id": f"pi_bench_{number}", "card_last4": f"{number % 100:04d}", "updated_at": now}
                    for number, one in zip(numbers, common, strict=True)
                ],
            )
            session.execute(
                insert(Allocation),
                [
                    {"id": f"alc_{number}", "payment_id": f"pay_{number}", "position": 1, "invoice_id": f"inv_{number}"}
                    | {"opening": 1, "amount_minor": number % 5_000 + 1_00, "currency": "eur", "settled_at": now}
                    for number in numbers
                ],
            )
            session.execute(
                insert(Receipt),
                [
                    {
                        "id": f"rct_{number}",
                        "number": f"R-2026-{number:06d}",
                        "payment_id": f"pay_{number}",
                        "facts": {},
                    }
                    | {"customer_id": one["customer_id"], "total_minor": number % 5_000 + 1_00, "currency": "eur"}
                    | {"code": codes.new(), "issued_at": one["created_at"]}
                    for number, one in zip(numbers, common, strict=True)
                ],
            )


def _costs_among(database: Path, payments: int, rounds: int) -> dict[str, float]:
    """The median processor time of each search among so many payments, in seconds."""
    db.connect(f"sqlite:///{database}")
    db.Base.metadata.create_all(db.engine())
    fill(payments)

    def searched(text: str) -> Callable[[], None]:
        def look() -> None:
            with db.reading() as session:
                assert search.search(session, text).count, text

        return look

    found = costs({name: searched(text) for name, text in TYPED.items()}, rounds)
    db.disconnect()
    return found


def measure(*, quick: bool) -> list[Line]:
    many, rounds = (70_000, 3) if quick else (100_000, 100)
    with tempfile.TemporaryDirectory() as folder:
        few = _costs_among(Path(folder) / "few.db", many // FEW, rounds)
        much = _costs_among(Path(folder) / "many.db", many, rounds)
    return [
        Line(f"search: {name}", much[name] * 1000, "ms", much[name] / few[name], f"among {FEW} times fewer", LIMIT)
        for name in TYPED
    ]
