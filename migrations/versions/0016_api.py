"""Who calls the JSON API (apps, their refresh tokens, machines), and what apps asked for under their idempotency keys."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "app_grants",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("last_used_at", UTCDateTime, nullable=False),
        sa.Column("ended_at", UTCDateTime),
        sa.Column("ended_why", sa.String(40), nullable=False),
        sa.Column("ip", sa.String(45), nullable=False),
        sa.Column("user_agent", sa.String(200), nullable=False),
    )
    is_open = sa.text("ended_at IS NULL")
    op.create_index(
        "ix_app_grants_user", "app_grants", ["user_id", "created_at"], sqlite_where=is_open, postgresql_where=is_open
    )
    op.create_index("ix_app_grants_last_used", "app_grants", ["last_used_at"])
    op.create_table(
        "refresh_tokens",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("grant_id", sa.String(40), sa.ForeignKey("app_grants.id"), nullable=False),
        sa.Column("issued_at", UTCDateTime, nullable=False),
        sa.Column("used_at", UTCDateTime),
    )
    op.create_index("ix_refresh_tokens_grant", "refresh_tokens", ["grant_id"])
    op.create_table(
        "machine_credentials",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("created_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("last_used_at", UTCDateTime),
        sa.Column("revoked_at", UTCDateTime),
    )
    op.create_index("ix_machine_credentials_created", "machine_credentials", ["created_at", "id"])
    op.create_table(
        "app_requests",
        sa.Column("caller", sa.String(120), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("held_until", UTCDateTime),
        sa.Column("status", sa.Integer),
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("answer", sa.JSON),
    )
    op.create_index("ix_app_requests_created", "app_requests", ["created_at"])


def downgrade() -> None:
    for table in ("app_requests", "machine_credentials", "refresh_tokens", "app_grants"):
        op.drop_table(table)
