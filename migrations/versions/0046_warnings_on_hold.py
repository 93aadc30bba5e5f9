"""An early fraud warning that does not fit its payment is held for review, as a dispute is."""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"

HELD = sa.text("review_reason <> ''")


def upgrade() -> None:
    op.add_column("early_fraud_warnings", sa.Column("review_reason", sa.String(300), nullable=False, server_default=""))
    op.create_index(
        "ix_early_fraud_warnings_review",
        "early_fraud_warnings",
        ["updated_at", "id"],
        sqlite_where=HELD,
        postgresql_where=HELD,
    )


def downgrade() -> None:
    op.drop_index("ix_early_fraud_warnings_review", "early_fraud_warnings")
    op.drop_column("early_fraud_warnings", "review_reason")
