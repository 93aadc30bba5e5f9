"""What does the jobs of accounts: mails, and forgetting what is no longer needed."""

from __future__ import annotations

from typing import Final

from portal.accounts import colleagues, jobs, queries, service
from portal.core import db
from portal.core.errors import N_
from portal.identity import queries as users
from portal.identity import tokens, user_mail
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
        user_mail.send(
            user,
            key=f"link:{row.id}",
            subject=_COLLEAGUE_SUBJECT,
            named={"by": by.name, "customer": customer.name},
            template="accounts/mails/colleague_invitation",
            by=by.name,
            customer=customer.name,
            role=user.customer_role,
            link=tokens.link(row),
            expires_at=row.expires_at,
        )
        return
    user_mail.send(
        user,
        key=f"link:{row.id}",
        subject=N_("Your account at %(company)s"),
        template="accounts/mails/invitation",
        link=tokens.link(row),
        expires_at=row.expires_at,
    )


@jobs.mail_account_exists.handler
def mail_account_exists(user_id: str, occasion: str) -> None:
    with db.reading() as session:
        user = users.user(session, user_id)
    user_mail.send(
        user,
        key=f"exists:{occasion}",
        subject=N_("You already have an account at %(company)s"),
        template="accounts/mails/account_exists",
    )


@jobs.mail_owners_changed.handler
def mail_owners_changed(owner_id: str, about_id: str, what: str, by_id: str, occasion: str) -> None:
    with db.reading() as session:
        owner, by = users.user(session, owner_id), users.user(session, by_id)
        about = session.get(User, about_id)
        customer = queries.customer(session, owner.customer_id or "")
    if about is None or not owner.active:  # the invitation was withdrawn; the reader has left
        return
    user_mail.send(
        owner,
        key=f"owners:{occasion}",
        subject=_OWNER_SUBJECTS[what],
        template="accounts/mails/owners_changed",
        what=what,
        about_name=about.name,
        about_email=about.email,
        by=by.name,
        customer=customer.name,
    )


@jobs.sweep.handler
def sweep() -> None:
    with db.transaction() as session:
        colleagues.forget_old_attempts(session)
