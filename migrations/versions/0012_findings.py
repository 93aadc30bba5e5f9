"""What waits for a person at the operations desk: refunds and disputes with a finding, fraud warnings that can be acted on."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

# Index → table, columns, and its condition in the words of SQLite and of PostgreSQL.
INDEXES = {
    "ix_refunds_finding": ("refunds", ["updated_at", "id"], "finding <> '' OR state = 'unknown'", None),
    "ix_disputes_finding": ("disputes", ["updated_at", "id"], "finding <> ''", None),
    "ix_fraud_warnings_actionable": ("fraud_warnings", ["created_at", "id"], "actionable = 1", "actionable"),
}


def upgrade() -> None:
    for name, (table, columns, condition, elsewhere) in INDEXES.items():
        op.create_index(
            name, table, columns, sqlite_where=sa.text(condition), postgresql_where=sa.text(elsewhere or condition)
        )


def downgrade() -> None:
    for name, (table, *_rest) in INDEXES.items():
        op.drop_index(name, table)
