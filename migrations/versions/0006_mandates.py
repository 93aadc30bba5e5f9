"""Saved cards charged from here, and automatic payment: confirmations, mandates, collections."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0006"
down_revision = "0005"

UNANSWERED = sa.text("answered_at IS NULL")
IN_FORCE = sa.text("ended_at IS NULL")
ACTIVE = sa.text("state IN ('announced', 'retrying')")


def upgrade() -> None:
    op.create_table(
        "payment_confirmations",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("payment_id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.String(length=40), nullable=False),
        sa.Column("client_key", sa.String(length=80), nullable=False),
        sa.Column("card_id", sa.String(length=40), nullable=False),
        sa.Column("stripe_payment_method_id", sa.String(length=64), nullable=False),
        sa.Column("off_session", sa.Boolean(), nullable=False),
        sa.Column("key_used_at", UTCDateTime(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("answered_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_payment_confirmations_payment_id_payments")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_payment_confirmations_customer_id_customers")
        ),
        sa.ForeignKeyConstraint(
            ["card_id"], ["saved_cards.id"], name=op.f("fk_payment_confirmations_card_id_saved_cards")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_confirmations")),
        sa.UniqueConstraint("customer_id", "client_key", name=op.f("uq_payment_confirmations_customer_id_client_key")),
    )
    op.create_index("ix_payment_confirmations_payment", "payment_confirmations", ["payment_id", "created_at"])
    op.create_index(
        "uq_payment_confirmations_unanswered",
        "payment_confirmations",
        ["payment_id"],
        unique=True,
        sqlite_where=UNANSWERED,
        postgresql_where=UNANSWERED,
    )
    op.create_table(
        "mandates",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.String(length=40), nullable=False),
        sa.Column("given_by", sa.String(length=40), nullable=False),
        sa.Column("given_at", UTCDateTime(), nullable=False),
        sa.Column("ip", sa.String(length=45), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("wording", sa.Text(), nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.Column("ended_by", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_mandates_customer_id_customers")),
        sa.ForeignKeyConstraint(["given_by"], ["users.id"], name=op.f("fk_mandates_given_by_users")),
        sa.ForeignKeyConstraint(["ended_by"], ["users.id"], name=op.f("fk_mandates_ended_by_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mandates")),
    )
    op.create_index(
        "uq_mandates_in_force",
        "mandates",
        ["customer_id"],
        unique=True,
        sqlite_where=IN_FORCE,
        postgresql_where=IN_FORCE,
    )
    op.create_table(
        "collections",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("mandate_id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.String(length=40), nullable=False),
        sa.Column("invoice_id", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("charge_on", sa.Date(), nullable=False),
        sa.Column("noticed_at", UTCDateTime(), nullable=True),
        sa.Column("next_try_at", UTCDateTime(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("first_try_at", UTCDateTime(), nullable=True),
        sa.Column("is_trying", sa.Boolean(), nullable=False),
        sa.Column("card_id", sa.String(length=40), nullable=True),
        sa.Column("tried_method", sa.String(length=64), nullable=False),
        sa.Column("failure_code", sa.String(length=60), nullable=False),
        sa.Column("decline_code", sa.String(length=60), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "state IN ('announced', 'retrying', 'paid', 'given_up', 'called_off')",
            name=op.f("ck_collections_state_known"),
        ),
        sa.CheckConstraint("tries >= 0", name=op.f("ck_collections_tries_counted")),
        sa.ForeignKeyConstraint(["mandate_id"], ["mandates.id"], name=op.f("fk_collections_mandate_id_mandates")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_collections_customer_id_customers")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_collections_invoice_id_invoices")),
        sa.ForeignKeyConstraint(["card_id"], ["saved_cards.id"], name=op.f("fk_collections_card_id_saved_cards")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collections")),
        sa.UniqueConstraint("mandate_id", "invoice_id", name=op.f("uq_collections_mandate_id_invoice_id")),
    )
    op.create_index(
        "uq_collections_active",
        "collections",
        ["invoice_id"],
        unique=True,
        sqlite_where=ACTIVE,
        postgresql_where=ACTIVE,
    )
    op.create_index(
        "ix_collections_due", "collections", ["next_try_at", "id"], sqlite_where=ACTIVE, postgresql_where=ACTIVE
    )
    op.create_index("ix_collections_customer", "collections", ["customer_id", "created_at", "id"])


def downgrade() -> None:
    op.drop_table("collections")
    op.drop_table("mandates")
    op.drop_table("payment_confirmations")
