"""What staff did about refunds that have failed."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0027"
down_revision = "0026"

FAILED = sa.text("state IN ('canceled', 'failed') AND resolution = ''")
RESOLUTIONS = "resolution IN ('', 'sent_again', 'paid_outside', 'nothing_owed')"


def upgrade() -> None:
    with op.batch_alter_table("refunds") as table:
        table.add_column(sa.Column("resolution", sa.String(20), nullable=False, server_default=""))
        table.add_column(sa.Column("resolution_note", sa.Text, nullable=False, server_default=""))
        table.add_column(sa.Column("resolved_by", sa.String(40)))
        table.add_column(sa.Column("resolved_at", UTCDateTime))
        table.add_column(sa.Column("replaced_by", sa.String(40)))
        table.add_column(sa.Column("paid_outside_on", sa.Date))
        table.create_foreign_key("fk_refunds_resolved_by_users", "users", ["resolved_by"], ["id"])
        table.create_foreign_key("fk_refunds_replaced_by_refunds", "refunds", ["replaced_by"], ["id"])
        table.create_check_constraint("resolution_known", RESOLUTIONS)
    op.create_index("ix_refunds_failed", "refunds", ["failed_at", "id"], sqlite_where=FAILED, postgresql_where=FAILED)


def downgrade() -> None:
    op.drop_index("ix_refunds_failed", "refunds")
    with op.batch_alter_table("refunds") as table:
        table.drop_constraint("resolution_known", "check")
        table.drop_constraint("fk_refunds_replaced_by_refunds", "foreignkey")
        table.drop_constraint("fk_refunds_resolved_by_users", "foreignkey")
        for name in ("paid_outside_on", "replaced_by", "resolved_at", "resolved_by", "resolution_note", "resolution"):
            table.drop_column(name)
