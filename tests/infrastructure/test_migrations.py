"""Migrations and models say the same, on both databases."""

from __future__ import annotations

import pytest
import sqlalchemy
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

import portal.app  # noqa: F401  # brings every table into the metadata
from deploy.dev.processes import ROOT
from portal import config, db
from portal.accounts.models import User
from tests import factories

_USER = "INSERT INTO users (id, email, name, role, customer_id, language, active, created_at) VALUES "
_CUSTOMER = "INSERT INTO customers (id, name, email, address, country, tax_id, language, created_at) VALUES "
_SESSION = "INSERT INTO sign_in_sessions (token_hash, user_id, created_at, last_seen_at, ip, user_agent) VALUES "
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


def test_models_need_no_further_migration(database: str) -> None:
    with db.engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, db.Base.metadata) == []


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
