"""Which reminder of its expiry a saved card has had; and which card an app asked to save by its reference."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

KEPT = sa.text("removed_at IS NULL")


def upgrade() -> None:
    op.add_column("saved_cards", sa.Column("reminded_days", sa.Integer(), nullable=True))
    op.create_index(
        "ix_saved_cards_expiry",
        "saved_cards",
        ["exp_year", "exp_month", "reminded_days", "id"],
        sqlite_where=KEPT,
        postgresql_where=KEPT,
    )
    op.add_column("card_setups", sa.Column("stripe_payment_method_id", sa.String(length=64), nullable=True))


def downgrade() -> None:
    op.drop_column("card_setups", "stripe_payment_method_id")
    op.drop_index("ix_saved_cards_expiry", "saved_cards")
    op.drop_column("saved_cards", "reminded_days")
