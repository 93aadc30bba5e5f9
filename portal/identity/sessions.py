"""Signing in and out. What makes a session is a row here; the cookie only holds the token that finds it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Final, TypedDict

from sqlalchemy import Select, bindparam, select, update
from sqlalchemy.orm import Session, joinedload

from portal.core import audit, card_numbers, clock, config, db
from portal.core.errors import N_, Invalid, PortalError, SignInRequired
from portal.identity import codes, passwords, policy, queries, throttle
from portal.identity.models import IDLE, LONGEST, Proof, Role, SecondFactor, SignInSession, User

# A session's last use is written down at most this often, so that reading a page seldom writes.
SEEN_EVERY: Final = timedelta(minutes=1)
TOKEN_BYTES: Final = 32
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


@dataclass(frozen=True, slots=True)
class SignedInUser:
    """Who a token stands for."""

    id: str
    email: str
    name: str
    role: str
    customer_id: str | None
    customer_role: str | None
    language: str
    time_zone: str
    guessed_time_zone: str
    has_second_factor: bool
    proved_at: datetime

    @property
    def is_staff(self) -> bool:
        return self.role != Role.CUSTOMER

    @property
    def owes_second_factor(self) -> bool:
        """Staff who have to set one up before they may do anything else."""
        return owes_second_factor(self.role, is_on=self.has_second_factor)

    @property
    def may_pay(self) -> bool:
        return policy.may_pay(self.customer_role)

    @property
    def may_manage(self) -> bool:
        return policy.may_manage(self.customer_role)


@dataclass(frozen=True, slots=True)
class Device:
    """One of a user's sessions, as they are shown it."""

    browser: str
    ip: str
    signed_in_at: datetime
    last_seen_at: datetime
    is_this_one: bool


def owes_second_factor(role: str, *, is_on: bool) -> bool:
    return role != Role.CUSTOMER and not is_on and config.current().staff_need_second_factor


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
        raise CodeNeeded(_ticket(user))
    return _verify_code(user, code, ip)


def sign_in(email: str, password: str, *, ip: str, user_agent: str, code: str | None = None) -> str:
    """Prove who one is and begin a session; returns its token, which is kept nowhere but in the cookie. Raises as `prove`."""
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
    return user if is_fresh and hmac.compare_digest(_mark(user), mark) else None


def finish_sign_in(proved: User, code: str, *, ip: str, user_agent: str) -> str:
    """The second step of whom `pending_sign_in` gave back; returns the session's token. Raises WrongCode, RateLimited, WrongCredentials."""
    return _begin(_verify_code(proved, code, ip), ip, user_agent)


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
        with acting_as(user):
            accepted = codes.accept(session, user, code)
        if accepted:
            throttle.forgive(session, attempt)
            return user
        audit.record(session, "second_factor.refused", user.id, customer_id=user.customer_id)
    raise WrongCode(field="code")


def _begin(proved: User, ip: str, user_agent: str) -> str:
    with db.transaction() as session:
        return start(session, _still(session, proved), ip=ip, user_agent=user_agent)


def _still(session: Session, proved: User) -> User:
    """The user under a lock. Raises WrongCredentials when they may not sign in any more, or have another password since."""
    user = queries.user(session, proved.id, lock=True)
    if not user.active or user.password_hash != proved.password_hash:
        raise WrongCredentials
    return user


def _ticket(user: User) -> Ticket:
    return {"user_id": user.id, "mark": _mark(user), "at": int(clock.now().timestamp())}


def _mark(user: User) -> str:
    """Fits one password alone, and tells nothing of it: whoever holds a ticket can read it."""
    key = config.current().secret_key.get_secret_value().encode()
    return hmac.digest(key, f"ticket:{user.id}:{user.password_hash}".encode(), "sha256").hex()


def start(session: Session, user: User, *, ip: str, user_agent: str) -> str:
    """Begin a session for a user who has proved who they are, in the caller's transaction; returns its token."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    now = clock.now()
    row = SignInSession(
        token_hash=_digest(token),
        user_id=user.id,
        created_at=now,
        last_seen_at=now,
        ip=ip[:45],
        user_agent=card_numbers.masked(user_agent)[:200],
    )
    session.add(row)
    user.last_sign_in_at = now
    with acting_as(user):
        audit.record(
            session, "session.started", user.id, {"browser": browser_name(user_agent)}, customer_id=user.customer_id
        )
    return token


def find(token: str) -> SignedInUser | None:
    """Who this token stands for now; None when the session has ended, ran out, or its user may not sign in any more.

    Looked up for each request, so that a role that was changed holds from the next one on.
    """
    with db.reading_once() as session:
        found = session.execute(_with_this_token(), {"token_hash": _digest(token)}).one_or_none()
    if found is None:
        return None
    row, has_second_factor = found
    if not row.user.active or not _is_alive(row, row.user):
        return None
    if clock.now() - row.last_seen_at >= SEEN_EVERY:
        _note_use(row.token_hash)
    user = row.user
    return SignedInUser(
        user.id,
        user.email,
        user.name,
        user.role,
        user.customer_id,
        user.customer_role,
        user.language,
        user.time_zone,
        user.guessed_time_zone,
        bool(has_second_factor),
        row.proved_at or row.created_at,
    )


@cache
def _with_this_token() -> Select[SignInSession, bool]:
    """The session with :token_hash, its user, and whether they have a second factor. Each request asks, so it is built once."""
    second_factor = select(SecondFactor.enabled_at).where(SecondFactor.user_id == SignInSession.user_id)
    return (
        select(SignInSession, second_factor.scalar_subquery().is_not(None))
        .where(SignInSession.token_hash == bindparam("token_hash"))
        .options(joinedload(SignInSession.user))
    )


def reauthenticate(token: str, password: str, *, ip: str) -> None:
    """The one who is signed in proves that it is still they, before something weighty.

    Raises Invalid for the field "password", RateLimited, and SignInRequired when the session has ended.
    """
    user = find(token)
    if user is None:
        raise SignInRequired
    confirm_password(user.id, password, ip=ip)
    with db.transaction() as session:
        row = session.get_one(SignInSession, _digest(token), with_for_update=True)
        row.proved_at = clock.now()
        audit.record(session, "session.proved_again", user.id, customer_id=user.customer_id)


def confirm_password(user_id: str, password: str, *, ip: str) -> None:
    """That it is really this user who is about to do something weighty: an open page that someone else sits down at is not enough.

    Raises Invalid for the field "password", and RateLimited when it was guessed too often.
    """
    with db.reading() as session:
        user = queries.user(session, user_id)
    attempt = throttle.begin(user.email, ip)
    right = passwords.matches(user.password_hash, password)
    with db.transaction() as session:
        if right:
            throttle.forgive(session, attempt)
            return
        audit.record(session, "password.confirmation_refused", user_id, customer_id=user.customer_id)
    raise Invalid(N_("This is not your current password."), field="password")


def sign_out(token: str) -> None:
    """End this session; a second call changes nothing."""
    with db.transaction() as session:
        row = session.get(SignInSession, _digest(token), with_for_update=True)
        if row is not None and row.ended_at is None:
            row.ended_at = clock.now()
            user = queries.user(session, row.user_id)
            audit.record(session, "session.ended", user.id, customer_id=user.customer_id)


def sign_out_elsewhere(user_id: str, token: str) -> int:
    """End every session of this user but the one of `token`; returns how many."""
    with db.transaction() as session:
        user = queries.user(session, user_id, lock=True)
        ended = end_all(session, user, but=token)
        audit.record(session, "session.others_ended", user.id, {"sessions": ended}, customer_id=user.customer_id)
    return ended


Ender = Callable[[Session, User], int]
_enders: list[Ender] = []


def ended_with_sessions(ender: Ender) -> Ender:
    """Call this function, too, when a user's sessions end: it ends what else they are signed in with, and returns how many."""
    _enders.append(ender)
    return ender


def end_all(session: Session, user: User, *, but: str | None = None) -> int:
    """End this user's sessions, and the apps that they are signed in with, in the caller's transaction; returns how many there were."""
    query = update(SignInSession).where(SignInSession.user_id == user.id, SignInSession.ended_at.is_(None))
    if but is not None:
        query = query.where(SignInSession.token_hash != _digest(but))
    ended = len(session.execute(query.values(ended_at=clock.now()).returning(SignInSession.token_hash)).all())
    return ended + sum(end(session, user) for end in _enders)


def devices(user_id: str, token: str) -> list[Device]:
    """Where this user is signed in, the session of `token` first."""
    with db.reading() as session:
        user = queries.user(session, user_id)
        rows = queries.open_sessions(session, user_id)
    shown = [
        Device(browser_name(row.user_agent), row.ip, row.created_at, row.last_seen_at, row.token_hash == _digest(token))
        for row in rows
        if _is_alive(row, user)
    ]
    return sorted(shown, key=lambda device: not device.is_this_one)


def acting_as(user: User) -> AbstractContextManager[None]:
    """What is recorded in this block is the user's own doing."""
    who = audit.actor()
    return audit.acting(replace(who, kind="customer" if user.role == Role.CUSTOMER else "staff", id=user.id))


_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("Chrom", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


def browser_name(user_agent: str) -> str:
    """What a person calls it: "Firefox, Windows". Empty when it is none that we know."""
    found = (next((name for mark, name in marks if mark in user_agent), "") for marks in (_BROWSERS, _SYSTEMS))
    return ", ".join(filter(None, found))


def _is_alive(row: SignInSession, user: User) -> bool:
    kind = "customer" if user.role == Role.CUSTOMER else "staff"
    now = clock.now()
    return row.ended_at is None and now - row.last_seen_at < IDLE[kind] and now - row.created_at < LONGEST[kind]


def _note_use(token_hash: str) -> None:
    """Several requests of one page may come here at once: one of them writes."""
    now = clock.now()
    with db.transaction() as session:
        session.execute(
            update(SignInSession)
            .where(SignInSession.token_hash == token_hash, SignInSession.last_seen_at <= now - SEEN_EVERY)
            .where(SignInSession.ended_at.is_(None))
            .values(last_seen_at=now)
        )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
