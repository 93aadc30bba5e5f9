"""What a search of a customer's history looks through stands in one column, and all that a history is narrowed by in one index."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import sorted_text

revision = "0048"
down_revision = "0047"

LONGEST = 500
INDEXED = ["customer_id", "created_at", "id", "search_text", "status", "currency", "amount_minor", "card_last4"]
INDEXED += ["stripe_intent_id"]

# As texts.fold writes a number, which is of ASCII alone.
NUMBER = "replace(replace(replace(lower(number), 'ae', 'a'), 'oe', 'o'), 'ue', 'u')"
OF_INVOICE = (
    f"SELECT {NUMBER} || :newline || reference_folded || :newline FROM invoices WHERE invoices.id = payments.invoice_id"
)
FILL = f"UPDATE payments SET search_text = substr(coalesce(({OF_INVOICE}), '') || description_folded, 1, {LONGEST})"
EMPTY = "UPDATE payments SET description_folded = lower(description)"


def upgrade() -> None:
    op.add_column("payments", sa.Column("search_text", sorted_text(LONGEST), nullable=False, server_default=""))
    op.get_bind().execute(sa.text(FILL), {"newline": "\n"})
    op.drop_column("payments", "description_folded")
    op.create_index("ix_payments_search", "payments", INDEXED)


def downgrade() -> None:
    op.drop_index("ix_payments_search", "payments")
    op.add_column("payments", sa.Column("description_folded", sa.Text(), nullable=False, server_default=""))
    op.execute(EMPTY)
    op.drop_column("payments", "search_text")
