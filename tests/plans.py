"""How a database carries out a question: by which index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import event, text

from portal.core import db


def plans(question: Callable[[Any], object]) -> str:
    """How the database carries out what this asks. PostgreSQL is told that reading a whole table is dear, as it is in a big one."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            asked.append((statement, parameters))

    with db.reading() as session:
        postgresql = session.get_bind().dialect.name == "postgresql"
        if postgresql:
            session.execute(text("SET LOCAL enable_seqscan = off"))
            session.execute(text("SET LOCAL enable_bitmapscan = off"))
            session.execute(text("SET LOCAL enable_sort = off"))
        event.listen(db.engine(), "before_cursor_execute", note)
        try:
            question(session)
        finally:
            event.remove(db.engine(), "before_cursor_execute", note)
        explain = "EXPLAIN " if postgresql else "EXPLAIN QUERY PLAN "
        found = [
            str(row)
            for statement, parameters in asked
            for row in session.connection().exec_driver_sql(explain + statement, parameters)
        ]
    return "\n".join(found)
