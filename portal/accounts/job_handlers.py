"""What does the jobs of accounts: mails, and forgetting what is no longer needed."""

from __future__ import annotations

from typing import Final

from portal.accounts import colleagues, jobs, queries, service
from portal.content import mail
from portal.content.language import translate
from portal.core import config, db
from portal.core.errors import N_
from portal.identity import queries as users
from portal.identity import tokens
from portal.identity.models import AccountToken, User

_COLLEAGUE_SUBJECT: Final = N_("%(by)s invites you to the account of %(customer)s")
# What happened → subject; they have one template.
_OWNER_SUBJECTS: Final = {
    colleagues.OWNER_MADE: N_("Your account at %(company)s has a new owner"),
    colleagues.OWNER_INVITED: N_("A new owner was invited to your account at %(company)s"),
    colleagues.OWNER_REMOVED: N_("An owner was removed from your account at %(company)s"),
}


jobs.begin_sign_up.handler(service.begin_sign_up)


@jobs.mail_invitation.handler
def mail_invitation(link_id: str, invited_by: str = "") -> None:
    with db.reading() as session:
        row = session.get(AccountToken, link_id)
        if row is None:  # the invitation was withdrawn
            return
        user = users.user(session, row.user_id)
        by = users.user(session, invited_by) if invited_by else None
        customer = queries.customer(session, user.customer_id) if user.customer_id else None
    if not tokens.opens(row, user):
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
        subject=translate(N_("Your account at %(company)s"), user.language, company=_company()),
        template="accounts/mails/invitation",
        locale=user.language,
        zone=user.zone,
        customer_id=user.customer_id,
        name=user.name,
        link=tokens.link(row),
        expires_at=row.expires_at,
    )


@jobs.mail_account_exists.handler
def mail_account_exists(user_id: str, occasion: str) -> None:
    with db.reading() as session:
        user = users.user(session, user_id)
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


@jobs.mail_owners_changed.handler
def mail_owners_changed(owner_id: str, about_id: str, what: str, by_id: str, occasion: str) -> None:
    with db.reading() as session:
        owner, by = users.user(session, owner_id), users.user(session, by_id)
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


@jobs.sweep.handler
def sweep() -> None:
    with db.transaction() as session:
        colleagues.forget_old_tries(session)


def _company() -> str:
    return config.current().company.name
