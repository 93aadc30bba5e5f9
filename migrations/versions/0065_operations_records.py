"""Since when a job fails; what operators record; whether the identity provider answers."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0065"
down_revision = "0064"


def upgrade() -> None:
    op.create_table(
        "service_answers",
        sa.Column("service", sa.String(length=30), nullable=False),
        sa.Column("answered_at", UTCDateTime(), nullable=True),
        sa.Column("failing_since", UTCDateTime(), nullable=True),
        sa.Column("failed_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("service", name=op.f("pk_service_answers")),
    )
    op.create_table(
        "upkeep",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("done_at", UTCDateTime(), nullable=False),
        sa.Column("recorded_at", UTCDateTime(), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.CheckConstraint("kind IN ('backup', 'restore_drill')", name=op.f("ck_upkeep_kind_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upkeep")),
        sa.UniqueConstraint("kind", "done_at", name=op.f("uq_upkeep_kind_done_at")),
    )
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("failing_since", UTCDateTime(), nullable=True))
    # The first failure of those that are there was not written down: it lies between these.
    op.execute("UPDATE jobs SET failing_since = coalesce(waits_since, created_at) WHERE last_error IS NOT NULL")

    with op.batch_alter_table("sent_mails", schema=None) as batch_op:
        batch_op.create_index("ix_sent_mails_sent_at", ["sent_at"], unique=False)

    with op.batch_alter_table("webhook_endpoints", schema=None) as batch_op:
        batch_op.create_index(
            "ix_webhook_endpoints_failing",
            ["failing_since"],
            unique=False,
            sqlite_where=sa.text("failing_since IS NOT NULL AND removed_at IS NULL"),
            postgresql_where=sa.text("failing_since IS NOT NULL AND removed_at IS NULL"),
        )


def downgrade() -> None:
    with op.batch_alter_table("webhook_endpoints", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_webhook_endpoints_failing",
            sqlite_where=sa.text("failing_since IS NOT NULL AND removed_at IS NULL"),
            postgresql_where=sa.text("failing_since IS NOT NULL AND removed_at IS NULL"),
        )

    with op.batch_alter_table("sent_mails", schema=None) as batch_op:
        batch_op.drop_index("ix_sent_mails_sent_at")

    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_column("failing_since")

    op.drop_table("upkeep")
    op.drop_table("service_answers")
