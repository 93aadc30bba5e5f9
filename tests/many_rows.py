"""A PostgreSQL database as large as a company's after years: customers, invoices, payments, receipts and refunds, written by SQL.

Rows past the ORM: what it derives (words of customers, folded texts) is written here as well.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, Table, text

from portal.core.db import Base

BIG: Final = "cus_big"
PAYMENTS_A_CUSTOMER: Final = 50


def fill(connection: Connection, payments: int, of_big: int) -> None:
    """So many payments, about `of_big` of them of one customer, a minute apart up to now: each of an invoice of its own, and with a
    receipt. One in a hundred was refunded.

    The tables are empty before. PostgreSQL knows afterwards what is in them.
    """
    customers = max(payments // PAYMENTS_A_CUSTOMER, 1)
    whose = f"CASE WHEN n % {payments // of_big} = 0 THEN '{BIG}' ELSE 'cus_' || n % {customers} END"
    moment = f"now() - ({payments} - n) * interval '1 minute'"
    _insert(
        connection,
        "customers",
        customers,
        id="'cus_' || n",
        name="'Spree Bikes ' || n",
        email="'mail' || n || '@example.com'",
    )
    _insert(connection, "customers", 1, id=f"'{BIG}'", name="'Big Bakery'", email="'big@example.com'")
    connection.execute(
        text(
            "INSERT INTO customer_words SELECT w, id FROM customers, regexp_split_to_table(lower(name), ' ') w ON CONFLICT DO NOTHING"
        )
    )
    money = {"net_minor": "1000 + n % 9000", "currency": "'eur'"}
    _insert(
        connection, "invoices", payments, id="'inv_' || n", number="'INV-2026-' || lpad(n::text, 8, '0')", customer_id=whose,
        status="'paid'", tax_minor="0", total_minor="1000 + n % 9000", issued_on=f"({moment})::date", due_on=f"({moment})::date",
        reference="'PO ' || n", reference_folded="'po ' || n", external_reference_folded="''", created_at=moment, **money,
    )  # fmt: skip
    _insert(
        connection, "payments", payments, id="'pay_' || n", customer_id=whose, client_key="'key-' || n", has_invoices="true",
        amount_minor="1000 + n % 9000", currency="'eur'", description="'Invoice INV-2026-' || lpad(n::text, 8, '0')",
        search_text="'inv-2026-' || lpad(n::text, 8, '0') || E'\\npo ' || n || E'\\ninvoice inv-2026-' || lpad(n::text, 8, '0')",
        items="'[]'", extra="'{}'",
        status="CASE WHEN n % 20 = 0 THEN 'canceled' ELSE 'succeeded' END", card_last4="lpad((n % 10000)::text, 4, '0')",
        stripe_intent_id="'pi_many_' || n", stripe_charge_id="'ch_many_' || n", created_at=moment, updated_at=moment, succeeded_at=moment,
    )  # fmt: skip
    _insert(
        connection, "payment_allocations", payments, id="'alc_' || n", payment_id="'pay_' || n", position="1", invoice_id="'inv_' || n",
        opening="1", amount_minor="1000 + n % 9000", currency="'eur'", settled_at=f"CASE WHEN n % 20 > 0 THEN {moment} END",
        released_at=f"CASE WHEN n % 20 = 0 THEN {moment} END",
    )  # fmt: skip
    _insert(
        connection, "documents", payments, id="'rct_' || n", kind="'receipt'", number="'R-2026-' || lpad(n::text, 8, '0')",
        payment_id="'pay_' || n", customer_id=whose, total_minor="1000 + n % 9000", currency="'eur'", facts="'{}'",
        code="'C' || lpad(n::text, 18, '0')", issued_at=moment, mailed_at=moment, pdf_sha256="repeat('0', 64)",
    )  # fmt: skip
    _insert(
        connection, "refunds", payments // 100, id="'ref_' || n", payment_id="'pay_' || n * 100", invoice_id="'inv_' || n * 100",
        customer_id=f"'cus_' || n % {customers}",
        client_key="'key-' || n", origin="'staff'", asked_at=moment, asked_minor="100", amount_minor="100", currency="'eur'",
        reason="'duplicate'", status="'succeeded'", updated_at=moment, succeeded_at=moment,
    )  # fmt: skip
    connection.execute(text("ANALYZE"))


def _insert(connection: Connection, into: str, rows: int, **expressions: str) -> None:
    """Write rows whose columns are SQL of `n`, from 1 on; the others are null, or have the model's default."""
    table: Table = Base.metadata.tables[into]
    for column in table.c:
        if column.key not in expressions and not column.nullable:
            expressions[column.key] = "now()" if column.default is None else _literal(vars(column.default)["arg"])
    columns, values = ", ".join(expressions), ", ".join(expressions.values())
    connection.execute(text(f"INSERT INTO {into} ({columns}) SELECT {values} FROM generate_series(1, {rows}) AS n"))  # noqa: S608


def _literal(value: object) -> str:
    return str(value).lower() if isinstance(value, bool | int) else f"'{value}'"
