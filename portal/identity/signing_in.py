"""Proving who one is: by a password, and by a code where a second factor is set. What is begun with that is portal.identity.sessions."""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import Final, NotRequired, TypedDict

from sqlalchemy.orm import Session

from portal.core import audit, clock, db, secret_keys
from portal.core.errors import N_, Invalid, PortalError
from portal.identity import codes, passwords, policy, queries, sessions, throttle
from portal.identity.models import Proof, User

# Between the password and the code: long enough to look for a phone.
TICKET_LIFETIME: Final = timedelta(minutes=5)


class WrongCredentials(Invalid):
    """The e-mail or the password is wrong, or the account may not sign in: never told which."""

    code = "wrong_credentials"
    message = N_("This e-mail address and password do not match. Please check both, or choose a new password.")


class Ticket(TypedDict):
    """What a browser keeps, in its signed session alone, between the password and the code. `at` is in seconds since 1970."""

    user_id: str
    mark: str
    at: int
    by_link: NotRequired[bool]  # of a mail, in place of the password


class CodeNeeded(PortalError):
    """The password is right, and the code of the second factor is missing. `ticket` is for the browser's second step."""

    code = "code_needed"
    status = 401
    message = N_("Please enter the code from your authenticator app.")

    def __init__(self, ticket: Ticket) -> None:
        super().__init__()
        self.ticket = ticket


class WrongCode(Invalid):
    """The password is right, and the code is wrong, was used already or is outdated: never told which."""

    code = "wrong_code"
    status = 401
    message = N_("This code is incorrect or has been used already. Please enter the one that your app shows now.")


def authenticate(email: str, password: str, *, ip: str, code: str | None = None) -> User:
    """Who this is, once they have proved it; begins no session. A hash with outdated parameters is renewed.

    `code` is of the second factor, and looked at only where one is set and the password is right. Raises
    WrongCredentials, after the same time whether or not the e-mail is known; CodeNeeded, which is no wrong try; WrongCode; and
    RateLimited, for wrong passwords and for wrong codes.
    """
    user = _prove_password(email, password, ip)
    with db.reading() as session:
        if not codes.is_asked_for(session, user.id):
            return user
    if not code:
        raise CodeNeeded(ticket_of(user))
    return _verify_code(user, code, ip)


def sign_in(email: str, password: str, *, ip: str, user_agent: str, code: str | None = None) -> str:
    """Prove who one is and begin a session; returns its token, which is kept nowhere but in the cookie. Raises as `authenticate`."""
    return _begin(authenticate(email, password, ip=ip, code=code), ip, user_agent)


def pending_sign_in(ticket: object) -> User | None:
    """Who has proved their password by this ticket, and still owes a code; None when it is outdated or never was one."""
    match ticket:
        case {"user_id": str(user_id), "mark": str(mark), "at": int(at)}:
            pass
        case _:
            return None
    age = clock.now() - clock.from_epoch(at)
    with db.reading() as session:
        user = session.get(User, user_id)
        if user is None or not user.active or not codes.is_asked_for(session, user_id):
            return None
    is_fresh = -TICKET_LIFETIME < age < TICKET_LIFETIME
    return user if is_fresh and any(hmac.compare_digest(one, mark) for one in _marks(user)) else None


def finish_sign_in(proved: User, code: str, *, ip: str, user_agent: str, by_link: bool = False) -> str:
    """The second step of whom `pending_sign_in` gave back; returns the session's token. Raises WrongCode, RateLimited, WrongCredentials."""
    return _begin(_verify_code(proved, code, ip), ip, user_agent, by_link=by_link)


def _prove_password(email: str, password: str, ip: str) -> User:
    email = queries.normal_email(email)
    attempt = throttle.begin(email, ip)
    with db.reading() as session:
        claimed = queries.user_by_email(session, email)
    kept = claimed.password_hash if claimed else None
    right = passwords.matches(kept, password)
    renewed = passwords.hashed(password) if right and kept and passwords.is_outdated(kept) else None
    with db.transaction() as session:
        user = queries.user(session, claimed.id, lock=True) if claimed else None
        right = right and user is not None and policy.signs_in_here(user.role, user.email)
        if user and right and user.active and user.password_hash == kept:
            throttle.forgive(session, attempt)
            if renewed:
                user.password_hash = renewed
            return user
        subject = user.id if user else "unknown"
        # Not what was typed as the e-mail: it may be a password in the wrong field.
        audit.record(session, "session.refused", subject, customer_id=user.customer_id if user else None)
    raise WrongCredentials


def _verify_code(proved: User, code: str, ip: str) -> User:
    attempt = throttle.begin(proved.email, ip, Proof.CODE)
    with db.transaction() as session:
        user = _still(session, proved)
        with sessions.acting_as(user):
            accepted = codes.accept(session, user, code)
        if accepted:
            throttle.forgive(session, attempt)
            return user
        audit.record(session, "second_factor.refused", user.id, customer_id=user.customer_id)
    raise WrongCode(field="code")


def _begin(proved: User, ip: str, user_agent: str, *, by_link: bool = False) -> str:
    with db.transaction() as session:
        return sessions.start(session, _still(session, proved), ip=ip, user_agent=user_agent, by_link=by_link)


def _still(session: Session, proved: User) -> User:
    """The user under a lock. Raises WrongCredentials when they may not sign in any more, or have another password since."""
    user = queries.user(session, proved.id, lock=True)
    if not user.active or user.password_hash != proved.password_hash:
        raise WrongCredentials
    return user


def ticket_of(user: User) -> Ticket:
    """For whoever has proved the first of two things, and owes a code."""
    return {"user_id": user.id, "mark": _marks(user)[0], "at": int(clock.now().timestamp())}


def _marks(user: User) -> list[str]:
    """Each fits one password alone, and tells nothing of it: whoever holds a ticket can read it. The first is of new tickets."""
    said = f"ticket:{user.id}:{user.password_hash}".encode()
    return [hmac.digest(key.encode(), said, "sha256").hex() for key in secret_keys.every()]
