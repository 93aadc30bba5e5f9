"""A saved card is a payment method, of which there will be other kinds; what endpoints are told is a webhook event."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

from migrations.renaming import rename_column, rename_table

revision = "0044"
down_revision = "0043"

TABLES = {
    "saved_cards": "payment_methods",
    "card_setups": "payment_method_setups",
    "outgoing_events": "webhook_events",
}
REFERRING = ("payment_method_setups", "payment_confirmations", "collections")
PREFIXES = ("crd_", "method_")
# The jobs that are waiting, or are dead and may be revived: what their arguments were called, and are.
ARGUMENTS = {
    "payment_methods.upsert": ("payment_method_id", "stripe_payment_method_id"),
    "payment_methods.detach": ("payment_method_id", "stripe_payment_method_id"),
    "payment_methods.mail_expiry": ("card_id", "payment_method_id"),
}

jobs = sa.table("jobs", sa.column("id"), sa.column("name"), sa.column("status"), sa.column("args", sa.JSON))


def rename_ids(before: str, after: str) -> None:
    """The ids of payment methods, wherever they are kept but in the audit trail, which is never changed."""
    keys = {table: f"fk_{table}_payment_method_id_payment_methods" for table in REFERRING}
    is_checked = op.get_bind().dialect.name == "postgresql"
    for table, key in keys.items() if is_checked else ():
        op.drop_constraint(key, table, type_="foreignkey")
    for table, column in (("payment_methods", "id"), *((table, "payment_method_id") for table in REFERRING)):
        renamed = f"'{after}' || substr({column}, {len(before) + 1})"
        op.execute(f"UPDATE {table} SET {column} = {renamed} WHERE substr({column}, 1, {len(before)}) = '{before}'")
    for table, key in keys.items() if is_checked else ():
        op.create_foreign_key(key, table, "payment_methods", ["payment_method_id"], ["id"])


def rename_arguments(change: Callable[[str, str, str, Any], tuple[str, Any]]) -> None:
    """`change` gives an argument's name and value from the job's two names of it and from what they are."""
    connection = op.get_bind()
    waiting = sa.select(jobs.c.id, jobs.c.name, jobs.c.args).where(jobs.c.name.in_(ARGUMENTS), jobs.c.status != "done")
    for job_id, job, args in connection.execute(waiting).all():
        renamed = dict(change(*ARGUMENTS[job], name, value) for name, value in args.items())
        connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(args=renamed))


def moved(before: str, after: str, name: str, value: Any, prefixes: tuple[str, str]) -> tuple[str, Any]:
    if name != before:
        return name, value
    old, new = prefixes
    return after, new + value.removeprefix(old) if value.startswith(old) else value


def upgrade() -> None:
    for before, after in TABLES.items():
        rename_table(before, after)
    for table in REFERRING:
        rename_column(table, "card_id", "payment_method_id")
    rename_ids(*PREFIXES)
    rename_arguments(lambda before, after, name, value: moved(before, after, name, value, PREFIXES))


def downgrade() -> None:
    back = PREFIXES[::-1]
    rename_arguments(lambda before, after, name, value: moved(after, before, name, value, back))
    rename_ids(*back)
    for table in REFERRING:
        rename_column(table, "payment_method_id", "card_id")
    for before, after in TABLES.items():
        rename_table(after, before)
