"""A refund has a status, an acquirer reference number, and Stripe's words for its reason."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"

REASONS = {
    "not_received": "product_not_received",
    "not_as_agreed": "product_unacceptable",
    "fraud": "fraudulent",
}
COLUMNS = (
    ("refunds", "state", "status"),
    ("refund_steps", "state", "status"),
    ("refunds", "bank_reference", "acquirer_reference_number"),
)
BEFORE = (
    "duplicate",
    "not_received",
    "not_as_agreed",
    "no_longer_wanted",
    "other",
    "billing_error",
    "goodwill",
    "fraud",
)
AFTER = tuple(REASONS.get(reason, reason) for reason in BEFORE)

jobs = sa.table("jobs", sa.column("id"), sa.column("name"), sa.column("state"), sa.column("args", sa.JSON))


def rename_column(table: str, before: str, after: str) -> None:
    op.execute(f"ALTER TABLE {table} RENAME COLUMN {before} TO {after}")


def rename_reasons(words: dict[str, str], known: tuple[str, ...]) -> None:
    with op.batch_alter_table("refunds") as table:
        table.drop_constraint(op.f("ck_refunds_reason_known"), type_="check")
    rename = sa.text("UPDATE refunds SET reason = :after WHERE reason = :before")
    for before, after in words.items():
        op.get_bind().execute(rename, {"before": before, "after": after})
    listed = ", ".join(f"'{word}'" for word in known)
    with op.batch_alter_table("refunds") as table:
        table.create_check_constraint(op.f("ck_refunds_reason_known"), f"reason IN ({listed})")


def rename_argument(before: str, after: str) -> None:
    """Of the mails that are waiting, or are dead and may be revived."""
    connection = op.get_bind()
    waiting = sa.select(jobs.c.id, jobs.c.args).where(jobs.c.name == "refunds.mail", jobs.c.state != "done")
    for job_id, args in connection.execute(waiting).all():
        renamed = {after if name == before else name: value for name, value in args.items()}
        connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(args=renamed))


def upgrade() -> None:
    for table, before, after in COLUMNS:
        rename_column(table, before, after)
    rename_reasons(REASONS, AFTER)
    rename_argument("state", "status")


def downgrade() -> None:
    rename_argument("status", "state")
    rename_reasons({after: before for before, after in REASONS.items()}, BEFORE)
    for table, before, after in COLUMNS:
        rename_column(table, after, before)
