"""What is due of an invoice and will not come can be written off: booked to bad debts."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0088"
down_revision = "0087"

_PROPOSED = sa.text("status = 'proposed'")
BEFORE: Final = (
    *("stripe_balance", "receivables", "fees", "refunds", "disputes", "bank", "exchange", "other"),
    *("revenue", "tax", "overpayments"),
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
    _statuses("'credited', 'open', 'paid', 'void', 'written_off'", sa.String(20))
    op.create_table(
        "write_offs",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("invoice_id", sa.String(40), sa.ForeignKey("invoices.id"), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("reason", sa.String(300), nullable=False),
        sa.Column("client_key", sa.String(80), unique=True),
        sa.Column("proposed_by", sa.String(40), sa.ForeignKey("users.id")),
        sa.Column("proposed_at", UTCDateTime(), nullable=False),
        sa.Column("decided_by", sa.String(40), sa.ForeignKey("users.id")),
        sa.Column("decided_at", UTCDateTime()),
        sa.Column("rejection", sa.String(300), nullable=False),
        sa.Column("reversed_by", sa.String(40), sa.ForeignKey("users.id")),
        sa.Column("reversed_at", UTCDateTime()),
        sa.Column("reversal_reason", sa.String(300), nullable=False),
        sa.CheckConstraint(
            "status IN ('booked', 'proposed', 'rejected', 'reversed')", name=op.f("ck_write_offs_status_known")
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_write_offs_amount_positive")),
    )
    op.create_index("ix_write_offs_invoice", "write_offs", ["invoice_id", "proposed_at", "id"])
    for name, columns, unique in (
        ("uq_write_offs_proposed", ["invoice_id"], True),
        ("ix_write_offs_waiting", ["proposed_at", "id"], False),
    ):
        op.create_index(name, "write_offs", columns, unique=unique, sqlite_where=_PROPOSED, postgresql_where=_PROPOSED)
    _unprotect()
    _allow((*BEFORE, "bad_debts"))
    _protect()


def downgrade() -> None:
    if op.get_bind().execute(sa.text("SELECT 1 FROM write_offs WHERE status IN ('booked', 'reversed')")).first():
        raise RuntimeError("invoices were written off, and the tables before this migration cannot keep that")
    _unprotect()
    _allow(BEFORE)
    _protect()
    op.drop_table("write_offs")
    _statuses("'credited', 'open', 'paid', 'void'", sa.String(10))


def _statuses(words: str, kind: sa.String) -> None:
    with op.batch_alter_table("invoices") as invoices:
        invoices.alter_column("status", type_=kind, existing_nullable=False)
        invoices.drop_constraint(op.f("ck_invoices_status_known"), type_="check")
        invoices.create_check_constraint(op.f("ck_invoices_status_known"), f"status IN ({words})")


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
