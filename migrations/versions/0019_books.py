"""Month-end packs and their parts; what Stripe has and what was issued is found by period."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    moment = sa.text("coalesce(booked_at, created_at)")
    op.create_index("ix_stripe_transactions_period", "stripe_transactions", ["currency", moment, "id"])
    op.create_index("ix_stripe_transactions_at", "stripe_transactions", [moment, "id"])
    op.create_index("ix_documents_issued", "documents", ["issued_at", "id"])
    op.create_table(
        "book_packs",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("month", sa.Date, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("requested_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("requested_at", UTCDateTime, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("files_done", sa.Integer, nullable=False),
        sa.Column("files_all", sa.Integer, nullable=False),
        sa.Column("made_at", UTCDateTime),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("missing", sa.Integer, nullable=False),
        sa.CheckConstraint("state IN ('making', 'ready', 'given_up')", name="ck_book_packs_state_known"),
    )
    making = sa.text("state = 'making'")
    op.create_index(
        "uq_book_packs_making", "book_packs", ["month"], unique=True, sqlite_where=making, postgresql_where=making
    )
    op.create_index("ix_book_packs_requested", "book_packs", ["requested_at", "id"])
    op.create_table(
        "book_pack_parts",
        sa.Column("pack_id", sa.String(40), sa.ForeignKey("book_packs.id"), primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("book_pack_parts")
    op.drop_table("book_packs")
    op.drop_index("ix_documents_issued", "documents")
    op.drop_index("ix_stripe_transactions_at", "stripe_transactions")
    op.drop_index("ix_stripe_transactions_period", "stripe_transactions")
