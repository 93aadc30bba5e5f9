"""Sessions: begun, found, and ended. What makes a session is a row here; the cookie only holds the token that finds it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import Row, Select, bindparam, select, update
from sqlalchemy.orm import Session

from portal.core import audit, card_numbers, clock, config, db, reach
from portal.core.errors import N_, Invalid, NotFound, SignInRequired
from portal.core.networks import network_of
from portal.core.permissions import Role
from portal.identity import browsers, passwords, policy, queries, throttle
from portal.identity.models import IDLE, LONGEST, AccountViewing, SecondFactor, SignInSession, User

# A session's last use is written down at most this often, so that reading a page seldom writes.
SEEN_EVERY: Final = timedelta(minutes=1)
TOKEN_BYTES: Final = 32


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
    shortcuts: bool
    has_second_factor: bool
    proved_at: datetime
    by_passkey: bool
    by_provider: bool
    viewing: Viewing | None = None

    @property
    def is_staff(self) -> bool:
        return self.role != Role.CUSTOMER

    @property
    def owes_second_factor(self) -> bool:
        """Staff who have to set one up before they may do anything else."""
        return not self.by_provider and owes_second_factor(self.role, is_on=self.has_second_factor or self.by_passkey)

    @property
    def may_pay(self) -> bool:
        return policy.may_pay(self.customer_role)

    @property
    def may_manage(self) -> bool:
        return policy.may_manage(self.customer_role)


@dataclass(frozen=True, slots=True)
class Viewing:
    """Whose account a member of staff views in this session, and until when: also one whose time is over, until it is cleared away."""

    customer_id: str
    customer_name: str
    ends_at: datetime

    @property
    def is_over(self) -> bool:
        return self.ends_at <= clock.now()


@dataclass(frozen=True, slots=True)
class Device:
    """One of a user's sessions, as they are shown it; `id` names it among theirs, and opens nothing. `is_same_network`: as that of the
    session that looks.
    """

    id: str
    browser: str
    ip: str
    signed_in_at: datetime
    last_seen_at: datetime
    is_this_one: bool
    is_same_network: bool
    by_passkey: bool
    opened_by: str  # the name of the company's system that opened it, or ""


def owes_second_factor(role: str, *, is_on: bool) -> bool:
    return role != Role.CUSTOMER and not is_on and config.current().staff_need_second_factor


def start(  # noqa: PLR0913  # how a session can begin
    session: Session,
    user: User,
    *,
    ip: str,
    user_agent: str,
    by_passkey: bool = False,
    by_provider: bool = False,
    proved_at: datetime | None = None,
    api_client_id: str | None = None,
    by_link: bool = False,
) -> str:
    """Begin a session for a user who has proved who they are, in the caller's transaction; returns its token.

    `by_provider` tells that they did so at the company's identity provider, and `proved_at` when, if that is known: else they do so once
    more before something weighty. So they do where a system of the company's (`api_client_id`) opened it and vouches for them.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    now = clock.now()
    row = SignInSession(
        token_hash=_digest(token),
        user_id=user.id,
        created_at=now,
        last_seen_at=now,
        by_passkey=by_passkey,
        by_provider=by_provider,
        proved_at=(proved_at or now - LONGEST["staff"]) if by_provider or api_client_id else None,
        api_client_id=api_client_id,
        ip=ip[:45],
        user_agent=card_numbers.masked(user_agent)[:200],
    )
    session.add(row)
    user.last_sign_in_at = now
    with acting_as(user):
        audit.record(
            session,
            "session.started",
            user.id,
            {"browser": browsers.name(user_agent)} | _how(row, by_link=by_link),
            customer_id=user.customer_id,
        )
    return token


def _how(row: SignInSession, *, by_link: bool) -> dict[str, str]:
    """What the audit trail says of it; nothing for a password."""
    if by_link:
        return {"by": "link"}
    if row.api_client_id:
        return {"by": "app", "api_client": row.api_client_id}
    return {"by": "passkey"} if row.by_passkey else {"by": "provider"} if row.by_provider else {}


def find(token: str) -> SignedInUser | None:
    """Who this token stands for now; None when the session has ended, ran out, or its user may not sign in any more.

    Looked up for each request, so that a role that was changed holds from the next one on.
    """
    with reach.everyone("the token says who it is"):
        found = db.rows_of(_with_this_token(), {"token_hash": _digest(token)})
    if not found:
        return None
    row = found[0]
    if not row.active or not _is_alive(row, row.role, row.email):
        return None
    if clock.now() - row.last_seen_at >= SEEN_EVERY:
        _note_use(row.token_hash)
    return SignedInUser(
        row.id,
        row.email,
        row.name,
        row.role,
        row.customer_id,
        row.customer_role,
        row.language,
        row.time_zone,
        row.guessed_time_zone,
        row.shortcuts,
        bool(row.has_second_factor),
        row.proved_at or row.created_at,
        row.by_passkey,
        row.by_provider,
        Viewing(row.viewed_id, row.viewed_name, row.viewed_until) if row.viewed_id else None,
    )


@cache
def _with_this_token() -> Select[*tuple[Any, ...]]:
    """The session with :token_hash, its user, and whether they have a second factor, as columns. Each request asks this."""
    second_factor = select(SecondFactor.enabled_at).where(SecondFactor.user_id == SignInSession.user_id)
    session = (SignInSession.token_hash, SignInSession.created_at, SignInSession.last_seen_at, SignInSession.ended_at)
    who = (User.id, User.email, User.name, User.role, User.customer_id, User.customer_role, User.active)
    shown = (User.language, User.time_zone, User.guessed_time_zone, User.shortcuts)
    return (
        select(
            *session,
            SignInSession.proved_at,
            SignInSession.by_passkey,
            SignInSession.by_provider,
            *who,
            *shown,
            second_factor.scalar_subquery().is_not(None).label("has_second_factor"),
            AccountViewing.customer_id.label("viewed_id"),
            AccountViewing.customer_name.label("viewed_name"),
            AccountViewing.ends_at.label("viewed_until"),
        )
        .join(User, User.id == SignInSession.user_id)
        .outerjoin(AccountViewing, AccountViewing.id == SignInSession.viewing_id)
        .where(SignInSession.token_hash == bindparam("token_hash"))
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
        note_proof(session, token)


def note_proof(session: Session, token: str) -> None:
    """Whoever has this session has just proved who they are, in the caller's transaction. Raises SignInRequired when it has ended."""
    row = row_of(session, token)
    row.proved_at = clock.now()
    user = queries.user(session, row.user_id)
    audit.record(session, "session.proved_again", user.id, customer_id=user.customer_id)


def confirm_password(user_id: str, password: str, *, ip: str) -> None:
    """That it is really this user who is about to do something weighty: an open page that someone else sits down at is not enough.

    Raises Invalid for the field "password", and RateLimited when it was guessed too often.
    """
    with db.reading() as session:
        user = queries.user(session, user_id)
    attempt = throttle.begin(user.email, ip)
    right = passwords.matches(user.password_hash, password) and policy.signs_in_here(user.role, user.email)
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


def sign_out_device(user_id: str, device_id: str) -> None:
    """End one of this user's sessions, as `devices` names it. Raises NotFound when they have none of that name, also for a second call."""
    with db.transaction() as session:
        user = queries.user(session, user_id, lock=True)
        if not end_one(session, user, device_id):
            raise NotFound
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


def end_opened_by(session: Session, api_client_id: str) -> int:
    """End the sessions that this system of the company's has opened, in the caller's transaction; returns how many there were."""
    mine = update(SignInSession).where(SignInSession.api_client_id == api_client_id, SignInSession.ended_at.is_(None))
    return len(session.execute(mine.values(ended_at=clock.now()).returning(SignInSession.token_hash)).all())


def end_one(session: Session, user: User, device_id: str) -> bool:
    """End the session that Device.id names, in the caller's transaction; whether there was one."""
    row = next((row for row in queries.open_sessions(session, user.id) if _device_id(row) == device_id), None)
    if row is None:
        return False
    row.ended_at = clock.now()
    return True


def devices(user_id: str, token: str = "") -> list[Device]:
    """Where this user is signed in, the session of `token` first."""
    with db.reading() as session:
        user = queries.user(session, user_id)
        rows = queries.open_sessions(session, user_id)
        systems = queries.names_of_actors(session, {row.api_client_id for row in rows if row.api_client_id})
    mine = next((network_of(row.ip) for row in rows if row.token_hash == _digest(token)), "")
    shown = [
        Device(
            _device_id(row),
            browsers.name(row.user_agent),
            row.ip,
            row.created_at,
            row.last_seen_at,
            is_this_one=row.token_hash == _digest(token),
            is_same_network=network_of(row.ip) == mine,
            by_passkey=row.by_passkey,
            opened_by=systems.get(row.api_client_id or "", ""),
        )
        for row in rows
        if _is_alive(row, user.role, user.email)
    ]
    return sorted(shown, key=lambda device: not device.is_this_one)


def acting_as(user: User) -> AbstractContextManager[None]:
    """What is recorded in this block is the user's own doing."""
    who = audit.actor()
    return audit.acting(replace(who, kind="customer" if user.role == Role.CUSTOMER else "staff", id=user.id))


def _is_alive(row: SignInSession | Row[*tuple[Any, ...]], role: str, email: str) -> bool:
    """`row` is a session, or has its columns. What it was begun with has to count still: settings may have changed since."""
    by_provider = bool(row.by_provider)
    counts = bool(config.current().staff_oidc_issuer) if by_provider else policy.signs_in_here(role, email)
    kind = "customer" if role == Role.CUSTOMER else "staff"
    now = clock.now()
    longest = LONGEST[kind]
    if by_provider:  # whom it lets in no more is out after this long
        longest = min(longest, timedelta(hours=config.current().staff_oidc_session_hours))
    return counts and row.ended_at is None and now - row.last_seen_at < IDLE[kind] and now - row.created_at < longest


def _device_id(row: SignInSession) -> str:
    return row.token_hash[:16]


def row_of(session: Session, token: str) -> SignInSession:
    """The session itself, locked. Raises SignInRequired when it has ended."""
    row = session.get(SignInSession, _digest(token), with_for_update=True)
    if row is None or row.ended_at is not None:
        raise SignInRequired
    return row


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
