"""The time zone in which someone reads: what they chose, and what their browser said when they signed in last."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    for name in ("time_zone", "guessed_time_zone"):
        op.add_column("users", sa.Column(name, sa.String(64), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("users", "guessed_time_zone")
    op.drop_column("users", "time_zone")
