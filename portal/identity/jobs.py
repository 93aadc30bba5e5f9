"""The jobs of those who sign in: what each is given. They are done in `job_handlers`."""

from __future__ import annotations

from portal.jobs.job import job
from portal.jobs.lanes import Lane


@job("identity.begin_reset", in_recovery=True)
def begin_reset(email: str, link_id: str) -> None:
    """Send a link for a new password to the user of this address, if there is one."""


@job("identity.begin_sign_in_link", in_recovery=True)
def begin_sign_in_link(email: str, link_id: str, browser_hash: str) -> None:
    """Send a link to sign in to the user of this address, if there is one who may sign in so."""


@job("identity.mail_link", once_per=("link_id",), in_recovery=True, lane=Lane.MESSAGES)
def mail_link(link_id: str) -> None:
    """Send the link of a sign-up, of a reset or to sign in, unless it opens nothing any more."""


@job("identity.mail_password_changed", in_recovery=True, lane=Lane.MESSAGES)
def mail_password_changed(user_id: str, occasion: str, changed_at: str) -> None:
    """Tell a user that their password was changed; `changed_at` is in ISO 8601."""


@job("identity.mail_second_factor", in_recovery=True, lane=Lane.MESSAGES)
def mail_second_factor(user_id: str, what: str, left: int, occasion: str, at: str) -> None:
    """Tell a user what happened to their second factor.

    `what` is one of codes.ENABLED, DISABLED, RESET and RECOVERY_USED; `left` are recovery codes, `at` is in ISO 8601.
    """


@job("identity.mail_passkey", in_recovery=True, lane=Lane.MESSAGES)
def mail_passkey(user_id: str, what: str, name: str, occasion: str, at: str) -> None:
    """Tell a user that a passkey was added or removed: `what` is passkeys.ADDED or REMOVED, `at` is in ISO 8601."""


@job("identity.mail_email_change", once_per=("change_id",), in_recovery=True, lane=Lane.MESSAGES)
def mail_email_change(change_id: str) -> None:
    """Send the link to the address that somebody is to sign in with, and tell the one before."""


@job("identity.mail_email_changed", once_per=("change_id",), in_recovery=True, lane=Lane.MESSAGES)
def mail_email_changed(change_id: str) -> None:
    """Tell the address that somebody signed in with until now that another one counts."""


@job("identity.sweep", every_seconds=3600)
def sweep() -> None:
    """Forget old sign-in attempts, grants, links and sessions, and seal second factors anew that are kept under an older secret key."""
