"""The portal with all that it imports late, for processes that are forked from one parent and killed often.

A fork costs milliseconds, an import of Stripe's SDK and of WeasyPrint seconds. No connection may be shared over a fork: the
database's pool is empty until the first query, which the parent never makes.
"""

import stripe
import weasyprint
from sqlalchemy.pool import QueuePool

from portal.core import db
from wsgi import app

__all__ = ["app"]

# Fonts are looked for once, by the parent.
weasyprint.HTML(string="<p>Warm</p>").write_pdf()
stripe.RequestsClient()

pool = db.engine().pool
assert not isinstance(pool, QueuePool) or pool.checkedin() + pool.checkedout() == 0, "a connection would be shared"
