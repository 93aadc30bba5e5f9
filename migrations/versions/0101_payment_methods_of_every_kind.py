"""Saved payment methods are of every kind that can be kept, with the mandates of bank accounts; automatic payment says what it may charge."""

import sqlalchemy as sa
from alembic import op

revision = "0101"
down_revision = "0100"


def upgrade() -> None:
    with op.batch_alter_table("payment_methods") as table:
        table.add_column(sa.Column("kind", sa.String(30), nullable=False, server_default="card"))
        table.add_column(sa.Column("bank_name", sa.String(80), nullable=False, server_default=""))
        table.add_column(sa.Column("stripe_mandate_id", sa.String(64)))
        table.add_column(sa.Column("mandate_reference", sa.String(40), nullable=False, server_default=""))
        table.add_column(sa.Column("mandate_status", sa.String(20), nullable=False, server_default=""))
        for name in ("exp_month", "exp_year"):
            table.alter_column(name, existing_type=sa.Integer(), nullable=True)
        table.create_index("ix_payment_methods_mandate", ["stripe_mandate_id"])
    op.add_column("payment_method_setups", sa.Column("mandate", sa.JSON()))
    op.add_column(
        "payment_method_setups", sa.Column("verification_url", sa.String(500), nullable=False, server_default="")
    )
    op.add_column("mandates", sa.Column("any_kind", sa.Boolean(), nullable=False, server_default=sa.text("true")))
    op.execute("UPDATE mandates SET any_kind = false")  # until now the words spoke of cards


def downgrade() -> None:
    op.drop_column("mandates", "any_kind")
    op.drop_column("payment_method_setups", "verification_url")
    op.drop_column("payment_method_setups", "mandate")
    op.execute("DELETE FROM payment_methods WHERE kind <> 'card'")
    with op.batch_alter_table("payment_methods") as table:
        table.drop_index("ix_payment_methods_mandate")
        for name in ("exp_month", "exp_year"):
            table.alter_column(name, existing_type=sa.Integer(), nullable=False)
        for name in ("mandate_status", "mandate_reference", "stripe_mandate_id", "bank_name", "kind"):
            table.drop_column(name)
