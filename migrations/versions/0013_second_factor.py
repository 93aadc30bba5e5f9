"""The second factor at sign-in, its recovery codes, and wrong codes counted beside wrong passwords."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "second_factors",
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("secret", sa.String(length=255), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("enabled_at", UTCDateTime(), nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_second_factors_user_id_users")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_second_factors")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("used_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_recovery_codes_user_id_users")),
        sa.PrimaryKeyConstraint("user_id", "code_hash", name=op.f("pk_recovery_codes")),
    )
    with op.batch_alter_table("sign_in_attempts") as attempts:
        attempts.add_column(sa.Column("proof", sa.String(length=10), nullable=False, server_default="password"))
        attempts.create_check_constraint("proof_known", "proof IN ('password', 'code')")


def downgrade() -> None:
    with op.batch_alter_table("sign_in_attempts") as attempts:
        attempts.drop_constraint("proof_known", type_="check")
        attempts.drop_column("proof")
    op.drop_table("recovery_codes")
    op.drop_table("second_factors")
