"""Invoices that are not paid yet can be credited, in parts or whole, and get credit notes without a refund."""

from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0083"
down_revision = "0082"

_PROPOSED = sa.text("status = 'proposed'")
OF_PAYMENTS: Final = "kind IN ('receipt', 'payment_confirmation')"
OF_REFUNDS: Final = "kind IN ('credit_note', 'refund_confirmation')"
BEFORE: Final = {
    "refund_of_credit_note": f"({OF_REFUNDS}) = (refund_id IS NOT NULL)",
    "payment_of_others": "(kind = 'invoice') = (payment_id IS NULL)",
}
AFTER: Final = {
    "refund_of_credit_note": f"({OF_REFUNDS}) = (refund_id IS NOT NULL OR credit_id IS NOT NULL)",
    "credit_or_refund": "credit_id IS NULL OR (refund_id IS NULL AND kind = 'credit_note')",
    "payment_of_others": "(kind = 'invoice' OR credit_id IS NOT NULL) = (payment_id IS NULL)",
}
# As migration 52 made the triggers: SQLite changes a table by making a new one, and triggers stay with the old.
FROZEN: Final = (
    *("id", "kind", "number", "payment_id", "refund_id", "customer_id", "total_minor", "currency"),
    *("facts", "code", "issued_at", "invoice_id"),
)
ONCE: Final = ("pdf", "pdf_sha256", "mailed_at", "revoked_at", "revocation_mailed_at")
UNIQUE: Final = ("id", "number", "refund_id", "code", "invoice_id")
EVENTS: Final = ("invoice.paid", "payment.failed", "payment.succeeded", "ping", "refund.updated")
REFUSAL: Final = "rows of documents are never changed or deleted"


def upgrade() -> None:
    op.add_column("invoices", sa.Column("credited_minor", sa.BigInteger(), nullable=False, server_default="0"))
    with op.batch_alter_table("invoices") as invoices:
        invoices.alter_column("credited_minor", server_default=None)
        invoices.drop_constraint(op.f("ck_invoices_status_known"), type_="check")
        invoices.create_check_constraint(
            op.f("ck_invoices_status_known"), "status IN ('credited', 'open', 'paid', 'void')"
        )
        invoices.create_check_constraint(
            op.f("ck_invoices_credited_within_rest"), "credited_minor BETWEEN 0 AND total_minor - paid_minor"
        )
    op.create_table(
        "invoice_credits",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("invoice_id", sa.String(40), sa.ForeignKey("invoices.id"), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("lines", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(300), nullable=False),
        sa.Column("client_key", sa.String(80), unique=True),
        sa.Column("proposed_by", sa.String(40), sa.ForeignKey("users.id")),
        sa.Column("proposed_at", UTCDateTime(), nullable=False),
        sa.Column("decided_by", sa.String(40), sa.ForeignKey("users.id")),
        sa.Column("decided_at", UTCDateTime()),
        sa.Column("rejection", sa.String(300), nullable=False),
        sa.CheckConstraint(
            "status IN ('credited', 'proposed', 'rejected')", name=op.f("ck_invoice_credits_status_known")
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_invoice_credits_amount_positive")),
    )
    op.create_index("ix_invoice_credits_invoice", "invoice_credits", ["invoice_id", "proposed_at", "id"])
    for name, columns, unique in (
        ("uq_invoice_credits_proposed", ["invoice_id"], True),
        ("ix_invoice_credits_waiting", ["proposed_at", "id"], False),
    ):
        op.create_index(
            name, "invoice_credits", columns, unique=unique, sqlite_where=_PROPOSED, postgresql_where=_PROPOSED
        )
    _tell_of((*EVENTS, "invoice.credited"))
    _unprotect()
    with op.batch_alter_table("documents") as table:
        table.add_column(sa.Column("credit_id", sa.String(40)))
        table.create_foreign_key(
            op.f("fk_documents_credit_id_invoice_credits"), "invoice_credits", ["credit_id"], ["id"]
        )
        table.create_unique_constraint(op.f("uq_documents_credit_id"), ["credit_id"])
        for name in BEFORE:
            table.drop_constraint(op.f(f"ck_documents_{name}"), type_="check")
        for name, rule in AFTER.items():
            table.create_check_constraint(op.f(f"ck_documents_{name}"), rule)
    _protect((*FROZEN, "credit_id"), (*UNIQUE, "credit_id"))


def downgrade() -> None:
    if op.get_bind().execute(sa.text("SELECT 1 FROM invoice_credits WHERE status = 'credited'")).first():
        raise RuntimeError("invoices were credited, and the tables before this migration cannot keep that")
    _unprotect()
    with op.batch_alter_table("documents") as table:
        for name in AFTER:
            table.drop_constraint(op.f(f"ck_documents_{name}"), type_="check")
        table.drop_constraint(op.f("uq_documents_credit_id"), type_="unique")
        table.drop_constraint(op.f("fk_documents_credit_id_invoice_credits"), type_="foreignkey")
        table.drop_column("credit_id")
        for name, rule in BEFORE.items():
            table.create_check_constraint(op.f(f"ck_documents_{name}"), rule)
    _protect(FROZEN, UNIQUE)
    _tell_of(EVENTS)
    op.drop_table("invoice_credits")
    with op.batch_alter_table("invoices") as invoices:
        invoices.drop_constraint(op.f("ck_invoices_credited_within_rest"), type_="check")
        invoices.drop_constraint(op.f("ck_invoices_status_known"), type_="check")
        invoices.create_check_constraint(op.f("ck_invoices_status_known"), "status IN ('open', 'paid', 'void')")
        invoices.drop_column("credited_minor")


def _tell_of(types: tuple[str, ...]) -> None:
    words = ", ".join(f"'{word}'" for word in types)
    with op.batch_alter_table("webhook_events") as table:
        table.drop_constraint(op.f("ck_webhook_events_type_known"), type_="check")
        table.create_check_constraint(op.f("ck_webhook_events_type_known"), f"type IN ({words})")


def _names(sqlite: bool) -> Iterator[str]:
    yield "documents_frozen"
    yield from (f"documents_{column}_once" for column in ONCE)
    yield from ("documents_no_delete", "documents_no_replace") if sqlite else ("documents_never_emptied",)


def _unprotect() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    for name in _names(sqlite):
        op.execute(f"DROP TRIGGER {name}" if sqlite else f"DROP TRIGGER {name} ON documents")


def _protect(frozen: tuple[str, ...], unique: tuple[str, ...]) -> None:
    once = {f"documents_{column}_once": (column, f"OLD.{column} IS NOT NULL") for column in ONCE}
    if op.get_bind().dialect.name == "postgresql":
        refuse = "FOR EACH ROW {when} EXECUTE FUNCTION refuse_change()"
        op.execute(
            f"CREATE TRIGGER documents_frozen BEFORE DELETE OR UPDATE OF {', '.join(frozen)} ON documents "
            + refuse.format(when="")
        )
        op.execute(
            "CREATE TRIGGER documents_never_emptied BEFORE TRUNCATE ON documents EXECUTE FUNCTION refuse_change()"
        )
        for name, (column, when) in once.items():
            op.execute(
                f"CREATE TRIGGER {name} BEFORE UPDATE OF {column} ON documents " + refuse.format(when=f"WHEN ({when})")
            )
        return
    refuse = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    op.execute(f"CREATE TRIGGER documents_no_delete BEFORE DELETE ON documents {refuse}")
    op.execute(f"CREATE TRIGGER documents_frozen BEFORE UPDATE OF {', '.join(frozen)} ON documents {refuse}")
    for name, (column, when) in once.items():
        op.execute(f"CREATE TRIGGER {name} BEFORE UPDATE OF {column} ON documents WHEN {when} {refuse}")
    # SQLite's INSERT OR REPLACE deletes without asking the triggers of deletion.
    taken = " OR ".join(f"{column} = NEW.{column}" for column in unique)
    of_payment = f"({OF_PAYMENTS} AND NEW.{OF_PAYMENTS} AND payment_id = NEW.payment_id)"
    op.execute(
        "CREATE TRIGGER documents_no_replace BEFORE INSERT ON documents "
        f"WHEN EXISTS (SELECT 1 FROM documents WHERE {taken} OR {of_payment}) {refuse}"
    )
