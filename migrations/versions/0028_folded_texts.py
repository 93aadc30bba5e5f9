"""Texts that are searched are kept without case, accents and marks beside themselves; the words of customers are written anew so."""

import sqlalchemy as sa
from alembic import op

from portal.accounts.models import words_of
from portal.core.db import sorted_text
from portal.core.texts import fold

revision = "0028"
down_revision = "0027"

# Rows that are folded at once.
BATCH = 1_000
LONGEST_REFERENCE = 120


def upgrade() -> None:
    op.add_column("payments", sa.Column("description_folded", sa.Text(), nullable=False, server_default=""))
    op.add_column("invoices", sa.Column("reference_folded", sorted_text(120), nullable=False, server_default=""))
    op.add_column(
        "invoices", sa.Column("external_reference_folded", sorted_text(120), nullable=False, server_default="")
    )
    _fold("payments", {"description": None})
    _fold("invoices", {"reference": LONGEST_REFERENCE, "external_reference": LONGEST_REFERENCE})
    for name in ("reference", "external_reference"):
        op.drop_index(f"ix_invoices_{name}", "invoices")
        op.create_index(f"ix_invoices_{name}", "invoices", [f"{name}_folded"])
    _collect_words()


def _fold(table_name: str, columns: dict[str, int | None]) -> None:
    folded: list[sa.ColumnClause[str]] = [sa.column(f"{name}_folded") for name in columns]
    table = sa.table(table_name, sa.column("id"), *(sa.column(name) for name in columns), *folded)
    connection = op.get_bind()
    after = ""
    while True:
        rows = connection.execute(
            sa.select(table.c.id, *(table.c[name] for name in columns))
            .where(table.c.id > after)
            .order_by(table.c.id)
            .limit(BATCH)
        ).all()
        if not rows:
            return
        after = rows[-1][0]
        changed = [
            {"row": row[0]}
            | {
                f"{name}_new": fold(text or "")[:most]
                for (name, most), text in zip(columns.items(), row[1:], strict=True)
            }
            for row in rows
            if any(row[1:])
        ]
        if changed:
            connection.execute(
                sa.update(table)
                .where(table.c.id == sa.bindparam("row"))
                .values({f"{name}_folded": sa.bindparam(f"{name}_new") for name in columns}),
                changed,
            )


def _collect_words() -> None:
    customers = sa.table("customers", sa.column("id"), sa.column("name"), sa.column("email"))
    users = sa.table("users", sa.column("customer_id"), sa.column("name"), sa.column("email"))
    words = sa.table("customer_words", sa.column("word"), sa.column("customer_id"))
    connection = op.get_bind()
    connection.execute(sa.delete(words))
    after = ""
    while True:
        named = connection.execute(
            sa.select(customers.c.id, customers.c.name, customers.c.email)
            .where(customers.c.id > after)
            .order_by(customers.c.id)
            .limit(BATCH)
        ).all()
        if not named:
            return
        texts = {customer_id: [name, email] for customer_id, name, email in named}
        peoples = sa.select(users.c.customer_id, users.c.name, users.c.email).where(users.c.customer_id.in_(texts))
        for customer_id, name, email in connection.execute(peoples):
            texts[customer_id] += [name, email]
        rows = [
            {"word": word, "customer_id": customer_id} for customer_id, own in texts.items() for word in words_of(*own)
        ]
        if rows:
            connection.execute(sa.insert(words), rows)
        after = named[-1][0]


def downgrade() -> None:
    for name in ("reference", "external_reference"):
        op.drop_index(f"ix_invoices_{name}", "invoices")
        op.create_index(f"ix_invoices_{name}", "invoices", [name])
    op.drop_column("invoices", "external_reference_folded")
    op.drop_column("invoices", "reference_folded")
    op.drop_column("payments", "description_folded")
