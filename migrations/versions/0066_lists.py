"""Views of every list can be saved, and staff's lists have the indexes that they are narrowed by."""

import sqlalchemy as sa
from alembic import op

revision = "0066"
down_revision = "0065"


def upgrade() -> None:
    op.create_table(
        "saved_views",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("list_name", sa.String(40), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.UniqueConstraint("user_id", "list_name", "name"),
    )
    op.execute(
        "INSERT INTO saved_views (id, user_id, list_name, name, arguments)"
        " SELECT id, user_id, 'refund_queue', name, arguments FROM refund_queue_views"
    )
    op.drop_table("refund_queue_views")
    op.create_index("ix_payments_created", "payments", ["created_at", "id"])
    op.create_index("ix_payments_status", "payments", ["status", "created_at", "id"])
    op.create_index("ix_payments_invoice", "payments", ["invoice_id", "created_at", "id"])
    moving = sa.text("status NOT IN ('canceled', 'succeeded')")
    op.create_index(
        "ix_payments_moving", "payments", ["created_at", "id"], sqlite_where=moving, postgresql_where=moving
    )


def downgrade() -> None:
    for name in ("created", "status", "invoice", "moving"):
        op.drop_index(f"ix_payments_{name}", "payments")
    op.create_table(
        "refund_queue_views",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.UniqueConstraint("user_id", "name"),
    )
    op.execute(
        "INSERT INTO refund_queue_views (id, user_id, name, arguments)"
        " SELECT id, user_id, name, arguments FROM saved_views WHERE list_name = 'refund_queue'"
    )
    op.drop_table("saved_views")
