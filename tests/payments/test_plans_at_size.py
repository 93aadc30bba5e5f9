"""In a large database no list and no search reads a whole table, and a search of a history reads nothing but its index."""

from __future__ import annotations

import re

from bench.size import LISTS, asked
from portal.core import db
from portal.payments import queries as payments
from tests.many_rows import BIG, fill

LARGE = re.compile(r"Seq Scan on (payments|invoices|documents)\b")


def _plan(statements: list[tuple[str, object]]) -> str:
    with db.engine().connect() as connection:
        return "\n".join(
            str(row[0])
            for statement, of in statements
            for row in connection.exec_driver_sql(f"EXPLAIN {statement}", of)  # type: ignore[arg-type]
        )


def test_no_list_and_no_search_reads_a_whole_table(postgresql_database: str) -> None:
    with db.engine().begin() as connection:
        fill(connection, 8_000, 2_000)
    plans = {name: _plan(asked(question)) for name, question in LISTS.items()}
    assert {name: plan for name, plan in plans.items() if LARGE.search(plan)} == {}
    nothing = payments.Filter(text="no such words", status="succeeded", currency="eur", least_minor=1)
    with db.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE payments")
    assert "Index Only Scan" in _plan(asked(lambda session: payments.history(session, BIG, nothing)))
