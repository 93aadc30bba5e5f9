"""Files of customers that staff upload to import them."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0100"
down_revision = "0099"


def upgrade() -> None:
    op.create_table(
        "customer_files",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("uploaded_by", sa.String(40), nullable=False),
        sa.Column("uploaded_at", UTCDateTime(), nullable=False),
        sa.Column("filename", sa.String(200), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("decimal_mark", sa.String(1), nullable=False),
        sa.ForeignKeyConstraint(["uploaded_by"], ["users.id"], name=op.f("fk_customer_files_uploaded_by_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_files")),
    )
    op.create_index("ix_customer_files_uploaded", "customer_files", ["uploaded_at"])


def downgrade() -> None:
    op.drop_table("customer_files")
