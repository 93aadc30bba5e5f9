"""What VIES said of the VAT IDs of customers, which is never changed."""

import sqlalchemy as sa
from alembic import op

from portal.core.db import UTCDateTime

revision = "0082"
down_revision = "0081"

_TABLE = "vat_checks"
_RESULTS = "result IN ('valid', 'invalid', 'not_checked')"


def upgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("customer_id", sa.String(40), sa.ForeignKey("customers.id"), nullable=False),
        sa.Column("tax_id", sa.String(40), nullable=False),
        sa.Column("result", sa.String(20), nullable=False),
        sa.Column("asked_at", UTCDateTime, nullable=False),
        sa.Column("requester", sa.String(40), nullable=False),
        sa.Column("consultation_number", sa.String(60), nullable=False),
        sa.Column("trader_name", sa.String(300), nullable=False),
        sa.Column("trader_address", sa.String(600), nullable=False),
        sa.Column("reason", sa.String(60), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.CheckConstraint(_RESULTS, name=op.f("ck_vat_checks_result_known")),
    )
    op.create_index("ix_vat_checks_customer", _TABLE, ["customer_id", "asked_at", "id"])
    op.create_index("ix_vat_checks_tax_id", _TABLE, ["customer_id", "tax_id", "asked_at", "id"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER vat_checks_append_only BEFORE UPDATE OR DELETE ON vat_checks "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            "CREATE TRIGGER vat_checks_never_emptied BEFORE TRUNCATE ON vat_checks EXECUTE FUNCTION refuse_change()"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER vat_checks_no_{verb.lower()} BEFORE {verb} ON vat_checks "
            "BEGIN SELECT RAISE(ABORT, 'rows of vat_checks are never changed or deleted'); END"
        )
    op.execute(
        "CREATE TRIGGER vat_checks_no_replace BEFORE INSERT ON vat_checks "
        "WHEN EXISTS (SELECT 1 FROM vat_checks WHERE id = NEW.id) BEGIN SELECT RAISE(IGNORE); END"
    )


def downgrade() -> None:
    op.drop_table(_TABLE)
