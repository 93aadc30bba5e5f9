"""Times of recovery, in which nothing moves money after the database was restored from a backup."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    op.create_table(
        "recoveries",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("reason", sa.String(10), nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("since", UTCDateTime),
        sa.Column("series", sa.JSON, nullable=False),
        sa.Column("begun_at", UTCDateTime, nullable=False),
        sa.Column("reconciliation_id", sa.String(40)),
        sa.Column("finished_at", UTCDateTime),
        sa.Column("overruled", sa.Text, nullable=False),
        sa.CheckConstraint("reason IN ('operator', 'mark', 'stripe')", name="ck_recoveries_reason_known"),
    )
    still_open = sa.text("finished_at IS NULL")
    op.create_index("ix_recoveries_open", "recoveries", ["id"], sqlite_where=still_open, postgresql_where=still_open)


def downgrade() -> None:
    op.drop_table("recoveries")
