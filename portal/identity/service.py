"""A user's password and profile: chosen by the link of a mail, or changed by the one who is signed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy.orm import Session

from portal.content.language import supported
from portal.core import audit, clock, config, db, texts, time_zones
from portal.core.db import new_id
from portal.core.errors import N_, Conflict, Invalid
from portal.identity import email_addresses, jobs, passwords, policy, queries, sessions, throttle, tokens
from portal.identity.models import AccountToken, TokenPurpose, User

log = structlog.get_logger(__name__)


LONGEST_NAME: Final = 200
LONGEST_EMAIL: Final = email_addresses.LONGEST


@dataclass(frozen=True, slots=True)
class LinkOwner:
    """Whom a link was made for; `customer_id` is none for staff."""

    name: str
    email: str
    customer_id: str | None


def link_owner(token: str, *purposes: TokenPurpose) -> LinkOwner:
    """Whose account this link opens, if it is for one of these purposes. Raises LinkExpired."""
    with db.reading() as session:
        user = tokens.read(session, token, *purposes).user
    return LinkOwner(user.name, user.email, user.customer_id)


def accept_invitation(token: str, password: str, *, ip: str, user_agent: str) -> str:
    """Choose the first password by the link of an invitation or a sign-up, and sign in; returns the session's token.

    Raises LinkExpired, also for a second call, and Invalid for a password that is too easily guessed.
    """
    _check_password(link_owner(token, TokenPurpose.INVITATION, TokenPurpose.CONFIRM_EMAIL), password)
    kept = passwords.hashed(password)
    with db.transaction() as session:
        user = _use(session, token, TokenPurpose.INVITATION, TokenPurpose.CONFIRM_EMAIL)
        user.password_hash = kept
        with sessions.acting_as(user):
            audit.record(session, "user.invitation_taken_up", user.id, customer_id=user.customer_id)
        return sessions.start(session, user, ip=ip, user_agent=user_agent)


def ask_reset(email: str) -> None:
    """Someone says that they forgot the password of this address. A job sends the link, if anyone has that address.

    The answer and the time it takes are the same for every address.
    """
    email = queries.normal_email(email)[:LONGEST_EMAIL]
    with db.transaction() as session:
        known = queries.user_by_email(session, email)
        audit.record(
            session,
            "password.reset_asked",
            known.id if known else "unknown",
            customer_id=known.customer_id if known else None,
        )
        jobs.begin_reset.enqueue(session, email=email, link_id=new_id("lnk"))


def begin_reset(email: str, link_id: str) -> None:
    """Send a reset link to the active user of this address, if there is one; a second call with `link_id` sends no other."""
    with db.transaction() as session:
        user = queries.user_by_email(session, email)
        if user is not None and user.active:
            send_link(session, user, TokenPurpose.PASSWORD_RESET, link_id)


def reset_password(token: str, password: str) -> None:
    """Choose a new password by the link of a reset mail. All sessions end, and earlier wrong attempts are forgiven.

    Raises LinkExpired, also for a second call, and Invalid for a password that is too easily guessed.
    """
    _check_password(link_owner(token, TokenPurpose.PASSWORD_RESET), password)
    kept = passwords.hashed(password)
    with db.transaction() as session:
        user = _use(session, token, TokenPurpose.PASSWORD_RESET)
        user.password_hash = kept
        throttle.forget(session, user.email)
        ended = sessions.end_all(session, user)
        with sessions.acting_as(user):
            audit.record(session, "password.reset", user.id, {"sessions_ended": ended}, customer_id=user.customer_id)
        _tell_of_new_password(session, user)


def _use(session: Session, token: str, *purposes: TokenPurpose) -> User:
    """The link's owner, whose links are all used up by this. They are locked before the link, as everywhere."""
    user = queries.user(session, tokens.read(session, token, *purposes).user_id, lock=True)
    tokens.read(session, token, *purposes, lock=True)
    tokens.use_up(session, user)
    return user


def send_link(
    session: Session, user: User, purpose: TokenPurpose, link_id: str, browser_hash: str | None = None
) -> AccountToken | None:
    """Mail a link to this user, in the caller's transaction; None when they were sent enough of them within the hour.

    `browser_hash` is as AccountToken has it. A second call with the same `link_id` sends no other.
    """
    row = tokens.issue(session, user.id, purpose, token_id=link_id, browser_hash=browser_hash)
    if row is None:
        log.warning("too_many_links", user_id=user.id, purpose=purpose)
        return None
    jobs.mail_link.enqueue(session, link_id=row.id)
    return row


def change_password(user_id: str, current: str, new: str, *, ip: str, user_agent: str) -> str:
    """Change it and end every session of this user; returns the token of a new session for this browser.

    Raises Invalid for the field "current" or "password", and RateLimited when the current one was guessed too often.
    """
    with db.reading() as session:
        user = queries.user(session, user_id)
    attempt = throttle.begin(user.email, ip)
    if not (passwords.matches(user.password_hash, current) and policy.signs_in_here(user.role, user.email)):
        with db.transaction() as session:
            audit.record(session, "password.change_refused", user_id, customer_id=user.customer_id)
        raise Invalid(N_("This is not your current password."), field="current")
    _check_password(user, new)
    kept = passwords.hashed(new)
    with db.transaction() as session:
        changed = queries.user(session, user_id, lock=True)
        if changed.password_hash != user.password_hash:
            raise Conflict
        throttle.forgive(session, attempt)
        changed.password_hash = kept
        tokens.use_up(session, changed)
        ended = sessions.end_all(session, changed)
        audit.record(session, "password.changed", user_id, {"sessions_ended": ended}, customer_id=changed.customer_id)
        _tell_of_new_password(session, changed)
        return sessions.start(session, changed, ip=ip, user_agent=user_agent)


def set_password(user_id: str, password: str) -> None:
    """Set it for someone else, as an operator does; their sessions end. Raises NotFound, and Invalid for a weak one."""
    with db.reading() as session:
        user = queries.user(session, user_id)
    _check_password(user, password)
    kept = passwords.hashed(password)
    with db.transaction() as session:
        user = queries.user(session, user_id, lock=True)
        user.password_hash = kept
        tokens.use_up(session, user)
        sessions.end_all(session, user)
        audit.record(session, "password.set", user_id, customer_id=user.customer_id)


def _check_password(owner: User | LinkOwner, password: str) -> None:
    passwords.check(password, personal=(owner.email, owner.name, config.current().company.name))


def _tell_of_new_password(session: Session, user: User) -> None:
    """So that the owner learns of it when it was not they."""
    jobs.mail_password_changed.enqueue(
        session,
        user_id=user.id,
        occasion=new_id("pwd"),
        changed_at=clock.now().isoformat(),
    )


def change_profile(user_id: str, *, name: str, language: str, time_zone: str = "") -> None:
    """`time_zone` is a name such as "Europe/Berlin", or "" for that of the browser.

    Raises Invalid, naming the field that is wrong. A second call with the same changes nothing.
    """
    if time_zone and not time_zones.is_known(time_zone):
        raise Invalid(N_("Please choose a time zone from the list."), field="time_zone")
    with db.transaction() as session:
        user = queries.user(session, user_id, lock=True)
        new = {
            "name": texts.one_line(name, field="name", longest=LONGEST_NAME, required=True),
            "language": supported(language),
            "time_zone": time_zone,
        }
        changes = write_changes(user, new)
        if changes:
            audit.record(session, "user.changed", user.id, changes, customer_id=user.customer_id)


def choose_shortcuts(user_id: str, *, on: bool) -> None:
    """Whether single keys do something in this user's browser. A second call with the same changes nothing."""
    with db.transaction() as session:
        user = queries.user(session, user_id, lock=True)
        if user.shortcuts != on:
            user.shortcuts = on
            changes = {"shortcuts": [not on, on]}
            audit.record(session, "user.changed", user.id, changes, customer_id=user.customer_id)


def note_time_zone(user_id: str, said: str) -> None:
    """What the browser says of its clock, for those who have chosen no zone: mails tell them times in it. Nonsense changes nothing."""
    if not time_zones.is_known(said):
        return
    with db.transaction() as session:
        queries.user(session, user_id, lock=True).guessed_time_zone = said


def write_changes(row: Any, new: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Write what differs on this row (such as a user or a customer); returns before and after by column, for the audit trail."""
    changes = {name: [getattr(row, name), value] for name, value in new.items() if getattr(row, name) != value}
    for name, (_before, after) in changes.items():
        setattr(row, name, after)
    return changes
