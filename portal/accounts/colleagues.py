"""The people of one customer: whom an owner invites, what role they have, and how their access ends.

Each change locks the customer first and looks at the acting owner again under that lock, so that of two owners who remove
each other at the same moment one stays. Who never took up an invitation leaves no row behind when it is withdrawn; everyone
else keeps theirs, because the audit trail tells of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.accounts import access, jobs, queries, service
from portal.accounts.models import Customer, InvitationAttempt
from portal.accounts.service import EmailTaken, Invitation
from portal.content import language
from portal.core import audit, clock, db
from portal.core.db import new_id
from portal.core.errors import N_, Conflict, Forbidden, Invalid, NotFound, RateLimited
from portal.identity import email_addresses, policy
from portal.identity import queries as users
from portal.identity.models import AccountToken, CustomerRole, User

log = structlog.get_logger(__name__)

# More than pay the bills of any company; the page shows no pager.
MOST_PEOPLE: Final = 50
# Mails to strangers, and looks at who has an account: a company that starts here invites a few people, and not every day.
MOST_INVITATIONS_A_DAY: Final = 10
DAY: Final = timedelta(days=1)

# What the other owners are told.
OWNER_MADE: Final = "made"
OWNER_INVITED: Final = "invited"
OWNER_REMOVED: Final = "removed"


class LastOwner(Conflict):
    code = "last_owner"
    message = N_("You are the only owner who can sign in. Please make someone else an owner first.")


class TooManyPeople(Conflict):
    code = "too_many_people"
    message = N_("At most %(count)s people can sign in for one account. Please remove someone’s access first.")

    def __init__(self) -> None:
        super().__init__(count=MOST_PEOPLE)


class TooManyInvitations(RateLimited):
    message = N_("You can send %(count)s invitations a day and have used them all. Please send the next one tomorrow.")


@dataclass(frozen=True, slots=True)
class Colleague:
    """One of the customer's people, as the others see them.

    `status` is active, invited (until `invited_until`), lapsed (an invitation that nobody took up in time) or ended.
    """

    id: str
    name: str
    email: str
    role: str
    status: access.AccessStatus
    invited_until: datetime | None
    last_sign_in_at: datetime | None
    is_only_owner: bool

    @property
    def is_invited(self) -> bool:
        """Whether they have yet to accept their invitation, in time or not."""
        return self.status in {access.AccessStatus.INVITED, access.AccessStatus.LAPSED}


def of_customer(customer_id: str) -> list[Colleague]:
    """Everyone who signs in for this customer, or did, by name; those without access at the end."""
    with db.reading() as session:
        people = queries.users_of(session, customer_id)
        invitations = queries.invited_until(session, customer_id)
        owners = queries.owners(session, customer_id)
    shown = [
        Colleague(
            id=user.id,
            name=user.name,
            email=user.email,
            role=user.customer_role or "",
            status=access.status_of(user, invitations.get(user.id)),
            invited_until=invitations.get(user.id),
            last_sign_in_at=user.last_sign_in_at,
            is_only_owner=[owner.id for owner in owners] == [user.id],
        )
        for user in people
    ]
    return sorted(
        shown, key=lambda one: (one.status == access.AccessStatus.ENDED, language.sort_key(one.name), one.email)
    )


def customer_of(user_id: str) -> str:
    """The id of the customer that this person signs in for. Raises NotFound, also for staff."""
    with db.reading() as session:
        found = users.user(session, user_id).customer_id
    if found is None:
        raise NotFound
    return found


# Inviting


def invite(customer_id: str, *, by: str, name: str, email: str, role: str, language: str = "") -> Invitation:
    """One more person who signs in for this customer, with a role; they choose their password by the link in a mail.

    `by` is the id of the owner who invites. An address that is taken counts as an invitation, too, and changes nothing else.
    Raises Forbidden when `by` is no owner, EmailTaken, Invalid (naming the field), TooManyPeople and TooManyInvitations.
    """
    email_addresses.refuse_unreachable(email)
    with db.transaction() as session:
        customer = _for_owner(session, customer_id, by)
        wanted = _role(role)
        _check_room(session, customer_id)
        count_invitation(session, customer_id)
        try:
            user = service.add_user(
                session, email=email, name=name, customer=customer, customer_role=wanted, language=language
            )
        except EmailTaken as error:
            refusal = _refuse_taken(session, email, customer_id, error)
        else:
            if wanted == CustomerRole.OWNER:
                _tell_owners(session, user, OWNER_INVITED, by)
            return service.send_invitation(session, user, invited_by=by)
    raise refusal


def _refuse_taken(session: Session, email: str, customer_id: str, error: EmailTaken) -> Invalid:
    """What the owner is told. Whose address it is stays out of the audit trail, which the owner may come to see."""
    taken_by = users.user_by_email(session, email)
    audit.record(session, "user.invitation_refused", customer_id, customer_id=customer_id)
    if taken_by is not None and taken_by.customer_id == customer_id:
        return Invalid(N_("This person is in your list already."), field="email", code=error.code)
    return EmailTaken(
        N_("This address cannot be invited, because someone already signs in with it. Please use another one."),
        field="email",
    )


def invite_again(customer_id: str, user_id: str, *, by: str) -> Invitation:
    """A new link for someone who has not taken up theirs.

    Raises NotFound, Forbidden, TooManyInvitations, and Conflict once they have a password.
    """
    with db.transaction() as session:
        _for_owner(session, customer_id, by)
        user = _who_was_invited(session, customer_id, user_id)
        count_invitation(session, customer_id)
        return service.send_invitation(session, user, invited_by=by)


def withdraw(customer_id: str, user_id: str, *, by: str) -> None:
    """The invitation opens nothing any more, and the address is free again.

    Raises NotFound (also for a second call), Forbidden, and Conflict once it was taken up.
    """
    with db.transaction() as session:
        _for_owner(session, customer_id, by)
        user = _who_was_invited(session, customer_id, user_id)
        facts = {"email": user.email, "customer_role": user.customer_role}
        session.execute(delete(AccountToken).where(AccountToken.user_id == user_id))
        session.execute(delete(User).where(User.id == user_id))
        audit.record(session, "user.invitation_withdrawn", user_id, facts, customer_id=customer_id)


def forget_old_attempts(session: Session) -> None:
    """Invitations that count no more. In the caller's transaction."""
    session.execute(delete(InvitationAttempt).where(InvitationAttempt.at < clock.now() - DAY))


# Roles and access


def change_role(customer_id: str, user_id: str, role: str, *, by: str) -> None:
    """It holds from their next request on. A second call changes nothing.

    Raises NotFound, Forbidden, LastOwner, Invalid for the field "role", and Conflict when their access has ended.
    """
    with db.transaction() as session:
        _for_owner(session, customer_id, by)
        user = queries.colleague(session, user_id, customer_id, lock=True)
        wanted = _role(role)
        if not user.active:
            raise Conflict
        before = user.customer_role
        if before == wanted:
            return
        if before == CustomerRole.OWNER:
            _keep_an_owner(session, user)
        user.customer_role = wanted
        audit.record(
            session, "user.role_changed", user_id, {"customer_role": [before, wanted]}, customer_id=customer_id
        )
        if wanted == CustomerRole.OWNER:
            _tell_owners(session, user, OWNER_MADE if user.password_hash else OWNER_INVITED, by)
        elif before == CustomerRole.OWNER:
            _tell_owners(session, user, OWNER_REMOVED, by)


def end_access(customer_id: str, user_id: str, *, by: str) -> None:
    """They are signed out at once and cannot sign in any more. A second call changes nothing.

    Raises NotFound, Forbidden, LastOwner, and Conflict for someone whose invitation is open: it can be withdrawn.
    """
    with db.transaction() as session:
        _for_owner(session, customer_id, by)
        user = queries.colleague(session, user_id, customer_id, lock=True)
        if not user.active:
            return
        if user.password_hash is None:
            raise Conflict(N_("This invitation has not been accepted yet. Please withdraw it instead."))
        if user.customer_role == CustomerRole.OWNER:
            _keep_an_owner(session, user)
        access.shut(session, user)
        if user.customer_role == CustomerRole.OWNER:
            _tell_owners(session, user, OWNER_REMOVED, by)


def restore_access(customer_id: str, user_id: str, *, by: str) -> None:
    """They can sign in again, in the role they had. A second call changes nothing.

    Raises NotFound, Forbidden and TooManyPeople.
    """
    with db.transaction() as session:
        _for_owner(session, customer_id, by)
        user = queries.colleague(session, user_id, customer_id, lock=True)
        if user.active:
            return
        _check_room(session, customer_id)
        access.reopen(session, user)
        if user.customer_role == CustomerRole.OWNER:
            _tell_owners(session, user, OWNER_MADE, by)


# What these share


def _for_owner(session: Session, customer_id: str, by: str) -> Customer:
    """The customer, locked. Raises Forbidden unless `by` is one of its owners at this moment."""
    customer = queries.customer(session, customer_id, lock=True)
    acting = session.execute(select(User).where(User.id == by, User.customer_id == customer_id)).scalar_one_or_none()
    if acting is None or not acting.active or not policy.may_manage(acting.customer_role):
        raise Forbidden
    return customer


def _who_was_invited(session: Session, customer_id: str, user_id: str) -> User:
    user = queries.colleague(session, user_id, customer_id, lock=True)
    if user.password_hash is not None or not user.active:
        raise Conflict(N_("This invitation was accepted in the meantime."))
    return user


def _keep_an_owner(session: Session, leaving: User) -> None:
    """Raises LastOwner when nobody would be left who can decide about the others."""
    if not any(owner.id != leaving.id for owner in queries.owners(session, leaving.customer_id or "")):
        raise LastOwner


def _role(word: str) -> CustomerRole:
    try:
        return CustomerRole(word)
    except ValueError:
        raise Invalid(N_("Please choose a role."), field="role") from None


def _check_room(session: Session, customer_id: str) -> None:
    if queries.people_count(session, customer_id) >= MOST_PEOPLE:
        raise TooManyPeople


def count_invitation(session: Session, customer_id: str) -> None:
    """Write it down, or raise TooManyInvitations with the seconds to wait. The customer is locked, so each is counted."""
    now = clock.now()
    within_a_day = InvitationAttempt.customer_id == customer_id, InvitationAttempt.at > now - DAY
    newest_first = select(InvitationAttempt.at).where(*within_a_day).order_by(InvitationAttempt.at.desc())
    blocking: datetime | None = session.execute(
        newest_first.offset(MOST_INVITATIONS_A_DAY - 1).limit(1)
    ).scalar_one_or_none()
    if blocking is not None:
        wait = math.ceil((blocking + DAY - now).total_seconds())
        log.warning("invitations_throttled", customer_id=customer_id, retry_after=wait)
        raise TooManyInvitations(retry_after=max(1, wait), count=MOST_INVITATIONS_A_DAY)
    session.add(InvitationAttempt(id=new_id("try"), at=now, customer_id=customer_id))


def _tell_owners(session: Session, about: User, what: str, by: str) -> None:
    """A mail to every owner but the one concerned; also to the one who did it, in case it was not they."""
    for owner in queries.owners(session, about.customer_id or ""):
        if owner.id != about.id:
            jobs.mail_owners_changed.enqueue(
                session,
                owner_id=owner.id,
                about_id=about.id,
                what=what,
                by_id=by,
                occasion=new_id("own"),
            )
