"""Refunds whose call ended in a failure that Stripe keeps: since when its list is searched for them."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.add_column("refunds", sa.Column("search_began_at", UTCDateTime))


def downgrade() -> None:
    op.drop_column("refunds", "search_began_at")
