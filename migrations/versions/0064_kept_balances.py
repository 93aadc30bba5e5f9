"""What the balance at Stripe came to is kept for the beginning of each month; what makes it untrue takes it away."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0064"
down_revision = "0063"

# By table, what may happen to a row of it, and which of the row before and after has a moment then.
_CHANGES: dict[str, dict[str, tuple[str, ...]]] = {
    "postings": {"INSERT": ("NEW",)},
    "stripe_transactions": {
        "INSERT": ("NEW",),
        "UPDATE OF currency, amount_minor, fee_minor, created_at, booked_at": ("OLD", "NEW"),
        "DELETE": ("OLD",),
    },
}
_MOMENTS = {"postings": "{row}.at", "stripe_transactions": "coalesce({row}.booked_at, {row}.created_at)"}


def _name(table: str, change: str) -> str:
    return f"{table}_{change.split(maxsplit=1)[0].lower()}_unkeeps"


def upgrade() -> None:
    op.create_table(
        "kept_balances",
        sa.Column("currency", sa.String(3), primary_key=True),
        sa.Column("at", UTCDateTime, primary_key=True),
        sa.Column("ours_minor", sa.BigInteger, nullable=False),
        sa.Column("stripes_minor", sa.BigInteger, nullable=False),
    )
    for table, changes in _CHANGES.items():
        for change, rows in changes.items():
            name = _name(table, change)
            gone = " ".join(
                f"DELETE FROM kept_balances WHERE currency = {row}.currency AND at > {_MOMENTS[table].format(row=row)};"
                for row in rows
            )
            if op.get_bind().dialect.name == "postgresql":
                op.execute(
                    f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {gone} RETURN NULL; END $$"
                )
                op.execute(f"CREATE TRIGGER {name} AFTER {change} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")
            else:
                op.execute(f"CREATE TRIGGER {name} AFTER {change} ON {table} BEGIN {gone} END")


def downgrade() -> None:
    for table, changes in _CHANGES.items():
        for change in changes:
            name = _name(table, change)
            if op.get_bind().dialect.name == "postgresql":
                op.execute(f"DROP TRIGGER {name} ON {table}")
                op.execute(f"DROP FUNCTION {name}()")
            else:
                op.execute(f"DROP TRIGGER {name}")
    op.drop_table("kept_balances")
