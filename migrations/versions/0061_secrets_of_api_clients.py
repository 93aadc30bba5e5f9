"""API keys expire, and their old secret opens for a while beside the new one; an owner turns a webhook endpoint off."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0061"
down_revision = "0060"

CHECKED = "ck_webhook_endpoints_disabled_reason_known"


def check_reasons(*reasons: str) -> None:
    with op.batch_alter_table("webhook_endpoints") as table:
        table.drop_constraint(op.f(CHECKED), type_="check")
    if "owner" not in reasons:
        op.execute("UPDATE webhook_endpoints SET disabled_reason = 'failing' WHERE disabled_reason = 'owner'")
    known = ", ".join(f"'{reason}'" for reason in reasons)
    with op.batch_alter_table("webhook_endpoints") as table:
        table.create_check_constraint(op.f(CHECKED), f"disabled_reason IN ({known})")


def upgrade() -> None:
    with op.batch_alter_table("api_clients") as table:
        table.add_column(sa.Column("old_secret_hash", sa.String(length=64), nullable=True))
        table.add_column(sa.Column("old_secret_by", sa.String(length=40), nullable=True))
        table.add_column(sa.Column("old_secret_until", UTCDateTime(), nullable=True))
        table.add_column(sa.Column("expires_at", UTCDateTime(), nullable=True))
    check_reasons("failing", "gone", "owner")


def downgrade() -> None:
    check_reasons("failing", "gone")
    with op.batch_alter_table("api_clients") as table:
        table.drop_column("expires_at")
        table.drop_column("old_secret_until")
        table.drop_column("old_secret_by")
        table.drop_column("old_secret_hash")
