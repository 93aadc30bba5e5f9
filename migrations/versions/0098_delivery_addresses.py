"""Where what an invoice bills was delivered to, and its terms of payment."""

import sqlalchemy as sa
from alembic import op

revision = "0098"
down_revision = "0097"

COLUMNS = (
    ("payment_terms", 300),
    ("delivery_name", 120),
    ("delivery_line_one", 120),
    ("delivery_line_two", 120),
    ("delivery_postal_code", 20),
    ("delivery_city", 100),
    ("delivery_country", 2),
)


def upgrade() -> None:
    for name, length in COLUMNS:
        op.add_column("invoices", sa.Column(name, sa.String(length), nullable=False, server_default=""))
    with op.batch_alter_table("invoices") as batch:
        for name, _length in COLUMNS:
            batch.alter_column(name, server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("invoices") as batch:
        for name, _length in reversed(COLUMNS):
            batch.drop_column(name)
