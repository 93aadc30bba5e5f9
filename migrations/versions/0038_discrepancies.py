"""Reconciliation finds discrepancies, which are resolved; another system that calls the API is an API client."""

from alembic import op

from migrations.renaming import rename_table

revision = "0038"
down_revision = "0037"

TABLES = {"book_findings": "discrepancies", "machine_credentials": "api_clients"}
RESOLVED = ("explained", "resolved")


# As it was named until now: twice.
CHECKED_TWICE = "ck_discrepancies_ck_discrepancies_state_known"
CHECKED = "ck_discrepancies_state_known"


def rename_state(before: str, after: str, check_before: str, check_after: str) -> None:
    with op.batch_alter_table("discrepancies") as table:
        table.drop_constraint(op.f(check_before), type_="check")
    op.execute(f"UPDATE discrepancies SET state = '{after}' WHERE state = '{before}'")
    with op.batch_alter_table("discrepancies") as table:
        table.create_check_constraint(op.f(check_after), f"state IN ('open', 'gone', '{after}')")


def upgrade() -> None:
    for before, after in TABLES.items():
        rename_table(before, after)
    rename_state(*RESOLVED, CHECKED_TWICE, CHECKED)
    op.execute("ALTER TABLE discrepancies RENAME COLUMN explanation TO resolution")
    op.execute("ALTER TABLE reconciliations RENAME COLUMN unexplained TO open_discrepancies")


def downgrade() -> None:
    op.execute("ALTER TABLE reconciliations RENAME COLUMN open_discrepancies TO unexplained")
    op.execute("ALTER TABLE discrepancies RENAME COLUMN resolution TO explanation")
    before, after = RESOLVED
    rename_state(after, before, CHECKED, CHECKED_TWICE)
    for before, after in TABLES.items():
        rename_table(after, before)
