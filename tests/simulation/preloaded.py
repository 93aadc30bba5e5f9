"""The portal with all that it imports late, for processes that are forked from one parent and killed often.

A fork costs milliseconds, an import of Stripe's SDK and of WeasyPrint seconds. No connection may be shared over a fork: the
database's pool is empty until the first query, which the parent never makes. Templates that one process has compiled are found by the
others, and by those that come after it.
"""

import os
from pathlib import Path

import stripe
from sqlalchemy.orm import configure_mappers
from sqlalchemy.pool import QueuePool

from portal.core import db
from tests.preloading import keep_templates, render_a_receipt

keep_templates(Path(os.environ["COMPILED_TEMPLATES"]))

from wsgi import app  # noqa: E402  # an application takes its templates' folder along when it is made

__all__ = ["app"]

configure_mappers()
render_a_receipt()
stripe.RequestsClient()

pool = db.engine().pool
assert not isinstance(pool, QueuePool) or pool.checkedin() + pool.checkedout() == 0, "a connection would be shared"
