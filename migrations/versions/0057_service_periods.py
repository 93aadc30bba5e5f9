"""When what an invoice bills was supplied, where that was not the day of the invoice."""

import sqlalchemy as sa
from alembic import op

revision = "0057"
down_revision = "0056"


def upgrade() -> None:
    with op.batch_alter_table("invoices") as table:
        table.add_column(sa.Column("supplied_from", sa.Date()))
        table.add_column(sa.Column("supplied_to", sa.Date()))
        table.create_check_constraint(
            op.f("ck_invoices_supplied_in_order"), "supplied_to IS NULL OR supplied_from <= supplied_to"
        )


def downgrade() -> None:
    with op.batch_alter_table("invoices") as table:
        table.drop_constraint(op.f("ck_invoices_supplied_in_order"), type_="check")
        table.drop_column("supplied_to")
        table.drop_column("supplied_from")
