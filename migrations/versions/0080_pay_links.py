"""The link by which an invoice is paid without signing in, and which payment was begun through it."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0080"
down_revision = "0079"


def upgrade() -> None:
    op.create_table(
        "pay_links",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("invoice_id", sa.String(40), sa.ForeignKey("invoices.id"), nullable=False, unique=True),
        sa.Column("customer_id", sa.String(40), sa.ForeignKey("customers.id"), nullable=False),
        sa.Column("nonce", sa.String(32), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("made_at", UTCDateTime, nullable=False),
        sa.Column("expires_at", UTCDateTime, nullable=False),
        sa.Column("revoked_at", UTCDateTime),
    )
    op.add_column("payments", sa.Column("pay_link_id", sa.String(40)))
    op.add_column("payments", sa.Column("receipt_to", sa.String(254), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("payments", "receipt_to")
    op.drop_column("payments", "pay_link_id")
    op.drop_table("pay_links")
