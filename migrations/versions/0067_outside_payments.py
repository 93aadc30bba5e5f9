"""Payments that staff record may be parts of an invoice, wait for a second person, and be reversed."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0067"
down_revision = "0066"

_LIVE = sa.text(
    "status IN ('created', 'processing', 'requires_action', 'requires_capture', 'requires_confirmation', "
    "'requires_payment_method', 'succeeded') AND invoice_id IS NOT NULL"
)
_WAITS = sa.text("status IN ('proposed', 'reversal_proposed')")
STATUSES = "'proposed', 'recorded', 'rejected', 'reversal_proposed', 'reversed'"
PEOPLE = ("recorded_by", "decided_by", "reversal_by", "reversed_by")


def upgrade() -> None:
    op.drop_index("uq_payments_live_invoice", table_name="payments")
    op.add_column("payments", sa.Column("opening", sa.Integer(), nullable=False, server_default="1"))
    with op.batch_alter_table("payments") as payments:
        payments.alter_column("opening", server_default=None)
    _live_index("invoice_id", "opening")

    op.add_column("invoices", sa.Column("paid_minor", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("invoices", sa.Column("opening", sa.Integer(), nullable=False, server_default="1"))
    op.execute("UPDATE invoices SET paid_minor = total_minor WHERE status = 'paid'")
    with op.batch_alter_table("invoices") as invoices:
        invoices.alter_column("paid_minor", server_default=None)
        invoices.alter_column("opening", server_default=None)
        invoices.create_check_constraint(op.f("ck_invoices_paid_within_total"), "paid_minor BETWEEN 0 AND total_minor")

    columns: tuple[sa.Column[Any], ...] = (
        sa.Column("status", sa.String(20), nullable=False, server_default="recorded"),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False, server_default="1"),
        sa.Column("currency", sa.String(3), nullable=False, server_default="eur"),
        sa.Column("reason", sa.String(300), nullable=False, server_default=""),
        sa.Column("client_key", sa.String(80)),
        sa.Column("decided_at", UTCDateTime()),
        sa.Column("rejection", sa.String(300), nullable=False, server_default=""),
        sa.Column("reversal_at", UTCDateTime()),
        sa.Column("reversal_reason", sa.String(300), nullable=False, server_default=""),
        sa.Column("reversed_at", UTCDateTime()),
        *(sa.Column(person, sa.String(40)) for person in PEOPLE),
    )
    for column in columns:
        op.add_column("outside_payments", column)
    # What was recorded until now paid the whole invoice; who did it stands in the audit trail.
    op.execute(
        "UPDATE outside_payments SET "
        "amount_minor = (SELECT total_minor FROM invoices WHERE invoices.id = outside_payments.invoice_id), "
        "currency = (SELECT currency FROM invoices WHERE invoices.id = outside_payments.invoice_id), "
        "recorded_by = (SELECT min(users.id) FROM users JOIN audit_events ON audit_events.actor_id = users.id "
        "WHERE audit_events.action = 'invoice.paid_outside' AND audit_events.subject = outside_payments.invoice_id)"
    )
    with op.batch_alter_table("outside_payments") as records:
        for name in ("status", "amount_minor", "currency", "reason", "rejection", "reversal_reason"):
            records.alter_column(name, server_default=None)
        records.drop_constraint(op.f("uq_outside_payments_invoice_id"), type_="unique")
        records.drop_constraint(op.f("ck_outside_payments_how_known"), type_="check")
        records.create_check_constraint(
            op.f("ck_outside_payments_how_known"), "how IN ('bank_transfer', 'cash', 'cheque', 'other')"
        )
        records.create_check_constraint(op.f("ck_outside_payments_status_known"), f"status IN ({STATUSES})")
        records.create_check_constraint(op.f("ck_outside_payments_amount_positive"), "amount_minor > 0")
        records.create_unique_constraint(op.f("uq_outside_payments_client_key"), ["client_key"])
        for person in PEOPLE:
            records.create_foreign_key(op.f(f"fk_outside_payments_{person}_users"), "users", [person], ["id"])
    op.create_index("ix_outside_payments_invoice", "outside_payments", ["invoice_id", "recorded_at", "id"])
    op.create_index(
        "ix_outside_payments_waiting",
        "outside_payments",
        ["recorded_at", "id"],
        sqlite_where=_WAITS,
        postgresql_where=_WAITS,
    )


def downgrade() -> None:
    """One record of an invoice that stands and pays it whole is all that there was before: others are lost by this."""
    op.drop_index("ix_outside_payments_waiting", table_name="outside_payments")
    op.drop_index("ix_outside_payments_invoice", table_name="outside_payments")
    op.execute(
        "DELETE FROM outside_payments WHERE status NOT IN ('recorded', 'reversal_proposed') OR id NOT IN "
        "(SELECT min(id) FROM outside_payments WHERE status IN ('recorded', 'reversal_proposed') GROUP BY invoice_id)"
    )
    op.execute("UPDATE outside_payments SET how = 'other' WHERE how = 'cheque'")
    with op.batch_alter_table("outside_payments") as records:
        for person in PEOPLE:
            records.drop_constraint(op.f(f"fk_outside_payments_{person}_users"), type_="foreignkey")
        records.drop_constraint(op.f("uq_outside_payments_client_key"), type_="unique")
        for name in ("how_known", "status_known", "amount_positive"):
            records.drop_constraint(op.f(f"ck_outside_payments_{name}"), type_="check")
        records.create_check_constraint(
            op.f("ck_outside_payments_how_known"), "how IN ('bank_transfer', 'cash', 'other')"
        )
        records.create_unique_constraint(op.f("uq_outside_payments_invoice_id"), ["invoice_id"])
        for name in (
            *("status", "amount_minor", "currency", "reason", "client_key", "decided_at", "rejection"),
            *("reversal_at", "reversal_reason", "reversed_at", *PEOPLE),
        ):
            records.drop_column(name)
    with op.batch_alter_table("invoices") as invoices:
        invoices.drop_constraint(op.f("ck_invoices_paid_within_total"), type_="check")
        invoices.drop_column("opening")
        invoices.drop_column("paid_minor")
    op.drop_index("uq_payments_live_invoice", table_name="payments")
    with op.batch_alter_table("payments") as payments:
        payments.drop_column("opening")
    _live_index("invoice_id")


def _live_index(*columns: str) -> None:
    op.create_index(
        "uq_payments_live_invoice",
        "payments",
        list(columns),
        unique=True,
        sqlite_where=_LIVE,
        postgresql_where=_LIVE,
    )
