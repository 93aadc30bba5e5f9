"""Adding cards, what is counted against card testing, and customers that were deleted at Stripe.

A customer has one default card at most: where several are marked, the newest keeps its mark.
"""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0003"
down_revision = "0002"

DEFAULT = sa.text("is_default AND removed_at IS NULL")


def upgrade() -> None:
    op.execute(
        "UPDATE saved_cards SET is_default = false WHERE is_default AND EXISTS (SELECT 1 FROM saved_cards AS newer "
        "WHERE newer.customer_id = saved_cards.customer_id AND newer.is_default AND newer.removed_at IS NULL "
        "AND newer.id > saved_cards.id)"
    )
    op.create_index(
        "uq_saved_cards_default",
        "saved_cards",
        ["customer_id"],
        unique=True,
        sqlite_where=DEFAULT,
        postgresql_where=DEFAULT,
    )
    op.create_table(
        "card_setups",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.String(length=40), nullable=False),
        sa.Column("client_key", sa.String(length=80), nullable=False),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("key_used_at", UTCDateTime(), nullable=True),
        sa.Column("stripe_setup_intent_id", sa.String(length=64), nullable=True),
        sa.Column("stripe_attempt_id", sa.String(length=64), nullable=True),
        sa.Column("failed_tries", sa.Integer(), nullable=False),
        sa.Column("failure_code", sa.String(length=60), nullable=False),
        sa.Column("decline_code", sa.String(length=60), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("card_id", sa.String(length=40), nullable=True),
        sa.Column("finding", sa.String(length=300), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('', 'added', 'renewed', 'duplicate', 'gone')", name=op.f("ck_card_setups_outcome_known")
        ),
        sa.ForeignKeyConstraint(["card_id"], ["saved_cards.id"], name=op.f("fk_card_setups_card_id_saved_cards")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_card_setups_customer_id_customers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card_setups")),
        sa.UniqueConstraint("customer_id", "client_key", name=op.f("uq_card_setups_customer_id_client_key")),
        sa.UniqueConstraint("stripe_setup_intent_id", name=op.f("uq_card_setups_stripe_setup_intent_id")),
    )
    op.create_table(
        "card_tries",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("customer_id", sa.String(length=40), nullable=False),
        sa.Column("network", sa.String(length=45), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_card_tries_customer_id_customers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card_tries")),
    )
    op.create_index("ix_card_tries_customer", "card_tries", ["customer_id", "at"])
    op.create_index("ix_card_tries_network", "card_tries", ["network", "at"])
    op.create_index("ix_card_tries_at", "card_tries", ["at"])
    op.create_table(
        "former_holders",
        sa.Column("stripe_customer_id", sa.String(length=64), nullable=False),
        sa.Column("customer_id", sa.String(length=40), nullable=False),
        sa.Column("lost_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_former_holders_customer_id_customers")
        ),
        sa.PrimaryKeyConstraint("stripe_customer_id", name=op.f("pk_former_holders")),
    )
    op.create_index("ix_former_holders_customer", "former_holders", ["customer_id"])


def downgrade() -> None:
    op.drop_table("former_holders")
    op.drop_table("card_tries")
    op.drop_table("card_setups")
    op.drop_index("uq_saved_cards_default", "saved_cards")
