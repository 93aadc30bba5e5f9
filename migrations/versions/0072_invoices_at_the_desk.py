"""Lines have units and say goods or services, a price list fills them, PDFs are previewed, and files are imported without mails."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime, sorted_text

revision = "0072"
down_revision = "0071"

_ACTIVE = sa.text("status = 'active'")
_UNMAILED = sa.text("mailed_at IS NULL AND (mail_waived_at IS NULL OR pdf_sha256 IS NULL)")
_UNMAILED_BEFORE = sa.text("mailed_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "price_items",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("name_folded", sorted_text(120), nullable=False),
        sa.Column("description", sa.String(300), nullable=False),
        sa.Column("unit", sa.String(3), nullable=False),
        sa.Column("unit_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("tax_rate_basis_points", sa.Integer(), nullable=False),
        sa.Column("supplies", sa.String(10), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("retired_at", UTCDateTime()),
        sa.CheckConstraint("status IN ('active', 'retired')", name=op.f("ck_price_items_status_known")),
        sa.CheckConstraint("unit_price_minor >= 0", name=op.f("ck_price_items_price_not_negative")),
        sa.CheckConstraint("tax_rate_basis_points BETWEEN 0 AND 10000", name=op.f("ck_price_items_tax_rate_range")),
        sa.CheckConstraint("supplies IN ('goods', 'services')", name=op.f("ck_price_items_supplies_known")),
    )
    op.create_index(
        "uq_price_items_name",
        "price_items",
        ["name_folded", "currency"],
        unique=True,
        sqlite_where=_ACTIVE,
        postgresql_where=_ACTIVE,
    )
    op.create_index("ix_price_items_created", "price_items", ["created_at", "id"])
    op.create_index("ix_price_items_status", "price_items", ["status", "created_at", "id"])

    op.add_column("invoice_lines", sa.Column("unit", sa.String(3), nullable=False, server_default="C62"))
    op.add_column("invoice_lines", sa.Column("supplies", sa.String(10)))
    op.add_column("invoice_lines", sa.Column("item_id", sa.String(40)))
    with op.batch_alter_table("invoice_lines") as lines:
        lines.alter_column("unit", server_default=None)
        lines.create_check_constraint(op.f("ck_invoice_lines_supplies_known"), "supplies IN ('goods', 'services')")
        lines.create_foreign_key(op.f("fk_invoice_lines_item_id_price_items"), "price_items", ["item_id"], ["id"])

    op.add_column("documents", sa.Column("mail_waived_at", UTCDateTime()))
    op.drop_index("ix_documents_unmailed", "documents")
    _unmailed_index(_UNMAILED)

    op.create_table(
        "invoice_previews",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("requested_at", UTCDateTime(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("files_done", sa.Integer(), nullable=False),
        sa.Column("files_all", sa.Integer(), nullable=False),
        sa.Column("made_at", UTCDateTime()),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.Column("requested_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("customer_id", sa.String(40), sa.ForeignKey("customers.id"), nullable=False),
        sa.Column("draft", sa.JSON(), nullable=False),
        sa.Column("language", sa.String(10), nullable=False),
        sa.CheckConstraint("status IN ('given_up', 'making', 'ready')", name=op.f("ck_invoice_previews_status_known")),
    )
    op.create_index("uq_invoice_previews_person", "invoice_previews", ["requested_by"], unique=True)
    op.create_index("ix_invoice_previews_requested", "invoice_previews", ["requested_at", "id"])
    op.create_table(
        "invoice_preview_parts",
        sa.Column("preview_id", sa.String(40), sa.ForeignKey("invoice_previews.id"), primary_key=True),
        sa.Column("attempt", sa.Integer(), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )


def downgrade() -> None:
    """What lines say of their units and kinds is lost by this, and the price list."""
    op.drop_table("invoice_preview_parts")
    op.drop_table("invoice_previews")
    op.drop_index("ix_documents_unmailed", "documents")
    op.drop_column("documents", "mail_waived_at")
    _unmailed_index(_UNMAILED_BEFORE)
    with op.batch_alter_table("invoice_lines") as lines:
        lines.drop_constraint(op.f("fk_invoice_lines_item_id_price_items"), type_="foreignkey")
        lines.drop_constraint(op.f("ck_invoice_lines_supplies_known"), type_="check")
        for name in ("item_id", "supplies", "unit"):
            lines.drop_column(name)
    op.drop_table("price_items")


def _unmailed_index(where: sa.TextClause) -> None:
    op.create_index(
        "ix_documents_unmailed", "documents", ["issued_at", "id"], sqlite_where=where, postgresql_where=where
    )
