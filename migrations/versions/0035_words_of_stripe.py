"""What holds a row for review is called so, and a customer that was deleted at Stripe a former Stripe customer."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0035"
down_revision = "0034"

# The index that finds what is held for review, by table: its condition, as it was and as it is.
FOUND = {
    "payments": "{0} <> ''",
    "card_setups": "{0} <> ''",
    "stripe_customers": "{0} <> ''",
    "refunds": "{0} <> '' OR state = 'unknown'",
    "disputes": "{0} <> '' OR discrepancy <> ''",
}
BEING_MADE = "stripe_customer_id IS NULL AND {0} = ''"


def rename(before: str, after: str, index_before: str, index_after: str) -> None:
    op.drop_index("uq_stripe_customers_being_made", "stripe_customers")
    for table, found in FOUND.items():
        op.drop_index(f"ix_{table}_{index_before}", table)
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {before} TO {after}")
        condition = sa.text(found.format(after))
        columns = ["updated_at", "id"]
        index = f"ix_{table}_{index_after}"
        op.create_index(index, table, columns, sqlite_where=condition, postgresql_where=condition)
    condition = sa.text(BEING_MADE.format(after))
    op.create_index(
        "uq_stripe_customers_being_made",
        "stripe_customers",
        ["customer_id"],
        unique=True,
        sqlite_where=condition,
        postgresql_where=condition,
    )


def replace_table(before: str, after: str, moment_before: str, moment_after: str) -> None:
    """The same rows under another name, with keys and indexes named after it."""
    op.create_table(
        after,
        sa.Column("stripe_customer_id", sa.String(64), nullable=False),
        sa.Column("customer_id", sa.String(40), nullable=False),
        sa.Column(moment_after, UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f(f"fk_{after}_customer_id_customers")),
        sa.PrimaryKeyConstraint("stripe_customer_id", name=op.f(f"pk_{after}")),
    )
    op.execute(
        f"INSERT INTO {after} (stripe_customer_id, customer_id, {moment_after})"  # names of ours
        f" SELECT stripe_customer_id, customer_id, {moment_before} FROM {before}"
    )
    op.drop_table(before)
    op.create_index(f"ix_{after}_customer", after, ["customer_id"])


def upgrade() -> None:
    rename("finding", "review_reason", "finding", "review")
    replace_table("former_holders", "former_stripe_customers", "lost_at", "detached_at")


def downgrade() -> None:
    replace_table("former_stripe_customers", "former_holders", "detached_at", "lost_at")
    rename("review_reason", "finding", "review", "finding")
