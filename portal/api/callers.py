"""Who calls: read from the Authorization header alone, never from a cookie, and looked up anew for each request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from flask import g, request

from portal.accounts import queries as accounts
from portal.api import end_users, tokens
from portal.core import audit, clock, db, reach
from portal.core.errors import N_, Forbidden, Invalid, NotFound, SignInRequired
from portal.core.four_eyes import Reviewer
from portal.core.permissions import Role
from portal.identity import api_clients, app_grants, policy
from portal.identity.models import CustomerRole
from portal.web.guards import PROOF_LASTS

Kind = Literal["customer", "staff", "api_client", "outside"]


class MissingToken(SignInRequired):
    code = "missing_token"
    message = N_("Please send an access token, as “Authorization: Bearer …”.")


class MissingScope(Forbidden):
    """`scope` is what would have been needed."""

    code = "insufficient_scope"
    message = N_("This access token does not include the scope %(scope)s.")

    def __init__(self, scope: str) -> None:
        self.scope = scope
        super().__init__(scope=scope)


class ProofNeeded(SignInRequired):
    """Source: RFC 9470, "OAuth 2.0 Step Up Authentication Challenge Protocol"."""

    code = "recent_sign_in_required"
    message = N_("Please sign in again: for this, the sign-in must be a few minutes old at most.")


class NotForCustomers(Forbidden):
    code = "staff_only"
    message = N_("Only staff can do this.")


class NotForStaff(Forbidden):
    code = "customers_only"
    message = N_("Only a customer can do this.")


@dataclass(frozen=True, slots=True)
class Caller:
    """`id` is a user's or an API client's, or the subject at an outside identity provider; staff and API clients have no `customer_id`."""

    kind: Kind
    id: str
    scopes: frozenset[str]
    role: str = ""
    customer_id: str | None = None
    proved_at: datetime | None = None  # when the person did who is behind it, as far as it is known

    def require_recent_proof(self) -> None:
        """Raises ProofNeeded for something weighty, when the person behind the app signed in a while ago; an API client has none."""
        if self.kind == "api_client":
            return
        if self.proved_at is None or clock.now() - self.proved_at > PROOF_LASTS:
            raise ProofNeeded

    @property
    def key(self) -> str:
        """By which this caller's requests are counted, and its idempotency keys kept apart from others'."""
        return f"{self.kind}:{self.id}"[:120]

    @property
    def user_id(self) -> str | None:
        """Who is there in person, if they are one of our users."""
        return self.id if self.kind in {"customer", "staff"} else None

    @property
    def for_company(self) -> bool:
        """Whether it sees all customers."""
        return self.kind in {"staff", "api_client"}

    def require_company(self) -> None:
        """Raises NotForCustomers for all but staff and API clients."""
        if not self.for_company:
            raise NotForCustomers

    def customer(self) -> str:
        """The id of the customer it stands for. Raises NotForStaff for the company's own."""
        if self.customer_id is None:
            raise NotForStaff
        return self.customer_id

    def customer_named(self, given: str | None) -> str | None:
        """Whose things a list shows: its own customer's; for the company's own those of the `given` one, or everyone's.

        That a member of staff has seen the list of one customer is recorded, as it is on the desk's page. Raises NotFound.
        """
        if self.for_company:
            if given is not None:
                with db.reading() as session:
                    accounts.customer(session, given)
                self.record_access(given, given, "customer")
            return given
        if given is not None and given != self.customer_id:
            raise NotFound
        return self.customer()

    def one_customer(self, given: str | None) -> str:
        """Likewise, for lists that are of one customer. Raises Invalid where the company's own name none."""
        whose = self.customer_named(given)
        if whose is None:
            raise Invalid(N_("Please say whose."), field="customer_id")
        return whose

    def record_access(self, subject: str, whose: str, what: str) -> None:
        """Have it recorded that a member of staff has seen another person's data; see audit.record_access."""
        if self.kind == "staff":
            audit.record_access(subject, whose, what)

    def reviewer(self) -> Reviewer:
        """As someone who decides. Raises NotForCustomers for all but staff."""
        if self.kind != "staff":
            raise NotForCustomers
        return Reviewer(self.id, self.role)


def authenticate() -> Caller:
    """Find out who calls, for this request and its audit events. Raises MissingToken, tokens.BadToken, NoIdentityProvider."""
    claims = tokens.verify(_token())
    caller = _outside(claims) if claims.outside else _ours(claims)
    if caller is None:
        raise tokens.BadToken
    audit.set_actor(audit.Actor(caller.kind, caller.id[:80], request.remote_addr or "", g.get("request_id", "")))
    reach.begin(caller.customer_id or reach.EVERYONE)
    return caller


def _token() -> str:
    token = end_users.bearer("Authorization")
    if not token:
        raise MissingToken
    return token


def _ours(claims: tokens.Claims) -> Caller | None:
    if claims.grant is None:
        client = api_clients.find(claims.subject)
        if client is None:
            return None
        return Caller("api_client", client.id, claims.scopes & frozenset(client.scopes.split()), role="api_client")
    found = app_grants.standing(claims.grant)
    if found is None or found.id != claims.subject:
        return None
    scopes = claims.scopes & policy.scopes_of(found.role, found.customer_role)  # a role may have changed since
    kind: Kind = "customer" if found.role == Role.CUSTOMER else "staff"
    return Caller(kind, found.id, scopes, role=found.role, customer_id=found.customer_id, proved_at=found.proved_at)


def _outside(claims: tokens.Claims) -> Caller | None:
    if claims.customer_id is None:
        return None
    try:
        with db.reading() as session:
            customer = accounts.customer(session, claims.customer_id)
    except NotFound:
        return None
    if customer.deactivated_at is not None:
        return None
    scopes = claims.scopes & policy.scopes_of(Role.CUSTOMER, CustomerRole.OWNER)
    return Caller(
        "outside", claims.subject, scopes, role=Role.CUSTOMER, customer_id=customer.id, proved_at=claims.proved_at
    )
