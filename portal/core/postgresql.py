"""PostgreSQL's driver, with a bound on how long someone who waits in front of a page waits for the server.

A server that is frozen, or gone without a word, keeps its connections open: nothing but the client's own clock ends such a wait.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg.abc import RV, PQGen

from portal.core import patience

# Someone in front of a page waits so long for one answer of the server, in seconds; what is well answers in milliseconds. A job waits
# as long as it takes.
ANSWER_SECONDS: Final = 4.0
# How a connection is made, where the database's address says nothing else: a server that says nothing is given up after two seconds,
# and one that is gone without a word is noticed within a minute. Source: PostgreSQL, "Parameter Key Words" of libpq.
PARAMETERS: Final = {
    "connect_timeout": "2",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
_INTERVAL: Final = 0.1


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is given up, with OperationalError, when the server does not answer whoever waits in front of a page."""

    def wait(self, gen: PQGen[RV], interval: float = _INTERVAL, timeout: float | None = None) -> RV:
        """What all of the driver's ways to the server go through."""
        if timeout is not None or not patience.is_limited():
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, ANSWER_SECONDS)
        except psycopg.errors._WaitTimeout as error:  # noqa: SLF001  # the driver has no other name for it
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the server has not answered for {ANSWER_SECONDS:.0f} s") from error


def connect(*args: Any, **given: Any) -> BoundedConnection:
    """As psycopg.connect does; what is `given` goes before PARAMETERS."""
    return BoundedConnection.connect(*args, **PARAMETERS | given)
