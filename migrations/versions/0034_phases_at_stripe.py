"""Where a row that mirrors an object of Stripe's stands is a value of its own; what is sent for a refund is frozen with its key."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"

IDS = {
    "payments": "stripe_intent_id",
    "card_setups": "stripe_setup_intent_id",
    "stripe_customers": "stripe_customer_id",
    "refunds": "stripe_refund_id",
}


def upgrade() -> None:
    op.add_column("refunds", sa.Column("sent", sa.JSON(none_as_null=True)))
    for table, column in IDS.items():
        op.add_column(table, sa.Column("phase", sa.String(10), nullable=False, server_default="recorded"))
        op.execute(f"UPDATE {table} SET phase = 'sent' WHERE key_used_at IS NOT NULL")
        op.execute(f"UPDATE {table} SET phase = 'known' WHERE {column} IS NOT NULL")
    op.execute("UPDATE refunds SET phase = 'searched' WHERE phase = 'sent' AND search_began_at IS NOT NULL")


def downgrade() -> None:
    for table in IDS:
        op.drop_column(table, "phase")
    op.drop_column("refunds", "sent")
