"""What each of a customer's people may do, and what an app may be allowed on behalf of someone.

All of a customer's people see all of its invoices, payments, cards and receipts. What staff may do: portal.core.permissions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from portal.core import config, permissions
from portal.core.errors import N_, Conflict, Invalid
from portal.core.permissions import Role
from portal.identity.models import CustomerRole


class SignsInElsewhere(Conflict):
    code = "signs_in_elsewhere"
    message = N_("You sign in with your company account, so passkeys do not work here and none can be added.")


def signs_in_here(role: str, email: str) -> bool:
    """Whether a password or a passkey of this user counts: staff sign in at the identity provider alone where the settings name one, but
    for those addresses that are kept for the day when it is down.
    """
    settings = config.current()
    return role == Role.CUSTOMER or not settings.staff_oidc_issuer or email in settings.staff_break_glass


def may_pay(customer_role: str | None) -> bool:
    """Pay, add and remove cards, ask for refunds, and have payments made automatically."""
    return customer_role in {CustomerRole.OWNER, CustomerRole.PAYER}


def may_manage(customer_role: str | None) -> bool:
    """Change the billing details, and decide who else signs in for the customer."""
    return customer_role == CustomerRole.OWNER


# Scopes: what an access token opens. An app never gets more than the one who signed in with it may do.

_OF_CUSTOMERS: Final = permissions.READING | {"account:read", "methods:read"}
_OF_PAYERS: Final = frozenset({"payments:write", "methods:write", "refunds:request"})
_OF_OWNERS: Final = frozenset({"endpoints:read", "endpoints:write"})
# Of API clients alone: the company vouches with it for who sits before its own app.
_VOUCHING: Final = frozenset({"portal_sessions:write"})
# An API client acts for the company, with nobody before it: it decides on no refund.
API_CLIENT_SCOPES: Final = (
    _VOUCHING
    | permissions.READING
    | {
        "customers:deactivate",
        "customers:read",
        "customers:write",
        "invoices:write",
        "payments:cancel",
    }
)
SCOPES: Final = _OF_CUSTOMERS | _OF_PAYERS | _OF_OWNERS | permissions.STAFF_SCOPES | _VOUCHING


def scopes_of(role: str, customer_role: str | None) -> frozenset[str]:
    """All that an app may be allowed on behalf of a user with these roles."""
    if role != Role.CUSTOMER:
        return permissions.scopes_of_staff(role)
    scopes = _OF_CUSTOMERS
    if may_pay(customer_role):
        scopes |= _OF_PAYERS
    if may_manage(customer_role):
        scopes |= _OF_OWNERS
    return scopes


def known_scopes(wanted: Iterable[str] | None) -> frozenset[str] | None:
    """What was asked for, none for whatever there is. Raises Invalid for a scope that there is not."""
    scopes = frozenset(wanted) if wanted is not None else None
    if unknown := sorted((scopes or frozenset()) - SCOPES):
        raise Invalid(N_("There is no such scope: %(scope)s."), field="scope", code="unknown_scope", scope=unknown[0])
    return scopes


def granted_scopes(wanted: frozenset[str] | None, allowed: frozenset[str]) -> frozenset[str]:
    """What was asked for, or all that is allowed. Raises Invalid for a scope that is not allowed."""
    if wanted is None:
        return allowed
    if beyond := sorted(wanted - allowed):
        raise Invalid(
            N_("You may not have the scope %(scope)s."), field="scope", code="scope_not_allowed", scope=beyond[0]
        )
    return wanted
