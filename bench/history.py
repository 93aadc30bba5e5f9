"""What a page of the payment history costs, near its beginning and far down: the two must not differ.

    python -m bench.history [--payments 200000]

Makes a database of its own in a temporary folder. Prints ratios; exits with 1 when a limit is missed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from sqlalchemy import insert

from portal.accounts.models import Customer
from portal.core import clock, db, keyset
from portal.payments import queries
from portal.payments.models import Payment

ROUNDS = 200
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


def costs(*works: Callable[[], object]) -> list[float]:
    """The median processor time of each, taken in turns, so that a busy machine weighs on all of them alike. Seconds."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for times, work in zip(taken, works, strict=True):
            begun = time.process_time()
            work()
            times.append(time.process_time() - begun)
    return [statistics.median(times) for times in taken]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--payments", type=int, default=200_000)
    payments = parser.parse_args().payments
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

        first, last, half_way = costs(page(0), page(payments - 100), page(payments // 2, "succeeded"))
        found = {"the last page": last / first, "half way, one status": half_way / first}
        db.disconnect()
    for name, ratio in found.items():
        print(f"{name}: {ratio:.2f} × the first page of {payments:,} payments (limit {LIMITS[name]:.1f})")
    return 0 if all(found[name] <= limit for name, limit in LIMITS.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
