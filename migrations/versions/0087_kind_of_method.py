"""The kind of payment method that a payment was made with."""

import sqlalchemy as sa
from alembic import op

revision = "0087"
down_revision = "0086"


def upgrade() -> None:
    # Empty of payments from before: those that know a card were made with one.
    op.add_column("payments", sa.Column("method_kind", sa.String(30), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("payments", "method_kind")
