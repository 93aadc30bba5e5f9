"""Under which secret key a second factor and a recovery code are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0086"
down_revision = "0085"

_TABLES = ("second_factors", "recovery_codes")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("key_name", sa.String(8), nullable=False, server_default=""))
        with op.batch_alter_table(table) as changed:
            changed.alter_column("key_name", server_default=None)


def downgrade() -> None:
    for table in _TABLES:
        op.drop_column(table, "key_name")
