"""Sessions that the company's own app opens, and the one-time addresses that it gets for them."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0096"
down_revision = "0095"

OPENED = sa.text("api_client_id IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "portal_sessions",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(40), nullable=False),
        sa.Column("api_client_id", sa.String(40), nullable=False),
        sa.Column("opens", sa.String(200), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("used_at", UTCDateTime()),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_portal_sessions_user_id_users"),
        sa.ForeignKeyConstraint(
            ["api_client_id"], ["api_clients.id"], name="fk_portal_sessions_api_client_id_api_clients"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_portal_sessions"),
        sa.UniqueConstraint("token_hash", name="uq_portal_sessions_token_hash"),
    )
    op.create_index("ix_portal_sessions_user", "portal_sessions", ["user_id"])
    op.create_index("ix_portal_sessions_expires", "portal_sessions", ["expires_at"])
    with op.batch_alter_table("sign_in_sessions") as changed:
        changed.add_column(sa.Column("api_client_id", sa.String(40)))
        changed.create_foreign_key(
            "fk_sign_in_sessions_api_client_id_api_clients", "api_clients", ["api_client_id"], ["id"]
        )
    op.create_index(
        "ix_sign_in_sessions_api_client",
        "sign_in_sessions",
        ["api_client_id"],
        sqlite_where=OPENED,
        postgresql_where=OPENED,
    )


def downgrade() -> None:
    op.drop_index("ix_sign_in_sessions_api_client", "sign_in_sessions")
    with op.batch_alter_table("sign_in_sessions") as changed:
        changed.drop_constraint("fk_sign_in_sessions_api_client_id_api_clients", type_="foreignkey")
        changed.drop_column("api_client_id")
    op.drop_table("portal_sessions")
