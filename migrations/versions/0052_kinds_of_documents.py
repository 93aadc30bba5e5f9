"""Documents of more kinds: invoices, and confirmations of payments and refunds, beside receipts and credit notes."""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0052"
down_revision = "0051"

BEFORE = ("receipt", "credit_note")
KINDS = ("invoice", "receipt", "payment_confirmation", "credit_note", "refund_confirmation")
OF_PAYMENTS = "kind IN ('receipt', 'payment_confirmation')"
OF_REFUNDS = "kind IN ('credit_note', 'refund_confirmation')"

# Never changed, and written once.
FROZEN = (
    *("id", "kind", "number", "payment_id", "refund_id", "customer_id", "total_minor", "currency"),
    *("facts", "code", "issued_at"),
)
ONCE = ("pdf", "pdf_sha256", "mailed_at", "revoked_at", "revocation_mailed_at")
UNIQUE = ("id", "number", "refund_id", "code")
REFUSAL = "rows of documents are never changed or deleted"


def upgrade() -> None:
    _unprotect()
    op.drop_index("uq_documents_receipt", table_name="documents")
    with op.batch_alter_table("documents") as table:
        table.add_column(sa.Column("invoice_id", sa.String(40)))
        table.alter_column("payment_id", existing_type=sa.String(40), nullable=True)
        table.create_foreign_key(op.f("fk_documents_invoice_id_invoices"), "invoices", ["invoice_id"], ["id"])
        table.create_unique_constraint(op.f("uq_documents_invoice_id"), ["invoice_id"])
        for name in ("kind_known", "refund_of_credit_note", "receipts_stand"):
            table.drop_constraint(op.f(f"ck_documents_{name}"), type_="check")
        for name, rule in _rules().items():
            table.create_check_constraint(op.f(f"ck_documents_{name}"), rule)
    _index(OF_PAYMENTS)
    _protect((*FROZEN, "invoice_id"), (*UNIQUE, "invoice_id"), OF_PAYMENTS)


def _rules() -> dict[str, str]:
    kinds = ", ".join(f"'{kind}'" for kind in KINDS)
    return {
        "kind_known": f"kind IN ({kinds})",
        "refund_of_credit_note": f"({OF_REFUNDS}) = (refund_id IS NOT NULL)",
        "invoice_of_invoice": "(kind = 'invoice') = (invoice_id IS NOT NULL)",
        "payment_of_others": "(kind = 'invoice') = (payment_id IS NULL)",
        "receipts_stand": f"NOT ({OF_PAYMENTS}) OR revoked_at IS NULL",
    }


def _index(kinds: str) -> None:
    where = sa.text(kinds)
    op.create_index(
        "uq_documents_receipt", "documents", ["payment_id"], unique=True, sqlite_where=where, postgresql_where=where
    )


def _names(sqlite: bool) -> Iterator[str]:
    yield "documents_frozen"
    yield from (f"documents_{column}_once" for column in ONCE)
    yield from ("documents_no_delete", "documents_no_replace") if sqlite else ("documents_never_emptied",)


def _unprotect() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    for name in _names(sqlite):
        op.execute(f"DROP TRIGGER {name}" if sqlite else f"DROP TRIGGER {name} ON documents")


def _protect(frozen: tuple[str, ...], unique: tuple[str, ...], of_payments: str) -> None:
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
    of_payment = f"({of_payments} AND NEW.{of_payments} AND payment_id = NEW.payment_id)"
    op.execute(
        "CREATE TRIGGER documents_no_replace BEFORE INSERT ON documents "
        f"WHEN EXISTS (SELECT 1 FROM documents WHERE {taken} OR {of_payment}) {refuse}"
    )


def downgrade() -> None:
    kinds = ", ".join(f"'{kind}'" for kind in BEFORE)
    if op.get_bind().execute(sa.text(f"SELECT 1 FROM documents WHERE kind NOT IN ({kinds})")).first():
        raise RuntimeError("documents of newer kinds were issued, and the table before this migration cannot keep them")
    _unprotect()
    op.drop_index("uq_documents_receipt", table_name="documents")
    with op.batch_alter_table("documents") as table:
        for name in _rules():
            table.drop_constraint(op.f(f"ck_documents_{name}"), type_="check")
        table.drop_constraint(op.f("uq_documents_invoice_id"), type_="unique")
        table.drop_constraint(op.f("fk_documents_invoice_id_invoices"), type_="foreignkey")
        table.drop_column("invoice_id")
        table.alter_column("payment_id", existing_type=sa.String(40), nullable=False)
        table.create_check_constraint(op.f("ck_documents_kind_known"), f"kind IN ({kinds})")
        table.create_check_constraint(
            op.f("ck_documents_refund_of_credit_note"), "(kind = 'credit_note') = (refund_id IS NOT NULL)"
        )
        table.create_check_constraint(op.f("ck_documents_receipts_stand"), "kind = 'credit_note' OR revoked_at IS NULL")
    _index("kind = 'receipt'")
    _protect(FROZEN, UNIQUE, "kind = 'receipt'")
