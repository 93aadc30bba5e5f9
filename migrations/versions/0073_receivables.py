"""What is sold is in the books when its invoice is issued: receivables against revenue and tax, and what is given back of them.

All invoices, payments without one and documents of refunds that there are get their postings here, a batch at a time. Reckon with a
minute for each million of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import sqlalchemy as sa
from alembic import op

from portal.core import company_days
from portal.core.db import UTCDateTime, new_id

revision = "0073"
down_revision = "0072"

BEFORE = ("stripe_balance", "receivables", "fees", "refunds", "disputes", "bank", "exchange", "other")
SALES = ("revenue", "tax", "overpayments")
BATCH: Final = 1_000

REFUSE = "BEGIN SELECT RAISE(ABORT, 'rows of postings are never changed or deleted'); END"
# As the second migration made them: SQLite changes a table by making a new one, and triggers stay with the old.
SQLITE_TRIGGERS = {
    "postings_no_update": f"BEFORE UPDATE ON postings {REFUSE}",
    "postings_no_delete": f"BEFORE DELETE ON postings {REFUSE}",
    "postings_no_replace": "BEFORE INSERT ON postings WHEN EXISTS (SELECT 1 FROM postings WHERE id = NEW.id OR reference = NEW.reference) "
    "BEGIN SELECT RAISE(IGNORE); END",
}
# As migration 64 made it; what does not touch the balance at Stripe leaves what is kept of that alone from now on.
UNKEEPS = "postings_insert_unkeeps"
FORGET = "DELETE FROM kept_balances WHERE currency = NEW.currency AND at > NEW.at;"
TOUCHES = "WHEN (NEW.debit = 'stripe_balance' OR NEW.credit = 'stripe_balance')"

POSTINGS: Final = sa.table(
    "postings",
    *(sa.column(name, sa.String) for name in ("id", "kind", "debit", "credit", "currency", "subject", "reference")),
    *(sa.column(name, sa.String) for name in ("customer_id", "item_id")),
    sa.column("at", UTCDateTime),
    sa.column("amount_minor", sa.BigInteger),
    sa.column("tax_rate_basis_points", sa.Integer),
)
OF_CUSTOMERS, OF_ITEMS = sa.text("customer_id IS NOT NULL"), sa.text("item_id IS NOT NULL")


def upgrade() -> None:
    _unprotect()
    _allow((*BEFORE, *SALES))
    op.add_column("postings", sa.Column("customer_id", sa.String(40)))
    op.add_column("postings", sa.Column("item_id", sa.String(40)))
    op.add_column("postings", sa.Column("tax_rate_basis_points", sa.Integer()))
    _name_items()
    op.create_index("ix_postings_item", "postings", ["item_id"], sqlite_where=OF_ITEMS, postgresql_where=OF_ITEMS)
    for rows in (_sold(), _withdrawn(), _paid_without_invoice(), _duplicates(), _too_much(), _given_back()):
        _write(rows)
    op.create_index(
        "ix_postings_customer",
        "postings",
        ["customer_id", "currency", "at", "id", "debit", "credit", "amount_minor", "item_id"],
        sqlite_where=OF_CUSTOMERS,
        postgresql_where=OF_CUSTOMERS,
    )
    _protect(TOUCHES)


def downgrade() -> None:
    _unprotect()
    op.drop_index("ix_postings_customer", "postings")
    op.drop_index("ix_postings_item", "postings")
    words = ", ".join(f"'{word}'" for word in SALES)
    op.execute(
        f"DELETE FROM postings WHERE debit IN ({words}) OR credit IN ({words}) OR kind LIKE 'overpaid_returned%'"
    )
    with op.batch_alter_table("postings") as table:
        for name in ("tax_rate_basis_points", "item_id", "customer_id"):
            table.drop_column(name)
    _allow(BEFORE)
    _protect("")


# What protects the table


def _unprotect() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER postings_append_only ON postings")
        op.execute(f"DROP TRIGGER {UNKEEPS} ON postings")
    else:
        for name in (*SQLITE_TRIGGERS, UNKEEPS):
            op.execute(f"DROP TRIGGER {name}")


def _protect(when: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER postings_append_only BEFORE UPDATE OR DELETE ON postings FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {UNKEEPS} AFTER INSERT ON postings FOR EACH ROW {when} EXECUTE FUNCTION {UNKEEPS}()"
        )
    else:
        for name, body in SQLITE_TRIGGERS.items():
            op.execute(f"CREATE TRIGGER {name} {body}")
        op.execute(f"CREATE TRIGGER {UNKEEPS} AFTER INSERT ON postings {when} BEGIN {FORGET} END")


def _allow(accounts: tuple[str, ...]) -> None:
    """Let postings name these accounts."""
    words = ", ".join(f"'{account}'" for account in accounts)
    with op.batch_alter_table("postings") as table:
        for side in ("debit", "credit"):
            table.drop_constraint(op.f(f"ck_postings_{side}_known"), type_="check")
            table.create_check_constraint(op.f(f"ck_postings_{side}_known"), f"{side} IN ({words})")


# What is posted


def _name_items() -> None:
    """The movements that there are say whose they are, and of which item."""
    of_payments = "kind IN ('charge', 'refund', 'refund_failed', 'refund_outside')"
    op.execute(
        "UPDATE postings SET customer_id = (SELECT customer_id FROM payments WHERE payments.id = postings.subject), "
        f"item_id = (SELECT coalesce(invoice_id, id) FROM payments WHERE payments.id = postings.subject) WHERE {of_payments}"
    )
    op.execute(
        "UPDATE postings SET customer_id = (SELECT customer_id FROM invoices WHERE invoices.id = postings.subject), "
        "item_id = subject WHERE kind IN ('outside', 'outside_reversed')"
    )


def _rows(query: str, **types: Any) -> Iterator[Any]:
    """The rows of a question that names its first column `id`, in the order of that, a batch at a time."""
    statement = sa.text(query.replace("{page}", ":after") + f" ORDER BY 1 LIMIT {BATCH}")
    after = ""
    while True:
        found = op.get_bind().execute(statement.columns(**types), {"after": after}).all()
        yield from found
        if len(found) < BATCH:
            return
        after = found[-1][0]


def _write(rows: Iterable[dict[str, Any]]) -> None:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) >= BATCH:
            op.bulk_insert(POSTINGS, batch)
            batch = []
    if batch:
        op.bulk_insert(POSTINGS, batch)


def _posting(  # the facts of one posting
    kind: str, debit: str, credit: str, amount: int, of: Any, reference: str, rate: int | None = None, **values: Any
) -> dict[str, Any]:
    facts = {
        "id": new_id("pst"),
        "kind": kind,
        "debit": debit,
        "credit": credit,
        "amount_minor": amount,
        "currency": of.currency,
        "subject": of.subject,
        "reference": reference,
        "customer_id": of.customer_id,
        "item_id": of.item_id,
        "tax_rate_basis_points": rate,
        "at": of.at,
    }
    return facts | values


def _sold() -> Iterator[dict[str, Any]]:
    invoices = "SELECT id, id AS subject, id AS item_id, customer_id, currency, issued_on, created_at AS at FROM invoices WHERE id > {page}"
    lines = sa.text(
        "SELECT tax_rate_basis_points, sum(net_minor), sum(tax_minor) FROM invoice_lines WHERE invoice_id = :invoice GROUP BY 1"
    )
    for invoice in _rows(invoices, id=sa.String, issued_on=sa.Date, at=UTCDateTime):
        at = min(company_days.noon(invoice.issued_on), invoice.at)
        for rate, net, tax in op.get_bind().execute(lines, {"invoice": invoice.id}):
            for account, minor, suffix in (("revenue", int(net), ""), ("tax", int(tax), "_tax")):
                if minor:
                    reference = f"invoice{suffix}:{invoice.id}:{rate}"
                    yield _posting(f"invoice{suffix}", "receivables", account, minor, invoice, reference, rate, at=at)


def _withdrawn() -> Iterator[dict[str, Any]]:
    sold = (
        "SELECT postings.reference, postings.currency, postings.customer_id, postings.item_id, postings.subject, "
        "invoices.voided_at AS at, postings.credit, postings.amount_minor, postings.tax_rate_basis_points AS rate "
        "FROM postings JOIN invoices ON invoices.id = postings.item_id "
        "WHERE invoices.status = 'void' AND postings.kind IN ('invoice', 'invoice_tax') AND postings.reference > {page}"
    )
    for row in _rows(sold, reference=sa.String, at=UTCDateTime):
        kind = "void_tax" if row.credit == "tax" else "void"
        yield _posting(kind, row.credit, "receivables", row.amount_minor, row, f"void:{row.reference}", row.rate)


_PAID: Final = (
    "SELECT id, id AS subject, coalesce(invoice_id, id) AS item_id, customer_id, currency, amount_minor, succeeded_at AS at "
    "FROM payments WHERE status = 'succeeded' AND succeeded_at IS NOT NULL AND id > {page} AND "
)


def _paid_without_invoice() -> Iterator[dict[str, Any]]:
    for row in _rows(_PAID + "invoice_id IS NULL AND duplicate IS NULL", id=sa.String, at=UTCDateTime):
        yield _posting("sale", "receivables", "revenue", row.amount_minor, row, f"sale:{row.id}:none")


def _duplicates() -> Iterator[dict[str, Any]]:
    for row in _rows(_PAID + "duplicate IS NOT NULL", id=sa.String, at=UTCDateTime):
        yield _overpaid(row, row.amount_minor)


def _overpaid(row: Any, minor: int) -> dict[str, Any]:
    return _posting("overpaid", "receivables", "overpayments", minor, row, f"overpaid:{row.subject}")


def _too_much() -> Iterator[dict[str, Any]]:
    """Where more was paid of an invoice than was due, by its last payment."""
    owed = "sum(CASE WHEN postings.debit = 'receivables' THEN postings.amount_minor ELSE -postings.amount_minor END)"
    due = "CASE WHEN invoices.status = 'open' THEN invoices.total_minor - invoices.paid_minor ELSE 0 END"
    invoices = (
        f"SELECT invoices.id, {owed} - ({due}) AS difference FROM invoices JOIN postings ON postings.item_id = invoices.id "
        "WHERE (postings.debit = 'receivables' OR postings.credit = 'receivables') AND invoices.id > {page} "
        f"GROUP BY invoices.id, invoices.status, invoices.total_minor, invoices.paid_minor HAVING {owed} < {due}"
    )
    last = sa.text(
        "SELECT id AS subject, invoice_id AS item_id, customer_id, currency, succeeded_at AS at FROM payments WHERE invoice_id = :invoice "
        "AND status = 'succeeded' AND duplicate IS NULL ORDER BY succeeded_at DESC, id DESC LIMIT 1"
    ).columns(at=UTCDateTime)
    for found in _rows(invoices, id=sa.String):
        payment = op.get_bind().execute(last, {"invoice": found.id}).first()
        if payment is not None:
            yield _overpaid(payment, -int(found.difference))


def _given_back() -> Iterator[dict[str, Any]]:
    """By the documents of refunds that stand, and of those that failed and were paid another way."""
    outside = "refunds.resolution = 'paid_outside'"
    documents = (
        "SELECT documents.id, documents.kind, documents.facts, documents.currency, refunds.payment_id AS subject, "
        "coalesce(payments.invoice_id, payments.id) AS item_id, refunds.customer_id, refunds.amount_minor, refunds.id AS refund_id, "
        f"coalesce(moved.at, refunds.succeeded_at, documents.issued_at) AS at, ({outside}) AS is_outside, elsewhere.at AS outside_at "
        "FROM documents JOIN refunds ON refunds.id = documents.refund_id JOIN payments ON payments.id = refunds.payment_id "
        "LEFT JOIN postings AS moved ON moved.reference = 'refund:' || refunds.stripe_refund_id "
        "LEFT JOIN postings AS elsewhere ON elsewhere.reference = 'refund_outside:' || refunds.id "
        f"WHERE (documents.revoked_at IS NULL OR {outside}) AND documents.id > {{page}}"
    )
    overpaid = sa.text(
        "SELECT sum(CASE WHEN credit = 'overpayments' THEN amount_minor ELSE -amount_minor END) FROM postings "
        "WHERE subject = :payment AND (debit = 'overpayments' OR credit = 'overpayments')"
    )
    types = {"id": sa.String, "facts": sa.JSON, "at": UTCDateTime, "outside_at": UTCDateTime}
    left: dict[str, int] = {}
    for row in _rows(documents, **types):
        movement = f"outside:{row.refund_id}" if row.is_outside else row.refund_id
        at = row.outside_at if row.is_outside and row.outside_at else row.at
        if row.kind == "credit_note":
            for rate, account, minor, suffix in _parts(row.facts):
                reference = f"credit:{movement}:{'none' if rate is None else rate}{suffix}"
                yield _posting(f"credit{suffix}", account, "refunds", minor, row, reference, rate, at=at)
            continue
        if row.subject not in left:
            left[row.subject] = int(op.get_bind().scalar(overpaid, {"payment": row.subject}) or 0)
        known = min(row.amount_minor, max(left[row.subject], 0))
        left[row.subject] -= known
        for account, minor in (("overpayments", known), ("other", row.amount_minor - known)):
            if minor:
                yield _posting(
                    "overpaid_returned", account, "refunds", minor, row, f"returned:{movement}:{account}", at=at
                )


def _parts(facts: dict[str, Any]) -> Iterator[tuple[int | None, str, int, str]]:
    taxes = facts["taxes"]
    for tax in taxes:
        for account, name, suffix in (("revenue", "net_minor", ""), ("tax", "tax_minor", "_tax")):
            if tax[name]:
                yield tax["tax_rate_basis_points"], account, tax[name], suffix
    untaxed = facts["net_minor"] - sum(tax["net_minor"] for tax in taxes)
    if untaxed:
        yield None, "revenue", untaxed, ""
