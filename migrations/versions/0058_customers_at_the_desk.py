"""Customers are changed and deactivated by staff, and whoever signs in may change their address of mail."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0058"
down_revision = "0057"


def upgrade() -> None:
    op.create_table(
        "email_changes",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("old_email", sa.String(length=254), nullable=False),
        sa.Column("new_email", sa.String(length=254), nullable=False),
        sa.Column("asked_by", sa.String(length=40), nullable=False),
        sa.Column("confirm_hash", sa.String(length=64), nullable=False),
        sa.Column("stop_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("confirmed_at", UTCDateTime(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["asked_by"], ["users.id"], name=op.f("fk_email_changes_asked_by_users")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_email_changes_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_email_changes")),
        sa.UniqueConstraint("confirm_hash", name=op.f("uq_email_changes_confirm_hash")),
        sa.UniqueConstraint("stop_hash", name=op.f("uq_email_changes_stop_hash")),
    )
    with op.batch_alter_table("email_changes") as table:
        table.create_index("ix_email_changes_user", ["user_id", "created_at"], unique=False)

    with op.batch_alter_table("customers") as table:
        table.add_column(sa.Column("document_emails", sa.Text(), nullable=False, server_default=""))
        table.add_column(sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
        table.add_column(sa.Column("deactivated_at", UTCDateTime(), nullable=True))

    with op.batch_alter_table("users") as table:
        table.add_column(sa.Column("ended_with_customer", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    with op.batch_alter_table("users") as table:
        table.drop_column("ended_with_customer")

    with op.batch_alter_table("customers") as table:
        table.drop_column("deactivated_at")
        table.drop_column("version")
        table.drop_column("document_emails")

    with op.batch_alter_table("email_changes") as table:
        table.drop_index("ix_email_changes_user")

    op.drop_table("email_changes")
