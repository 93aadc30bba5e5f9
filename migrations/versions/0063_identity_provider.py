"""Staff may sign in at the company's identity provider."""

import sqlalchemy as sa
from alembic import op

revision = "0063"
down_revision = "0062"


def upgrade() -> None:
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("provider_subject", sa.String(400)))
        users.create_unique_constraint(op.f("uq_users_provider_subject"), ["provider_subject"])
    op.add_column("sign_in_sessions", sa.Column("by_provider", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("sign_in_sessions") as sessions:
        sessions.alter_column("by_provider", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("sign_in_sessions") as sessions:
        sessions.drop_column("by_provider")
    with op.batch_alter_table("users") as users:
        users.drop_constraint(op.f("uq_users_provider_subject"), type_="unique")
        users.drop_column("provider_subject")
