"""The indexes by which staff narrow customers, disputes, documents and mails."""

import sqlalchemy as sa
from alembic import op

revision = "0070"
down_revision = "0069"

_UNMAILED = sa.text("mailed_at IS NULL")
_REVOKED = sa.text("revoked_at IS NOT NULL")
_HELD = sa.text("missing_glyphs <> '' AND glyphs_accepted_at IS NULL")
_DEACTIVATED = sa.text("deactivated_at IS NOT NULL")


def _some(name: str, table: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def upgrade() -> None:
    _some("ix_customers_deactivated", "customers", ["created_at", "id"], _DEACTIVATED)
    op.create_index("ix_disputes_created", "disputes", ["created_at", "id"])
    op.create_index("ix_documents_kind", "documents", ["kind", "issued_at", "id"])
    op.drop_index("ix_documents_unmailed", "documents")
    op.drop_index("ix_documents_revoked", "documents")
    _some("ix_documents_unmailed", "documents", ["issued_at", "id"], _UNMAILED)
    _some("ix_documents_revoked", "documents", ["issued_at", "id"], _REVOKED)
    _some("ix_documents_held", "documents", ["issued_at", "id"], _HELD)
    op.drop_index("ix_sent_mails_sent_at", "sent_mails")
    op.create_index("ix_sent_mails_sent", "sent_mails", ["sent_at", "key"])
    op.create_index("ix_sent_mails_recipient", "sent_mails", ["recipient", "sent_at", "key"])


def downgrade() -> None:
    op.drop_index("ix_sent_mails_recipient", "sent_mails")
    op.drop_index("ix_sent_mails_sent", "sent_mails")
    op.create_index("ix_sent_mails_sent_at", "sent_mails", ["sent_at"])
    op.drop_index("ix_documents_held", "documents")
    op.drop_index("ix_documents_revoked", "documents")
    op.drop_index("ix_documents_unmailed", "documents")
    _some("ix_documents_unmailed", "documents", ["issued_at"], _UNMAILED)
    _some("ix_documents_revoked", "documents", ["revoked_at"], _REVOKED)
    op.drop_index("ix_documents_kind", "documents")
    op.drop_index("ix_disputes_created", "disputes")
    op.drop_index("ix_customers_deactivated", "customers")
