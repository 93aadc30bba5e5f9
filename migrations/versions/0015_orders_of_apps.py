"""What apps order: the items and entries of a payment, the key of each order, and cards that are charged without being saved."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("payments", sa.Column("items", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("payments", sa.Column("extra", sa.JSON(), nullable=False, server_default="{}"))
    with op.batch_alter_table("payment_confirmations") as batch:
        batch.alter_column("card_id", existing_type=sa.String(length=40), nullable=True)
    op.create_table(
        "payment_orders",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.String(length=40), nullable=False),
        sa.Column("client_key", sa.String(length=80), nullable=False),
        sa.Column("payment_id", sa.String(length=40), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("method", sa.String(length=64), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_payment_orders_customer_id_customers")
        ),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_payment_orders_payment_id_payments")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_orders")),
        sa.UniqueConstraint("customer_id", "client_key", name=op.f("uq_payment_orders_customer_id_client_key")),
    )
    op.create_index("ix_payment_orders_payment", "payment_orders", ["payment_id", "created_at", "id"])


def downgrade() -> None:
    """Tries with a card that was not saved go: the tables before have no place for them."""
    op.drop_table("payment_orders")
    op.execute("DELETE FROM payment_confirmations WHERE card_id IS NULL")
    with op.batch_alter_table("payment_confirmations") as batch:
        batch.alter_column("card_id", existing_type=sa.String(length=40), nullable=False)
    with op.batch_alter_table("payments") as batch:
        batch.drop_column("extra")
        batch.drop_column("items")
