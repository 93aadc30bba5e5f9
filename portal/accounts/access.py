"""Who may sign in: ending someone's access and giving it back, and the roles of the people who work here.

What an owner does about their own colleagues stands in `colleagues`; here act admins, and operators at the terminal. Each change locks
the admins first and looks at the acting one again under that lock, so that of two admins who remove each other at the same moment
one stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import queries, service
from portal.accounts.service import Invitation
from portal.content import language
from portal.core import audit, db
from portal.core.errors import N_, Conflict, Forbidden, Invalid, NotFound
from portal.core.permissions import STAFF_ROLES, Role
from portal.identity import api_clients, second_factor, sessions, tokens
from portal.identity import queries as users
from portal.identity.models import SecondFactor, User

FACTOR_ON: Final = "on"
FACTOR_OFF: Final = "off"
FACTOR_LOST: Final = "lost"


class AccessStatus(StrEnum):
    ACTIVE = "active"
    INVITED = "invited"
    LAPSED = "lapsed"  # an invitation that nobody accepted in time
    ENDED = "ended"


class LastAdmin(Conflict):
    code = "last_admin"
    message = N_("This is the only admin who can sign in. Please make someone else an admin first.")


@dataclass(frozen=True, slots=True)
class StaffMember:
    """One of those who work here.

    `invited_until` is that of an invitation. `second_factor` is on, off, or lost, when it has to be set up anew.
    """

    id: str
    name: str
    email: str
    role: str
    status: AccessStatus
    invited_until: datetime | None
    last_sign_in_at: datetime | None
    second_factor: str
    is_only_admin: bool

    @property
    def has_second_factor(self) -> bool:
        return self.second_factor == FACTOR_ON


def of_staff() -> list[StaffMember]:
    """Everyone who works here, or did, by name; those without access at the end."""
    with db.reading() as session:
        people = queries.staff(session)
        invitations = queries.invitations_of_staff(session)
        factors = users.second_factors(session, (user.id for user in people))
    able = [user.id for user in people if _is_able_admin(user)]
    shown = [
        StaffMember(
            id=user.id,
            name=user.name,
            email=user.email,
            role=user.role,
            status=status_of(user, invitations.get(user.id)),
            invited_until=invitations.get(user.id),
            last_sign_in_at=user.last_sign_in_at,
            second_factor=_factor_status(factors.get(user.id)),
            is_only_admin=able == [user.id],
        )
        for user in people
    ]
    return sorted(shown, key=lambda one: (one.status == AccessStatus.ENDED, language.sort_key(one.name), one.email))


def _factor_status(factor: SecondFactor | None) -> str:
    if factor is None or (factor.enabled_at is None and factor.lost_at is None):
        return FACTOR_OFF
    return FACTOR_ON if factor.enabled_at else FACTOR_LOST


def member(user_id: str) -> StaffMember:
    """Raises NotFound, also for a customer's people."""
    found = next((one for one in of_staff() if one.id == user_id), None)
    if found is None:
        raise NotFound
    return found


def status_of(user: User, invited_until: datetime | None) -> AccessStatus:
    if not user.active:
        return AccessStatus.ENDED
    if user.password_hash is not None:
        return AccessStatus.ACTIVE
    return AccessStatus.INVITED if invited_until else AccessStatus.LAPSED


def invite(*, email: str, name: str, role: str, language: str = "", by: str | None = None) -> Invitation:
    """One more who works here, with a role; they choose their password by the link in a mail.

    `by` is the id of the admin who acts; None is an operator. Raises Forbidden, EmailTaken, and Invalid, naming the field.
    """
    service.refuse_unreachable(email)
    with db.transaction() as session:
        _locked_admins(session, by)
        user = service.add_user(session, email=email, name=name, role=_role(role), language=language)
        return service.send_invitation(session, user)


def change_role(user_id: str, role: str, *, by: str | None = None) -> None:
    """It holds from their next request on, in browsers and apps. A second call changes nothing.

    `by` is the id of the admin who acts; None is an operator. Raises NotFound (also for a customer's people), Forbidden, LastAdmin,
    Invalid for the field "role", and Conflict when their access has ended.
    """
    with db.transaction() as session:
        admins = _locked_admins(session, by)
        user = _target(session, user_id, by, staff_only=True)
        wanted = _role(role)
        if not user.active:
            raise Conflict
        before = user.role
        if before == wanted:
            return
        _keep_an_admin(admins, user)
        user.role = wanted
        audit.record(session, "user.role_changed", user.id, {"role": [before, wanted]})


def end(user_id: str, *, by: str | None = None) -> None:
    """They are signed out at once and cannot sign in any more. A second call changes nothing.

    Their sessions, apps and links end with it, and the API keys that they made are revoked. An admin (`by`) does this for those who work
    here, an operator for anyone. Raises NotFound, Forbidden and LastAdmin.
    """
    with db.transaction() as session:
        admins = _locked_admins(session, by)
        user = _target(session, user_id, by)
        if user.active:
            _keep_an_admin(admins, user)
            shut(session, user)


def restore(user_id: str, *, by: str | None = None) -> Invitation | None:
    """They can sign in again, in the role they had; API keys that were revoked stay so. A second call changes nothing.

    Whoever never chose a password gets a new invitation, which is given back. Raises NotFound, Forbidden, and Conflict when they were
    sent enough of them within the hour.
    """
    with db.transaction() as session:
        _locked_admins(session, by)
        user = _target(session, user_id, by)
        if user.active:
            return None
        reopen(session, user)
        return service.send_invitation(session, user) if user.password_hash is None else None


def invite_again(user_id: str, *, by: str | None = None) -> Invitation:
    """A new link for someone who has not accepted theirs. Raises NotFound, Forbidden, and Conflict once they have a password."""
    with db.transaction() as session:
        _locked_admins(session, by)
        user = _target(session, user_id, by)
        if user.password_hash is not None or not user.active:
            raise Conflict
        return service.send_invitation(session, user)


def reset_second_factor(user_id: str, *, by: str | None = None) -> str | None:
    """For someone who lost phone and recovery codes: the one code that lets them in after the password, to be given to them in person.

    They are signed out, and set up another one. None when they had none. Raises NotFound, Forbidden, and Conflict for an admin's own:
    that takes another admin.
    """
    with db.transaction() as session:
        _locked_admins(session, by)
        user = _target(session, user_id, by)
        if user.id == by:
            raise Conflict(N_("Please ask another admin to reset your two-step verification, or use a recovery code."))
        return second_factor.reset(session, user)


# What colleagues share


def shut(session: Session, user: User) -> None:
    """End this user's access, in the caller's transaction, which holds the lock of their row."""
    user.active = False
    tokens.use_up(session, user)
    facts = {"sessions_ended": sessions.end_all(session, user)}
    if revoked := api_clients.revoke_all_of(session, user.id):
        facts["keys_revoked"] = revoked
    audit.record(session, "user.access_ended", user.id, facts, customer_id=user.customer_id)


def reopen(session: Session, user: User) -> None:
    """Give it back, likewise."""
    user.active = True
    facts = {"customer_role": user.customer_role} if user.customer_role else {"role": user.role}
    audit.record(session, "user.access_restored", user.id, facts, customer_id=user.customer_id)


def _locked_admins(session: Session, by: str | None) -> Sequence[User]:
    """All admins, locked in one order. Raises Forbidden unless `by` is one of them at this moment."""
    query = select(User).where(User.role == Role.ADMIN).order_by(User.id).with_for_update(key_share=True)
    admins = session.scalars(query.execution_options(populate_existing=True)).all()
    if by is not None and not any(one.id == by and one.active for one in admins):
        raise Forbidden
    return admins


def _target(session: Session, user_id: str, by: str | None, *, staff_only: bool = False) -> User:
    user = users.user(session, user_id, lock=True)
    if user.role == Role.CUSTOMER and (staff_only or by is not None):
        raise NotFound
    return user


def _role(word: str) -> Role:
    found = next((role for role in STAFF_ROLES if role == word), None)
    if found is None:
        raise Invalid(N_("The role is one of %(roles)s."), field="role", roles=", ".join(STAFF_ROLES))
    return found


def _is_able_admin(user: User) -> bool:
    return user.role == Role.ADMIN and user.active and user.password_hash is not None


def _keep_an_admin(admins: Sequence[User], leaving: User) -> None:
    """Raises LastAdmin when nobody would be left who can decide about the others."""
    if leaving.role == Role.ADMIN and not any(_is_able_admin(one) and one.id != leaving.id for one in admins):
        raise LastAdmin
