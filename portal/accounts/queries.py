"""Reading customers, their people and their sessions. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts.models import Customer, SignInSession, User
from portal.errors import NotFound


def normal_email(email: str) -> str:
    """The one way an e-mail address is written here: without spaces around it, in lower case."""
    return email.strip().lower()


def customer(session: Session, customer_id: str, *, lock: bool = False) -> Customer:
    """Raises NotFound. With `lock` no one else changes the row before the caller's transaction ends."""
    query = select(Customer).where(Customer.id == customer_id)
    found = session.execute(query.with_for_update() if lock else query).scalar_one_or_none()
    if found is None:
        raise NotFound
    return found


def customer_by_email(session: Session, email: str) -> Customer | None:
    """The customer that is billed at this address, or whose user signs in with it; the oldest when there are several."""
    address = normal_email(email)
    own = select(User.customer_id).where(User.email == address).scalar_subquery()
    query = select(Customer).where((Customer.email == address) | (Customer.id == own))
    return session.execute(query.order_by(Customer.created_at, Customer.id).limit(1)).scalar_one_or_none()


def user(session: Session, user_id: str, *, lock: bool = False) -> User:
    """Raises NotFound. With `lock` no one else changes the row before the caller's transaction ends."""
    query = select(User).where(User.id == user_id)
    found = session.execute(query.with_for_update() if lock else query).scalar_one_or_none()
    if found is None:
        raise NotFound
    return found


def user_by_email(session: Session, email: str) -> User | None:
    return session.execute(select(User).where(User.email == normal_email(email))).scalar_one_or_none()


def users_of(session: Session, customer_id: str) -> Sequence[User]:
    """The people who sign in for this customer, by e-mail."""
    return session.execute(select(User).where(User.customer_id == customer_id).order_by(User.email)).scalars().all()


def open_sessions(session: Session, user_id: str) -> Sequence[SignInSession]:
    """The sessions that nobody has ended, the last used first; those that ran out by themselves are among them."""
    query = select(SignInSession).where(SignInSession.user_id == user_id, SignInSession.ended_at.is_(None))
    return session.execute(query.order_by(SignInSession.last_seen_at.desc())).scalars().all()
