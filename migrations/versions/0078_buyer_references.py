"""What XRechnung asks for: post code, city and buyer reference of customers, and the buyer reference of an invoice."""

import sqlalchemy as sa
from alembic import op

revision = "0078"
down_revision = "0077"

COLUMNS = (
    ("customers", "postal_code", 20),
    ("customers", "city", 100),
    ("customers", "buyer_reference", 120),
    ("invoices", "buyer_reference", 120),
)


def upgrade() -> None:
    for table, name, length in COLUMNS:
        op.add_column(table, sa.Column(name, sa.String(length), nullable=False, server_default=""))
    for table in ("customers", "invoices"):
        with op.batch_alter_table(table) as batch:
            for of, name, _length in COLUMNS:
                if of == table:
                    batch.alter_column(name, server_default=None)


def downgrade() -> None:
    for table, name, _length in reversed(COLUMNS):
        with op.batch_alter_table(table) as batch:
            batch.drop_column(name)
