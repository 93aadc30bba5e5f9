"""Second factors that were lost, whose owners prove themselves by a recovery code until they have another."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("second_factors", sa.Column("lost_at", UTCDateTime))


def downgrade() -> None:
    op.drop_column("second_factors", "lost_at")
