"""Reading users and what they sign in with. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from portal.core import clock, reach, texts
from portal.core.errors import NotFound
from portal.identity.models import (
    IDLE,
    LONGEST,
    ApiClient,
    SecondFactor,
    SignInSession,
    User,
)

T = TypeVar("T")


def normal_email(email: str) -> str:
    """The one way an e-mail address is written here: without spaces around it, in lower case, and composed (NFC)."""
    return texts.tidied(email).lower()


def user(session: Session, user_id: str, *, lock: bool = False) -> User:
    """Raises NotFound. With `lock` no one else changes the row before the caller's transaction ends."""
    return one_row(session, select(User).where(User.id == user_id), lock=lock)


def one_row(session: Session, query: Select[T], *, lock: bool, key_share: bool = False) -> T:
    """What the session remembers does not count under a lock: another one may have changed the row since."""
    if lock:
        query = query.with_for_update(key_share=key_share).execution_options(populate_existing=True)
    found = session.execute(query).scalar_one_or_none()
    if found is None:
        raise NotFound
    return found


def user_by_email(session: Session, email: str) -> User | None:
    with reach.everyone("an address is one person's, whoever's"):
        return session.execute(select(User).where(User.email == normal_email(email))).scalar_one_or_none()


def user_with_email(session: Session, email: str, *, lock: bool = False) -> User:
    """Raises NotFound. `lock` as above."""
    return one_row(session, select(User).where(User.email == normal_email(email)), lock=lock)


def second_factors(session: Session, user_ids: Iterable[str]) -> dict[str, SecondFactor]:
    """Those of these users, by user id."""
    found = session.scalars(select(SecondFactor).where(SecondFactor.user_id.in_(set(user_ids))))
    return {factor.user_id: factor for factor in found}


def open_sessions(session: Session, user_id: str) -> Sequence[SignInSession]:
    """The sessions that nobody has ended, the last used first; those that ran out by themselves are among them."""
    query = select(SignInSession).where(SignInSession.user_id == user_id, SignInSession.ended_at.is_(None))
    return session.execute(query.order_by(SignInSession.last_seen_at.desc())).scalars().all()


def sessions_alive(session: Session, user_ids: Iterable[str]) -> dict[str, int]:
    """How many browsers these members of staff are signed in with, by user id; those with none are left out."""
    now = clock.now()
    query = (
        select(SignInSession.user_id, func.count().label("number"))
        .where(SignInSession.user_id.in_(set(user_ids)), SignInSession.ended_at.is_(None))
        .where(SignInSession.last_seen_at > now - IDLE["staff"], SignInSession.created_at > now - LONGEST["staff"])
        .group_by(SignInSession.user_id)
    )
    return {row.user_id: row.number for row in session.execute(query)}


def names(session: Session, user_ids: Iterable[str | None]) -> dict[str, str]:
    """What these users are called, by id; those that are none are left out."""
    wanted = {user_id for user_id in user_ids if user_id}
    if not wanted:
        return {}
    rows = session.execute(select(User.id, User.name).where(User.id.in_(wanted)))
    return {row.id: row.name for row in rows}


def names_of_actors(session: Session, ids: Iterable[str]) -> dict[str, str]:
    """What these users and API clients are called, by id; those that are neither are left out."""
    wanted = set(ids)
    if not wanted:
        return {}
    users = select(User.id, User.name).where(User.id.in_(wanted))
    clients = select(ApiClient.id, ApiClient.name).where(ApiClient.id.in_(wanted))
    return {row.id: row.name for row in session.execute(users.union_all(clients))}
