"""Jobs that wait for a service that does not answer; indexes of what may have lost its job."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0018"
down_revision = "0017"

INDEXES = {
    "ix_jobs_waiting": ("jobs", ["waits_for", "run_at"], sa.text("waits_for IS NOT NULL")),
    "ix_card_setups_open": ("card_setups", ["status", "updated_at"], None),
    "ix_refunds_succeeded": ("refunds", ["succeeded_at"], sa.text("state IN ('succeeded')")),
    "ix_documents_unmailed": ("documents", ["issued_at"], sa.text("mailed_at IS NULL")),
    "ix_documents_revoked": ("documents", ["revoked_at"], sa.text("revoked_at IS NOT NULL")),
}


def upgrade() -> None:
    op.add_column("jobs", sa.Column("waits_for", sa.String(20)))
    op.add_column("jobs", sa.Column("waits_since", UTCDateTime))
    for name, (table, columns, condition) in INDEXES.items():
        op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)


def downgrade() -> None:
    for name, (table, _columns, _condition) in INDEXES.items():
        op.drop_index(name, table)
    op.drop_column("jobs", "waits_since")
    op.drop_column("jobs", "waits_for")
