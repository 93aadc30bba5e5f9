"""Until when the approval of a refund can be undone."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0054"
down_revision = "0053"


def upgrade() -> None:
    op.add_column("refunds", sa.Column("held_until", UTCDateTime))


def downgrade() -> None:
    op.drop_column("refunds", "held_until")
