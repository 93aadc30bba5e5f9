"""What is tried is an attempt everywhere; a mandate has terms; a collection that will not take place is canceled."""

from alembic import op

from migrations.renaming import rename_column

revision = "0045"
down_revision = "0044"

COLUMNS = (
    ("jobs", "tries", "attempts"),
    ("webhook_deliveries", "tries", "attempts"),
    ("webhook_deliveries", "last_try_at", "last_attempt_at"),
    ("webhook_deliveries", "next_try_at", "next_attempt_at"),
    ("collections", "tries", "attempts"),
    ("collections", "first_try_at", "first_attempt_at"),
    ("collections", "next_try_at", "next_attempt_at"),
    ("payment_method_setups", "failed_tries", "failed_attempts"),
    ("mandates", "wording", "terms"),
)
CANCELED = ("called_off", "canceled")
CHECKED = "ck_collections_status_known"


def rename_status(before: str, after: str) -> None:
    with op.batch_alter_table("collections") as table:
        table.drop_constraint(op.f(CHECKED), type_="check")
    op.execute(f"UPDATE collections SET status = '{after}' WHERE status = '{before}'")
    with op.batch_alter_table("collections") as table:
        table.create_check_constraint(
            op.f(CHECKED), f"status IN ('announced', 'retrying', 'paid', 'given_up', '{after}')"
        )


def upgrade() -> None:
    for table, before, after in COLUMNS:
        rename_column(table, before, after)
    rename_status(*CANCELED)


def downgrade() -> None:
    rename_status(*CANCELED[::-1])
    for table, before, after in COLUMNS:
        rename_column(table, after, before)
