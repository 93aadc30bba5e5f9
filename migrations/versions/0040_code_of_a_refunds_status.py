"""A discrepancy between a refund's statuses is called after them."""

from alembic import op

revision = "0040"
down_revision = "0039"


def rename(before: str, after: str) -> None:
    op.execute(f"UPDATE discrepancies SET code = '{after}' WHERE code = '{before}'")  # words of ours


def upgrade() -> None:
    rename("refund_state", "refund_status")


def downgrade() -> None:
    rename("refund_status", "refund_state")
