"""Documents are found by the SHA-256 of their PDF, for whoever verifies a file."""

import sqlalchemy as sa
from alembic import op

revision = "0084"
down_revision = "0083"

_RENDERED = sa.text("pdf_sha256 IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_documents_sha256", "documents", ["pdf_sha256"], sqlite_where=_RENDERED, postgresql_where=_RENDERED
    )


def downgrade() -> None:
    op.drop_index("ix_documents_sha256", "documents")
