"""Tables have the names of what they hold: deliveries of webhooks, early fraud warnings, attempts."""

from migrations.renaming import rename_table

revision = "0041"
down_revision = "0040"

TABLES = {
    "deliveries": "webhook_deliveries",
    "fraud_warnings": "early_fraud_warnings",
    "card_tries": "card_attempts",
    "invitation_tries": "invitation_attempts",
}


def upgrade() -> None:
    for before, after in TABLES.items():
        rename_table(before, after)


def downgrade() -> None:
    for before, after in TABLES.items():
        rename_table(after, before)
