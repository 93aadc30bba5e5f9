"""Payments that wait until a bank account is verified keep the page where that is done; customers' systems hear of debits taken back."""

import sqlalchemy as sa
from alembic import op

revision = "0103"
down_revision = "0102"

BEFORE = ("payment.succeeded", "payment.failed", "invoice.paid", "invoice.credited", "refund.updated", "ping")
NOW = ("payment.succeeded", "payment.failed", "payment.returned", *BEFORE[2:])


def upgrade() -> None:
    op.add_column("payments", sa.Column("verification_url", sa.String(500), nullable=False, server_default=""))
    _types(NOW)


def downgrade() -> None:
    op.execute(
        "DELETE FROM webhook_deliveries WHERE event_id IN (SELECT id FROM webhook_events WHERE type = 'payment.returned')"
    )
    op.execute("DELETE FROM webhook_events WHERE type = 'payment.returned'")
    _types(BEFORE)
    op.drop_column("payments", "verification_url")


def _types(types: tuple[str, ...]) -> None:
    words = ", ".join(f"'{one}'" for one in types)
    with op.batch_alter_table("webhook_events") as table:
        table.drop_constraint(op.f("ck_webhook_events_type_known"), type_="check")
        table.create_check_constraint(op.f("ck_webhook_events_type_known"), f"type IN ({words})")
