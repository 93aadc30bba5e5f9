"""The index by which staff find documents by their amount."""

import sqlalchemy as sa
from alembic import op

revision = "0075"
down_revision = "0074"

_NO_INVOICE = sa.text("kind <> 'invoice'")


def upgrade() -> None:
    op.create_index(
        "ix_documents_amount",
        "documents",
        ["currency", "total_minor", "issued_at", "id"],
        sqlite_where=_NO_INVOICE,
        postgresql_where=_NO_INVOICE,
    )


def downgrade() -> None:
    op.drop_index("ix_documents_amount", "documents")
