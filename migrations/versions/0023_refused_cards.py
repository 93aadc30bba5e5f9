"""Against card testing, refused cards are counted instead of presses; a key of another system may name whom it calls for."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.execute("DELETE FROM card_tries")  # presses of the last day: nobody knows what came of them
    with op.batch_alter_table("card_tries") as table:
        table.add_column(sa.Column("subject", sa.String(80), nullable=False))
        table.add_column(sa.Column("attempt", sa.String(140)))
        table.add_column(sa.Column("fingerprint", sa.String(40), nullable=False))
        table.create_unique_constraint("uq_card_tries_attempt", ["attempt"])
    with op.batch_alter_table("machine_credentials") as table:
        table.add_column(sa.Column("names_end_users", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    with op.batch_alter_table("machine_credentials") as table:
        table.drop_column("names_end_users")
    op.execute("DELETE FROM card_tries")
    with op.batch_alter_table("card_tries") as table:
        table.drop_constraint("uq_card_tries_attempt", type_="unique")
        for name in ("subject", "attempt", "fingerprint"):
            table.drop_column(name)
