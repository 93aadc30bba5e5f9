"""What the company's own systems call a customer, and the key of the request that made it."""

import sqlalchemy as sa
from alembic import op

revision = "0095"
down_revision = "0094"


def upgrade() -> None:
    with op.batch_alter_table("customers") as changed:
        changed.add_column(sa.Column("external_id", sa.String(120)))
        changed.add_column(sa.Column("client_key", sa.String(80)))
        changed.create_unique_constraint("uq_customers_external_id", ["external_id"])
        changed.create_unique_constraint("uq_customers_client_key", ["client_key"])


def downgrade() -> None:
    with op.batch_alter_table("customers") as changed:
        changed.drop_constraint("uq_customers_external_id", type_="unique")
        changed.drop_constraint("uq_customers_client_key", type_="unique")
        changed.drop_column("external_id")
        changed.drop_column("client_key")
