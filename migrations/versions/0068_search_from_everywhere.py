"""Staff find words that were typed with slips, and what has an amount; each person has what they opened last, and may do without keys."""

import re

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0068"
down_revision = "0067"

# As portal.core.spelling had them then.
SHORTEST, LONGEST = 4, 30
BATCH = 2_000


def upgrade() -> None:
    op.create_table(
        "word_trigrams",
        sa.Column("trigram", _sorted(7), nullable=False),
        sa.Column("word", _sorted(LONGEST), nullable=False),
        sa.Column("spelled_in", sa.String(12), nullable=False),
        sa.CheckConstraint("spelled_in IN ('customers', 'references')", name=op.f("ck_word_trigrams_spelled_in_known")),
        sa.PrimaryKeyConstraint("trigram", "word", "spelled_in", name=op.f("pk_word_trigrams")),
        sqlite_with_rowid=False,
    )
    _collect("customers", "customer_words", "word")
    _collect("references", "invoices", "reference_folded")
    _collect("references", "invoices", "external_reference_folded")
    op.create_table(
        "recent_subjects",
        sa.Column("user_id", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(40), nullable=False),
        sa.Column("opened_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_recent_subjects_user_id_users")),
        sa.PrimaryKeyConstraint("user_id", "subject", name=op.f("pk_recent_subjects")),
    )
    op.add_column("users", sa.Column("shortcuts", sa.Boolean(), nullable=False, server_default=sa.true()))
    with op.batch_alter_table("users") as users:
        users.alter_column("shortcuts", server_default=None)
    for table, moment in (("refunds", "asked_at"), ("disputes", "created_at"), ("stripe_payouts", "created_at")):
        op.create_index(f"ix_{table}_amount", table, ["currency", "amount_minor", moment, "id"])
    of_no_invoice = sa.text("invoice_id IS NULL")
    op.create_index(
        "ix_payments_description",
        "payments",
        ["search_text", "id"],
        sqlite_where=of_no_invoice,
        postgresql_where=of_no_invoice,
    )


def _sorted(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _collect(spelled_in: str, table: str, column: str) -> None:
    """The words of this column, or those that it begins with, from one to the next in its index."""
    connection = op.get_bind()
    words = sa.table(table, sa.column(column))
    kept: set[str] = set()
    after = ""
    while True:
        query = (
            sa.select(words.c[column]).where(words.c[column] > after).distinct().order_by(words.c[column]).limit(BATCH)
        )
        found = list(connection.scalars(query))
        if not found:
            return
        new = {match.group() for match in (re.match(r"\w+", text) for text in found) if match} - kept
        spelled = sorted(word for word in new if SHORTEST <= len(word) <= LONGEST and word.isalpha())
        rows = [
            {"trigram": f"{len(word):02}{start:02}{padded[start : start + 3]}", "word": word, "spelled_in": spelled_in}
            for word in spelled
            for padded in [f" {word} "]
            for start in range(len(word))
        ]
        # A word may stand in either name of an invoice.
        if rows:
            insert = "INSERT INTO word_trigrams (trigram, word, spelled_in) "
            values = "VALUES (:trigram, :word, :spelled_in) ON CONFLICT DO NOTHING"
            connection.execute(sa.text(insert + values), rows)
        kept |= new
        after = found[-1]


def downgrade() -> None:
    op.drop_index("ix_payments_description", "payments")
    for table in ("refunds", "disputes", "stripe_payouts"):
        op.drop_index(f"ix_{table}_amount", table)
    with op.batch_alter_table("users") as users:
        users.drop_column("shortcuts")
    op.drop_table("recent_subjects")
    op.drop_table("word_trigrams")
