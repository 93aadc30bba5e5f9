"""Who paid: whoever pressed last gets the receipt, too."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.add_column("payments", sa.Column("paid_by", sa.String(40)))


def downgrade() -> None:
    op.drop_column("payments", "paid_by")
