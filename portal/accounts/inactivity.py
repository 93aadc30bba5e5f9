"""Accounts of staff that nobody uses end by themselves: warned by mail, then shut, and never the last admin's.

Days are the company's days, and the setting PORTAL_STAFF_INACTIVE_DAYS says how many; 0 is never. Whoever has to work again is let back in
by an admin, on the page "Staff".
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

import structlog

from portal.accounts import access, jobs, queries
from portal.core import audit, clock, company_days, config, db
from portal.core.db import new_id
from portal.identity.models import User

log = structlog.get_logger(__name__)

# So many days before the end there is a mail, and no account ends sooner after it.
WARNED_DAYS_BEFORE: Final = 14


def last_used(user: User) -> datetime:
    """When a member of staff signed in last, or was let in."""
    return max(filter(None, (user.created_at, user.last_sign_in_at, user.access_restored_at)))


def ends_on(user: User) -> date:
    """The day on which the account ends unless its owner signs in; only while PORTAL_STAFF_INACTIVE_DAYS is not 0."""
    unused = company_days.day_of(last_used(user)) + timedelta(days=config.current().staff_inactive_days)
    warned = user.inactivity_warned_at
    if warned is None or warned < last_used(user):
        return max(unused, company_days.today() + timedelta(days=WARNED_DAYS_BEFORE))
    return max(unused, company_days.day_of(warned) + timedelta(days=WARNED_DAYS_BEFORE))


def sweep() -> None:
    """Warn whose account will end, and end those that were warned in time. A second call on the same day changes nothing."""
    days = config.current().staff_inactive_days
    if not days:
        return
    with db.reading() as session:
        warned_from = clock.now() - timedelta(days=days - WARNED_DAYS_BEFORE - 1)
        unused = [user.id for user in queries.staff_unused_since(session, warned_from)]
    for user_id in unused:
        _look_after(user_id, timedelta(days=days))


def _look_after(user_id: str, limit: timedelta) -> None:
    today = company_days.today()
    with db.transaction() as session:
        admins = access.locked_admins(session, None)
        user = access.target(session, user_id, None, staff_only=True)
        used = last_used(user)
        unused = today - company_days.day_of(used)
        if not user.active or unused < limit - timedelta(days=WARNED_DAYS_BEFORE):
            return
        try:
            access.keep_an_admin(admins, user)
        except access.LastAdmin:
            log.info("last_admin_inactive", user_id=user.id)
            return
        if user.inactivity_warned_at is None or user.inactivity_warned_at < used:
            user.inactivity_warned_at = clock.now()
            audit.record(session, "user.inactivity_warned", user.id, {"ends_on": ends_on(user).isoformat()})
            jobs.mail_inactivity.enqueue(
                session, user_id=user.id, ends_on=ends_on(user).isoformat(), occasion=new_id("ina")
            )
        elif today >= ends_on(user):
            access.shut(session, user, why="inactive")
            access.tell(session, user, access.ENDED_INACTIVE)
