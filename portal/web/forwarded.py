"""Whether a reverse proxy speaks for visitors although none is configured: then all of them count as one, in limits and in the trail."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core import audit, clock, config, db, reach

log = structlog.get_logger(__name__)

HEADERS: Final = ("X-Forwarded-For", "Forwarded")
NOT_CONFIGURED: Final = "proxy.not_configured"
# It is written down at most this often, and shown as long as it was written down within twice that time.
AGAIN_AFTER: Final = timedelta(days=1)
# What this process has written down: under which settings, and when.
_noted: tuple[config.Settings, datetime] | None = None


def watch(peer: str, *, is_forwarded: bool) -> None:
    """Write it down when a request says whom it was forwarded for (in one of HEADERS), and the settings know of no proxy."""
    global _noted
    settings = config.current()
    if settings.proxies or not is_forwarded:
        return
    now = clock.now()
    if _noted is not None and _noted[0] is settings and now - _noted[1] < AGAIN_AFTER:
        return
    _noted = settings, now
    log.warning("forwarded_without_proxy", peer=peer)
    try:
        with db.transaction() as session:
            latest = _latest(session)
            if latest is None or now - latest >= AGAIN_AFTER:
                audit.record(session, NOT_CONFIGURED, "PORTAL_PROXIES")
    except db.UNREACHABLE as error:  # the page itself may not need the database
        log.error("database_unreachable", exc_info=error)


def seen_at(session: Session) -> datetime | None:
    """When it was last written down, if that is not long ago and no proxy has been configured since."""
    if config.current().proxies:
        return None
    latest = _latest(session)
    return latest if latest is not None and clock.now() - latest < 2 * AGAIN_AFTER else None


def _latest(session: Session) -> datetime | None:
    mine = select(audit.AuditEvent.at).where(audit.AuditEvent.action == NOT_CONFIGURED)
    with reach.everyone("it is nobody's"):
        return session.scalar(mine.order_by(audit.AuditEvent.number.desc()).limit(1))
