"""What a dispute's network says of it, and Visa's Compelling Evidence 3.0."""

import sqlalchemy as sa
from alembic import op

revision = "0077"
down_revision = "0076"

_TEXTS = {"card_brand": 20, "network_reason_code": 20, "visa_ce3_status": 40, "visa_ce3_actions": 400}


def upgrade() -> None:
    for name, length in _TEXTS.items():
        op.add_column("disputes", sa.Column(name, sa.String(length), nullable=False, server_default=""))
    with op.batch_alter_table("disputes") as disputes:
        for name in _TEXTS:
            disputes.alter_column(name, server_default=None)
    op.add_column("dispute_evidence", sa.Column("visa_ce3", sa.JSON()))


def downgrade() -> None:
    op.drop_column("dispute_evidence", "visa_ce3")
    for name in reversed(_TEXTS):
        op.drop_column("disputes", name)
