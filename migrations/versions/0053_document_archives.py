"""Customers' documents as ZIP files."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0053"
down_revision = "0052"

MAKING = sa.text("status = 'making'")


def upgrade() -> None:
    op.create_table(
        "document_archives",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("requested_at", UTCDateTime(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("files_done", sa.Integer(), nullable=False),
        sa.Column("files_all", sa.Integer(), nullable=False),
        sa.Column("made_at", UTCDateTime(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.String(40), nullable=False),
        sa.Column("requested_by", sa.String(40), nullable=False),
        sa.Column("wanted", sa.JSON(), nullable=False),
        sa.CheckConstraint("status IN ('making', 'ready', 'given_up')", name=op.f("ck_document_archives_status_known")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_document_archives_customer_id_customers")
        ),
        sa.ForeignKeyConstraint(["requested_by"], ["users.id"], name=op.f("fk_document_archives_requested_by_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document_archives")),
    )
    op.create_index(
        "uq_document_archives_making",
        "document_archives",
        ["customer_id"],
        unique=True,
        sqlite_where=MAKING,
        postgresql_where=MAKING,
    )
    op.create_index("ix_document_archives_customer", "document_archives", ["customer_id", "requested_at"])
    op.create_index("ix_document_archives_requested", "document_archives", ["requested_at", "id"])
    op.create_index("ix_documents_customer_kind", "documents", ["customer_id", "kind", "issued_at", "id"])
    op.create_table(
        "document_archive_parts",
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("archive_id", sa.String(40), nullable=False),
        sa.ForeignKeyConstraint(
            ["archive_id"],
            ["document_archives.id"],
            name=op.f("fk_document_archive_parts_archive_id_document_archives"),
        ),
        sa.PrimaryKeyConstraint("attempt", "number", "archive_id", name=op.f("pk_document_archive_parts")),
    )


def downgrade() -> None:
    op.drop_index("ix_documents_customer_kind", table_name="documents")
    op.drop_table("document_archive_parts")
    op.drop_table("document_archives")
