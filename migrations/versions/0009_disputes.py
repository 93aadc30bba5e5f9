"""Disputes, the steps they went through, and fraud warnings."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0009"
down_revision = "0008"

OPEN = sa.text("status NOT IN ('lost', 'prevented', 'warning_closed', 'won')")
CLOSED = sa.text("status IN ('lost', 'prevented', 'warning_closed', 'won')")


def upgrade() -> None:
    op.create_table(
        "disputes",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("payment_id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.String(length=40), nullable=False),
        sa.Column("stripe_dispute_id", sa.String(length=64), nullable=False),
        sa.Column("stripe_charge_id", sa.String(length=64), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reason", sa.String(length=60), nullable=False),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("evidence_due_by", UTCDateTime(), nullable=True),
        sa.Column("deadline", UTCDateTime(), nullable=False),
        sa.Column("has_evidence", sa.Boolean(), nullable=False),
        sa.Column("is_refundable", sa.Boolean(), nullable=False),
        sa.Column("finding", sa.String(length=300), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.Column("closed_at", UTCDateTime(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_disputes_amount_not_negative")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_disputes_customer_id_customers")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_disputes_payment_id_payments")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disputes")),
        sa.UniqueConstraint("stripe_dispute_id", name=op.f("uq_disputes_stripe_dispute_id")),
    )
    op.create_index("ix_disputes_payment", "disputes", ["payment_id", "created_at"])
    op.create_index("ix_disputes_customer", "disputes", ["customer_id", "created_at", "id"])
    op.create_index("ix_disputes_open", "disputes", ["deadline", "id"], sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_index(
        "ix_disputes_closed", "disputes", ["created_at", "id"], sqlite_where=CLOSED, postgresql_where=CLOSED
    )

    op.create_table(
        "dispute_steps",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("dispute_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("what", sa.String(length=40), nullable=False),
        sa.Column("stripe_transaction_id", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["dispute_id"], ["disputes.id"], name=op.f("fk_dispute_steps_dispute_id_disputes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute_steps")),
        sa.UniqueConstraint("stripe_transaction_id", name=op.f("uq_dispute_steps_stripe_transaction_id")),
    )
    op.create_index("ix_dispute_steps_dispute", "dispute_steps", ["dispute_id", "at"])

    op.create_table(
        "fraud_warnings",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("payment_id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.String(length=40), nullable=False),
        sa.Column("stripe_warning_id", sa.String(length=64), nullable=False),
        sa.Column("fraud_type", sa.String(length=60), nullable=False),
        sa.Column("actionable", sa.Boolean(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_fraud_warnings_customer_id_customers")
        ),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_fraud_warnings_payment_id_payments")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fraud_warnings")),
        sa.UniqueConstraint("stripe_warning_id", name=op.f("uq_fraud_warnings_stripe_warning_id")),
    )
    op.create_index("ix_fraud_warnings_payment", "fraud_warnings", ["payment_id", "created_at"])


def downgrade() -> None:
    op.drop_table("fraud_warnings")
    op.drop_table("dispute_steps")
    op.drop_table("disputes")
