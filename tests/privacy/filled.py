"""A row of every table, for one customer: made from the tables themselves, so that a new one is there as soon as it has columns."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Date, Integer, LargeBinary, String, insert, text
from sqlalchemy.orm import Session

from portal.content.made_files import MadeFileStatus
from portal.core import clock, company_days, db
from portal.core.db import Base, UTCDateTime
from portal.core.enums import EnumText
from portal.core.permissions import Role
from portal.documents.models import DocumentKind

# One row of the whole portal, which is there already or would be twice.
_ONE_ROW = frozenset({"audit_head", "webhook_silence", "service_answers"})


_WITHOUT_CHECKS = """DO $$ DECLARE one record; BEGIN
    FOR one IN SELECT conrelid::regclass AS of, conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace
    LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', one.of, one.conname); END LOOP;
END $$"""


def mark(who: str, table: str, column: str) -> str:
    """What stands in this text: it is found in whatever is made of it."""
    return f"{table}.{column}~{who}"


def fill(session: Session, who: str) -> dict[str, dict[str, Any]]:
    """One row of each table, all of them of the customer `who`; returns the values by table and column. On PostgreSQL as the tables' owner,
    and texts that are longer than their column are cut at the beginning.

    The rows refer to each other. They make no sense together: it is only about whose they are.
    """
    if db.dialect_of(session) == "sqlite":
        session.execute(text("PRAGMA ignore_check_constraints = ON"))
    else:
        session.execute(text(_WITHOUT_CHECKS))
    made: dict[str, dict[str, Any]] = {}
    for table in Base.metadata.sorted_tables:
        if table.name in _ONE_ROW:
            continue
        made[table.name] = {column.name: _value(who, column, made) for column in table.columns}
        session.execute(insert(table).values(made[table.name]))
    return made


def _value(who: str, column: Column[Any], made: dict[str, dict[str, Any]]) -> Any:
    table = column.table.name
    if column.foreign_keys:
        (key,) = column.foreign_keys
        above = key.column.table.name
        return made[above][key.column.name] if above in made else None
    if column.name == "customer_id":
        return mark(who, "customers", "id")
    if column.name in {"paid_by", "actor_id", "created_by"}:
        return mark(who, "users", "id")
    special = {
        ("documents", "kind"): DocumentKind.RECEIPT,
        ("documents", "facts"): {"issued_on": "2026-01-02", "text": mark(who, table, "facts")},
        ("documents", "pdf"): None,
        ("documents", "pdf_sha256"): None,
        ("users", "role"): Role.CUSTOMER,
        ("audit_events", "number"): 900_000 + len(who),
    }
    if (table, column.name) in special:
        return special[table, column.name]
    return _of_type(who, column)


def _of_type(who: str, column: Column[Any]) -> Any:
    if isinstance(column.type, EnumText) and column.type.kind is MadeFileStatus:
        return MadeFileStatus.READY
    if isinstance(column.type, EnumText):
        return next(iter(column.type.kind))
    if isinstance(column.type, UTCDateTime):
        return clock.now()
    if isinstance(column.type, Date):
        return company_days.today() - timedelta(days=len(who))
    if isinstance(column.type, Boolean):
        return True
    if isinstance(column.type, Integer):
        return len(who)
    if isinstance(column.type, JSON):
        return {"text": mark(who, column.table.name, column.name)}
    if isinstance(column.type, LargeBinary):
        return mark(who, column.table.name, column.name).encode()
    assert isinstance(column.type, String), column
    whole = mark(who, column.table.name, column.name)
    return whole if db.engine().dialect.name == "sqlite" or not column.type.length else whole[-column.type.length :]
