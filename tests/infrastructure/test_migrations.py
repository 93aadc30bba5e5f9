"""Migrations and models say the same, on both databases."""

from __future__ import annotations

import json
import re
from hashlib import sha256

import pytest
import sqlalchemy
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import undefer

import portal.app  # noqa: F401  # brings every table into the metadata
from deploy.dev.processes import ROOT
from portal.core import clock, config, db
from portal.core.money import Money
from portal.documents import facts, old_facts, queries
from portal.documents import service as receipts
from portal.documents.models import Receipt
from portal.identity.models import User
from portal.invoices import outside, service
from portal.jobs.models import JobRow
from portal.ledger import Posting
from portal.payment_methods import jobs
from portal.payment_methods.models import PaymentMethod, PaymentMethodSetup
from tests import factories
from tests.documents.conftest import example
from tests.invoices import test_receivables as receivables

pytestmark = pytest.mark.owner

_USER = "INSERT INTO users (id, email, name, role, customer_id, language, active, created_at) VALUES "
_CUSTOMER = "INSERT INTO customers (id, name, email, address, country, tax_id, language, created_at) VALUES "
_SESSION = "INSERT INTO sign_in_sessions (token_hash, user_id, created_at, last_seen_at, ip, user_agent) VALUES "
# Within the quotes of a CHECK, as either database tells it.
WORD = re.compile(r"'([^']*)'")
BEFORE_ROLES = (
    _CUSTOMER + "('cus_1', 'Spree Bikes GmbH', 'ada@spree-bikes.test', '', 'DE', '', 'en', '2026-01-02 03:04:05')",
    _USER + "('usr_1', 'ada@spree-bikes.test', 'Ada', 'customer', 'cus_1', 'en', true, '2026-01-02 03:04:05')",
    _USER + "('usr_2', 'eve@spree-bikes.test', 'Eve', 'customer', 'cus_1', 'en', false, '2026-01-02 03:04:05')",
    _USER + "('usr_3', 'tom@portal.test', 'Tom', 'support', NULL, 'en', true, '2026-01-02 03:04:05')",
    _SESSION + "('x', 'usr_1', '2026-01-02 03:04:05', '2026-01-02 03:04:05', '', '')",
)


def test_migrated_database_has_all_tables(database: str) -> None:
    with db.engine().connect() as connection:
        tables = set(sqlalchemy.inspect(connection).get_table_names())
    assert tables >= set(db.Base.metadata.tables)
    assert "alembic_version" in tables


# SQLAlchemy reads no index of an expression from SQLite; those are compared on PostgreSQL.
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based index")
def test_models_need_no_further_migration(database: str) -> None:
    with db.engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, db.Base.metadata) == []


def test_a_column_takes_exactly_the_words_of_its_enum(database: str) -> None:
    """Autogenerate compares no CHECK; a word that is new in an enum needs a migration all the same."""
    said = [
        (table.name, str(check.name), set(WORD.findall(str(check.sqltext))))
        for table in db.Base.metadata.tables.values()
        for check in table.constraints
        if isinstance(check, sqlalchemy.CheckConstraint) and str(check.name).endswith("_known")
    ]
    assert len(said) > 10
    with db.engine().connect() as connection:
        inspector = sqlalchemy.inspect(connection)
        for table, name, words in said:
            # By its end: some migrations wrote the name out, and the naming convention put the table before it once more.
            migrated = [check for check in inspector.get_check_constraints(table) if str(check["name"]).endswith(name)]
            assert [set(WORD.findall(check["sqltext"])) for check in migrated] == [words], (table, name)


def test_whoever_signed_in_before_roles_is_an_owner_after(settings: config.Settings) -> None:
    alembic = Config()
    alembic.set_main_option("script_location", str(ROOT / "migrations"))
    command.downgrade(alembic, "0003")
    with db.transaction() as session:
        for statement in BEFORE_ROLES:
            session.execute(sqlalchemy.text(statement))
    command.upgrade(alembic, "head")
    with db.reading() as session:
        roles = session.execute(sqlalchemy.text("SELECT role, customer_role FROM users ORDER BY id")).all()
        assert session.execute(sqlalchemy.text("SELECT user_id FROM sign_in_sessions")).scalar_one() == "usr_1"
    assert roles == [("customer", "owner"), ("customer", "owner"), ("support", None)]


def test_what_was_there_before_it_was_folded_is_found(settings: config.Settings) -> None:
    alembic = Config()
    alembic.set_main_option("script_location", str(ROOT / "migrations"))
    with db.transaction() as session:
        customer = factories.customer(session, name="Möbel Jürgens")
        invoice = factories.invoice(session, customer, reference="Süd 12", number="INV-2026-000077")
        factories.payment(session, customer, invoice, description="Anzahlung Möbel")
    command.downgrade(alembic, "0027")
    with db.transaction() as session:
        session.execute(sqlalchemy.text("UPDATE customer_words SET word = 'jurgens-of-old' WHERE word = 'jurgens'"))
    command.upgrade(alembic, "head")
    with db.reading() as session:
        words = set(session.scalars(sqlalchemy.text("SELECT word FROM customer_words")))
        folded = session.execute(
            sqlalchemy.text("SELECT reference_folded, external_reference_folded FROM invoices")
        ).one()
        searched = session.execute(sqlalchemy.text("SELECT search_text FROM payments")).scalar_one()
        assert searched == "inv-2026-000077\nsud 12\nanzahlung mobel"
    assert {"mobel", "jurgens"} <= words and "jurgens-of-old" not in words
    assert tuple(folded) == ("sud 12", "")


@pytest.mark.parametrize(
    ("role", "customer", "customer_role"),
    [("customer", True, None), ("customer", True, "boss"), ("customer", False, "owner"), ("support", False, "viewer")],
)
def test_a_role_within_a_customer_is_one_of_three_and_for_customers_only(
    database: str, role: str, customer: bool, customer_role: str | None
) -> None:
    with db.transaction() as session:
        factories.user(session, factories.customer(session)) if customer else factories.staff(session)
    with pytest.raises(IntegrityError), db.transaction() as session:
        session.execute(update(User).values(role=role, customer_role=customer_role))


def test_saved_cards_become_payment_methods_with_all_that_refers_to_them(settings: config.Settings) -> None:
    alembic = Config()
    alembic.set_main_option("script_location", str(ROOT / "migrations"))
    with db.transaction() as session:
        customer_id = factories.customer(session).id
        card = {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2034, "created_at": clock.now()}
        method = PaymentMethod(id="method_1", customer_id=customer_id, stripe_payment_method_id="pm_1", **card)
        setup = PaymentMethodSetup(
            id="set_1", customer_id=customer_id, client_key="k", payment_method_id="method_1", created_at=clock.now(),
            updated_at=clock.now(),
        )  # fmt: skip
        session.add_all([method, setup])
        jobs.upsert.enqueue(session, stripe_payment_method_id="pm_1")
        jobs.mail_expiry.enqueue(session, payment_method_id="method_1", last_day="2034-12-31", days=7)
    command.downgrade(alembic, "0043")
    with db.reading() as session:
        assert session.execute(sqlalchemy.text("SELECT id FROM saved_cards")).scalar_one() == "crd_1"
        assert session.execute(sqlalchemy.text("SELECT card_id FROM card_setups")).scalar_one() == "crd_1"
        args = list(session.scalars(select(JobRow.args).order_by(JobRow.name)))
        assert args == [{"card_id": "crd_1", "last_day": "2034-12-31", "days": 7}, {"payment_method_id": "pm_1"}]
    command.upgrade(alembic, "head")
    with db.reading() as session:
        assert session.scalars(select(PaymentMethod.id)).one() == "method_1"
        assert session.scalars(select(PaymentMethodSetup.payment_method_id)).one() == "method_1"
        args = list(session.scalars(select(JobRow.args).order_by(JobRow.name)))
        assert args == [
            {"payment_method_id": "method_1", "last_day": "2034-12-31", "days": 7}, {"stripe_payment_method_id": "pm_1"},
        ]  # fmt: skip


def test_receipts_from_before_there_were_documents_keep_all_they_had_and_get_a_code(settings: config.Settings) -> None:
    alembic = Config()
    alembic.set_main_option("script_location", str(ROOT / "migrations"))
    with db.transaction() as session:
        payment = factories.payment(session, factories.customer(session))
    command.downgrade(alembic, "0007")
    with db.transaction() as session:
        written = example().to_json() | {"version": old_facts.WITHOUT_CODES}
        del written["kind"], written["verification"]
        kept = {
            "id": "rct_old", "number": "R-2026-000123", "payment_id": payment.id, "customer_id": payment.customer_id,
            "total_minor": 119_00, "currency": "eur", "facts": json.dumps(written), "pdf": b"%PDF-1.7 \x00\xff",
            "pdf_sha256": sha256(b"%PDF-1.7 \x00\xff").hexdigest(), "issued_at": "2026-11-23 04:30:15.250000",
        }  # fmt: skip
        receipts = sqlalchemy.table("receipts", *(sqlalchemy.column(name) for name in kept))
        session.execute(insert(receipts).values(kept))
        job = {"id": "job_old", "name": "receipts.mail", "tries": 0, "run_at": clock.now(), "created_at": clock.now()}
        rows = sqlalchemy.table(
            "jobs", sqlalchemy.column("args", sqlalchemy.JSON), *map(sqlalchemy.column, (*job, "state"))
        )
        session.execute(insert(rows).values(**job, args={"receipt_id": "rct_old"}, state="queued"))
    command.upgrade(alembic, "head")
    with db.reading() as session:
        receipt = session.get_one(Receipt, "rct_old", options=[undefer(Receipt.pdf)])
        assert (receipt.number, receipt.pdf, receipt.pdf_sha256) == (kept["number"], kept["pdf"], kept["pdf_sha256"])
        assert facts.from_json(receipt.facts).number == receipt.number
        assert receipt.issued_at.isoformat() == "2026-11-23T04:30:15.250000+00:00"
        told = queries.by_code(session, receipt.code)
        assert told is not None
        assert told.number == "R-2026-000123"
        assert session.execute(select(JobRow.args)).scalars().all() == [{"document_id": "rct_old"}]


# The migration before that of receivables.
BEFORE_SALES = f"{int(next((ROOT / 'migrations' / 'versions').glob('*_receivables.py')).name[:4]) - 1:04d}"


def _sold() -> set[tuple[object, ...]]:
    with db.reading() as session:
        return {
            (one.kind, one.debit, one.credit, one.amount, one.at, one.customer_id, one.item_id, one.tax_rate_basis_points, one.reference)
            for one in session.scalars(select(Posting))
        }  # fmt: skip


def test_what_was_sold_before_the_books_said_so_is_booked_by_the_upgrade(settings: config.Settings) -> None:
    """All that a portal of before may hold comes out as it is booked now, to the moment and the reference."""
    whole, void, twice, sale = (
        receivables.issue(),
        receivables.issue(),
        receivables.issue(),
        receivables.pay(None, 50_00),
    )
    service.void(void.id, "Billed twice")
    record = factories.record_outside(whole.id, amount=Money(50_00, "eur"))
    outside.reverse(record.id, factories.reviewer(), "another customer's")
    paid = receivables.pay(whole)
    factories.record_outside(twice.id, amount=Money(150_00, "eur"))
    too_much, again = receivables.pay(twice), receivables.pay(twice, opening=2)
    back = [
        (paid, 97_10, "other"),
        (paid, 20_00, "duplicate"),
        (again, receivables.WHOLE, "duplicate"),
        (sale, 20_00, "other"),
    ]
    for payment in (paid, too_much, again, sale):
        receipts.issue(payment)
    for payment, amount, reason in back:
        refund_id, _found = receivables.give_back(payment, amount, reason=reason)
        receipts.issue_credit_note(refund_id)
    before = _sold()
    assert {"invoice", "invoice_tax", "void", "sale", "overpaid", "overpaid_returned", "credit", "credit_tax"} <= {
        row[0] for row in before
    }
    alembic = Config()
    alembic.set_main_option("script_location", str(ROOT / "migrations"))
    command.downgrade(alembic, BEFORE_SALES)
    command.upgrade(alembic, "head")
    assert _sold() == before
