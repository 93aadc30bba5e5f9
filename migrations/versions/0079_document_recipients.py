"""Further recipients of documents, each with what it gets, in place of a list of addresses; and addresses that a mail server refused."""

import secrets
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0079"
down_revision = "0078"

_ALL = "invoices payment_confirmations credit_notes"


def upgrade() -> None:
    recipients = op.create_table(
        "document_recipients",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("customer_id", sa.String(40), sa.ForeignKey("customers.id"), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("mails", sa.String(200), nullable=False),
        sa.Column("with_xml", sa.Boolean(), nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("token_hash", sa.String(64), unique=True),
        sa.Column("expires_at", UTCDateTime),
        sa.Column("confirmed_at", UTCDateTime),
        sa.UniqueConstraint("customer_id", "email"),
    )
    op.create_table(
        "refused_addresses",
        sa.Column("customer_id", sa.String(40), primary_key=True),
        sa.Column("recipient", sa.String(254), primary_key=True),
        sa.Column("refused_at", UTCDateTime, nullable=False),
        sa.Column("said", sa.String(300), nullable=False),
    )
    # Staff have typed those that are there.
    customers = sa.table("customers", *(sa.column(name) for name in ("id", "language", "document_emails")))
    now = datetime.now(UTC)
    for row in op.get_bind().execute(sa.select(customers).where(customers.c.document_emails != "")).all():
        for email in row.document_emails.splitlines():
            values = {"id": f"rcp_{secrets.token_hex(13)}", "customer_id": row.id, "email": email, "mails": _ALL}
            values |= {"language": row.language, "with_xml": False, "created_at": now, "confirmed_at": now}
            op.execute(recipients.insert().values(values))
    op.drop_column("customers", "document_emails")


def downgrade() -> None:
    op.add_column("customers", sa.Column("document_emails", sa.Text(), nullable=False, server_default=""))
    recipients = sa.table("document_recipients", sa.column("customer_id"), sa.column("email"))
    customers = sa.table("customers", sa.column("id"), sa.column("document_emails"))
    found: dict[str, list[str]] = {}
    for row in op.get_bind().execute(sa.select(recipients)).all():
        found.setdefault(row.customer_id, []).append(row.email)
    for customer_id, emails in found.items():
        op.execute(customers.update().where(customers.c.id == customer_id).values(document_emails="\n".join(emails)))
    op.drop_table("refused_addresses")
    op.drop_table("document_recipients")
