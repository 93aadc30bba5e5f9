"""Reminders of invoices: which were sent, which invoices are set aside, and customers that get none."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0081"
down_revision = "0080"

_MAILED = sa.text("mailed_at IS NOT NULL AND step IS NOT NULL")
_OPEN = sa.text("status = 'open'")


def upgrade() -> None:
    op.add_column("customers", sa.Column("reminders_off", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "invoice_reminders",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("invoice_id", sa.String(40), sa.ForeignKey("invoices.id"), nullable=False),
        sa.Column("step", sa.Integer()),
        sa.Column("asked_by", sa.String(40), sa.ForeignKey("users.id")),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("mailed_at", UTCDateTime),
        sa.Column("dropped_at", UTCDateTime),
        sa.UniqueConstraint("invoice_id", "step"),
    )
    op.create_index("ix_invoice_reminders_invoice", "invoice_reminders", ["invoice_id", "created_at", "id"])
    op.create_index(
        "ix_invoice_reminders_step",
        "invoice_reminders",
        ["step", "created_at", "id"],
        sqlite_where=_MAILED,
        postgresql_where=_MAILED,
    )
    op.create_table(
        "reminder_holds",
        sa.Column("invoice_id", sa.String(40), sa.ForeignKey("invoices.id"), primary_key=True),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("reason", sa.String(300), nullable=False),
        sa.Column("held_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("held_at", UTCDateTime, nullable=False),
    )
    op.create_index("ix_reminder_holds_until", "reminder_holds", ["until", "invoice_id"])
    op.create_index("ix_invoices_open_due", "invoices", ["due_on", "id"], sqlite_where=_OPEN, postgresql_where=_OPEN)


def downgrade() -> None:
    op.drop_index("ix_invoices_open_due", "invoices")
    op.drop_table("reminder_holds")
    op.drop_table("invoice_reminders")
    op.drop_column("customers", "reminders_off")
