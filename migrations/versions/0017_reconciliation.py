"""What Stripe says of the account's money, reconciliations and what they found; two more accounts in the books."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0017"
down_revision = "0016"

BEFORE = ("stripe_balance", "receivables", "fees", "refunds", "disputes", "bank")
AFTER = (*BEFORE, "exchange", "other")

# As the second migration made them: SQLite changes a table by making a new one, and triggers stay with the old.
TAKEN = "id = NEW.id OR reference = NEW.reference"
TRIGGERS = {
    "postings_no_update": "BEFORE UPDATE ON postings BEGIN SELECT RAISE(ABORT, 'rows of postings are never changed or deleted'); END",
    "postings_no_delete": "BEFORE DELETE ON postings BEGIN SELECT RAISE(ABORT, 'rows of postings are never changed or deleted'); END",
    "postings_no_replace": "BEFORE INSERT ON postings "
    f"WHEN EXISTS (SELECT 1 FROM postings WHERE {TAKEN}) BEGIN SELECT RAISE(IGNORE); END",
}


def upgrade() -> None:
    _allow(AFTER)
    op.create_table(
        "reconciliations",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("since", UTCDateTime, nullable=False),
        sa.Column("until", UTCDateTime, nullable=False),
        sa.Column("started_at", UTCDateTime, nullable=False),
        sa.Column("finished_at", UTCDateTime),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("cursor", sa.String(80)),
        sa.Column("counts", sa.JSON, nullable=False),
        sa.Column("unexplained", sa.Integer, nullable=False),
        sa.CheckConstraint("kind IN ('frequent', 'nightly', 'command')", name="ck_reconciliations_kind_known"),
    )
    op.create_index("ix_reconciliations_started", "reconciliations", ["started_at", "id"])
    op.create_index("ix_reconciliations_finished", "reconciliations", ["finished_at", "until"])
    op.create_table(
        "book_findings",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("payment_id", sa.String(40), sa.ForeignKey("payments.id")),
        sa.Column("about_at", UTCDateTime),
        sa.Column("found_at", UTCDateTime, nullable=False),
        sa.Column("seen_at", UTCDateTime, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("closed_at", UTCDateTime),
        sa.Column("closed_by", sa.String(40), sa.ForeignKey("users.id")),
        sa.Column("explanation", sa.Text, nullable=False),
        sa.CheckConstraint("state IN ('open', 'gone', 'explained')", name="ck_book_findings_state_known"),
        sa.UniqueConstraint("code", "subject", "fingerprint"),
    )
    is_open = sa.text("state = 'open'")
    op.create_index(
        "ix_book_findings_open", "book_findings", ["found_at", "id"], sqlite_where=is_open, postgresql_where=is_open
    )
    op.create_index("ix_book_findings_found", "book_findings", ["found_at", "id"])
    op.create_table(
        "stripe_transactions",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("type", sa.String(60), nullable=False),
        sa.Column("category", sa.String(60), nullable=False),
        sa.Column("source_id", sa.String(64)),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("fee_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("available_on", UTCDateTime, nullable=False),
        sa.Column("booked_at", UTCDateTime),
        sa.Column("subject", sa.String(40), nullable=False),
        sa.Column("payout_id", sa.String(64)),
    )
    op.create_index("ix_stripe_transactions_source", "stripe_transactions", ["source_id"])
    op.create_index("ix_stripe_transactions_subject", "stripe_transactions", ["subject"])
    op.create_index("ix_stripe_transactions_created", "stripe_transactions", ["created_at", "id"])
    op.create_index("ix_stripe_transactions_booked", "stripe_transactions", ["currency", "booked_at", "id"])
    op.create_index("ix_stripe_transactions_payout", "stripe_transactions", ["payout_id"])
    unbooked = sa.text("booked_at IS NULL")
    op.create_index(
        "ix_stripe_transactions_unbooked",
        "stripe_transactions",
        ["created_at", "id"],
        sqlite_where=unbooked,
        postgresql_where=unbooked,
    )
    op.create_table(
        "stripe_payouts",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("automatic", sa.Boolean, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("arrives_at", UTCDateTime, nullable=False),
        sa.Column("bank_reference", sa.String(120), nullable=False),
        sa.Column("failure", sa.String(60), nullable=False),
        sa.Column("sum_minor", sa.BigInteger),
    )
    op.create_index("ix_stripe_payouts_created", "stripe_payouts", ["created_at", "id"])


def downgrade() -> None:
    for table in ("stripe_payouts", "stripe_transactions", "book_findings", "reconciliations"):
        op.drop_table(table)
    _allow(BEFORE)


def _allow(accounts: tuple[str, ...]) -> None:
    """Let postings name these accounts."""
    words = ", ".join(f"'{account}'" for account in accounts)
    sides = {f"ck_postings_{side}_known": f"{side} IN ({words})" for side in ("debit", "credit")}
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    if on_sqlite:
        for name in TRIGGERS:
            op.execute(f"DROP TRIGGER {name}")
    with op.batch_alter_table("postings") as table:
        for name, condition in sides.items():
            table.drop_constraint(op.f(name), type_="check")
            table.create_check_constraint(op.f(name), condition)
    if on_sqlite:
        for name, body in TRIGGERS.items():
            op.execute(f"CREATE TRIGGER {name} {body}")
