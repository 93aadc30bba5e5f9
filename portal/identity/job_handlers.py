"""What does the jobs of those who sign in: mails with links and about their security, and forgetting what is over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete

from portal.core import clock, config, db
from portal.core.errors import N_
from portal.identity import (
    app_grants,
    codes,
    email_changes,
    jobs,
    passkeys,
    queries,
    resealing,
    service,
    sign_in_links,
    throttle,
    tokens,
    user_mail,
    viewing,
)
from portal.identity.models import (
    LONGEST,
    AccountToken,
    EmailChange,
    PasskeyChallenge,
    PortalSession,
    SignInAttempt,
    SignInSession,
    TokenPurpose,
)

# Kept this long after they ended, for whoever asks what happened; the audit trail keeps the fact itself.
KEEP_LINKS: Final = timedelta(days=30)
KEEP_SESSIONS: Final = timedelta(days=90)
# Purpose of the link → subject; the template has the purpose's name.
_LINK_SUBJECTS: Final = {
    TokenPurpose.CONFIRM_EMAIL: N_("Confirm your e-mail address for %(company)s"),
    TokenPurpose.PASSWORD_RESET: N_("Choose a new password for %(company)s"),
    TokenPurpose.SIGN_IN: N_("Sign in to %(company)s"),
}
_PASSKEY_SUBJECTS: Final = {
    passkeys.ADDED: N_("A passkey was added for %(company)s"),
    passkeys.REMOVED: N_("A passkey was removed for %(company)s"),
}
# What happened → subject; they have one template.
_SECOND_FACTOR_SUBJECTS: Final = {
    codes.ENABLED: N_("Two-step verification for %(company)s is on"),
    codes.DISABLED: N_("Two-step verification for %(company)s is off"),
    codes.RESET: N_("Two-step verification for %(company)s was reset"),
    codes.RECOVERY_USED: N_("A recovery code was used at %(company)s"),
}


jobs.begin_reset.handler(service.begin_reset)
jobs.begin_sign_in_link.handler(sign_in_links.begin)


@jobs.mail_link.handler
def mail_link(link_id: str) -> None:
    with db.reading() as session:
        row = session.get(AccountToken, link_id)
        if row is None:
            return
        user = queries.user(session, row.user_id)
    if not tokens.opens(row, user):
        return
    user_mail.send(
        user,
        key=f"link:{row.id}",
        subject=_LINK_SUBJECTS[row.purpose],
        template=f"identity/mails/{row.purpose}",
        link=tokens.link(row),
        expires_at=row.expires_at,
        code=sign_in_links.code_text(row.id) if row.purpose == TokenPurpose.SIGN_IN else "",
    )


@jobs.mail_password_changed.handler
def mail_password_changed(user_id: str, occasion: str, changed_at: str) -> None:
    with db.reading() as session:
        user = queries.user(session, user_id)
    user_mail.send(
        user,
        key=f"password:{occasion}",
        subject=N_("Your password for %(company)s was changed"),
        template="identity/mails/password_changed",
        changed_at=datetime.fromisoformat(changed_at),
    )


@jobs.mail_second_factor.handler
def mail_second_factor(user_id: str, what: str, left: int, occasion: str, at: str) -> None:
    with db.reading() as session:
        user = queries.user(session, user_id)
    user_mail.send(
        user,
        key=f"second_factor:{occasion}",
        subject=_SECOND_FACTOR_SUBJECTS[what],
        template="identity/mails/second_factor",
        what=what,
        left=left,
        at=datetime.fromisoformat(at),
    )


@jobs.mail_passkey.handler
def mail_passkey(user_id: str, what: str, name: str, occasion: str, at: str) -> None:
    with db.reading() as session:
        user = queries.user(session, user_id)
    user_mail.send(
        user,
        key=f"passkey:{occasion}",
        subject=_PASSKEY_SUBJECTS[what],
        template="identity/mails/passkey",
        what=what,
        passkey=name,
        at=datetime.fromisoformat(at),
    )


@jobs.mail_email_change.handler
def mail_email_change(change_id: str) -> None:
    with db.reading() as session:
        change = session.get_one(EmailChange, change_id)
        user = queries.user(session, change.user_id)
        by = "" if change.asked_by == user.id else config.current().company.name
        taken_by = queries.user_by_email(session, change.new_email)
    if change.ended_at is not None or change.confirmed_at is not None:
        return
    confirm, stop = email_changes.links(change)
    if taken_by is not None:
        user_mail.send(
            taken_by,
            key=f"email-taken:{change.id}",
            subject=N_("You already have an account at %(company)s"),
            template="identity/mails/email_change",
            what="taken",
        )
    else:
        user_mail.send(
            user,
            to=change.new_email,
            key=f"email-confirm:{change.id}",
            subject=N_("Confirm your new e-mail address for %(company)s"),
            template="identity/mails/email_change",
            what="confirm",
            link=confirm,
            by=by,
            expires_at=change.expires_at,
        )
    user_mail.send(
        user,
        to=change.old_email,
        key=f"email-asked:{change.id}",
        subject=N_("Your e-mail address for %(company)s is to be changed"),
        template="identity/mails/email_change",
        what="asked",
        link=stop,
        by=by,
    )


@jobs.mail_email_changed.handler
def mail_email_changed(change_id: str) -> None:
    with db.reading() as session:
        change = session.get_one(EmailChange, change_id)
        user = queries.user(session, change.user_id)
    if change.ended_at is not None:
        return
    user_mail.send(
        user,
        to=change.old_email,
        key=f"email-changed:{change.id}",
        subject=N_("Your e-mail address for %(company)s was changed"),
        template="identity/mails/email_change",
        what="changed",
        link=email_changes.links(change)[1],
        new_email=change.new_email,
    )


@jobs.sweep.handler
def sweep() -> None:
    now = clock.now()
    longest = max(LONGEST.values())
    with db.transaction() as session:
        session.execute(delete(SignInAttempt).where(SignInAttempt.at < now - throttle.WINDOW))
        app_grants.forget_old(session)
        session.execute(delete(AccountToken).where(AccountToken.expires_at < now - KEEP_LINKS))
        session.execute(delete(PortalSession).where(PortalSession.expires_at < now - KEEP_LINKS))
        session.execute(delete(PasskeyChallenge).where(PasskeyChallenge.expires_at < now))
        session.execute(delete(EmailChange).where(EmailChange.created_at < now - KEEP_LINKS))
        viewing.forget_old(session)
        session.execute(delete(SignInSession).where(SignInSession.created_at < now - longest - KEEP_SESSIONS))
    resealing.reseal()
