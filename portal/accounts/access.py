"""Who may sign in: ending someone's access and giving it back, and the roles of the people who work here.

What an owner does about their own colleagues stands in `colleagues`; here act admins, and operators at the terminal. Each change locks
the admins first and looks at the acting one again under that lock, so that of two admins who remove each other at the same moment
one stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import jobs, queries, service
from portal.accounts.service import Invitation
from portal.content import language
from portal.core import audit, clock, config, db
from portal.core.db import new_id
from portal.core.errors import N_, Conflict, Forbidden, Invalid, NotFound
from portal.core.permissions import STAFF_ROLES, Role
from portal.identity import api_clients, app_grants, email_addresses, policy, second_factor, sessions, tokens
from portal.identity import queries as users
from portal.identity.models import SecondFactor, SecondFactorReset, User

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


class OwnRole(Conflict):
    code = "own_role"
    message = N_("Nobody changes their own role. Please ask another admin.")


@dataclass(frozen=True, slots=True)
class ResetRequest:
    """`by_id` and `by` are the id and the name of the admin who asked to reset a second factor; it may be confirmed `until` then."""

    by_id: str
    by: str
    until: datetime


@dataclass(frozen=True, slots=True)
class StaffMember:
    """One of those who work here.

    `invited_until` is that of an invitation. `second_factor` is on, off, or lost, when it has to be set up anew. `sessions` are browsers
    that they are signed in with now; `reset` waits for a second admin.
    """

    id: str
    name: str
    email: str
    role: str
    status: AccessStatus
    invited_until: datetime | None
    last_sign_in_at: datetime | None
    second_factor: str
    sessions: int
    reset: ResetRequest | None
    is_only_admin: bool

    @property
    def has_second_factor(self) -> bool:
        return self.second_factor == FACTOR_ON


def of_staff() -> list[StaffMember]:
    """Everyone who works here, or did, by name; those without access at the end."""
    with db.reading() as session:
        people = queries.staff(session)
        invitations = queries.invitations_of_staff(session)
        ids = [user.id for user in people]
        factors, alive = users.second_factors(session, ids), users.sessions_alive(session, ids)
        resets = queries.open_resets(session)
    names = {user.id: user.name for user in people}
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
            sessions=alive.get(user.id, 0) if user.active else 0,
            reset=_request(resets.get(user.id), names),
            is_only_admin=able == [user.id],
        )
        for user in people
    ]
    return sorted(shown, key=lambda one: (one.status == AccessStatus.ENDED, language.sort_key(one.name), one.email))


def _request(row: SecondFactorReset | None, names: Mapping[str, str]) -> ResetRequest | None:
    return ResetRequest(row.asked_by, names.get(row.asked_by, ""), row.asked_at + queries.RESET_LASTS) if row else None


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
    if has_accepted(user):
        return AccessStatus.ACTIVE
    return AccessStatus.INVITED if invited_until else AccessStatus.LAPSED


class ByProvider(Conflict):
    code = "by_provider"
    message = N_("Who works here, and in which role, is decided by your company’s sign-in. Please change it there.")


def has_accepted(user: User) -> bool:
    """Whether they have signed in, or can: with a password that they chose, or at the identity provider."""
    return user.password_hash is not None or user.provider_subject is not None


def _refuse_where_provider_decides(email: str) -> None:
    settings = config.current()
    if settings.staff_oidc_issuer and users.normal_email(email) not in settings.staff_break_glass:
        raise ByProvider


def invite(*, email: str, name: str, role: str, language: str = "", by: str | None = None) -> Invitation:
    """One more who works here, with a role; they choose their password by the link in a mail.

    `by` is the id of the admin who acts; None is an operator. Raises Forbidden, EmailTaken, and Invalid, naming the field.
    """
    _refuse_where_provider_decides(email)
    email_addresses.refuse_unreachable(email)
    with db.transaction() as session:
        locked_admins(session, by)
        user = service.add_user(session, email=email, name=name, role=_role(role), language=language)
        return service.send_invitation(session, user)


def change_role(user_id: str, role: str, *, by: str | None = None) -> None:
    """It holds from their next request on, in browsers and apps. A second call changes nothing.

    `by` is the id of the admin who acts; None is an operator. Raises NotFound (also for a customer's people), Forbidden, OwnRole,
    LastAdmin, Invalid for the field "role", and Conflict when their access has ended.
    """
    with db.transaction() as session:
        admins = locked_admins(session, by)
        user = target(session, user_id, by, staff_only=True)
        wanted = _role(role)
        if not user.active:
            raise Conflict
        if user.role == wanted:
            return
        if user.id == by:
            raise OwnRole
        _refuse_where_provider_decides(user.email)
        keep_an_admin(admins, user)
        take_role(session, user, wanted)


def take_role(session: Session, user: User, role: Role) -> None:
    """The role is this one from now on, in the caller's transaction, which holds the locks of the admins and of the user's row."""
    before, user.role = user.role, role
    audit.record(session, "user.role_changed", user.id, {"role": [before, role], **_given_back(session, user)})
    tell(session, user, ROLE_CHANGED, role=role)


def end(user_id: str, *, by: str | None = None) -> None:
    """They are signed out at once and cannot sign in any more. A second call changes nothing.

    Their sessions, apps and links end with it, and the API keys that they made are revoked. An admin (`by`) does this for those who work
    here, an operator for anyone. Raises NotFound, Forbidden and LastAdmin.
    """
    with db.transaction() as session:
        admins = locked_admins(session, by)
        user = target(session, user_id, by)
        if user.active:
            keep_an_admin(admins, user)
            shut(session, user)
            tell(session, user, ENDED)


def restore(user_id: str, *, by: str | None = None) -> Invitation | None:
    """They can sign in again, in the role they had; API keys that were revoked stay so. A second call changes nothing.

    Whoever never chose a password gets a new invitation, which is given back. Raises NotFound, Forbidden, and Conflict when they were
    sent enough of them within the hour.
    """
    with db.transaction() as session:
        locked_admins(session, by)
        user = target(session, user_id, by)
        if user.active:
            return None
        if user.ended_with_customer:
            raise Conflict(N_("This person’s customer is deactivated. Please reactivate the customer instead."))
        reopen(session, user)
        if not has_accepted(user):
            return service.send_invitation(session, user)
        tell(session, user, RESTORED)
        return None


def invite_again(user_id: str, *, by: str | None = None) -> Invitation:
    """A new link for someone who has not accepted theirs. Raises NotFound, Forbidden, and Conflict once they have a password."""
    with db.transaction() as session:
        locked_admins(session, by)
        user = target(session, user_id, by)
        if has_accepted(user) or not user.active:
            raise Conflict
        return service.send_invitation(session, user)


def reset_second_factor(user_id: str) -> str | None:
    """By an operator, for someone who lost phone and recovery codes: the one code that lets them in after the password, to be given to
    them in person. At the desk it takes two admins (`factor_resets`).

    They are signed out, and set up another one. None when they had none. Raises NotFound.
    """
    with db.transaction() as session:
        return second_factor.reset(session, users.user(session, user_id, lock=True))


def end_session(user_id: str, device_id: str, *, by: str) -> None:
    """Sign a member of staff out of one browser (sessions.Device.id). A second call changes nothing. Raises NotFound, Forbidden."""
    with db.transaction() as session:
        locked_admins(session, by)
        user = target(session, user_id, by)
        if sessions.end_one(session, user, device_id):
            audit.record(session, "session.ended_by_admin", user.id)
            tell(session, user, SIGNED_OUT)


def end_app(user_id: str, grant_id: str, *, by: str) -> None:
    """Likewise, one app."""
    with db.transaction() as session:
        locked_admins(session, by)
        target(session, user_id, by)
    app_grants.end(grant_id, user_id)


# What the one concerned is mailed about; the templates know these words.
ROLE_CHANGED: Final = "role_changed"
ENDED: Final = "ended"
ENDED_INACTIVE: Final = "ended_inactive"
RESTORED: Final = "restored"
SIGNED_OUT: Final = "signed_out"
RESET_ASKED: Final = "reset_asked"


def tell(session: Session, user: User, what: str, *, role: str = "") -> None:
    """Leave the mail by which a member of staff learns what was done about their access; nobody who was only invited gets one."""
    if user.role != Role.CUSTOMER and has_accepted(user):
        jobs.mail_staff_access.enqueue(session, user_id=user.id, what=what, role=role, occasion=new_id("acc"))


GiveBack = Callable[[Session, User], dict[str, int]]
_give_backs: list[GiveBack] = []


def gives_back(act: GiveBack) -> GiveBack:
    """Call this function when a member of staff loses access or gets another role: what they hold and may not hold any more is free
    for others. It returns what the audit trail tells of that, and runs in the transaction of the change.
    """
    _give_backs.append(act)
    return act


def _given_back(session: Session, user: User) -> dict[str, int]:
    return {name: number for act in _give_backs for name, number in act(session, user).items() if number}


# What colleagues share


def shut(session: Session, user: User, *, why: str = "") -> None:
    """End this user's access, in the caller's transaction, which holds the lock of their row. `why` is for the audit trail."""
    user.active, user.ended_with_customer = False, False
    tokens.use_up(session, user)
    facts: dict[str, object] = {"sessions_ended": sessions.end_all(session, user), **_given_back(session, user)}
    if revoked := api_clients.revoke_all_of(session, user.id):
        facts["keys_revoked"] = revoked
    if why:
        facts["why"] = why
    audit.record(session, "user.access_ended", user.id, facts, customer_id=user.customer_id)


def reopen(session: Session, user: User) -> None:
    """Give it back, likewise."""
    user.active, user.ended_with_customer = True, False
    user.access_restored_at, user.inactivity_warned_at = clock.now(), None
    facts = {"customer_role": user.customer_role} if user.customer_role else {"role": user.role}
    audit.record(session, "user.access_restored", user.id, facts, customer_id=user.customer_id)


def locked_admins(session: Session, by: str | None) -> Sequence[User]:
    """All admins, locked in one order. Raises Forbidden unless `by` is one of them at this moment."""
    query = (
        select(User)
        .where(User.customer_id.is_(None), User.role == Role.ADMIN)
        .order_by(User.id)
        .with_for_update(key_share=True)
    )
    admins = session.scalars(query.execution_options(populate_existing=True)).all()
    if by is not None and not any(one.id == by and one.active for one in admins):
        raise Forbidden
    return admins


def target(session: Session, user_id: str, by: str | None, *, staff_only: bool = False) -> User:
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
    return user.role == Role.ADMIN and user.active and _can_sign_in(user)


def _can_sign_in(user: User) -> bool:
    by_password = user.password_hash is not None and policy.signs_in_here(user.role, user.email)
    return by_password or (user.provider_subject is not None and bool(config.current().staff_oidc_issuer))


def keep_an_admin(admins: Sequence[User], leaving: User) -> None:
    """Raises LastAdmin when nobody would be left who can decide about the others."""
    if leaving.role == Role.ADMIN and not any(_is_able_admin(one) and one.id != leaving.id for one in admins):
        raise LastAdmin
