"""Another address to sign in with: proved by a link that is sent there, and told to the old address, which can stop it or take it back.

What the one who asks is told, and how long it takes, is the same for an address that is taken as for a free one: the owner of the taken
one is told by mail, and nothing else happens. Staff are told, who see all addresses anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from portal.core import audit, clock, config, db, reach
from portal.core.db import new_id
from portal.core.errors import N_, Conflict, Invalid, RateLimited
from portal.identity import jobs, queries, service, sessions, tokens
from portal.identity.models import EmailChange, TokenPurpose, User
from portal.identity.tokens import LinkExpired

CONFIRM_WITHIN: Final = timedelta(hours=24)
# So long the old address can take it back: a week's holiday.
STOP_WITHIN: Final = timedelta(days=7)
MOST_AN_HOUR: Final = 5
CONFIRM_PATH: Final = "/account/email/confirmation/"
STOP_PATH: Final = "/account/email/stop/"


class AddressTaken(Conflict):
    """Told to whoever has proved that the address is theirs, and to staff."""

    code = "email_taken"
    message = N_("Someone already signs in with this e-mail address. Nothing was changed.")


@dataclass(frozen=True, slots=True)
class Change:
    """A change as its links show it. `is_done` tells whether the new address counts already."""

    old_email: str
    new_email: str
    is_done: bool


def ask(user_id: str, new_email: str, *, by: str) -> None:
    """Leave the mails by which an address is proved, and the old one told. `new_email` is checked already; `by` is the id of who asks.

    A second call takes the place of the first. Raises Invalid (field "email") for the address that they have, RateLimited, Conflict
    for someone whose access has ended, and AddressTaken when one of the staff asks.
    """
    with db.transaction() as session:
        user = queries.user(session, user_id, lock=True)
        if user.email == new_email:
            raise Invalid(N_("This is the present address already."), field="email")
        if not user.active:
            raise Conflict
        now = clock.now()
        recent = select(func.count()).where(
            EmailChange.user_id == user_id, EmailChange.created_at > now - timedelta(hours=1)
        )
        if session.execute(recent).scalar_one() >= MOST_AN_HOUR:
            raise RateLimited(retry_after=3600)
        is_taken = queries.user_by_email(session, new_email) is not None
        if is_taken and by != user_id:
            raise AddressTaken
        _end_open(session, user_id)
        change_id = new_id("eml")
        session.add(
            EmailChange(
                id=change_id,
                user_id=user_id,
                old_email=user.email,
                new_email=new_email,
                asked_by=by,
                confirm_hash=tokens.digest(tokens.derive(_named(change_id, "confirm"))),
                stop_hash=tokens.digest(tokens.derive(_named(change_id, "stop"))),
                created_at=now,
                expires_at=now + CONFIRM_WITHIN,
            )
        )
        session.flush()
        # Not the new address: it may be a stranger's.
        audit.record(session, "user.email_change_asked", user_id, customer_id=user.customer_id)
        jobs.mail_email_change.enqueue(session, change_id=change_id)


def waiting(user_id: str) -> str | None:
    """The address that is still to be proved, if any."""
    open_ones = select(EmailChange.new_email).where(_open_of(user_id), EmailChange.expires_at > clock.now())
    with db.reading() as session:
        return session.scalar(open_ones.order_by(EmailChange.created_at.desc()).limit(1))


def cancel(user_id: str) -> None:
    """Its owner has thought better of it. A second call changes nothing."""
    with db.transaction() as session:
        user = queries.user(session, user_id, lock=True)
        if session.scalar(select(EmailChange.id).where(_open_of(user_id)).limit(1)) is not None:
            _end_open(session, user_id)
            audit.record(session, "user.email_change_stopped", user_id, customer_id=user.customer_id)


def _open_of(user_id: str) -> ColumnElement[bool]:
    return (EmailChange.user_id == user_id) & EmailChange.confirmed_at.is_(None) & EmailChange.ended_at.is_(None)


def _end_open(session: Session, user_id: str) -> None:
    session.execute(update(EmailChange).where(_open_of(user_id)).values(ended_at=clock.now()))


def links(change: EmailChange) -> tuple[str, str]:
    """The whole addresses for the mails: the one that confirms, and the one that stops."""
    base = config.current().base_url
    confirm = tokens.told_again(_named(change.id, "confirm"), change.confirm_hash)
    stop = tokens.told_again(_named(change.id, "stop"), change.stop_hash)
    return base + CONFIRM_PATH + confirm, base + STOP_PATH + stop


def to_confirm(token: str) -> Change:
    """What the link that was sent to the new address is for. Raises LinkExpired."""
    with db.reading() as session:
        return _shown(_by_confirm(session, token))


def confirm(token: str) -> None:
    """Who has this link reads the new address: from now on it is what they sign in with, and every other link is used up.

    Raises LinkExpired, also for a second call, and AddressTaken when someone else has it by now.
    """
    with db.reading() as session:
        user_id = _by_confirm(session, token).user_id
    with db.transaction() as session:
        user = queries.user(session, user_id, lock=True)
        if user.customer_id:
            reach.narrow(user.customer_id)
        change = _by_confirm(session, token)
        if queries.user_by_email(session, change.new_email) is not None:
            raise AddressTaken
        change.confirmed_at = clock.now()
        facts = {"email": [user.email, change.new_email]}
        user.email = change.new_email
        session.flush()
        tokens.use_up(session, user)
        with sessions.acting_as(user):
            audit.record(session, "user.email_changed", user_id, facts, customer_id=user.customer_id)
        jobs.mail_email_changed.enqueue(session, change_id=change.id)


def to_stop(token: str) -> Change:
    """What the link that was sent to the old address is for. Raises LinkExpired."""
    with db.reading() as session:
        return _shown(_by_stop(session, token))


def stop(token: str) -> None:
    """The owner of the old address did not want this: it is stopped, or taken back, everyone is signed out, and a link for a new password
    goes to the old address, for whoever asked knew the present one.

    Raises LinkExpired, also for a second call, and AddressTaken when someone else has got the old address meanwhile.
    """
    with db.reading() as session:
        user_id = _by_stop(session, token).user_id
    with db.transaction() as session:
        user = queries.user(session, user_id, lock=True)
        if user.customer_id:
            reach.narrow(user.customer_id)
        change = _by_stop(session, token)
        other = queries.user_by_email(session, change.old_email)
        if other is not None and other.id != user_id:
            raise AddressTaken
        facts: dict[str, object] = {"sessions_ended": sessions.end_all(session, user)}
        if user.email != change.old_email:
            facts["email"] = [user.email, change.old_email]
            user.email = change.old_email
        change.ended_at = clock.now()
        session.flush()
        tokens.use_up(session, user)
        with sessions.acting_as(user):
            audit.record(session, "user.email_change_stopped", user_id, facts, customer_id=user.customer_id)
        service.send_link(session, user, TokenPurpose.PASSWORD_RESET, new_id("lnk"))


def _by_confirm(session: Session, token: str) -> EmailChange:
    found = session.scalar(
        select(EmailChange)
        .where(EmailChange.confirm_hash == tokens.digest(token), EmailChange.confirmed_at.is_(None))
        .where(EmailChange.ended_at.is_(None), EmailChange.expires_at > clock.now())
        .execution_options(populate_existing=True)
    )
    return _of_active(session, found)


def _by_stop(session: Session, token: str) -> EmailChange:
    still = or_(EmailChange.confirmed_at.is_not(None), EmailChange.expires_at > clock.now())
    found = session.scalar(
        select(EmailChange)
        .where(EmailChange.stop_hash == tokens.digest(token), EmailChange.ended_at.is_(None), still)
        .where(EmailChange.created_at > clock.now() - STOP_WITHIN)
        .execution_options(populate_existing=True)
    )
    return _of_active(session, found)


def _of_active(session: Session, found: EmailChange | None) -> EmailChange:
    if found is None or not session.get_one(User, found.user_id).active:
        raise LinkExpired
    return found


def _shown(row: EmailChange) -> Change:
    return Change(row.old_email, row.new_email, is_done=row.confirmed_at is not None)


def _named(change_id: str, purpose: str) -> str:
    return f"{change_id}:{purpose}"
