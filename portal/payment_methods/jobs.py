"""Jobs about saved cards."""

from datetime import date

from portal.core import company_days, db, metrics
from portal.jobs import outbox
from portal.payment_methods import card_testing, comparison, details, keeping, reminders, setups


@outbox.handles("cards.upsert")
def upsert(payment_method_id: str) -> None:
    keeping.upsert(payment_method_id)


@outbox.handles("cards.detach")
def detach(payment_method_id: str) -> None:
    keeping.detach(payment_method_id)


@outbox.handles("cards.follow_up")
def follow_up(setup_id: str) -> None:
    setups.follow_up(setup_id)


@outbox.handles("cards.requeue_lost_jobs", every_seconds=60)
def requeue_lost_jobs() -> None:
    metrics.STARTED_OVER.labels("cards").inc(setups.requeue_lost_jobs())


@outbox.handles("cards.compare", every_seconds=24 * 3600)
def compare(day: str = "", after: str = "") -> None:
    """The worker begins a round each day; a chunk of it leaves the job for the next one."""
    comparison.compare_chunk(day or company_days.today().isoformat(), after)


@outbox.handles("cards.remind", every_seconds=3600)
def remind() -> None:
    reminders.remind()


@outbox.handles("cards.mail_expiry")
def mail_expiry(card_id: str, last_day: str, days: int) -> None:
    """`last_day` is in ISO 8601."""
    reminders.send(card_id, date.fromisoformat(last_day), days)


@outbox.handles("cards.mail_refused_detail")
def mail_refused_detail(customer_id: str, detail: str) -> None:
    details.mail_refused(customer_id, detail)


@outbox.handles("cards.sweep", every_seconds=3600)
def sweep() -> None:
    """Forget old tries to add a card; a second run finds nothing more."""
    with db.transaction() as session:
        card_testing.forget_old(session)
