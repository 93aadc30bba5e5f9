"""Which mails staff have chosen."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0056"
down_revision = "0055"

KINDS = "'refund_requests', 'second_approvals', 'disputes', 'outages'"


def upgrade() -> None:
    op.create_table(
        "staff_mail_choices",
        sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("kind", sa.String(20), primary_key=True),
        sa.Column("how_often", sa.String(10), nullable=False),
        sa.Column("told_at", UTCDateTime, nullable=False),
        sa.CheckConstraint(f"kind IN ({KINDS})", name=op.f("ck_staff_mail_choices_kind_known")),
        sa.CheckConstraint("how_often IN ('at_once', 'daily')", name=op.f("ck_staff_mail_choices_how_often_known")),
    )


def downgrade() -> None:
    op.drop_table("staff_mail_choices")
