"""Apps that someone has signed in with, and that call the JSON API on their behalf: each has a grant.

A grant lives by refresh tokens. Each is good once and brings the next; one that comes a second time was stolen, by whoever used it
first or by whoever uses it now, so the whole grant ends. Source: RFC 9700, "Best Current Practice for OAuth 2.0 Security", 4.14.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session, joinedload

from portal.core import audit, card_numbers, clock, db, reach
from portal.core.db import new_id
from portal.core.errors import N_, Forbidden, NotFound, SignInRequired
from portal.core.permissions import Role
from portal.identity import browsers, codes, policy, queries, sessions, signing_in, tokens
from portal.identity.models import APP_IDLE, APP_LONGEST, AppGrant, RefreshToken, User

log = structlog.get_logger(__name__)

REFRESH_PREFIX: Final = "prt_"
SECRET_BYTES: Final = 32
LONGEST_APP_NAME: Final = 40
# A grant's last use is written down at most this often.
SEEN_EVERY: Final = timedelta(minutes=1)
# Kept this long after it can be used no more, for whoever asks what happened; the audit trail keeps the fact itself.
KEEP_UNUSED: Final = timedelta(days=30)

REUSED: Final = "refresh_token_reused"
SIGNED_OUT: Final = "signed_out"
ENDED_ELSEWHERE: Final = "ended_elsewhere"


class NotProved(SignInRequired):
    """The password or the code is wrong; `code` says which, as far as anyone may know."""


class FactorMissing(Forbidden):
    code = "second_factor_required"
    message = N_("Staff must use two-step verification. Please set it up on your account page first.")


class GrantOver(SignInRequired):
    """The refresh token is unknown, was used, is too old, or its user may not sign in any more: never told which."""

    code = "grant_over"
    message = N_("This app is no longer signed in. Please sign in again.")


@dataclass(frozen=True, slots=True)
class Grant:
    """An app that is signed in; the refresh token is kept nowhere but with the app."""

    id: str
    user: User
    scopes: frozenset[str]
    refresh_token: str


@dataclass(frozen=True, slots=True)
class App:
    """An app that a user is signed in with, as they are shown it; `name` is empty when it does not say who it is."""

    id: str
    name: str
    ip: str
    signed_in_at: datetime
    last_used_at: datetime


def sign_in(
    email: str, password: str, *, code: str | None, wanted: Iterable[str] | None, ip: str, user_agent: str
) -> Grant:
    """Prove who one is, and begin a grant with the scopes that were `wanted`, or all that the user may have.

    Raises NotProved, signing_in.CodeNeeded, FactorMissing, RateLimited, and Invalid for a scope that there is not or that the user
    may not have.
    """
    wanted = policy.known_scopes(wanted)
    try:
        proved = signing_in.authenticate(email, password, ip=ip, code=code)
    except (signing_in.WrongCredentials, signing_in.WrongCode) as error:
        raise NotProved(error.message, code=error.code) from error
    _refuse_without_factor(proved)
    now = clock.now()
    with db.transaction() as session, sessions.acting_as(proved):
        user = queries.user(session, proved.id, lock=True)
        # A password that was changed meanwhile has ended all grants: none may begin with the old one after that.
        if not user.active or user.password_hash != proved.password_hash:
            raise NotProved(signing_in.WrongCredentials.message, code=signing_in.WrongCredentials.code)
        user.last_sign_in_at = now
        scopes = policy.granted_scopes(wanted, policy.scopes_of(user.role, user.customer_role))
        row = AppGrant(
            id=new_id("grt"),
            user_id=user.id,
            scopes=" ".join(sorted(scopes)),
            created_at=now,
            last_used_at=now,
            ended_why="",
            ip=ip[:45],
            user_agent=card_numbers.masked(user_agent)[:200],
        )
        session.add(row)
        session.flush()
        audit.record(session, "app.signed_in", user.id, {"grant": row.id}, customer_id=user.customer_id)
        return Grant(row.id, user, scopes, _issue(session, row))


def _refuse_without_factor(user: User) -> None:
    """Staff who must have a second factor set it up in a browser first."""
    with db.reading() as session:
        if sessions.owes_second_factor(user.role, is_on=codes.is_on(session, user.id)):
            raise FactorMissing


def refresh(token: str) -> Grant:
    """Use up a refresh token and get the next one, with the scopes that the user may have now. Raises GrantOver.

    A token that was used before ends the grant: one of the two who hold it has stolen it.
    """
    with db.transaction() as session:
        row = session.get(RefreshToken, tokens.digest(token), with_for_update=True)
        grant = _grant(session, row.grant_id, lock=True) if row else None
        if row is None or grant is None or not _is_alive(grant):
            raise GrantOver
        if row.used_at is None:
            row.used_at = grant.last_used_at = clock.now()
            scopes = frozenset(grant.scopes.split()) & policy.scopes_of(grant.user.role, grant.user.customer_role)
            return Grant(grant.id, grant.user, scopes, _issue(session, grant))
        log.warning("refresh_token_reused", grant=grant.id, user=grant.user_id)
        _end(session, grant, REUSED)
    raise GrantOver


_WITH_USER: Final = select(AppGrant).where(AppGrant.id == bindparam("id")).options(joinedload(AppGrant.user))

# Each request of an app asks this.
_STANDING: Final = (
    select(
        *(AppGrant.created_at, AppGrant.last_used_at, AppGrant.ended_at),
        *(User.id, User.email, User.role, User.customer_id, User.customer_role, User.active),
    )
    .join(User, User.id == AppGrant.user_id)
    .where(AppGrant.id == bindparam("id"))
)


@dataclass(frozen=True, slots=True)
class SignedInApp:
    """Who stands behind an app's token, and when they proved who they are."""

    id: str
    role: str
    customer_id: str | None
    customer_role: str | None
    proved_at: datetime


def sign_out(token: str) -> bool:
    """End the grant of this refresh token, used or not; returns whether there is such a token. A second call changes nothing."""
    with db.transaction() as session:
        row = session.get(RefreshToken, tokens.digest(token))
        grant = _grant(session, row.grant_id, lock=True) if row else None
        if grant is not None and grant.ended_at is None:
            _end(session, grant, SIGNED_OUT)
        return row is not None


def standing(grant_id: str) -> SignedInApp | None:
    """Who stands behind a grant now; None when it has ended or its user may not sign in any more."""
    with reach.everyone("the token says who it is"):
        found = db.rows_of(_STANDING, {"id": grant_id})
    if not found or not _lives(row := found[0], row):
        return None
    if clock.now() - row.last_used_at >= SEEN_EVERY:
        _note_use(grant_id)
    return SignedInApp(row.id, row.role, row.customer_id, row.customer_role, row.created_at)


def end(grant_id: str, user_id: str) -> None:
    """Sign a user out of one of their apps. A second call changes nothing. Raises NotFound, also for someone else's."""
    with db.transaction() as session:
        grant = _grant(session, grant_id, lock=True)
        if grant is None or grant.user_id != user_id:
            raise NotFound
        if grant.ended_at is None:
            _end(session, grant, ENDED_ELSEWHERE)


def apps(user_id: str) -> list[App]:
    """The apps that a user is signed in with, the newest first."""
    with db.reading() as session:
        found = session.scalars(
            select(AppGrant)
            .where(AppGrant.user_id == user_id, AppGrant.ended_at.is_(None))
            .options(joinedload(AppGrant.user))
            .order_by(AppGrant.created_at.desc(), AppGrant.id.desc())
        ).all()
    return [
        App(grant.id, _app_name(grant.user_agent), grant.ip, grant.created_at, grant.last_used_at)
        for grant in found
        if _is_alive(grant)
    ]


def _app_name(user_agent: str) -> str:
    """ "Firefox, Windows" for a browser, "Billing, iPhone" for "Billing/2.1 (iPhone; iOS 20)". Empty when there is nothing to say."""
    product = "" if user_agent.startswith("Mozilla/") else user_agent.partition(" ")[0].partition("/")[0]
    return ", ".join(filter(None, (product[:LONGEST_APP_NAME], browsers.name(user_agent))))


@sessions.ended_with_sessions
def end_all(session: Session, user: User) -> int:
    """End every grant of a user, in the caller's transaction; returns how many there were."""
    ended = session.execute(
        update(AppGrant)
        .where(AppGrant.user_id == user.id, AppGrant.ended_at.is_(None))
        .values(ended_at=clock.now(), ended_why=ENDED_ELSEWHERE)
        .returning(AppGrant.id)
    )
    return len(ended.all())


def _grant(session: Session, grant_id: str, *, lock: bool = False) -> AppGrant | None:
    query = _WITH_USER
    if lock:
        query = query.with_for_update(of=AppGrant).execution_options(populate_existing=True)
    return session.scalar(query, {"id": grant_id})


def _is_alive(grant: AppGrant) -> bool:
    return _lives(grant, grant.user)


def _lives(grant: Any, user: Any) -> bool:
    """For rows of grants and users, or what has the columns of theirs."""
    kind = "customer" if user.role == Role.CUSTOMER else "staff"
    now = clock.now()
    in_time = now - grant.last_used_at < APP_IDLE[kind] and now - grant.created_at < APP_LONGEST[kind]
    return grant.ended_at is None and bool(user.active) and in_time and policy.signs_in_here(user.role, user.email)


def _issue(session: Session, grant: AppGrant) -> str:
    token = REFRESH_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    session.add(RefreshToken(token_hash=tokens.digest(token), grant_id=grant.id, issued_at=clock.now()))
    return token


def _end(session: Session, grant: AppGrant, why: str) -> None:
    grant.ended_at, grant.ended_why = clock.now(), why
    facts = {"grant": grant.id, "why": why}
    audit.record(session, "app.signed_out", grant.user_id, facts, customer_id=grant.user.customer_id)


def _note_use(grant_id: str) -> None:
    """Several requests of one app may come here at once: one of them writes."""
    now = clock.now()
    with db.transaction() as session:
        session.execute(
            update(AppGrant)
            .where(AppGrant.id == grant_id, AppGrant.last_used_at <= now - SEEN_EVERY)
            .values(last_used_at=now)
        )


def forget_old(session: Session) -> None:
    """Delete grants, with their tokens, that nobody has used for long; in the caller's transaction."""
    over = select(AppGrant.id).where(AppGrant.last_used_at < clock.now() - max(APP_LONGEST.values()) - KEEP_UNUSED)
    session.execute(delete(RefreshToken).where(RefreshToken.grant_id.in_(over)))
    session.execute(delete(AppGrant).where(AppGrant.id.in_(over)))
