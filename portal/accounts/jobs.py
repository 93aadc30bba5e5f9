"""The jobs of accounts: what each is given. They are done in `job_handlers`."""

from __future__ import annotations

from portal.jobs.job import job


@job("accounts.begin_sign_up", in_recovery=True)
def begin_sign_up(email: str, name: str, language: str, link_id: str) -> None:
    """Make an account for a stranger, or tell the owner of the address that they have one."""


@job("accounts.mail_invitation", once_per=("link_id",), in_recovery=True)
def mail_invitation(link_id: str, invited_by: str = "") -> None:
    """Send the link of an invitation, unless it opens nothing any more.

    `invited_by` is the id of the colleague who invites, if it was not the company itself.
    """


@job("accounts.mail_account_exists", once_per=("occasion",), in_recovery=True)
def mail_account_exists(user_id: str, occasion: str) -> None:
    """Someone signed up with an address that has an account: tell its owner, and nobody else."""


@job("accounts.mail_owners_changed", in_recovery=True)
def mail_owners_changed(owner_id: str, about_id: str, what: str, by_id: str, occasion: str) -> None:
    """Tell an owner that someone else was made or invited as one, or is one no longer: `what` is one of colleagues.OWNER_…."""


@job("accounts.sweep", every_seconds=3600)
def sweep() -> None:
    """Forget old invitations that were counted."""
