"""Jobs that wait for a service that does not answer."""

import sqlalchemy as sa
from alembic import op

from portal.db import UTCDateTime

revision = "0018"
down_revision = "0017"

WAITING = sa.text("waits_for IS NOT NULL")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("waits_for", sa.String(20)))
    op.add_column("jobs", sa.Column("waits_since", UTCDateTime))
    op.create_index("ix_jobs_waiting", "jobs", ["waits_for", "run_at"], sqlite_where=WAITING, postgresql_where=WAITING)


def downgrade() -> None:
    op.drop_index("ix_jobs_waiting", "jobs")
    op.drop_column("jobs", "waits_since")
    op.drop_column("jobs", "waits_for")
