"""Staff who view a customer's account as the customer sees it: read-only, for a while, for a reason that the customer is shown.

It belongs to one browser's session, and ends with it: by signing out, by losing access, or when its time is over. It is of a billing
account and never of a person: nothing is shown of passwords, second factors, devices and the settings of somebody's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from portal.core import audit, clock, config, db, texts
from portal.core.db import new_id
from portal.identity import sessions
from portal.identity.models import AccountViewing, SignInSession

LONGEST_REASON: Final = 300
MOST_SHOWN: Final = 10
KEEP: Final = timedelta(days=365)


def begin(token: str, staff_id: str, customer_id: str, customer_name: str, reason: str) -> None:
    """From their next request on this session shows the customer's pages. Another view that is open in it ends.

    Raises Invalid for the field "reason", and SignInRequired.
    """
    reason = texts.one_line(reason, field="reason", longest=LONGEST_REASON, required=True)
    with db.transaction() as session:
        row = sessions.row_of(session, token)
        _end(session, row)
        now = clock.now()
        viewing = AccountViewing(
            id=new_id("vwg"),
            staff_id=staff_id,
            customer_id=customer_id,
            customer_name=customer_name,
            reason=reason,
            begun_at=now,
            ends_at=now + timedelta(minutes=config.current().view_as_customer_minutes),
        )
        session.add(viewing)
        session.flush()
        row.viewing_id = viewing.id
        facts = {"reason": reason, "until": viewing.ends_at.isoformat()}
        audit.record(session, "viewing.begun", viewing.id, facts, customer_id=customer_id)


def end(token: str) -> str | None:
    """The session is their own again; returns whose account it showed. A second call changes nothing. Raises SignInRequired."""
    with db.transaction() as session:
        return _end(session, sessions.row_of(session, token))


def _end(session: Session, row: SignInSession) -> str | None:
    if row.viewing_id is None:
        return None
    viewing = session.get_one(AccountViewing, row.viewing_id)
    viewing.ended_at = min(clock.now(), viewing.ends_at)
    row.viewing_id = None
    audit.record(session, "viewing.ended", viewing.id, customer_id=viewing.customer_id)
    return viewing.customer_id


def of_customer(customer_id: str) -> Sequence[AccountViewing]:
    """The latest views of this account, for the customer's own people."""
    query = select(AccountViewing).where(AccountViewing.customer_id == customer_id)
    with db.reading() as session:
        return session.scalars(query.order_by(AccountViewing.begun_at.desc()).limit(MOST_SHOWN)).all()


def forget_old(session: Session) -> None:
    """Views of more than a year ago; the audit trail keeps the fact itself. In the caller's transaction."""
    old = AccountViewing.begun_at < clock.now() - KEEP
    named = select(AccountViewing.id).where(old)
    session.execute(update(SignInSession).where(SignInSession.viewing_id.in_(named)).values(viewing_id=None))
    session.execute(delete(AccountViewing).where(old))
