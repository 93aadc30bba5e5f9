"""Staff who sign in at the company's identity provider: which account they have here, and in which role.

The provider decides, anew with each sign-in: who it lets in with a claim that the settings map to a role has an account in this role, and
everyone else has none. An admin who ends someone's access here ends it, whatever the provider says.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import access, provider, service
from portal.accounts.provider import Attempt, Person
from portal.core import answers, audit, config, db
from portal.core.errors import N_, PortalError
from portal.core.permissions import STAFF_ROLES, Role
from portal.identity import queries, sessions
from portal.identity.models import User

# Who has several claims has the role that may most.
_BY_RIGHTS: Final = (Role.ADMIN, Role.APPROVER, Role.FINANCE, Role.SUPPORT)


class NoAccess(PortalError):
    """Proved, and not let in: the message says why, since whoever reads it is who they say."""

    code = "no_access"
    status = 403
    message = N_("You signed in, but you have no access to this portal. Please ask an admin.")


def begin(*, again: bool) -> tuple[str, Attempt]:
    """As provider.begin; that the provider does not answer is written down for the page Operations."""
    try:
        return provider.begin(again=again)
    except provider.ProviderUnavailable:
        answers.failed(answers.IDENTITY_PROVIDER)
        raise


def sign_in(kept: object, answered: dict[str, str], *, ip: str, user_agent: str) -> str:
    """Who came back from the provider begins a session; returns its token.

    Raises provider.NotProved, NoAccess, ProviderUnavailable, and NotFound where the settings name no provider.
    """
    try:
        person = provider.finish(kept, answered)
    except provider.NotProved:
        with db.transaction() as session:
            audit.record(session, "session.refused", "unknown", {"why": "provider"})
        raise
    except provider.ProviderUnavailable:
        answers.failed(answers.IDENTITY_PROVIDER)
        raise
    token = _let_in(person, ip, user_agent)
    if token is None:
        raise NoAccess
    return token


def _let_in(person: Person, ip: str, user_agent: str) -> str | None:
    role = role_of(person.roles)
    with db.transaction() as session:
        access.locked_admins(session, None)
        user = _account(session, person)
        if user is None and role is not None and _is_new(session, person):
            user = service.add_user(session, email=person.email, name=person.name, role=role)
            user.provider_subject = _name_of(person)
        if user is None or role is None or not user.active:
            facts: dict[str, object] = {"why": "no role" if role is None else "no access"}
            if user is not None and role is None:
                facts["sessions_ended"] = sessions.end_all(session, user)
            audit.record(session, "session.refused", user.id if user else "unknown", facts)
            answers.answered(session, answers.IDENTITY_PROVIDER)
            return None
        if user.role != role:
            access.take_role(session, user, role)
        answers.answered(session, answers.IDENTITY_PROVIDER)
        return sessions.start(session, user, ip=ip, user_agent=user_agent, by_provider=True, proved_at=person.proved_at)


def _account(session: Session, person: Person) -> User | None:
    """The account of this subject; at their first sign-in that of their verified address, if it is of staff and nobody else's yet."""
    query = select(User).with_for_update().execution_options(populate_existing=True)
    found = session.scalars(query.where(User.provider_subject == _name_of(person))).one_or_none()
    if found is not None or not (person.email and person.email_verified):
        return found
    known = queries.user_by_email(session, person.email)
    if known is None or known.role not in STAFF_ROLES or known.provider_subject is not None:
        return None
    known = queries.user(session, known.id, lock=True)
    known.provider_subject = _name_of(person)
    audit.record(session, "user.provider_linked", known.id)
    return known


def _is_new(session: Session, person: Person) -> bool:
    """Whether nobody has their verified address; without one nobody gets an account."""
    verified = bool(person.email) and person.email_verified
    return verified and queries.user_by_email(session, person.email) is None


def role_of(words: frozenset[str]) -> Role | None:
    """The role that the settings give to whoever has these words in the claim; None for no access."""
    mapped = config.current().staff_oidc_roles
    given = {mapped[word] for word in words if word in mapped}
    return next((role for role in _BY_RIGHTS if role in given), None)


def _name_of(person: Person) -> str:
    return f"{config.current().staff_oidc_issuer}|{person.subject}"[:400]
