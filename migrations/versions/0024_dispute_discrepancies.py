"""Disputes that differ from their payment in amount or currency are followed, with the difference beside them."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"

FOUND = sa.text("finding <> ''")
DIFFERENT = sa.text("finding <> '' OR discrepancy <> ''")
# What they were set aside for until now; the next look at Stripe takes over what was missed meanwhile.
SET_ASIDE = "finding LIKE 'Stripe''s dispute is over %' OR finding LIKE 'Stripe''s dispute is in %'"


def upgrade() -> None:
    op.add_column("disputes", sa.Column("discrepancy", sa.String(300), nullable=False, server_default=""))
    op.execute(f"UPDATE disputes SET discrepancy = finding, finding = '' WHERE {SET_ASIDE}")
    _index(DIFFERENT)


def downgrade() -> None:
    op.execute("UPDATE disputes SET finding = discrepancy WHERE finding = '' AND discrepancy <> ''")
    _index(FOUND)
    op.drop_column("disputes", "discrepancy")


def _index(condition: sa.TextClause) -> None:
    op.drop_index("ix_disputes_finding", "disputes")
    op.create_index(
        "ix_disputes_finding", "disputes", ["updated_at", "id"], sqlite_where=condition, postgresql_where=condition
    )
