"""What says how far a thing has come is a status in every table."""

from migrations.renaming import rename_column

revision = "0043"
down_revision = "0042"

TABLES = ("jobs", "stripe_events", "discrepancies", "webhook_deliveries", "collections", "book_packs")


def upgrade() -> None:
    for table in TABLES:
        rename_column(table, "state", "status")


def downgrade() -> None:
    for table in TABLES:
        rename_column(table, "status", "state")
