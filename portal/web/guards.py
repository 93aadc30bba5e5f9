"""Who may see a page: each guard stands above the views it is for. With it a customer's people reach their rows; on a page without one they
reach no more than strangers do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from flask_login import current_user

from portal.core import clock, reach
from portal.core.errors import N_, Forbidden, NotFound, OtherRole, ProofOutdated, SignInRequired
from portal.core.permissions import Permission, may

# Before something weighty one has proved who one is within this time, by signing in or by the password alone.
PROOF_LASTS: Final = timedelta(minutes=10)

P = ParamSpec("P")
R = TypeVar("R")


def customer_id() -> str:
    """The signed-in customer's id. Raises SignInRequired, and Forbidden for staff, who have no bills here."""
    if not current_user.is_authenticated:
        raise SignInRequired
    if current_user.customer_id is None:
        raise Forbidden
    reach.narrow(current_user.customer_id)
    return str(current_user.customer_id)


_ASK_A_PAYER: Final = N_("Your role does not include paying and managing cards. Your account page shows whom to ask.")
_ASK_AN_OWNER: Final = N_("Only an owner of your account can do this. Your account page shows whom to ask.")


def customers_only(view: Callable[P, R]) -> Callable[P, R]:
    """For those who are signed in for a customer, in any role; others are sent to sign in, staff are refused."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        customer_id()
        return view(*args, **kwargs)

    return guarded


def payers_only(view: Callable[P, R]) -> Callable[P, R]:
    """For those of a customer's people who may pay: owners and payers. Viewers and staff are refused."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        customer_id()
        if not current_user.may_pay:
            raise Forbidden(_ASK_A_PAYER)
        return view(*args, **kwargs)

    return guarded


def owners_only(view: Callable[P, R]) -> Callable[P, R]:
    """For the owners among a customer's people. The others and staff are refused."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        customer_id()
        if not current_user.may_manage:
            raise Forbidden(_ASK_AN_OWNER)
        return view(*args, **kwargs)

    return guarded


def signed_in_only(view: Callable[P, R]) -> Callable[P, R]:
    """For anyone who is signed in, customer or staff."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        if not current_user.is_authenticated:
            raise SignInRequired
        if current_user.customer_id is not None:
            reach.narrow(current_user.customer_id)
        return view(*args, **kwargs)

    return guarded


def staff_only(permission: Permission) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """For staff whose role includes this. To everyone else there is no such page; that other staff asked for it is recorded."""

    def guard(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            if not current_user.is_authenticated:
                raise SignInRequired
            if not may(current_user.role, permission):
                raise OtherRole if current_user.is_staff else NotFound
            return view(*args, **kwargs)

        guarded.permission = permission  # type: ignore[attr-defined]  # told by `permission_of`
        return guarded

    return guard


def permission_of(view: object) -> Permission | None:
    """The permission that a view behind `staff_only` takes; None for all others."""
    found = getattr(view, "permission", None)
    return found if isinstance(found, Permission) else None


def require_recent_proof() -> None:
    """Raises ProofOutdated for who signed in a while ago: they confirm their password first, and come back to what they wanted."""
    if clock.now() - current_user.proved_at > PROOF_LASTS:
        raise ProofOutdated


def recently_proved(view: Callable[P, R]) -> Callable[P, R]:
    """For what an open page that someone else sits down at must not do. Stands below the guard that says who may."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        require_recent_proof()
        return view(*args, **kwargs)

    return guarded
