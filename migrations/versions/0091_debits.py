"""Direct debits are under way for days: the account that they are on meanwhile, and the day by which their money is expected."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0091"
down_revision = "0090"

BEFORE: Final = (
    *("stripe_balance", "receivables", "fees", "refunds", "disputes", "bank", "exchange", "other"),
    *("revenue", "tax", "overpayments", "bad_debts"),
)
REFUSE: Final = "BEGIN SELECT RAISE(ABORT, 'rows of postings are never changed or deleted'); END"
# As migration 73 left them: SQLite changes a table by making a new one, and triggers stay with the old.
SQLITE_TRIGGERS: Final = {
    "postings_no_update": f"BEFORE UPDATE ON postings {REFUSE}",
    "postings_no_delete": f"BEFORE DELETE ON postings {REFUSE}",
    "postings_no_replace": "BEFORE INSERT ON postings WHEN EXISTS (SELECT 1 FROM postings WHERE id = NEW.id OR reference = NEW.reference) "
    "BEGIN SELECT RAISE(IGNORE); END",
}
UNKEEPS: Final = "postings_insert_unkeeps"
FORGET: Final = "DELETE FROM kept_balances WHERE currency = NEW.currency AND at > NEW.at;"
TOUCHES: Final = "WHEN (NEW.debit = 'stripe_balance' OR NEW.credit = 'stripe_balance')"


def upgrade() -> None:
    op.add_column("payments", sa.Column("expected_on", sa.Date()))
    op.add_column("payments", sa.Column("debit_charge_id", sa.String(64)))
    _unprotect()
    _allow((*BEFORE, "underway"))
    _protect()


def downgrade() -> None:
    if op.get_bind().execute(sa.text("SELECT 1 FROM postings WHERE debit = 'underway' OR credit = 'underway'")).first():
        raise RuntimeError("direct debits were booked, and the tables before this migration cannot keep that")
    _unprotect()
    _allow(BEFORE)
    _protect()
    op.drop_column("payments", "debit_charge_id")
    op.drop_column("payments", "expected_on")


def _unprotect() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER postings_append_only ON postings")
        op.execute(f"DROP TRIGGER {UNKEEPS} ON postings")
    else:
        for name in (*SQLITE_TRIGGERS, UNKEEPS):
            op.execute(f"DROP TRIGGER {name}")


def _protect() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER postings_append_only BEFORE UPDATE OR DELETE ON postings FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {UNKEEPS} AFTER INSERT ON postings FOR EACH ROW {TOUCHES} EXECUTE FUNCTION {UNKEEPS}()"
        )
    else:
        for name, body in SQLITE_TRIGGERS.items():
            op.execute(f"CREATE TRIGGER {name} {body}")
        op.execute(f"CREATE TRIGGER {UNKEEPS} AFTER INSERT ON postings {TOUCHES} BEGIN {FORGET} END")


def _allow(accounts: tuple[str, ...]) -> None:
    """Let postings name these accounts."""
    words = ", ".join(f"'{account}'" for account in accounts)
    with op.batch_alter_table("postings") as table:
        for side in ("debit", "credit"):
            table.drop_constraint(op.f(f"ck_postings_{side}_known"), type_="check")
            table.create_check_constraint(op.f(f"ck_postings_{side}_known"), f"{side} IN ({words})")
