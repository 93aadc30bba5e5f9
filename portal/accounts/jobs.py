"""The account mails, and forgetting what is no longer needed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete

from portal.accounts import api_access, codes, colleagues, queries, service, throttle, tokens
from portal.accounts.models import LONGEST, AccountToken, SignInAttempt, SignInSession, User
from portal.content import mail
from portal.content.language import translate
from portal.core import clock, config, db
from portal.core.errors import N_
from portal.jobs import outbox

# Kept this long after they ended, for whoever asks what happened; the audit trail keeps the fact itself.
KEEP_LINKS: Final = timedelta(days=30)
KEEP_SESSIONS: Final = timedelta(days=90)

# Purpose of the link → subject; the template has the purpose's name.
_SUBJECTS: Final = {
    tokens.INVITATION: N_("Your account at %(company)s"),
    tokens.CONFIRM_EMAIL: N_("Confirm your e-mail address for %(company)s"),
    tokens.PASSWORD_RESET: N_("Choose a new password for %(company)s"),
}
_COLLEAGUE_SUBJECT: Final = N_("%(by)s invites you to the account of %(customer)s")
# What happened → subject; they have one template.
_SECOND_FACTOR_SUBJECTS: Final = {
    codes.ENABLED: N_("Two-step verification for %(company)s is on"),
    codes.DISABLED: N_("Two-step verification for %(company)s is off"),
    codes.RESET: N_("Two-step verification for %(company)s was reset"),
    codes.RECOVERY_USED: N_("A recovery code was used at %(company)s"),
}
# Likewise.
_OWNER_SUBJECTS: Final = {
    colleagues.OWNER_MADE: N_("Your account at %(company)s has a new owner"),
    colleagues.OWNER_INVITED: N_("A new owner was invited to your account at %(company)s"),
    colleagues.OWNER_REMOVED: N_("An owner was removed from your account at %(company)s"),
}


@outbox.handles("accounts.begin_reset", in_recovery=True)
def begin_reset(email: str, link_id: str) -> None:
    service.begin_reset(email, link_id)


@outbox.handles("accounts.begin_sign_up", in_recovery=True)
def begin_sign_up(email: str, name: str, language: str, link_id: str) -> None:
    service.begin_sign_up(email, name, language, link_id)


@outbox.handles("accounts.mail_link", in_recovery=True)
def mail_link(link_id: str, invited_by: str = "") -> None:
    """Send the link of an invitation, a sign-up or a reset, unless it opens nothing any more.

    `invited_by` is the id of the colleague who invites, if it was not the company itself.
    """
    with db.reading() as session:
        row = session.get(AccountToken, link_id)
        if row is None:  # the invitation was withdrawn
            return
        user = queries.user(session, row.user_id)
        by = queries.user(session, invited_by) if invited_by else None
        customer = queries.customer(session, user.customer_id) if user.customer_id else None
    if row.used_at is not None or row.expires_at <= clock.now() or not user.active:
        return
    if by is not None and customer is not None:
        mail.send(
            key=f"link:{row.id}",
            to=user.email,
            subject=translate(_COLLEAGUE_SUBJECT, user.language, by=by.name, customer=customer.name),
            template="accounts/mails/colleague_invitation",
            locale=user.language,
            zone=user.zone,
            customer_id=customer.id,
            name=user.name,
            by=by.name,
            customer=customer.name,
            role=user.customer_role,
            link=tokens.link(row),
            expires_at=row.expires_at,
        )
        return
    mail.send(
        key=f"link:{row.id}",
        to=user.email,
        subject=translate(_SUBJECTS[row.purpose], user.language, company=_company()),
        template=f"accounts/mails/{row.purpose}",
        locale=user.language,
        zone=user.zone,
        customer_id=user.customer_id,
        name=user.name,
        link=tokens.link(row),
        expires_at=row.expires_at,
    )


@outbox.handles("accounts.mail_account_exists", in_recovery=True)
def mail_account_exists(user_id: str, occasion: str) -> None:
    """Someone signed up with an address that has an account: tell its owner, and nobody else."""
    with db.reading() as session:
        user = queries.user(session, user_id)
    mail.send(
        key=f"exists:{occasion}",
        to=user.email,
        subject=translate(N_("You already have an account at %(company)s"), user.language, company=_company()),
        template="accounts/mails/account_exists",
        locale=user.language,
        zone=user.zone,
        customer_id=user.customer_id,
        name=user.name,
    )


@outbox.handles("accounts.mail_password_changed", in_recovery=True)
def mail_password_changed(user_id: str, occasion: str, changed_at: str) -> None:
    """`changed_at` is in ISO 8601."""
    with db.reading() as session:
        user = queries.user(session, user_id)
    mail.send(
        key=f"password:{occasion}",
        to=user.email,
        subject=translate(N_("Your password for %(company)s was changed"), user.language, company=_company()),
        template="accounts/mails/password_changed",
        locale=user.language,
        zone=user.zone,
        customer_id=user.customer_id,
        name=user.name,
        changed_at=datetime.fromisoformat(changed_at),
    )


@outbox.handles("accounts.mail_second_factor", in_recovery=True)
def mail_second_factor(user_id: str, what: str, left: int, occasion: str, at: str) -> None:
    """`what` is one of codes.ENABLED, DISABLED and RECOVERY_USED; `left` are recovery codes, `at` is in ISO 8601."""
    with db.reading() as session:
        user = queries.user(session, user_id)
    mail.send(
        key=f"second_factor:{occasion}",
        to=user.email,
        subject=translate(_SECOND_FACTOR_SUBJECTS[what], user.language, company=_company()),
        template="accounts/mails/second_factor",
        locale=user.language,
        zone=user.zone,
        customer_id=user.customer_id,
        name=user.name,
        what=what,
        left=left,
        at=datetime.fromisoformat(at),
    )


@outbox.handles("accounts.mail_owners_changed", in_recovery=True)
def mail_owners_changed(owner_id: str, about_id: str, what: str, by_id: str, occasion: str) -> None:
    """Tell an owner that someone else was made or invited as one, or is one no longer: `what` is one of colleagues.OWNER_…."""
    with db.reading() as session:
        owner, by = queries.user(session, owner_id), queries.user(session, by_id)
        about = session.get(User, about_id)
        customer = queries.customer(session, owner.customer_id or "")
    if about is None or not owner.active:  # the invitation was withdrawn; the reader has left
        return
    mail.send(
        key=f"owners:{occasion}",
        to=owner.email,
        subject=translate(_OWNER_SUBJECTS[what], owner.language, company=_company()),
        template="accounts/mails/owners_changed",
        locale=owner.language,
        zone=owner.zone,
        customer_id=customer.id,
        name=owner.name,
        what=what,
        about_name=about.name,
        about_email=about.email,
        by=by.name,
        customer=customer.name,
    )


@outbox.handles("accounts.sweep", every_seconds=3600)
def sweep() -> None:
    """Forget old tries, links and sessions; a second run finds nothing more."""
    now = clock.now()
    longest = max(LONGEST.values())
    with db.transaction() as session:
        session.execute(delete(SignInAttempt).where(SignInAttempt.at < now - throttle.WINDOW))
        colleagues.forget_old_tries(session)
        api_access.forget_old(session)
        session.execute(delete(AccountToken).where(AccountToken.expires_at < now - KEEP_LINKS))
        session.execute(delete(SignInSession).where(SignInSession.created_at < now - longest - KEEP_SESSIONS))


def _company() -> str:
    return config.current().company.name
