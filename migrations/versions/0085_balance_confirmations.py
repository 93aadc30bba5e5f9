"""Balance confirmations for auditors: frozen, with a code, and with the PDF that was made of each."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0085"
down_revision = "0084"


def upgrade() -> None:
    op.create_table(
        "balance_confirmations",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("customer_id", sa.String(40), sa.ForeignKey("customers.id"), nullable=False),
        sa.Column("requested_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("made_at", UTCDateTime, nullable=False),
        sa.Column("language", sa.String(10), nullable=False),
        sa.Column("company", sa.Text, nullable=False),
        sa.Column("customer_name", sa.Text, nullable=False),
        sa.Column("balances", sa.JSON, nullable=False),
        sa.Column("code", sa.String(20), nullable=False, unique=True),
        sa.Column("pdf", sa.LargeBinary),
        sa.Column("pdf_sha256", sa.String(64)),
    )
    op.create_index("ix_balance_confirmations_customer", "balance_confirmations", ["customer_id", "made_at", "id"])
    op.create_index("ix_balance_confirmations_sha256", "balance_confirmations", ["pdf_sha256"])


def downgrade() -> None:
    op.drop_table("balance_confirmations")
