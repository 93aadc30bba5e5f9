"""When and why staff viewed a customer's account, and which session does so now."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0060"
down_revision = "0059"


def upgrade() -> None:
    op.create_table(
        "account_viewings",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("staff_id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.String(length=40), nullable=False),
        sa.Column("customer_name", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("begun_at", UTCDateTime(), nullable=False),
        sa.Column("ends_at", UTCDateTime(), nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_account_viewings_customer_id_customers")
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["users.id"], name=op.f("fk_account_viewings_staff_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_viewings")),
    )
    with op.batch_alter_table("account_viewings") as table:
        table.create_index("ix_account_viewings_customer", ["customer_id", "begun_at"], unique=False)

    with op.batch_alter_table("sign_in_sessions") as table:
        table.add_column(sa.Column("viewing_id", sa.String(length=40), nullable=True))
        table.create_foreign_key(
            op.f("fk_sign_in_sessions_viewing_id_account_viewings"), "account_viewings", ["viewing_id"], ["id"]
        )


def downgrade() -> None:
    with op.batch_alter_table("sign_in_sessions") as table:
        table.drop_constraint(op.f("fk_sign_in_sessions_viewing_id_account_viewings"), type_="foreignkey")
        table.drop_column("viewing_id")

    with op.batch_alter_table("account_viewings") as table:
        table.drop_index("ix_account_viewings_customer")

    op.drop_table("account_viewings")
