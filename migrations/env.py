"""Alembic's entry: the database of the settings, and every model's table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Engine, create_engine, pool

from portal import ledger
from portal.accounts import models as accounts
from portal.content import mail
from portal.core import answers, audit, config, numbering, schema, upkeep
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


@contextmanager
def alone(engine: Engine) -> Iterator[None]:
    """Whoever migrates beside us waits until we are done. SQLite has one writer anyway."""
    if engine.dialect.name != "postgresql":
        yield
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({schema.MIGRATION_LOCK})")
        yield


def migrate() -> None:
    url = config.current().database_url.replace("postgresql://", "postgresql+psycopg://", 1)
    engine = create_engine(url, poolclass=pool.NullPool)
    with alone(engine), engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET lock_timeout = {round(schema.LOCK_SECONDS * 1000)}")
            connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=connection.dialect.name == "sqlite",
            transaction_per_migration=True,
            render_item=written,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


migrate()
