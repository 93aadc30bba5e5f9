"""Electronic addresses of customers, and the e-invoices that go there by a network."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0089"
down_revision = "0088"

_NOT_TAKEN = sa.text("status IN ('failed', 'refused')")


def upgrade() -> None:
    op.add_column("customers", sa.Column("electronic_address", sa.String(100), nullable=False, server_default=""))
    op.create_table(
        "handovers",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("document_id", sa.String(40), sa.ForeignKey("documents.id"), nullable=False, unique=True),
        sa.Column("customer_id", sa.String(40), sa.ForeignKey("customers.id"), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("address", sa.String(100), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("last_attempt_at", UTCDateTime),
        sa.Column("next_attempt_at", UTCDateTime),
        sa.Column("handed_over_at", UTCDateTime),
        sa.Column("answer", sa.String(500), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'handed_over', 'refused', 'failed')", name=op.f("ck_handovers_status_known")
        ),
    )
    op.create_index(
        "ix_handovers_not_taken",
        "handovers",
        ["created_at", "id"],
        sqlite_where=_NOT_TAKEN,
        postgresql_where=_NOT_TAKEN,
    )


def downgrade() -> None:
    op.drop_table("handovers")
    op.drop_column("customers", "electronic_address")
