"""API clients: other systems of the company's that call the JSON API, each with an id and a secret (its key)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.core import audit, clock, db, idempotency, keyset, texts
from portal.core.db import new_id
from portal.core.errors import N_, Conflict, Invalid, NotFound, SignInRequired
from portal.identity import policy, queries, sessions, tokens
from portal.identity.models import ApiClient

log = structlog.get_logger(__name__)

SECRET_BYTES: Final = 32
SECRET_PREFIX: Final = "pcs_"  # noqa: S105  # what a secret begins with
LONGEST_NAME: Final = 100
# So long an old secret opens beside the new one, and the other system may take its time to learn it.
OLD_SECRET_LASTS: Final = timedelta(hours=24)
LONGEST_LIFE_DAYS: Final = 3_650


class WrongClient(SignInRequired):
    code = "wrong_client"
    message = N_("This client ID and secret do not match, or they were revoked.")


class MadeAlready(Conflict):
    """The form was sent before: its key exists, and the secret was shown then."""

    code = "made_already"
    message = N_("This secret was already shown. Create a new key if you have lost it.")


def create(
    name: str,
    scopes: Iterable[str],
    created_by: str,
    *,
    names_end_users: bool = False,
    days: int | None = None,
    client_key: str | None = None,
) -> tuple[ApiClient, str]:
    """A key for another system of the company's, and its secret, which is never shown again. It ends after so many days, or never.

    With `names_end_users` the addresses are believed that it names for those whom it calls for; such a key needs no scope.

    A second call with the same `client_key` makes nothing and raises MadeAlready. Raises Invalid, naming the field that is wrong.
    """
    client_key = client_key if client_key is not None else new_id("key")
    idempotency.check_client_key(client_key)
    name = texts.one_line(" ".join(name.split()), field="name", longest=LONGEST_NAME)
    if not name:
        raise Invalid(N_("Please name the system."), field="name")
    granted = policy.granted_scopes(policy.known_scopes(scopes), policy.API_CLIENT_SCOPES)
    if not granted and not names_end_users:
        raise Invalid(N_("Please choose what this system may do."), field="scopes")
    if days is not None and not 0 < days <= LONGEST_LIFE_DAYS:
        raise Invalid(N_("Please choose when the key expires."), field="days")
    secret = _new_secret()
    with db.transaction() as session:
        queries.user(session, created_by, lock=True)  # where a form that is sent twice at once waits for itself
        client_id = _client_id(created_by, client_key)
        if session.get(ApiClient, client_id) is not None:
            raise MadeAlready
        row = ApiClient(
            id=client_id,
            name=name,
            secret_hash=tokens.digest(secret),
            scopes=" ".join(sorted(granted)),
            names_end_users=names_end_users,
            created_at=clock.now(),
            expires_at=clock.now() + timedelta(days=days) if days is not None else None,
            created_by=created_by,
        )
        session.add(row)
        session.flush()
        facts = {"name": name, "scopes": row.scopes, "names_end_users": names_end_users, "days": days}
        audit.record(session, "api_client.created", row.id, facts)
    return row, secret


def _client_id(created_by: str, client_key: str) -> str:
    """The same for the same form, so that its row shows whether it was sent before."""
    return f"cli_{hashlib.sha256(f'{created_by} {client_key}'.encode()).hexdigest()[:26]}"


def _new_secret() -> str:
    return SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def rotate(client_id: str, by: str) -> tuple[ApiClient, str]:
    """The new secret, which is never shown again. Until a day has passed the one before opens as well; one before that, no longer.

    `by` is the admin who has seen the new secret: when their access ends, the key is revoked. A second call makes yet another secret.
    Raises NotFound, and Conflict for a key that is revoked or has expired.
    """
    secret = _new_secret()
    with db.transaction() as session:
        row = session.get(ApiClient, client_id, with_for_update=True)
        if row is None:
            raise NotFound
        if not is_good(row):
            raise Conflict
        row.old_secret_hash, row.old_secret_until = row.secret_hash, clock.now() + OLD_SECRET_LASTS
        row.old_secret_by = row.created_by
        row.secret_hash, row.created_by = tokens.digest(secret), by
        audit.record(session, "api_client.secret_rotated", row.id, {"name": row.name})
        return row, secret


def is_good(row: ApiClient) -> bool:
    """Neither revoked nor expired."""
    return row.revoked_at is None and (row.expires_at is None or clock.now() < row.expires_at)


def revoke(client_id: str) -> ApiClient:
    """Its secret and its access tokens open nothing any more, and the sessions that it has opened end. A second call changes nothing.

    Raises NotFound.
    """
    with db.transaction() as session:
        row = session.get(ApiClient, client_id, with_for_update=True)
        if row is None:
            raise NotFound
        if row.revoked_at is None:
            _revoke(session, row)
        return row


def revoke_all_of(session: Session, user_id: str) -> int:
    """Revoke all keys whose secret this user has seen. In the caller's transaction; returns how many there were.

    Of a key whose secret was changed since, the one that they have seen opens nothing any more, and the key stays.
    """
    seen = update(ApiClient).where(ApiClient.old_secret_by == user_id, ApiClient.created_by != user_id)
    session.execute(seen.values(old_secret_hash=None, old_secret_until=None, old_secret_by=None))
    mine = select(ApiClient).where(ApiClient.created_by == user_id, ApiClient.revoked_at.is_(None))
    rows = session.scalars(mine.order_by(ApiClient.id).with_for_update()).all()
    for row in rows:
        _revoke(session, row)
    return len(rows)


def _revoke(session: Session, row: ApiClient) -> None:
    row.revoked_at = clock.now()
    ended = sessions.end_opened_by(session, row.id)
    facts = {"name": row.name} | ({"sessions_ended": ended} if ended else {})
    audit.record(session, "api_client.revoked", row.id, facts)


def authenticate(client_id: str, secret: str, wanted: Iterable[str] | None) -> tuple[ApiClient, frozenset[str]]:
    """The API client with this id and secret, and the scopes it gets. Raises WrongClient, and Invalid for a scope it may not have."""
    wanted = policy.known_scopes(wanted)
    with db.reading() as session:
        row = session.get(ApiClient, client_id)
    if row is None or not _opens(row, secret) or not is_good(row):
        log.warning("api_client_refused", api_client=row.id if row else "unknown")
        raise WrongClient
    with db.transaction() as session:
        session.get_one(ApiClient, row.id).last_used_at = clock.now()
    return row, policy.granted_scopes(wanted, frozenset(row.scopes.split()))


def _opens(row: ApiClient, secret: str) -> bool:
    """Both are compared, so that the time that it takes tells nothing."""
    claimed = tokens.digest(secret)
    is_new = hmac.compare_digest(row.secret_hash, claimed)
    is_old = hmac.compare_digest(row.old_secret_hash or "", claimed)
    old_counts = row.old_secret_until is not None and clock.now() < row.old_secret_until
    return is_new or (is_old and old_counts)


def find(client_id: str) -> ApiClient | None:
    """The API client with this id, unless it was revoked or has expired."""
    with db.reading() as session:
        row = session.get(ApiClient, client_id)
    return row if row is not None and is_good(row) else None


def newest(session: Session, cursor: str | None = None) -> keyset.Page[ApiClient]:
    """A page of all keys, also revoked ones, newest first. Raises NotFound for a cursor that nobody gave out."""
    return keyset.page(session, select(ApiClient), ApiClient.created_at, ApiClient.id, cursor)
