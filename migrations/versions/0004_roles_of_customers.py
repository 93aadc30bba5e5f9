"""What someone may do within their customer, and what is counted when they invite others.

Whoever signs in for a customer already becomes an owner: until now each of them could do everything.
"""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("users", sa.Column("customer_role", sa.String(length=10), nullable=True))
    op.execute("UPDATE users SET customer_role = 'owner' WHERE role = 'customer'")
    with op.batch_alter_table("users") as users:
        users.create_check_constraint("customer_role_known", "customer_role IN ('owner', 'payer', 'viewer')")
        users.create_check_constraint(
            "customer_role_of_customers_only", "(role = 'customer') = (customer_role IS NOT NULL)"
        )
    op.create_table(
        "invitation_tries",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("customer_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_invitation_tries_customer_id_customers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation_tries")),
    )
    op.create_index("ix_invitation_tries_customer", "invitation_tries", ["customer_id", "at"])


def downgrade() -> None:
    op.drop_table("invitation_tries")
    with op.batch_alter_table("users") as users:
        users.drop_constraint("customer_role_of_customers_only", type_="check")
        users.drop_constraint("customer_role_known", type_="check")
        users.drop_column("customer_role")
