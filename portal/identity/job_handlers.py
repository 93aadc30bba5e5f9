"""What does the jobs of those who sign in: mails with links and about their security, and forgetting what is over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete

from portal.core import clock, db
from portal.core.errors import N_
from portal.identity import app_grants, codes, jobs, queries, service, throttle, tokens, user_mail
from portal.identity.models import LONGEST, AccountToken, SignInAttempt, SignInSession, TokenPurpose

# Kept this long after they ended, for whoever asks what happened; the audit trail keeps the fact itself.
KEEP_LINKS: Final = timedelta(days=30)
KEEP_SESSIONS: Final = timedelta(days=90)
# Purpose of the link → subject; the template has the purpose's name.
_LINK_SUBJECTS: Final = {
    TokenPurpose.CONFIRM_EMAIL: N_("Confirm your e-mail address for %(company)s"),
    TokenPurpose.PASSWORD_RESET: N_("Choose a new password for %(company)s"),
}
# What happened → subject; they have one template.
_SECOND_FACTOR_SUBJECTS: Final = {
    codes.ENABLED: N_("Two-step verification for %(company)s is on"),
    codes.DISABLED: N_("Two-step verification for %(company)s is off"),
    codes.RESET: N_("Two-step verification for %(company)s was reset"),
    codes.RECOVERY_USED: N_("A recovery code was used at %(company)s"),
}


jobs.begin_reset.handler(service.begin_reset)


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


@jobs.sweep.handler
def sweep() -> None:
    now = clock.now()
    longest = max(LONGEST.values())
    with db.transaction() as session:
        session.execute(delete(SignInAttempt).where(SignInAttempt.at < now - throttle.WINDOW))
        app_grants.forget_old(session)
        session.execute(delete(AccountToken).where(AccountToken.expires_at < now - KEEP_LINKS))
        session.execute(delete(SignInSession).where(SignInSession.created_at < now - longest - KEEP_SESSIONS))
