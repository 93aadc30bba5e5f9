"""The index of what payments of no invoice are for names them in a way that no other index can be used for."""

import sqlalchemy as sa
from alembic import op

revision = "0069"
down_revision = "0068"


def upgrade() -> None:
    _create("coalesce(invoice_id, '') = ''")


def downgrade() -> None:
    _create("invoice_id IS NULL")


def _create(which: str) -> None:
    op.drop_index("ix_payments_description", "payments")
    op.create_index(
        "ix_payments_description",
        "payments",
        ["search_text", "id"],
        sqlite_where=sa.text(which),
        postgresql_where=sa.text(which),
    )
