"""When a document was downloaded by its customer."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0092"
down_revision = "0091"


def upgrade() -> None:
    op.create_table(
        "document_downloads",
        sa.Column("document_id", sa.String(40), sa.ForeignKey("documents.id"), primary_key=True),
        sa.Column("first_at", UTCDateTime, nullable=False),
        sa.Column("last_at", UTCDateTime, nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("document_downloads")
