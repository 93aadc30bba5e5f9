"""How the holder of a bank account agreed to be debited stands with a confirmation until it is answered."""

import sqlalchemy as sa
from alembic import op

revision = "0094"
down_revision = "0093"


def upgrade() -> None:
    op.add_column("payment_confirmations", sa.Column("mandate", sa.JSON()))


def downgrade() -> None:
    op.drop_column("payment_confirmations", "mandate")
