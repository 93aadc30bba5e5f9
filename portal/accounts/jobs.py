"""The jobs of accounts: what each is given. They are done in `job_handlers`."""

from __future__ import annotations

from portal.jobs.job import job
from portal.jobs.lanes import Lane


@job("accounts.begin_sign_up", in_recovery=True)
def begin_sign_up(email: str, name: str, language: str, link_id: str) -> None:
    """Make an account for a stranger, or tell the owner of the address that they have one."""


@job("accounts.mail_invitation", once_per=("link_id",), in_recovery=True, lane=Lane.MESSAGES)
def mail_invitation(link_id: str, invited_by: str = "") -> None:
    """Send the link of an invitation, unless it opens nothing any more.

    `invited_by` is the id of the colleague who invites, if it was not the company itself.
    """


@job("accounts.mail_account_exists", once_per=("occasion",), in_recovery=True, lane=Lane.MESSAGES)
def mail_account_exists(user_id: str, occasion: str) -> None:
    """Someone signed up with an address that has an account: tell its owner, and nobody else."""


@job("accounts.mail_owners_changed", in_recovery=True, lane=Lane.MESSAGES)
def mail_owners_changed(owner_id: str, about_id: str, what: str, by_id: str, occasion: str) -> None:
    """Tell an owner that someone else was made or invited as one, or is one no longer: `what` is one of colleagues.OWNER_….

    `by_id` is "" where the company itself did it.
    """


@job("accounts.mail_billing_email_changed", once_per=("occasion",), in_recovery=True, lane=Lane.MESSAGES)
def mail_billing_email_changed(customer_id: str, old: str, occasion: str) -> None:
    """Tell the address that was billed until now that documents go to another one."""


@job("vat.check_id", once_per=("customer_id", "tax_id"), in_recovery=True, lane=Lane.UPKEEP)
def check_vat_id(customer_id: str, tax_id: str) -> None:
    """Ask VIES whether a customer's VAT ID is valid, and keep what it answers."""


@job("accounts.mail_recipient_confirmation", in_recovery=True, lane=Lane.MESSAGES)
def mail_recipient_confirmation(recipient_id: str, occasion: str) -> None:
    """Send the link by which a further recipient of documents confirms the address, unless it opens nothing any more."""


@job("accounts.mail_staff_access", in_recovery=True, lane=Lane.MESSAGES)
def mail_staff_access(user_id: str, what: str, role: str, occasion: str) -> None:
    """Tell a member of staff what was done about their access: `what` is a word of access.tell; `role` is the new one, or ""."""


@job("accounts.mail_reset_asked", in_recovery=True, lane=Lane.MESSAGES)
def mail_reset_asked(admin_id: str, about_id: str, by_id: str, occasion: str) -> None:
    """Tell an admin that a colleague asks to reset someone's second factor, which takes a second one."""


@job("accounts.mail_inactivity", in_recovery=True, lane=Lane.MESSAGES)
def mail_inactivity(user_id: str, ends_on: str, occasion: str) -> None:
    """Warn a member of staff that their account ends on a day (ISO 8601), unless they sign in before."""


@job("accounts.end_inactive", every_seconds=3600)
def end_inactive() -> None:
    """Warn, and end, accounts of staff that were not used for as many days as the settings allow."""


@job("accounts.forget_files", every_seconds=3600)
def forget_files() -> None:
    """Remove uploaded files of customers that nobody came back to."""


@job("accounts.sweep", every_seconds=3600)
def sweep() -> None:
    """Forget old invitations that were counted."""
