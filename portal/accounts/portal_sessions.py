"""The company's own app opens a signed-in session for one of a customer's people: it asks for a one-time address, and sends the browser
there.

The company vouches for who that is: neither the password nor the code of a second factor is asked for. What needs a recent proof of who
one is asks for the password all the same.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import queries, service
from portal.core import audit, clock, config, db
from portal.core.db import new_id
from portal.core.errors import N_, Conflict, NotFound
from portal.identity import api_clients, sessions, tokens
from portal.identity import queries as users
from portal.identity.models import ApiClient, PortalSession, User

# The app sends the browser there at once.
LIFETIME: Final = timedelta(minutes=2)
PATH: Final = "/portal-sessions/"
TOKEN_BYTES: Final = 32


class CannotSignIn(Conflict):
    code = "cannot_sign_in"
    message = N_("Nobody can sign in for this customer: an owner has to be invited, and to accept the invitation.")


class PortalLinkExpired(NotFound):
    """It was used already, is too old, or never was one, or nobody may sign in by it any more: these are not told apart."""


@dataclass(frozen=True, slots=True)
class Created:
    """`row` keeps no secret: `url` is told this once."""

    row: PortalSession
    url: str


def create(customer_id: str, *, user_id: str | None, opens: str, api_client_id: str) -> Created:
    """An address that signs one of the customer's people in, once and within LIFETIME, and leads to the page `opens`, a path.

    Without a `user_id` it is the owner who can sign in; of several the first by e-mail address. A second call makes another address.
    Raises NotFound for the customer and for a person who is none of its, service.Deactivated and CannotSignIn.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with db.transaction() as session:
        if queries.customer(session, customer_id).deactivated_at is not None:
            raise service.Deactivated
        user = _person(session, customer_id, user_id)
        now = clock.now()
        row = PortalSession(
            id=new_id("pse"),
            token_hash=tokens.digest(token),
            user_id=user.id,
            api_client_id=api_client_id,
            opens=opens,
            created_at=now,
            expires_at=now + LIFETIME,
        )
        session.add(row)
        session.flush()
        facts = {"user": user.id, "opens": opens}
        audit.record(session, "portal_session.created", row.id, facts, customer_id=customer_id)
    return Created(row, config.current().base_url + PATH + token)


def _person(session: Session, customer_id: str, user_id: str | None) -> User:
    if user_id is None:
        owners = queries.owners(session, customer_id)
        if not owners:
            raise CannotSignIn
        return owners[0]
    user = queries.colleague(session, user_id, customer_id)
    if not _can_sign_in(user):
        raise CannotSignIn(
            N_("This person cannot sign in: their invitation is not accepted, or their access has ended.")
        )
    return user


def _can_sign_in(user: User) -> bool:
    return user.active and user.password_hash is not None


def redeem(token: str, *, ip: str, user_agent: str) -> tuple[str, str]:
    """Begin the session that this address is for: returns the session's token, and the path where it leads.

    Raises PortalLinkExpired, also for a second call.
    """
    query = select(PortalSession).where(PortalSession.token_hash == tokens.digest(token))
    with db.transaction() as session:
        found = session.scalar(query)
        if found is None:
            raise PortalLinkExpired
        # The user before the link, as everywhere. Who revokes the client ends the sessions that it has opened, and waits for this one.
        user = users.user(session, found.user_id, lock=True)
        client = session.get_one(ApiClient, found.api_client_id, with_for_update={"read": True}, populate_existing=True)
        row = session.scalars(query.with_for_update().execution_options(populate_existing=True)).one()
        is_open = row.used_at is None and clock.now() < row.expires_at
        if not (is_open and _can_sign_in(user) and api_clients.is_good(client)):
            raise PortalLinkExpired
        row.used_at = clock.now()
        started = sessions.start(session, user, ip=ip, user_agent=user_agent, api_client_id=client.id)
        return started, row.opens
