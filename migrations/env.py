"""Alembic's entry: the database of the settings, and every model's table."""

from __future__ import annotations

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from portal import ledger
from portal.accounts import models as accounts
from portal.content import mail
from portal.core import answers, audit, numbering, schema, upkeep
from portal.core.db import Base, UTCDateTime
from portal.core.enums import EnumText
from portal.documents import models as receipts
from portal.evidence import models as evidence
from portal.invoices import models as invoices
from portal.jobs import models as jobs
from portal.mandates import models as mandates
from portal.payment_methods import models as cards
from portal.payments import models as payments
from portal.reconciliation import models as reconciliation
from portal.refunds import models as refunds
from portal.stripe_events import models as stripe_events
from portal.support import models as support
from portal.web import saved

# Importing a module of models puts its tables into the metadata.
MODELS = (
    *(accounts, answers, audit, cards, evidence, invoices, ledger, mail, mandates),
    *(numbering, jobs, payments, receipts, reconciliation, refunds, saved, support, stripe_events, upkeep),
)


def written(kind: str, item: object, into: AutogenContext) -> str | Literal[False]:
    """How a new migration spells types of ours; False for all that Alembic spells itself."""
    if kind != "type":
        return False
    if isinstance(item, EnumText):
        return f"sa.String(length={item.length})"
    if isinstance(item, UTCDateTime):
        into.imports.add("from portal.core.db import UTCDateTime")
        return "UTCDateTime()"
    return False


def goes_back(connection: Connection) -> bool:
    """Whether migrations are to be undone. Their names are numbers."""
    wanted = str(context.get_revision_argument() or "")
    return wanted.isdecimal() and wanted < (MigrationContext.configure(connection).get_current_revision() or "")


def take_walls_down(connection: Connection) -> None:
    """Columns that a policy names can be neither removed nor changed; `flask migrate` puts policies in place again."""
    for (table,) in connection.exec_driver_sql("SELECT polrelid::regclass::text FROM pg_policy").all():
        connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
        connection.exec_driver_sql(f"DROP POLICY within_reach ON {table}")
    connection.commit()


def migrate() -> None:
    with schema.alone() as connection:
        if connection.dialect.name == "postgresql" and goes_back(connection):
            take_walls_down(connection)
        connection.rollback()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=connection.dialect.name == "sqlite",
            transaction_per_migration=True,
            render_item=written,
        )
        with context.begin_transaction():
            context.run_migrations()


migrate()
