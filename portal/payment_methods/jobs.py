"""The jobs of payment methods, and one that `payments` does: what each is given. They are done in `job_handlers`."""

from __future__ import annotations

from portal.jobs.job import job
from portal.jobs.lanes import Lane


@job("payment_methods.upsert")
def upsert(stripe_payment_method_id: str) -> None:
    """Bring one payment method in line with Stripe."""


@job("payment_methods.detach", once_per=("stripe_payment_method_id",))
def detach(stripe_payment_method_id: str) -> None:
    """Detach a payment method at Stripe unless a kept one needs it."""


@job("payment_methods.follow_mandate")
def follow_mandate(stripe_mandate_id: str) -> None:
    """Bring what is kept of a mandate at a bank in line with Stripe."""


@job("payment_methods.mail_mandate_ended", once_per=("stripe_mandate_id",), lane=Lane.MESSAGES)
def mail_mandate_ended(payment_method_id: str, stripe_mandate_id: str) -> None:
    """Tell a customer that a mandate at their bank has ended."""


@job("payment_methods.mail_verification", once_per=("setup_id",), lane=Lane.MESSAGES)
def mail_verification(setup_id: str) -> None:
    """Tell a customer where they type which small amounts have arrived in the account that they add."""


@job("payment_methods.follow_up", once_per=("setup_id",))
def follow_up(setup_id: str) -> None:
    """Bring the setup of a payment method to its end."""


@job("payment_methods.requeue_lost_jobs", every_seconds=60)
def requeue_lost_jobs() -> None:
    """Leave a job for each setup of a payment method on its way that has none."""


@job("payment_methods.compare", once_per=("day", "after"), every_seconds=24 * 3600)
def compare(day: str = "", after: str = "") -> None:
    """Compare the payment methods of the next customers beyond `after` with Stripe; a chunk leaves the job for the next one."""


@job("payment_methods.remind", every_seconds=3600)
def remind() -> None:
    """Mark each card whose reminder is due and leave the job that mails it."""


@job("payment_methods.mail_expiry", once_per=("payment_method_id", "last_day", "days"), lane=Lane.MESSAGES)
def mail_expiry(payment_method_id: str, last_day: str, days: int) -> None:
    """Remind a customer of a card that expires; `last_day` is in ISO 8601."""


@job("payment_methods.mail_refused_detail", once_per=("customer_id", "detail"), lane=Lane.MESSAGES)
def mail_refused_detail(customer_id: str, detail: str) -> None:
    """Tell staff which detail the customer at Stripe was made without."""


@job("payment_methods.sweep", every_seconds=3600)
def sweep() -> None:
    """Forget old attempts of cards."""


@job("payment_methods.compare_offer", every_seconds=24 * 3600)
def compare_offer() -> None:
    """Log which payment methods the settings name and the account at Stripe does not have on."""


@job("payments.cancel_pending", once_per=("lost",))
def cancel_pending(customer_id: str, lost: str) -> None:
    """Cancel what a customer has begun to pay for the customer at Stripe that was `lost`, deleted there."""


@job("payment_methods.watch_page", every_seconds=24 * 3600)
def watch_page() -> None:
    """Look whether the page that takes a card is what this release sends."""


@job("operations.mail_changed_page", once_per=("day",), lane=Lane.MESSAGES)
def mail_changed_page(day: str, differs: str) -> None:
    """Tell staff what of the page that takes a card differs from this release, a line each; `day` is ISO 8601."""
