"""Discounts of lines and of whole invoices, and the part of the latter that each line bears."""

import sqlalchemy as sa
from alembic import op

revision = "0099"
down_revision = "0098"

OF_BOTH = (
    ("discount_minor", sa.BigInteger(), "0"),
    ("discount_basis_points", sa.Integer(), "0"),
    ("discount_reason", sa.String(120), ""),
)
COLUMNS = {"invoices": OF_BOTH, "invoice_lines": (*OF_BOTH, ("whole_discount_minor", sa.BigInteger(), "0"))}


def upgrade() -> None:
    for table, columns in COLUMNS.items():
        for name, kind, default in columns:
            op.add_column(table, sa.Column(name, kind, nullable=False, server_default=default))
        with op.batch_alter_table(table) as batch:
            for name, _kind, _default in columns:
                batch.alter_column(name, server_default=None)


def downgrade() -> None:
    for table, columns in COLUMNS.items():
        with op.batch_alter_table(table) as batch:
            for name, _kind, _default in reversed(columns):
                batch.drop_column(name)
