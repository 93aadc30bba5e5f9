"""What lists and searches cost PostgreSQL in a large database: milliseconds that it needs for the statements of each, warm.

With BENCH_PAYMENTS=10000000 in the environment there are so many payments; without, a hundred thousand. A quarter, and at most 100,000, are
one customer's. Filling takes a minute for each few hundred thousand.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.orm import Session

from bench.lines import Line
from portal.core import clock, config, db
from portal.core.four_eyes import Reviewer
from portal.documents import queries as documents
from portal.invoices import queries as invoices
from portal.operations import queries as operations
from portal.payments import queries as payments
from portal.refunds import queries as refunds
from portal.refunds import queue as refund_queue
from portal.stripe_events import queries as stripe_events
from portal.support import search
from tests.many_rows import BIG, fill
from tests.postgres import PostgresServer
from tests.run import migrate

PAYMENTS = int(os.environ.get("BENCH_PAYMENTS", "100000"))
OF_BIG = min(PAYMENTS // 4, 100_000)
MOST_MILLISECONDS = 20.0
# A search through all of a customer's payments that finds nothing, beside counting them.
SEARCH, SEARCH_AIM = 2.0, 1.5
WHY = (
    "That none has it is known when each of the customer's entries in the index has been looked at, where counting looks at their ids"
    " alone."
)

Question = Callable[[Session], object]
LISTS: dict[str, Question] = {
    "history": lambda session: payments.history(session, BIG, payments.Filter()),
    "history by status": lambda session: payments.history(session, BIG, payments.Filter(status="canceled")),
    "history by a word that all have": lambda session: payments.history(session, BIG, payments.Filter(text="invoice")),
    "a customer's invoices": lambda session: invoices.page_for_customer(session, BIG),
    "a customer's documents": lambda session: documents.of_customer(session, BIG, None),
    "all refunds": refunds.history,
    "refunds that wait": lambda session: refund_queue.page(
        session, Reviewer("usr_1", "support"), refund_queue.Filter(), 20
    ),
    "payments without a job": lambda session: payments.left_behind(session, 200),
    "payments without a receipt": lambda session: documents.payments_without_receipt(session, clock.now(), 200),
    "documents without a job": lambda session: documents.left_behind(session, 200),
    "failed jobs": lambda session: operations.failed_jobs(session, dead_only=True),
    "the last webhook": stripe_events.last_delivered,
    "staff search a number": lambda session: search.search(session, "INV-2026-0001"),
    "staff search words": lambda session: search.search(session, "spree 77"),
    "staff search four digits": lambda session: search.search(session, "4242"),
    "staff search an amount": lambda session: search.search(session, "12.34"),
    "staff search a reference": lambda session: search.search(session, "PO 777"),
}


def measure(*, quick: bool) -> list[Line]:
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL may run as another user
        server = PostgresServer(Path(folder))
        try:
            migrate(server.url())
            config.use(config.load())
            db.connect(server.url())
            with db.engine().begin() as connection:
                fill(connection, 4_000 if quick else PAYMENTS, 2_000 if quick else OF_BIG)
            with db.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE"))
                return [*_of_lists(connection), _of_search(connection)]
        finally:
            db.disconnect()
            server.stop()


def _of_lists(connection: Connection) -> list[Line]:
    found = {name: milliseconds(connection, asked(question)) for name, question in LISTS.items()}
    return [
        Line(f"at size: {name}", cost, "ms", cost / MOST_MILLISECONDS, "20 ms", 1.0) for name, cost in found.items()
    ]


def _of_search(connection: Connection) -> Line:
    nothing = payments.Filter(text="no such words")
    searched = milliseconds(connection, asked(lambda session: payments.history(session, BIG, nothing)))
    counted = milliseconds(connection, asked(lambda session: payments.count(session, BIG, payments.Filter())))
    return Line(
        "at size: history by a text that none has",
        searched,
        "ms",
        searched / counted,
        "counting it",
        SEARCH,
        SEARCH_AIM,
        WHY,
    )


def asked(question: Question) -> list[tuple[str, Any]]:
    """The statements that a question asks, with their parameters."""
    found: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            found.append((statement, parameters))

    event.listen(db.engine(), "before_cursor_execute", note)
    try:
        with db.reading() as session:
            question(session)
    finally:
        event.remove(db.engine(), "before_cursor_execute", note)
    return found


def milliseconds(connection: Connection, statements: list[tuple[str, Any]]) -> float:
    """How long PostgreSQL takes to plan and carry these out, together."""

    def once() -> float:
        explained = "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) "
        plans = [connection.exec_driver_sql(explained + statement, of).scalar_one()[0] for statement, of in statements]
        return sum(float(plan["Planning Time"] + plan["Execution Time"]) for plan in plans)

    once()
    return statistics.median(once() for _ in range(5))
