"""What does the jobs of accounts: mails, and forgetting what is no longer needed."""

from __future__ import annotations

from datetime import date
from typing import Final

from portal.accounts import access, colleagues, customer_files, inactivity, jobs, queries, recipients, service
from portal.accounts.models import DocumentRecipient
from portal.content import mail
from portal.content.language import translate
from portal.core import config, db
from portal.core.errors import N_
from portal.identity import queries as users
from portal.identity import tokens, user_mail
from portal.identity.models import AccountToken, User

_BILLING_EMAIL: Final = N_("Your documents from %(company)s now go to another address")
_RECIPIENT: Final = N_("Please confirm: documents from %(company)s to this address")
_COLLEAGUE_SUBJECT: Final = N_("%(by)s invites you to the account of %(customer)s")
# What happened → subject; they have one template.
_OWNER_SUBJECTS: Final = {
    colleagues.OWNER_MADE: N_("Your account at %(company)s has a new owner"),
    colleagues.OWNER_INVITED: N_("A new owner was invited to your account at %(company)s"),
    colleagues.OWNER_REMOVED: N_("An owner was removed from your account at %(company)s"),
}

_ACCESS_SUBJECTS: Final = {
    access.ROLE_CHANGED: N_("Your role at %(company)s has changed"),
    access.ENDED: N_("Your access to %(company)s has ended"),
    access.ENDED_INACTIVE: N_("Your access to %(company)s has ended"),
    access.RESTORED: N_("You can sign in to %(company)s again"),
    access.SIGNED_OUT: N_("You were signed out of %(company)s"),
    access.RESET_ASKED: N_("Your two-step verification at %(company)s is to be reset"),
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
        template="accounts/mails/invitation" if user.customer_id else "accounts/mails/staff_invitation",
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
        owner = users.user(session, owner_id)
        by = users.user(session, by_id).name if by_id else config.current().company.name
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
        by=by,
        customer=customer.name,
    )


@jobs.mail_billing_email_changed.handler
def mail_billing_email_changed(customer_id: str, old: str, occasion: str) -> None:
    with db.reading() as session:
        customer = queries.customer(session, customer_id)
    mail.send(
        key=f"billing-email:{occasion}",
        to=old,
        subject=translate(_BILLING_EMAIL, customer.language, company=config.current().company.name),
        template="accounts/mails/billing_email_changed",
        locale=customer.language,
        customer_id=customer.id,
        customer=customer.name,
    )


@jobs.mail_recipient_confirmation.handler
def mail_recipient_confirmation(recipient_id: str, occasion: str) -> None:
    with db.reading() as session:
        recipient = session.get(DocumentRecipient, recipient_id)
        if recipient is None or recipient.confirmed_at is not None:  # removed, or confirmed meanwhile
            return
        customer = queries.customer(session, recipient.customer_id)
    company = config.current().company.name
    mail.send(
        key=f"recipient:{occasion}",
        to=recipient.email,
        subject=translate(_RECIPIENT, recipient.language, company=company),
        template="accounts/mails/recipient_confirmation",
        locale=recipient.language,
        customer_id=customer.id,
        customer=customer.name,
        link=recipients.link(recipient),
        expires_at=recipient.expires_at,
    )


@jobs.mail_staff_access.handler
def mail_staff_access(user_id: str, what: str, role: str, occasion: str) -> None:
    with db.reading() as session:
        user = users.user(session, user_id)
    user_mail.send(
        user,
        key=f"access:{occasion}",
        subject=_ACCESS_SUBJECTS[what],
        template="accounts/mails/staff_access",
        what=what,
        role=role,
        days=config.current().staff_inactive_days,
    )


@jobs.mail_reset_asked.handler
def mail_reset_asked(admin_id: str, about_id: str, by_id: str, occasion: str) -> None:
    with db.reading() as session:
        admin, about, by = (users.user(session, one) for one in (admin_id, about_id, by_id))
    if admin.active:
        user_mail.send(
            admin,
            key=f"reset:{occasion}",
            subject=N_("A colleague’s two-step verification is to be reset: please confirm"),
            template="accounts/mails/reset_asked",
            about=about.name,
            about_id=about.id,
            by=by.name,
        )


@jobs.mail_inactivity.handler
def mail_inactivity(user_id: str, ends_on: str, occasion: str) -> None:
    with db.reading() as session:
        user = users.user(session, user_id)
    if user.active:
        user_mail.send(
            user,
            key=f"inactive:{occasion}",
            subject=N_("Your access to %(company)s ends soon: please sign in"),
            template="accounts/mails/staff_inactive",
            ends_on=date.fromisoformat(ends_on),
        )


@jobs.forget_files.handler
def forget_files() -> None:
    customer_files.UPLOADS.forget_old()


jobs.end_inactive.handler(inactivity.sweep)


@jobs.sweep.handler
def sweep() -> None:
    with db.transaction() as session:
        colleagues.forget_old_attempts(session)
