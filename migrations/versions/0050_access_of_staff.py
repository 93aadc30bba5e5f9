"""Accounts of staff that nobody uses end by themselves, and two admins reset a second factor."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0050"
down_revision = "0049"


def upgrade() -> None:
    op.create_table(
        "second_factor_resets",
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("asked_by", sa.String(length=40), nullable=False),
        sa.Column("asked_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["asked_by"], ["users.id"], name=op.f("fk_second_factor_resets_asked_by_users")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_second_factor_resets_user_id_users")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_second_factor_resets")),
    )
    op.add_column("users", sa.Column("access_restored_at", UTCDateTime()))
    op.add_column("users", sa.Column("inactivity_warned_at", UTCDateTime()))


def downgrade() -> None:
    with op.batch_alter_table("users") as table:
        table.drop_column("inactivity_warned_at")
        table.drop_column("access_restored_at")
    op.drop_table("second_factor_resets")
