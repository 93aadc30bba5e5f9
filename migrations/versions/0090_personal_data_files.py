"""Files of all data about a customer."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0090"
down_revision = "0089"

MAKING = sa.text("status = 'making'")


def upgrade() -> None:
    op.create_table(
        "personal_data_files",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("customer_id", sa.String(40), sa.ForeignKey("customers.id"), nullable=False),
        sa.Column("requested_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("requested_at", UTCDateTime(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("files_done", sa.Integer(), nullable=False),
        sa.Column("files_all", sa.Integer(), nullable=False),
        sa.Column("made_at", UTCDateTime(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "status IN ('making', 'ready', 'given_up')", name=op.f("ck_personal_data_files_status_known")
        ),
    )
    op.create_index(
        "uq_personal_data_files_making",
        "personal_data_files",
        ["customer_id"],
        unique=True,
        sqlite_where=MAKING,
        postgresql_where=MAKING,
    )
    op.create_index("ix_personal_data_files_customer", "personal_data_files", ["customer_id", "requested_at"])
    op.create_index("ix_personal_data_files_requested", "personal_data_files", ["requested_at", "id"])
    op.create_table(
        "personal_data_file_parts",
        sa.Column("file_id", sa.String(40), sa.ForeignKey("personal_data_files.id"), primary_key=True),
        sa.Column("attempt", sa.Integer(), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("personal_data_file_parts")
    op.drop_table("personal_data_files")
