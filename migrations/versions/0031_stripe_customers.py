"""What is sent to Stripe for a payment, for a card setup, and to make a customer there, is frozen together with its key."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0031"
down_revision = "0030"

BEING_MADE = sa.text("stripe_customer_id IS NULL AND finding = ''")
FOUND = sa.text("finding <> ''")


def upgrade() -> None:
    op.add_column("payments", sa.Column("sent", sa.JSON(none_as_null=True)))
    op.add_column("card_setups", sa.Column("sent", sa.JSON(none_as_null=True)))
    op.create_table(
        "stripe_customers",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("customer_id", sa.String(40), sa.ForeignKey("customers.id"), nullable=False),
        sa.Column("stripe_customer_id", sa.String(64), unique=True),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("key_used_at", UTCDateTime),
        sa.Column("sent", sa.JSON(none_as_null=True)),
        sa.Column("finding", sa.String(300), nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("updated_at", UTCDateTime, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index(
        "uq_stripe_customers_being_made",
        "stripe_customers",
        ["customer_id"],
        unique=True,
        sqlite_where=BEING_MADE,
        postgresql_where=BEING_MADE,
    )
    op.create_index(
        "ix_stripe_customers_finding",
        "stripe_customers",
        ["updated_at", "id"],
        sqlite_where=FOUND,
        postgresql_where=FOUND,
    )


def downgrade() -> None:
    op.drop_table("stripe_customers")
    op.drop_column("card_setups", "sent")
    op.drop_column("payments", "sent")
