"""What staff have viewed is called so in the audit trail, and found by its index. Events that were written before keep their word."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    replace_index("looked", "viewed")


def downgrade() -> None:
    replace_index("viewed", "looked")


def replace_index(before: str, after: str) -> None:
    op.drop_index(f"ix_audit_events_{before}", "audit_events")
    condition = sa.text(f"action = 'staff.{after}'")
    op.create_index(
        f"ix_audit_events_{after}",
        "audit_events",
        ["actor_id", "subject", "number"],
        sqlite_where=condition,
        postgresql_where=condition,
    )
