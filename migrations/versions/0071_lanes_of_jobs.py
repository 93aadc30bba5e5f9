"""Each job is of a lane, by which workers share out their threads."""

import sqlalchemy as sa
from alembic import op

revision = "0071"
down_revision = "0070"

QUEUED = sa.text("status = 'queued'")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("lane", sa.SmallInteger(), nullable=False, server_default="0"))
    op.create_index("ix_jobs_due_by_lane", "jobs", ["lane", "run_at"], sqlite_where=QUEUED, postgresql_where=QUEUED)


def downgrade() -> None:
    op.drop_index("ix_jobs_due_by_lane", "jobs")
    op.drop_column("jobs", "lane")
