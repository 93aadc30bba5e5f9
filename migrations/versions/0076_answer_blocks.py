"""Blocks that staff answer customers with, written by admins."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0076"
down_revision = "0075"


def upgrade() -> None:
    op.create_table(
        "answer_blocks",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("decision", sa.String(10), nullable=False),
        sa.Column("title", sa.String(80), nullable=False),
        sa.Column("texts", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("created_by", sa.String(40), nullable=False),
        sa.Column("changed_at", UTCDateTime(), nullable=False),
        sa.Column("changed_by", sa.String(40), nullable=False),
        sa.Column("retired_at", UTCDateTime()),
        sa.CheckConstraint("decision IN ('rejection', 'question')", name=op.f("ck_answer_blocks_decision_known")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_answer_blocks_created_by_users")),
        sa.ForeignKeyConstraint(["changed_by"], ["users.id"], name=op.f("fk_answer_blocks_changed_by_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answer_blocks")),
    )
    op.create_index("ix_answer_blocks_created", "answer_blocks", ["created_at", "id"])
    in_use = sa.text("retired_at IS NULL")
    op.create_index(
        "ix_answer_blocks_in_use",
        "answer_blocks",
        ["decision", "title", "id"],
        sqlite_where=in_use,
        postgresql_where=in_use,
    )


def downgrade() -> None:
    op.drop_table("answer_blocks")
