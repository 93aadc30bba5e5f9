"""Staff list the refunds of all customers, by state."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.create_index("ix_refunds_asked", "refunds", ["asked_at", "id"])
    freed = sa.text("state IN ('canceled', 'failed', 'rejected', 'withdrawn')")
    op.create_index(
        "ix_refunds_freed", "refunds", ["state", "asked_at", "id"], sqlite_where=freed, postgresql_where=freed
    )


def downgrade() -> None:
    op.drop_index("ix_refunds_freed", "refunds")
    op.drop_index("ix_refunds_asked", "refunds")
