"""A payment that is money too much says so in a column, instead of in the sentence that staff read and in its key."""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"

PAID_TWICE = "the invoice was not open any more when the money arrived: refund it as a duplicate"

payments = sa.table(
    "payments", sa.column("duplicate"), sa.column("review_reason"), sa.column("client_key"), sa.column("invoice_id")
)


def upgrade() -> None:
    with op.batch_alter_table("payments") as table:
        table.add_column(sa.Column("duplicate", sa.String(20)))
        table.create_check_constraint(
            op.f("ck_payments_duplicate_known"), "duplicate IN ('paid_twice', 'second_intent')"
        )
    twice = payments.update().where(payments.c.review_reason == PAID_TWICE)
    op.execute(twice.values(duplicate="paid_twice"))
    second = payments.update().where(payments.c.invoice_id.is_(None), payments.c.client_key.startswith("second:"))
    op.execute(second.values(duplicate="second_intent"))


def downgrade() -> None:
    with op.batch_alter_table("payments") as table:
        table.drop_constraint(op.f("ck_payments_duplicate_known"), type_="check")
        table.drop_column("duplicate")
