"""What staff look for: events by state and type, failed jobs, findings, the audit trail by action and time, postings by time."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

LOOKED = sa.text("action = 'staff.looked'")
FAILED = sa.text("last_error IS NOT NULL")
FOUND = sa.text("finding <> ''")

INDEXES = {
    "ix_audit_events_action": ("audit_events", ["action", "number"], None),
    "ix_audit_events_at": ("audit_events", ["at", "number"], None),
    "ix_audit_events_looked": ("audit_events", ["actor_id", "subject", "number"], LOOKED),
    "ix_stripe_events_state": ("stripe_events", ["state", "received_at", "id"], None),
    "ix_stripe_events_type": ("stripe_events", ["type", "received_at", "id"], None),
    "ix_jobs_failed": ("jobs", ["created_at", "id"], FAILED),
    "ix_payments_finding": ("payments", ["updated_at", "id"], FOUND),
    "ix_card_setups_finding": ("card_setups", ["updated_at", "id"], FOUND),
    "ix_postings_at": ("postings", ["at", "id"], None),
}


def upgrade() -> None:
    op.add_column("stripe_events", sa.Column("replays", sa.Integer(), nullable=False, server_default="0"))
    op.drop_index("ix_postings_period", "postings")
    op.create_index("ix_postings_period", "postings", ["currency", "at", "id"])
    for name, (table, columns, condition) in INDEXES.items():
        op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)


def downgrade() -> None:
    for name, (table, _columns, _condition) in INDEXES.items():
        op.drop_index(name, table)
    op.drop_index("ix_postings_period", "postings")
    op.create_index("ix_postings_period", "postings", ["currency", "at"])
    op.drop_column("stripe_events", "replays")
