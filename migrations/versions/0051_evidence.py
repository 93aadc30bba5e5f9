"""The evidence for a dispute, as staff have it before it is the bank's."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0051"
down_revision = "0050"


def upgrade() -> None:
    op.create_table(
        "dispute_evidence",
        sa.Column("dispute_id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.String(length=40), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("texts", sa.JSON(), nullable=False),
        sa.Column("documents", sa.JSON(), nullable=False),
        sa.Column("uploaded", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("staged_version", sa.Integer(), nullable=False),
        sa.Column("refusal", sa.String(length=500), nullable=False),
        sa.Column("gathered_at", UTCDateTime(), nullable=False),
        sa.Column("edited_at", UTCDateTime(), nullable=True),
        sa.Column("edited_by", sa.String(length=40), nullable=True),
        sa.Column("proposed_at", UTCDateTime(), nullable=True),
        sa.Column("proposed_by", sa.String(length=40), nullable=True),
        sa.Column("approved_at", UTCDateTime(), nullable=True),
        sa.Column("approved_by", sa.String(length=40), nullable=True),
        sa.Column("sent_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "status IN ('draft', 'proposed', 'sending', 'sent', 'refused')",
            name=op.f("ck_dispute_evidence_status_known"),
        ),
        sa.CheckConstraint(
            "approved_by IS NULL OR approved_by <> proposed_by", name=op.f("ck_dispute_evidence_two_people")
        ),
        sa.ForeignKeyConstraint(["approved_by"], ["users.id"], name=op.f("fk_dispute_evidence_approved_by_users")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_dispute_evidence_customer_id_customers")
        ),
        sa.ForeignKeyConstraint(["dispute_id"], ["disputes.id"], name=op.f("fk_dispute_evidence_dispute_id_disputes")),
        sa.ForeignKeyConstraint(["edited_by"], ["users.id"], name=op.f("fk_dispute_evidence_edited_by_users")),
        sa.ForeignKeyConstraint(["proposed_by"], ["users.id"], name=op.f("fk_dispute_evidence_proposed_by_users")),
        sa.PrimaryKeyConstraint("dispute_id", name=op.f("pk_dispute_evidence")),
    )


def downgrade() -> None:
    op.drop_table("dispute_evidence")
