"""One-time links sent by mail.

A token is derived from the id of its row and the secret key, so that a job needs to carry only the id; the row keeps
the token's SHA-256, so that a copy of the database opens nothing. All functions work in the caller's transaction.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import timedelta
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, joinedload

from portal.core import clock, config, secret_keys
from portal.core.db import new_id
from portal.core.errors import N_, NotFound
from portal.identity.models import AccountToken, EmailChange, TokenPurpose, User

LIFETIMES: Final = {
    TokenPurpose.INVITATION: timedelta(days=7),
    TokenPurpose.PASSWORD_RESET: timedelta(minutes=30),
    TokenPurpose.CONFIRM_EMAIL: timedelta(hours=24),
    TokenPurpose.SIGN_IN: timedelta(minutes=15),
}
PATHS: Final = {
    TokenPurpose.INVITATION: "/invitation/",
    TokenPurpose.PASSWORD_RESET: "/password/reset/",
    TokenPurpose.CONFIRM_EMAIL: "/sign-up/confirm/",
    TokenPurpose.SIGN_IN: "/sign-in/link/open/",
}
# So many links of one purpose within an hour are enough for anyone; more would fill a stranger's mailbox.
MOST_AN_HOUR: Final = 5


class LinkExpired(NotFound):
    """The link was used already, is too old, or never was one: the three are not told apart."""

    code = "link_expired"
    message = N_("This link has been used or has expired. Please request a new one.")


def derive(token_id: str) -> str:
    """The secret in a link that is made now: 256 bits in base64, from HMAC-SHA256 under the secret key."""
    return _derived(secret_keys.newest(), token_id)


def derived(token_id: str, kept: str | None) -> str | None:
    """The secret in a link that was made before, by its digest that is kept: also under a key that is accepted beside the secret key.

    None when it was made under another one. The link still opens then; it cannot be told once more.
    """
    made = (_derived(key, token_id) for key in secret_keys.every())
    return next((secret for secret in made if digest(secret) == kept), None)


def told_again(token_id: str, kept: str | None) -> str:
    """As `derived`, for a mail that is sent within minutes: under none of the keys it is a link that has expired."""
    return derived(token_id, kept) or derive(token_id)


def _derived(key: str, token_id: str) -> str:
    secret = hmac.digest(key.encode(), b"account-token:" + token_id.encode(), "sha256")
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def link(row: AccountToken) -> str:
    """The whole address to send."""
    return config.current().base_url + PATHS[row.purpose] + told_again(row.id, row.token_hash)


def digest(token: str) -> str:
    """What is kept of a token, and looked up."""
    return hashlib.sha256(token.encode()).hexdigest()


def issue(
    session: Session,
    user_id: str,
    purpose: TokenPurpose,
    *,
    token_id: str | None = None,
    browser_hash: str | None = None,
) -> AccountToken | None:
    """A new link for this user; None when they were sent enough of them within the hour.

    With a `token_id` given (a job that runs again), a second call gives back the first one's row.
    """
    if token_id is not None and (found := session.get(AccountToken, token_id)) is not None:
        return found
    now = clock.now()
    recent = select(func.count()).where(
        AccountToken.user_id == user_id,
        AccountToken.purpose == purpose,
        AccountToken.created_at > now - timedelta(hours=1),
    )
    if session.execute(recent).scalar_one() >= MOST_AN_HOUR:
        return None
    token_id = token_id or new_id("lnk")
    row = AccountToken(
        id=token_id,
        token_hash=digest(derive(token_id)),
        user_id=user_id,
        purpose=purpose,
        created_at=now,
        expires_at=now + LIFETIMES[purpose],
        browser_hash=browser_hash,
    )
    session.add(row)
    session.flush()
    return row


def read(session: Session, token: str, *purposes: TokenPurpose, lock: bool = False) -> AccountToken:
    """The unused row of this token with its user. Raises LinkExpired for every other token.

    With `lock` no one else can use it before the caller's transaction ends.
    """
    query = (
        select(AccountToken)
        .where(AccountToken.token_hash == digest(token), AccountToken.purpose.in_(purposes))
        .options(joinedload(AccountToken.user))
    )
    if lock:
        query = query.with_for_update(of=AccountToken).execution_options(populate_existing=True)
    row = session.execute(query).scalar_one_or_none()
    if row is None or not opens(row, row.user):
        raise LinkExpired
    return row


def opens(row: AccountToken, user: User) -> bool:
    """Whether this link of `user` still opens anything."""
    return row.used_at is None and row.expires_at > clock.now() and user.active


def use_up(session: Session, user: User) -> None:
    """None of this user's links opens anything any more, nor that of a new address which nobody has confirmed."""
    session.execute(
        update(EmailChange)
        .where(EmailChange.user_id == user.id, EmailChange.confirmed_at.is_(None), EmailChange.ended_at.is_(None))
        .values(ended_at=clock.now())
    )
    session.execute(
        update(AccountToken)
        .where(AccountToken.user_id == user.id, AccountToken.used_at.is_(None))
        .values(used_at=clock.now())
    )
