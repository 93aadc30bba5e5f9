"""What a page of the payment history costs, near its beginning and far down: the two must not differ.

On SQLite, in a temporary folder.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from sqlalchemy import insert

from bench.lines import Line
from bench.timing import costs
from portal.accounts.models import Customer
from portal.core import clock, db, keyset
from portal.payments import queries
from portal.payments.models import Payment

BATCH = 10_000
# How much dearer a page may be than the first one, as a ratio.
LIMITS = {"the last page": 2.0, "half way, one status": 2.0}


def fill(payments: int) -> str:
    """One customer with this many payments, a minute apart; returns the customer's id."""
    customer_id, newest = db.new_id("cus"), clock.now()
    with db.transaction() as session:
        session.add(Customer(id=customer_id, name="Bench", email="bench@example.com", created_at=newest))
    for start in range(0, payments, BATCH):
        with db.transaction() as session:
            session.execute(
                insert(Payment),
                [
                    {
                        "id": db.new_id("pay"),
                        "customer_id": customer_id,
                        "has_invoices": False,
                        "client_key": f"bench-{number}",
                        "amount_minor": 10_00 + number % 1000,
                        "currency": "eur",
                        "description": f"Payment {number}",
                        "status": "succeeded" if number % 3 else "canceled",
                        "created_at": newest - timedelta(minutes=number),
                        "updated_at": newest,
                    }
                    for number in range(start, min(start + BATCH, payments))
                ],
            )
    return customer_id


def measure(*, quick: bool) -> list[Line]:
    payments = 5_000 if quick else 200_000
    with tempfile.TemporaryDirectory() as folder:
        db.connect(f"sqlite:///{Path(folder) / 'bench.db'}")
        db.Base.metadata.create_all(db.engine())
        customer_id = fill(payments)
        now = clock.now()

        def page(deep: int, status: str = "") -> Callable[[], object]:
            cursor = keyset.Cursor("after", now - timedelta(minutes=deep), "pay_").encode() if deep else None

            def look() -> object:
                with db.reading() as session:
                    found = queries.history(session, customer_id, queries.Filter(status=status), cursor)
                assert len(found.rows) == keyset.PAGE_SIZE
                return found

            return look

        works = {
            "first": page(0),
            "the last page": page(payments - 100),
            "half way, one status": page(payments // 2, "succeeded"),
        }
        found = costs(works, 10 if quick else 200)
        db.disconnect()
    return [
        Line(f"history: {name}", found[name] * 1000, "ms", found[name] / found["first"], "the first page", limit)
        for name, limit in LIMITS.items()
    ]
