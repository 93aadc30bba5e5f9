"""Events that wait are found by the payment intent that they are about, so that one fetch serves all of one intent."""

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"

RECEIVED = sa.text("status IN ('received')")


def upgrade() -> None:
    op.create_index(
        "ix_stripe_events_intent", "stripe_events", ["intent_id"], sqlite_where=RECEIVED, postgresql_where=RECEIVED
    )


def downgrade() -> None:
    op.drop_index("ix_stripe_events_intent", "stripe_events")
