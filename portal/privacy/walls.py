"""The wall between customers in PostgreSQL: a policy for each table whose rows have owners, and the rights of the portal's roles.

Both follow from the inventory and are put in place by `flask migrate`, so a new table needs nothing but its line there. Policies bind all
but the tables' owner and superusers: an installation that has one role works on as before, with the first wall alone.
See docs/decisions/0054 and docs/how-to/deploy.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, text

from portal.core import db, reach
from portal.core.db import Base
from portal.core.reach import STRANGER
from portal.privacy import kinds, rows
from portal.privacy.held import Held
from portal.privacy.inventory import BY_TABLE, TABLES

OWNED: Final = tuple(held for held in TABLES if held.by)
# By these tables it is found out who somebody is: by an address, a link's hash, a session's.
TO_FIND_OUT: Final = frozenset(
    {held.table for held in OWNED if held.kind is kinds.SIGN_INS}
    | {"customers", "users", "account_viewings", "document_recipients", "pay_links"}
)
# What anyone may add, of whomever: the trail tells of strangers, too, who try an account that is not theirs.
ADDED_TO_BY_ALL: Final = frozenset({"audit_events"})
# Nobody changes what was written here, or removes it; triggers say so, too.
ONLY_ADDED_TO: Final = frozenset(
    {"audit_events", "postings"}
)  # Where rows name no customer they may name what they are about.
BY_SUBJECT: Final = {"postings": ("payments", "invoices")}

# What jobs alone write: what Stripe booked, and parts of files.
ONLY_READ_BY_WEB: Final = frozenset(
    {"stripe_payouts", "stripe_transactions", *(name for name in BY_TABLE if name.endswith("_file_parts"))}
)

POLICY: Final = "within_reach"
WEB: Final = "portal_web"
WORKER: Final = "portal_worker"
ROLES: Final = (WEB, WORKER)
_REACH: Final = "(SELECT current_setting('portal.reach', true))"

reach.own(held.table for held in OWNED)


def condition(held: Held) -> str:
    """The rows within reach, as SQL. Raises ValueError for a table that has no owners."""
    if not held.by:
        raise ValueError(f"{held.table} has no owners")
    open_to = ["*", STRANGER] if held.table in TO_FIND_OUT else ["*"]
    opened = f"{_REACH} IN ({', '.join(repr(one) for one in open_to)})"
    if held.by in {"id", "customer_id"}:
        owned = f"{held.by} = {_REACH}"
        subjects = BY_SUBJECT.get(held.table, ())
        return " OR ".join([opened, owned, *(_of_row_above(held.table, "subject", above) for above in subjects)])
    (key,) = rows.table_of(held).c[held.by].foreign_keys
    owned = _of_row_above(held.table, held.by, key.column.table.name, key.column.name)
    return f"{opened} OR ({_REACH} <> '{STRANGER}' AND {owned})"


def _of_row_above(table: str, column: str, above: str, key: str = "id") -> str:
    """That the row above is within reach: the question for it is under that table's policy. Row by row it goes by the key."""
    assert BY_TABLE[above].by  # noqa: S101
    return f"EXISTS (SELECT FROM {above} above WHERE above.{key} = {table}.{column})"  # names of the inventory


def _wanted(held: Held) -> list[str]:
    """What puts the policy of a table in place."""
    seen = condition(held)
    written = "true" if held.table in ADDED_TO_BY_ALL else seen
    return [
        f"ALTER TABLE {held.table} ENABLE ROW LEVEL SECURITY",
        f"DROP POLICY IF EXISTS {POLICY} ON {held.table}",
        f"CREATE POLICY {POLICY} ON {held.table} USING ({seen}) WITH CHECK ({written})",
    ]


def keep(connection: Connection) -> list[str] | None:
    """Put all policies and rights in place, as the owner of the tables, in the caller's transaction. What is there already is left alone.

    Returns which of ROLES there are; None on SQLite, which has neither.
    """
    if db.dialect_of(connection) != "postgresql":
        return None
    there = policies(connection)
    for held in OWNED:
        statements = _wanted(held)
        told = hashlib.sha256("\n".join(statements).encode()).hexdigest()
        if there.get(held.table) == told:
            continue
        for statement in (*statements, f"COMMENT ON POLICY {POLICY} ON {held.table} IS '{told}'"):
            connection.exec_driver_sql(statement)
    there_are = list(connection.scalars(text(_ROLES), {"names": list(ROLES)}))
    for role in there_are:
        for statement in _rights(role):
            connection.exec_driver_sql(statement)
    return there_are


def policies(connection: Connection) -> dict[str, str]:
    """The tables that are under their policy, each with what the policy was made from."""
    found = connection.execute(text(_THERE), {"policy": POLICY})
    return {table: told or "" for table, told in found}


_THERE: Final = (
    "SELECT relname, obj_description(pg_policy.oid, 'pg_policy') FROM pg_policy JOIN pg_class ON pg_class.oid = polrelid"
    " WHERE polname = :policy AND relrowsecurity"
)
_ROLES: Final = "SELECT rolname FROM pg_roles WHERE rolname = ANY(:names) ORDER BY rolname"


def _rights(role: str) -> Iterator[str]:
    """What a role may do, from nothing: rows of tables, and no table itself."""
    everything = sorted(Base.metadata.tables)
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}"
    yield f"GRANT USAGE ON SCHEMA public TO {role}"
    yield f"GRANT SELECT ON {', '.join((*everything, 'alembic_version'))} TO {role}"
    read = ONLY_READ_BY_WEB if role == WEB else frozenset()
    yield f"GRANT INSERT ON {', '.join(name for name in everything if name not in read)} TO {role}"
    changed = (name for name in everything if name not in read | ONLY_ADDED_TO)
    yield f"GRANT UPDATE, DELETE ON {', '.join(changed)} TO {role}"


def is_up(connection: Connection) -> bool:
    """Whether the wall binds whoever is connected: neither superuser nor the owner of tables. Raises ValueError on SQLite."""
    if db.dialect_of(connection) != "postgresql":
        raise ValueError("SQLite has no such wall")
    return bool(connection.scalar(text("SELECT row_security_active('customers')")))
