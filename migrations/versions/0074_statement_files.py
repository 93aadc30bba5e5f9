"""Statements of account as PDF, which the worker makes."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0074"
down_revision = "0073"

_MAKING = sa.text("status = 'making'")


def upgrade() -> None:
    op.create_table(
        "statement_files",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("requested_at", UTCDateTime, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("files_done", sa.Integer, nullable=False),
        sa.Column("files_all", sa.Integer, nullable=False),
        sa.Column("made_at", UTCDateTime),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("missing", sa.Integer, nullable=False),
        sa.Column("customer_id", sa.String(40), sa.ForeignKey("customers.id"), nullable=False),
        sa.Column("requested_by", sa.String(40), sa.ForeignKey("users.id")),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("since", sa.Date, nullable=False),
        sa.Column("until", sa.Date, nullable=False),
        sa.CheckConstraint("status IN ('making', 'ready', 'given_up')", name="ck_statement_files_status_known"),
    )
    op.create_index(
        "uq_statement_files_making",
        "statement_files",
        ["customer_id"],
        unique=True,
        sqlite_where=_MAKING,
        postgresql_where=_MAKING,
    )
    op.create_index("ix_statement_files_customer", "statement_files", ["customer_id", "requested_at"])
    op.create_index("ix_statement_files_requested", "statement_files", ["requested_at", "id"])
    op.create_table(
        "statement_file_parts",
        sa.Column("file_id", sa.String(40), sa.ForeignKey("statement_files.id"), primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("statement_file_parts")
    op.drop_table("statement_files")
