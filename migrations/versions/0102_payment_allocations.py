"""A payment pays shares of invoices: one row for each, in the place of the payment's invoice and its opening. A refund names its invoice.

What was paid twice claims its invoice no more, nor does what was canceled, or what a bank has taken back.
"""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0102"
down_revision = "0101"

_LIVE = "'created', 'processing', 'requires_action', 'requires_capture', 'requires_confirmation', 'requires_payment_method', 'succeeded'"


def upgrade() -> None:
    op.create_table(
        "payment_allocations",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("payment_id", sa.String(40), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("invoice_id", sa.String(40), nullable=False),
        sa.Column("opening", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("settled_at", UTCDateTime(), nullable=True),
        sa.Column("released_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payment_allocations_amount_positive")),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoices.id"], name=op.f("fk_payment_allocations_invoice_id_invoices")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_payment_allocations_payment_id_payments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_allocations")),
        sa.UniqueConstraint("payment_id", "position", name=op.f("uq_payment_allocations_payment_id_position")),
    )
    # The id is the payment's own with another prefix: there is one of each.
    returned = (
        "EXISTS (SELECT 1 FROM postings WHERE postings.subject = payments.id AND postings.kind = 'debit_returned')"
    )
    op.execute(
        "INSERT INTO payment_allocations"
        " (id, payment_id, position, invoice_id, opening, amount_minor, currency, settled_at, released_at)"
        " SELECT 'alc_' || substr(id, 5), id, 1, invoice_id, opening, amount_minor, currency,"
        " CASE WHEN status = 'succeeded' AND duplicate IS NULL THEN succeeded_at END,"
        f" CASE WHEN status = 'canceled' OR duplicate IS NOT NULL OR {returned} THEN updated_at END"
        " FROM payments WHERE invoice_id IS NOT NULL"
    )
    claimed = sa.text("released_at IS NULL")
    op.create_index(
        "uq_payment_allocations_live",
        "payment_allocations",
        ["invoice_id", "opening"],
        unique=True,
        sqlite_where=claimed,
        postgresql_where=claimed,
    )
    op.create_index("ix_payment_allocations_invoice", "payment_allocations", ["invoice_id", "payment_id"])

    for index in ("uq_payments_live_invoice", "ix_payments_invoice", "ix_payments_description"):
        op.drop_index(index, table_name="payments")
    with op.batch_alter_table("payments") as table:
        table.add_column(sa.Column("has_invoices", sa.Boolean(), nullable=True))
    op.execute("UPDATE payments SET has_invoices = (invoice_id IS NOT NULL)")
    with op.batch_alter_table("payments") as table:
        table.alter_column("has_invoices", existing_type=sa.Boolean(), nullable=False)
        table.drop_constraint("fk_payments_invoice_id_invoices", type_="foreignkey")
        table.drop_column("invoice_id")
        table.drop_column("opening")
    op.create_index(
        "ix_payments_description",
        "payments",
        ["search_text", "id"],
        sqlite_where=sa.text("has_invoices IS 0"),
        postgresql_where=sa.text("has_invoices IS false"),
    )

    with op.batch_alter_table("refunds") as table:
        table.add_column(sa.Column("invoice_id", sa.String(40), nullable=True))
        table.create_foreign_key("fk_refunds_invoice_id_invoices", "invoices", ["invoice_id"], ["id"])
    op.execute(
        "UPDATE refunds SET invoice_id ="
        " (SELECT invoice_id FROM payment_allocations WHERE payment_allocations.payment_id = refunds.payment_id)"
    )
    op.create_index("ix_refunds_invoice", "refunds", ["invoice_id", "asked_at", "id"])


def downgrade() -> None:
    """Only while no payment pays several invoices: the shape of before has no place for them."""
    op.drop_index("ix_refunds_invoice", table_name="refunds")
    with op.batch_alter_table("refunds") as table:
        table.drop_constraint("fk_refunds_invoice_id_invoices", type_="foreignkey")
        table.drop_column("invoice_id")
    op.drop_index("ix_payments_description", table_name="payments")
    with op.batch_alter_table("payments") as table:
        table.add_column(sa.Column("invoice_id", sa.String(40), nullable=True))
        table.add_column(sa.Column("opening", sa.Integer(), nullable=True))
        table.create_foreign_key("fk_payments_invoice_id_invoices", "invoices", ["invoice_id"], ["id"])
    of_it = "FROM payment_allocations WHERE payment_allocations.payment_id = payments.id"
    op.execute(f"UPDATE payments SET invoice_id = (SELECT invoice_id {of_it}), opening = 1")
    op.execute(f"UPDATE payments SET opening = (SELECT opening {of_it}) WHERE invoice_id IS NOT NULL")
    with op.batch_alter_table("payments") as table:
        table.alter_column("opening", existing_type=sa.Integer(), nullable=False)
        table.drop_column("has_invoices")
    live = sa.text(f"status IN ({_LIVE}) AND invoice_id IS NOT NULL")
    op.create_index(
        "uq_payments_live_invoice",
        "payments",
        ["invoice_id", "opening"],
        unique=True,
        sqlite_where=live,
        postgresql_where=live,
    )
    op.create_index("ix_payments_invoice", "payments", ["invoice_id", "created_at", "id"])
    of_none = sa.text("coalesce(invoice_id, '') = ''")
    op.create_index(
        "ix_payments_description",
        "payments",
        ["search_text", "id"],
        sqlite_where=of_none,
        postgresql_where=of_none,
    )
    op.drop_table("payment_allocations")
