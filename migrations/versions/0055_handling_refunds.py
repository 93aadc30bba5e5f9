"""Requests for refunds are assigned, wait for their customers' answers, and are filtered by views with names."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0055"
down_revision = "0054"


def upgrade() -> None:
    op.create_table(
        "refund_queue_views",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.UniqueConstraint("user_id", "name"),
    )
    op.create_table(
        "refund_messages",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("refund_id", sa.String(40), sa.ForeignKey("refunds.id"), nullable=False),
        sa.Column("at", UTCDateTime, nullable=False),
        sa.Column("author_id", sa.String(40), sa.ForeignKey("users.id")),
        sa.Column("from_customer", sa.Boolean(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
    )
    op.create_index("ix_refund_messages_refund", "refund_messages", ["refund_id", "at", "id"])
    with op.batch_alter_table("refunds") as table:
        table.add_column(sa.Column("assigned_to", sa.String(40)))
        table.add_column(sa.Column("waiting_since", UTCDateTime))
        table.create_foreign_key("fk_refunds_assigned_to_users", "users", ["assigned_to"], ["id"])


def downgrade() -> None:
    with op.batch_alter_table("refunds") as table:
        table.drop_constraint("fk_refunds_assigned_to_users", "foreignkey")
        table.drop_column("waiting_since")
        table.drop_column("assigned_to")
    op.drop_table("refund_messages")
    op.drop_table("refund_queue_views")
