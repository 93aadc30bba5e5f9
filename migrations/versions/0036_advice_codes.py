"""What a bank advises after a decline, beside its codes."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"

TABLES = ("payments", "collections")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("advice_code", sa.String(40), nullable=False, server_default=""))


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "advice_code")
