"""What a run over many payments costs: its memory must be flat, and each of a hundred thousand as cheap as each of a thousand.

    python -m bench.reconcile [--payments 100000]

Starts a sandbox and a database of its own in a temporary folder, makes one payment there as it is made, and copies it on both sides. Prints
ratios; exits with 1 when a limit is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from tests.run import SETTINGS

os.environ.update(SETTINGS)
os.environ["PORTAL_DATABASE_URL"] = "sqlite://"

from portal import gateway  # the settings come first
from portal.core import config, db  # the settings come first
from portal.core.db import new_id
from portal.core.money import Money
from portal.ledger import Posting
from portal.payments import service as payments
from portal.payments.models import Payment
from portal.reconciliation import service
from portal.reconciliation.models import RunKind
from tests import factories
from tests.live import SandboxServer

BATCH = 5_000
FEW = 1_000
# A run over all of them may hold this much more memory than one at FEW, and may take this much longer for each.
MOST_MORE_MEGABYTES = 40
MOST_DEARER = 1.5
COPIED = ("payment_intents", "charges", "balance_transactions")


def one_payment(sandbox: SandboxServer, customer_id: str) -> Payment:
    payment_id = payments.record_custom_payment(customer_id, Money(20_00, "eur"), "Poster", client_key=new_id("key"))
    started = payments.ensure_confirmable(payment_id, customer_id, save_card=False)
    with db.reading() as session:
        intent_id = session.get_one(Payment, started.payment_id).stripe_intent_id
    sandbox.client.v1.payment_intents.confirm(str(intent_id), {"payment_method": "pm_card_visa"})
    sandbox.control("finish")
    payments.refresh(payment_id)
    with db.reading() as session:
        return session.get_one(Payment, payment_id)


def copy_at_stripe(sandbox: SandboxServer, first: int, last: int) -> None:
    """Copies of the intent, its charge and its balance transaction, whose ids end in a number."""
    with closing(sqlite3.connect(sandbox.database, timeout=60)) as connection, connection:
        rows = {table: connection.execute(f"SELECT * FROM {table} ORDER BY seq LIMIT 1").fetchone() for table in COPIED}  # noqa: S608
        ids = [json.loads(row[_body(connection, table)])["id"] for table, row in rows.items()]
        for table, row in rows.items():
            columns = [column[1] for column in connection.execute(f"PRAGMA table_info({table})")]
            kept = [name for name in columns if name != "seq"]
            values = dict(zip(columns, row, strict=True))
            marks = ", ".join("?" * len(kept))
            names = ", ".join(f'"{name}"' for name in kept)
            connection.executemany(
                f"INSERT INTO {table} ({names}) VALUES ({marks})",  # noqa: S608
                ([_renamed(values[name], ids, number) for name in kept] for number in range(first, last)),
            )


def _body(connection: sqlite3.Connection, table: str) -> int:
    return [column[1] for column in connection.execute(f"PRAGMA table_info({table})")].index("body")


def _renamed(value: Any, ids: list[str], number: int) -> Any:
    if not isinstance(value, str):
        return value
    for one in ids:
        value = value.replace(one, f"{one}{number}")
    return value


def copy_here(payment: Payment, first: int, last: int) -> None:
    with db.reading() as session:
        postings = session.execute(select(Posting).where(Posting.subject == payment.id)).scalars().all()
        movement = next(posting.reference.partition(":")[2] for posting in postings if posting.kind == "fee")
    columns = [column.key for column in Payment.__table__.columns]
    for start in range(first, last, BATCH):
        rows, booked = [], []
        for number in range(start, min(start + BATCH, last)):
            row = {name: getattr(payment, name) for name in columns}
            row |= {"id": f"{payment.id}{number}", "client_key": f"bench-{number}", "description": f"Poster {number}"}
            row["stripe_intent_id"] = f"{payment.stripe_intent_id}{number}"
            row["stripe_charge_id"] = f"{payment.stripe_charge_id}{number}"
            rows.append(row)
            for posting in postings:
                copy = {column.key: getattr(posting, column.key) for column in Posting.__table__.columns}
                of = str(payment.stripe_intent_id) if posting.kind == "charge" else movement
                copy |= {"id": new_id("pst"), "subject": row["id"], "reference": f"{posting.kind}:{of}{number}"}
                booked.append(copy)
        with db.transaction() as session:
            session.execute(insert(Payment), rows)
            session.execute(insert(Posting), booked)


def timed_run() -> tuple[float, float]:
    """Seconds, and the most memory that this process has held so far, in megabytes."""
    begun = time.perf_counter()
    report = service.execute(service.begin(RunKind.COMMAND, to_now=True))
    wrong = [discrepancy.code for discrepancy in report.discrepancies if discrepancy.code != "receipt_missing"]
    assert not wrong, wrong[:5]
    return time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--payments", type=int, default=100_000)
    many = parser.parse_args().payments
    with tempfile.TemporaryDirectory() as folder:
        sandbox = SandboxServer(Path(folder))
        try:
            os.environ |= {"STRIPE_API_BASE": sandbox.url, "PORTAL_DATABASE_URL": f"sqlite:///{folder}/bench.db"}
            settings = config.use(config.load())
            db.connect(settings.database_url)
            db.Base.metadata.create_all(db.engine())
            gateway.forget()
            with db.transaction() as session:
                from portal.core.audit import GENESIS, HEAD_ID, AuditHead

                session.add(AuditHead(id=HEAD_ID, number=0, hash=GENESIS))
                customer_id = factories.customer(session).id
            payment = one_payment(sandbox, customer_id)
            copy_at_stripe(sandbox, 1, FEW)
            copy_here(payment, 1, FEW)
            few_seconds, few_megabytes = timed_run()
            copy_at_stripe(sandbox, FEW, many)
            copy_here(payment, FEW, many)
            many_seconds, many_megabytes = timed_run()
        finally:
            sandbox.stop()
            db.disconnect()
    dearer = (many_seconds / many) / (few_seconds / FEW)
    more = many_megabytes - few_megabytes
    print(f"{many} payments: each costs {dearer:.2f} of what each of {FEW} costs (limit {MOST_DEARER})")
    print(f"memory: {few_megabytes:.0f} MiB at {FEW}, {more:+.0f} MiB at {many} (limit +{MOST_MORE_MEGABYTES})")
    print(f"{many / many_seconds:.0f} payments a second, the sandbox on the same machine")
    return int(dearer > MOST_DEARER or more > MOST_MORE_MEGABYTES)


if __name__ == "__main__":
    sys.exit(main())
