"""The staff's desk: words that find customers, mails that were sent, notes, files of invoices, payments outside of Stripe."""

import sqlalchemy as sa
from alembic import op

from portal.accounts.models import words_of
from portal.core.db import UTCDateTime, sorted_text

revision = "0011"
down_revision = "0010"

# Customers whose words are collected at once.
BATCH = 1_000
# Searched by their beginning: PostgreSQL compares these byte by byte from now on.
SORTED = (
    ("invoices", "number", 40),
    ("invoices", "reference", 120),
    ("invoices", "external_reference", 120),
)
INDEXES = (
    ("ix_payments_charge", "payments", ["stripe_charge_id"]),
    ("ix_payments_method", "payments", ["stripe_payment_method_id", "created_at", "id"]),
    ("ix_payments_last4", "payments", ["card_last4", "created_at", "id"]),
    ("ix_payments_amount", "payments", ["currency", "amount_minor", "created_at", "id"]),
    ("ix_saved_cards_last4", "saved_cards", ["last4", "created_at"]),
    ("ix_mandates_customer", "mandates", ["customer_id", "ended_at"]),
    ("ix_invoices_created", "invoices", ["created_at", "id"]),
    ("ix_invoices_status", "invoices", ["status", "created_at", "id", "due_on"]),
    ("ix_invoices_reference", "invoices", ["reference"]),
    ("ix_invoices_external_reference", "invoices", ["external_reference"]),
    ("ix_invoices_amount", "invoices", ["currency", "total_minor", "created_at", "id"]),
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table, column, length in SORTED:
            op.execute(f'ALTER TABLE {table} ALTER COLUMN {column} TYPE VARCHAR({length}) COLLATE "C"')
    op.add_column("invoices", sa.Column("client_key", sa.String(length=80), nullable=True))
    op.create_index("uq_invoices_client_key", "invoices", ["client_key"], unique=True)
    for name, table, columns in INDEXES:
        op.create_index(name, table, columns)

    op.create_table(
        "customer_words",
        sa.Column("word", sorted_text(80), nullable=False),
        sa.Column("customer_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_customer_words_customer_id_customers")
        ),
        sa.PrimaryKeyConstraint("word", "customer_id", name=op.f("pk_customer_words")),
    )
    op.create_index("ix_customer_words_customer", "customer_words", ["customer_id", "word"])
    _collect_words()

    op.create_table(
        "outside_payments",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("invoice_id", sa.String(length=40), nullable=False),
        sa.Column("how", sa.String(length=20), nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=False),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("recorded_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("how IN ('bank_transfer', 'cash', 'other')", name=op.f("ck_outside_payments_how_known")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoices.id"], name=op.f("fk_outside_payments_invoice_id_invoices")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outside_payments")),
        sa.UniqueConstraint("invoice_id", name=op.f("uq_outside_payments_invoice_id")),
    )
    op.create_table(
        "sent_mails",
        sa.Column("key", sa.String(length=160), nullable=False),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("subject", sa.String(length=400), nullable=False),
        sa.Column("template", sa.String(length=80), nullable=False),
        sa.Column("customer_id", sa.String(length=40), nullable=True),
        sa.Column("sent_at", UTCDateTime(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_sent_mails")),
    )
    op.create_index("ix_sent_mails_customer", "sent_mails", ["customer_id", "sent_at", "key"])
    op.create_table(
        "customer_notes",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("customer_id", sa.String(length=40), nullable=False),
        sa.Column("author_id", sa.String(length=40), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_customer_notes_author_id_users")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_customer_notes_customer_id_customers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_notes")),
    )
    op.create_index("ix_customer_notes_customer", "customer_notes", ["customer_id", "at", "id"])
    op.create_table(
        "invoice_files",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("uploaded_by", sa.String(length=40), nullable=False),
        sa.Column("uploaded_at", UTCDateTime(), nullable=False),
        sa.Column("filename", sa.String(length=200), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("decimal_mark", sa.String(length=1), nullable=False),
        sa.ForeignKeyConstraint(["uploaded_by"], ["users.id"], name=op.f("fk_invoice_files_uploaded_by_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice_files")),
    )
    op.create_index("ix_invoice_files_uploaded", "invoice_files", ["uploaded_at"])


def _collect_words() -> None:
    """The words of the customers that are here already."""
    connection = op.get_bind()
    words = sa.table("customer_words", sa.column("word", sa.String), sa.column("customer_id", sa.String))
    named = [sa.column("name", sa.String), sa.column("email", sa.String)]
    customers = sa.table("customers", sa.column("id", sa.String), *named)
    users = sa.table("users", sa.column("customer_id", sa.String), *[sa.column(one.name, sa.String) for one in named])
    last = ""
    while rows := connection.execute(
        sa.select(customers).where(customers.c.id > last).order_by(customers.c.id).limit(BATCH)
    ).all():
        texts = {row.id: [row.name, row.email] for row in rows}
        for one in connection.execute(sa.select(users).where(users.c.customer_id.in_(list(texts)))):
            texts[one.customer_id] += [one.name, one.email]
        connection.execute(
            sa.insert(words),
            [{"word": word, "customer_id": one} for one, said in texts.items() for word in sorted(words_of(*said))],
        )
        last = rows[-1].id


def downgrade() -> None:
    for table in ("invoice_files", "customer_notes", "sent_mails", "outside_payments", "customer_words"):
        op.drop_table(table)
    for name, table, _columns in INDEXES:
        op.drop_index(name, table)
    op.drop_index("uq_invoices_client_key", "invoices")
    op.drop_column("invoices", "client_key")
    if op.get_bind().dialect.name == "postgresql":
        for table, column, length in SORTED:
            op.execute(f'ALTER TABLE {table} ALTER COLUMN {column} TYPE VARCHAR({length}) COLLATE "default"')
