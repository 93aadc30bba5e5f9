"""Alembic's entry: the database of the settings, and every model's table."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, pool

from portal import audit, config, ledger, mail, numbering, outbox
from portal.accounts import models as accounts
from portal.cards import models as cards
from portal.db import Base
from portal.invoices import models as invoices
from portal.mandates import models as mandates
from portal.payments import models as payments
from portal.receipts import models as receipts
from portal.reconciliation import models as reconciliation
from portal.refunds import models as refunds
from portal.support import models as support
from portal.webhooks import models as webhooks

# Importing a module of models puts its tables into the metadata.
MODELS = (
    *(accounts, audit, cards, invoices, ledger, mail, mandates),
    *(numbering, outbox, payments, receipts, reconciliation, refunds, support, webhooks),
)


def migrate() -> None:
    url = config.current().database_url.replace("postgresql://", "postgresql+psycopg://", 1)
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=connection.dialect.name == "sqlite",
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


migrate()
