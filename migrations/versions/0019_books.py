"""Month-end packs and their parts; what Stripe has and what was issued is found by period."""

import sqlalchemy as sa
from alembic import op

from portal.db import UTCDateTime

revision = "0019"
down_revision = "0017"


def upgrade() -> None:
    moment = sa.text("coalesce(booked_at, created_at)")
    op.create_index("ix_stripe_transactions_period", "stripe_transactions", ["currency", moment, "id"])
    op.create_index("ix_stripe_transactions_at", "stripe_transactions", [moment, "id"])


def downgrade() -> None:
    op.drop_index("ix_stripe_transactions_at", "stripe_transactions")
    op.drop_index("ix_stripe_transactions_period", "stripe_transactions")
