"""Refunds and the steps they went through; jobs are found by indexes that do not begin with their state."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0007"
down_revision = "0006"


FINISHED = sa.text("finished_at IS NOT NULL")
DEAD = sa.text("state = 'dead'")


def upgrade() -> None:
    op.drop_index("ix_jobs_state", "jobs")
    op.create_index("ix_jobs_finished", "jobs", ["finished_at", "id"], sqlite_where=FINISHED, postgresql_where=FINISHED)
    op.create_index("ix_jobs_dead", "jobs", ["finished_at", "id"], sqlite_where=DEAD, postgresql_where=DEAD)
    op.create_table(
        "refunds",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("payment_id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.String(length=40), nullable=False),
        sa.Column("client_key", sa.String(length=80), nullable=False),
        sa.Column("origin", sa.String(length=10), nullable=False),
        sa.Column("asked_by", sa.String(length=40), nullable=True),
        sa.Column("asked_at", UTCDateTime(), nullable=False),
        sa.Column("asked_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("claimed_by", sa.String(length=40), nullable=True),
        sa.Column("claimed_at", UTCDateTime(), nullable=True),
        sa.Column("first_approved_by", sa.String(length=40), nullable=True),
        sa.Column("first_approved_at", UTCDateTime(), nullable=True),
        sa.Column("decided_by", sa.String(length=40), nullable=True),
        sa.Column("decided_at", UTCDateTime(), nullable=True),
        sa.Column("rejection", sa.Text(), nullable=False),
        sa.Column("staff_note", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("key_used_at", UTCDateTime(), nullable=True),
        sa.Column("stripe_refund_id", sa.String(length=64), nullable=True),
        sa.Column("bank_reference", sa.String(length=80), nullable=False),
        sa.Column("failure_reason", sa.String(length=60), nullable=False),
        sa.Column("sent_at", UTCDateTime(), nullable=True),
        sa.Column("expected_by", sa.Date(), nullable=True),
        sa.Column("succeeded_at", UTCDateTime(), nullable=True),
        sa.Column("failed_at", UTCDateTime(), nullable=True),
        sa.Column("finding", sa.String(length=300), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("origin IN ('customer', 'staff', 'portal', 'stripe')", name=op.f("ck_refunds_origin_known")),
        sa.CheckConstraint(
            "reason IN ('duplicate', 'not_received', 'not_as_agreed', 'no_longer_wanted', 'other', 'billing_error', 'goodwill', 'fraud')",
            name=op.f("ck_refunds_reason_known"),
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_refunds_amount_positive")),
        sa.CheckConstraint("asked_minor >= amount_minor", name=op.f("ck_refunds_never_more_than_asked")),
        sa.ForeignKeyConstraint(["asked_by"], ["users.id"], name=op.f("fk_refunds_asked_by_users")),
        sa.ForeignKeyConstraint(["claimed_by"], ["users.id"], name=op.f("fk_refunds_claimed_by_users")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_refunds_customer_id_customers")),
        sa.ForeignKeyConstraint(["decided_by"], ["users.id"], name=op.f("fk_refunds_decided_by_users")),
        sa.ForeignKeyConstraint(["first_approved_by"], ["users.id"], name=op.f("fk_refunds_first_approved_by_users")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_refunds_payment_id_payments")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
        sa.UniqueConstraint("customer_id", "client_key", name=op.f("uq_refunds_customer_id_client_key")),
        sa.UniqueConstraint("stripe_refund_id", name=op.f("uq_refunds_stripe_refund_id")),
    )
    op.create_index("ix_refunds_customer", "refunds", ["customer_id", "asked_at", "id"])
    op.create_index(
        "ix_refunds_followed",
        "refunds",
        ["updated_at", "id"],
        sqlite_where=sa.text("state IN ('approved', 'executing', 'pending', 'requires_action', 'unknown')"),
        postgresql_where=sa.text("state IN ('approved', 'executing', 'pending', 'requires_action', 'unknown')"),
    )
    op.create_index("ix_refunds_payment", "refunds", ["payment_id", "asked_at", "id"])
    op.create_index(
        "ix_refunds_queue",
        "refunds",
        ["asked_at", "id"],
        sqlite_where=sa.text("state IN ('approved_once', 'requested')"),
        postgresql_where=sa.text("state IN ('approved_once', 'requested')"),
    )

    op.create_table(
        "refund_steps",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("refund_id", sa.String(length=40), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["refund_id"], ["refunds.id"], name=op.f("fk_refund_steps_refund_id_refunds")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund_steps")),
    )
    op.create_index("ix_refund_steps_refund", "refund_steps", ["refund_id", "at"])


def downgrade() -> None:
    op.drop_table("refund_steps")
    op.drop_table("refunds")
    op.drop_index("ix_jobs_dead", "jobs")
    op.drop_index("ix_jobs_finished", "jobs")
    op.create_index("ix_jobs_state", "jobs", ["state", "finished_at"])
