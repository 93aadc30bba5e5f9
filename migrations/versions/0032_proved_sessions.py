"""When someone who is signed in has last proved who they are."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    op.add_column("sign_in_sessions", sa.Column("proved_at", UTCDateTime))


def downgrade() -> None:
    op.drop_column("sign_in_sessions", "proved_at")
