"""Passkeys, the challenges that they sign, and which session was begun with one."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0059"
down_revision = "0058"


def upgrade() -> None:
    op.create_table(
        "passkey_challenges",
        sa.Column("challenge_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=True),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_passkey_challenges_user_id_users")),
        sa.PrimaryKeyConstraint("challenge_hash", name=op.f("pk_passkey_challenges")),
    )
    with op.batch_alter_table("passkey_challenges") as table:
        table.create_index("ix_passkey_challenges_expires", ["expires_at"], unique=False)

    op.create_table(
        "passkeys",
        sa.Column("id", sa.String(length=1400), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("is_synced", sa.Boolean(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("last_used_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_passkeys_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
    )
    with op.batch_alter_table("passkeys") as table:
        table.create_index("ix_passkeys_user", ["user_id", "created_at"], unique=False)

    with op.batch_alter_table("sign_in_sessions") as table:
        table.add_column(sa.Column("by_passkey", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    with op.batch_alter_table("sign_in_sessions") as table:
        table.drop_column("by_passkey")

    with op.batch_alter_table("passkeys") as table:
        table.drop_index("ix_passkeys_user")

    op.drop_table("passkeys")
    with op.batch_alter_table("passkey_challenges") as table:
        table.drop_index("ix_passkey_challenges_expires")

    op.drop_table("passkey_challenges")
