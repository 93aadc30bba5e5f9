"""Erasures of customers, and an index of the events from Stripe whose text is still there."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0093"
down_revision = "0092"

OPEN = sa.text("status IN ('requested', 'approved')")
HAS_BODY = sa.text("length(body) > 0")


def upgrade() -> None:
    op.add_column("customers", sa.Column("erased_at", UTCDateTime, nullable=True))
    op.create_table(
        "erasures",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("customer_id", sa.String(40), sa.ForeignKey("customers.id"), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("by_customer", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("requested_by", sa.String(40), sa.ForeignKey("users.id")),
        sa.Column("requested_at", UTCDateTime, nullable=False),
        sa.Column("decided_by", sa.String(40), sa.ForeignKey("users.id")),
        sa.Column("decided_at", UTCDateTime),
        sa.Column("rejection", sa.String(500), nullable=False),
        sa.Column("done_at", UTCDateTime),
        sa.Column("kept", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "status IN ('requested', 'approved', 'rejected', 'withdrawn', 'done')",
            name=op.f("ck_erasures_status_known"),
        ),
    )
    op.create_index(
        "uq_erasures_open", "erasures", ["customer_id"], unique=True, sqlite_where=OPEN, postgresql_where=OPEN
    )
    op.create_index("ix_erasures_customer", "erasures", ["customer_id", "requested_at"])
    op.create_index("ix_erasures_waiting", "erasures", ["requested_at", "id"], sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_index(
        "ix_stripe_events_bodies", "stripe_events", ["received_at"], sqlite_where=HAS_BODY, postgresql_where=HAS_BODY
    )


def downgrade() -> None:
    op.drop_index("ix_stripe_events_bodies", "stripe_events")
    op.drop_table("erasures")
    op.drop_column("customers", "erased_at")
