"""Which events came by a webhook, and whether webhooks are missing."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.add_column("stripe_events", sa.Column("delivered", sa.Boolean, nullable=False, server_default=sa.true()))
    delivered = sa.text("delivered")
    op.create_index(
        "ix_stripe_events_delivered",
        "stripe_events",
        ["received_at", "id"],
        sqlite_where=delivered,
        postgresql_where=delivered,
    )
    op.create_table(
        "webhook_silence",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("checked_at", UTCDateTime, nullable=False),
        sa.Column("missing_since", UTCDateTime),
        sa.CheckConstraint("id = 1", name="ck_webhook_silence_one_row"),
    )


def downgrade() -> None:
    op.drop_table("webhook_silence")
    op.drop_index("ix_stripe_events_delivered", "stripe_events")
    op.drop_column("stripe_events", "delivered")
