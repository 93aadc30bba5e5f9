"""Receipts and credit notes in one table, each with a code by which it can be verified; what is written once stays.

Receipts keep their ids, numbers, facts and PDFs, byte for byte; each gets a code, which its PDF does not show.
"""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime, sorted_text
from portal.documents import codes

revision = "0008"
down_revision = "0007"

# What both tables have.
KEPT = (
    *("id", "number", "payment_id", "customer_id", "total_minor", "currency", "facts", "issued_at"),
    *("pdf", "pdf_sha256", "mailed_at"),
)
# Never changed, and written once.
FROZEN = (
    *("id", "kind", "number", "payment_id", "refund_id", "customer_id", "total_minor", "currency"),
    *("facts", "code", "issued_at"),
)
ONCE = ("pdf", "pdf_sha256", "mailed_at", "revoked_at", "revocation_mailed_at")
UNIQUE = ("id", "number", "refund_id", "code")

RECEIPTS = sa.text("kind = 'receipt'")
REFUSAL = "rows of documents are never changed or deleted"
jobs = sa.table("jobs", sa.column("id"), sa.column("name"), sa.column("args", sa.JSON), sa.column("state"))


def upgrade() -> None:
    op.create_table(
        "documents",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("number", sorted_text(40), nullable=False),
        sa.Column("payment_id", sa.String(length=40), nullable=False),
        sa.Column("refund_id", sa.String(length=40), nullable=True),
        sa.Column("customer_id", sa.String(length=40), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("code", sa.String(length=20), nullable=False),
        sa.Column("issued_at", UTCDateTime(), nullable=False),
        sa.Column("pdf", sa.LargeBinary(), nullable=True),
        sa.Column("pdf_sha256", sa.String(length=64), nullable=True),
        sa.Column("mailed_at", UTCDateTime(), nullable=True),
        sa.Column("revoked_at", UTCDateTime(), nullable=True),
        sa.Column("revocation_mailed_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint("kind IN ('receipt', 'credit_note')", name=op.f("ck_documents_kind_known")),
        sa.CheckConstraint(
            "(kind = 'credit_note') = (refund_id IS NOT NULL)", name=op.f("ck_documents_refund_of_credit_note")
        ),
        sa.CheckConstraint("kind = 'credit_note' OR revoked_at IS NULL", name=op.f("ck_documents_receipts_stand")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_documents_payment_id_payments")),
        sa.ForeignKeyConstraint(["refund_id"], ["refunds.id"], name=op.f("fk_documents_refund_id_refunds")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_documents_customer_id_customers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
        sa.UniqueConstraint("number", name=op.f("uq_documents_number")),
        sa.UniqueConstraint("refund_id", name=op.f("uq_documents_refund_id")),
        sa.UniqueConstraint("code", name=op.f("uq_documents_code")),
    )
    _move_receipts()
    op.create_index(
        "uq_documents_receipt",
        "documents",
        ["payment_id"],
        unique=True,
        sqlite_where=RECEIPTS,
        postgresql_where=RECEIPTS,
    )
    op.create_index("ix_documents_payment", "documents", ["payment_id", "issued_at", "id"])
    op.create_index("ix_documents_customer", "documents", ["customer_id", "issued_at", "id"])
    op.drop_table("receipts")
    _rename_argument("receipt_id", "document_id")
    _protect()


def _move_receipts() -> None:
    """The database copies; from here come the codes alone, so no PDF leaves it."""
    connection, columns = op.get_bind(), ", ".join(KEPT)
    copy = sa.text(
        f"INSERT INTO documents (kind, code, {columns}) SELECT 'receipt', :code, {columns} FROM receipts WHERE id = :id"
    )
    for receipt_id in connection.execute(sa.text("SELECT id FROM receipts")).scalars().all():
        connection.execute(copy, {"id": receipt_id, "code": codes.new()})


def _rename_argument(before: str, after: str) -> None:
    """Jobs that are waiting, or are dead and may be revived, speak of the row by its new name."""
    connection = op.get_bind()
    names = ("receipts.render", "receipts.mail")
    waiting = sa.select(jobs.c.id, jobs.c.args).where(jobs.c.name.in_(names), jobs.c.state != "done")
    for job_id, args in connection.execute(waiting).all():
        renamed = {after if name == before else name: value for name, value in args.items()}
        connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(args=renamed))


def _protect() -> None:
    once = {f"documents_{column}_once": (column, f"OLD.{column} IS NOT NULL") for column in ONCE}
    if op.get_bind().dialect.name == "postgresql":
        refuse = "FOR EACH ROW {when} EXECUTE FUNCTION refuse_change()"
        op.execute(
            f"CREATE TRIGGER documents_frozen BEFORE DELETE OR UPDATE OF {', '.join(FROZEN)} ON documents "
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
    op.execute(f"CREATE TRIGGER documents_frozen BEFORE UPDATE OF {', '.join(FROZEN)} ON documents {refuse}")
    for name, (column, when) in once.items():
        op.execute(f"CREATE TRIGGER {name} BEFORE UPDATE OF {column} ON documents WHEN {when} {refuse}")
    # SQLite's INSERT OR REPLACE deletes without asking the triggers of deletion.
    taken = " OR ".join(f"{column} = NEW.{column}" for column in UNIQUE)
    of_payment = "(kind = 'receipt' AND NEW.kind = 'receipt' AND payment_id = NEW.payment_id)"
    op.execute(
        "CREATE TRIGGER documents_no_replace BEFORE INSERT ON documents "
        f"WHEN EXISTS (SELECT 1 FROM documents WHERE {taken} OR {of_payment}) {refuse}"
    )


def downgrade() -> None:
    connection, columns = op.get_bind(), ", ".join(KEPT)
    if connection.execute(sa.text("SELECT 1 FROM documents WHERE kind <> 'receipt'")).first():
        raise RuntimeError("credit notes were issued, and the tables before this migration cannot keep them")
    op.create_table(
        "receipts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("payment_id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.String(length=40), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("issued_at", UTCDateTime(), nullable=False),
        sa.Column("pdf", sa.LargeBinary(), nullable=True),
        sa.Column("pdf_sha256", sa.String(length=64), nullable=True),
        sa.Column("mailed_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_receipts_customer_id_customers")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_receipts_payment_id_payments")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipts")),
        sa.UniqueConstraint("number", name=op.f("uq_receipts_number")),
        sa.UniqueConstraint("payment_id", name=op.f("uq_receipts_payment_id")),
    )
    op.execute(f"INSERT INTO receipts ({columns}) SELECT {columns} FROM documents")
    op.create_index("ix_receipts_customer", "receipts", ["customer_id", "issued_at", "id"])
    op.drop_table("documents")
    _rename_argument("document_id", "receipt_id")
