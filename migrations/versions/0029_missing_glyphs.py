"""Documents that would lack characters wait for a person."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    op.add_column("documents", sa.Column("missing_glyphs", sa.Text(), nullable=False, server_default=""))
    op.add_column("documents", sa.Column("glyphs_accepted_at", UTCDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("documents", "glyphs_accepted_at")
    op.drop_column("documents", "missing_glyphs")
