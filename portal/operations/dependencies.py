"""How each thing is that the portal depends on, since when, what that means and what is to be done.

From what was written down when it was last asked: by jobs that wait for it, by the worker's own checks, by whoever signed in. Nothing
is asked here, so that the page opens also while nothing answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import Select, func, literal_column, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.content.mail import SentMail
from portal.core import answers, config
from portal.core.db import database_now
from portal.core.errors import N_
from portal.jobs import outages, workers
from portal.jobs.models import WAITING, JobRow
from portal.operations import messages
from portal.reconciliation import queries as reconciliation
from portal.stripe_events import queries as stripe_events
from portal.webhook_endpoints.models import FAILING, Delivery, DeliveryStatus, WebhookEndpoint

# So many deliveries are looked through for the next one to be tried.
MOST_READ: Final = 1_000


class Standing(StrEnum):
    FINE = "fine"
    SILENT = "silent"  # it did not answer when it was last asked
    UNKNOWN = "unknown"  # nobody has needed it yet
    UNUSED = "unused"  # the settings name none


@dataclass(frozen=True, slots=True)
class Dependency:
    """`name`, `meaning`, `advice` and `failure` are texts of the catalogues; the advice may name `next_at` as %(moment)s.

    `since` is when it began to be silent, `answered_at` when it last did answer, and `number` how much waits for it.
    """

    name: str
    standing: Standing
    answered_at: datetime | None = None
    since: datetime | None = None
    number: int = 0
    meaning: str = ""
    advice: str = ""
    failure: str = ""
    next_at: datetime | None = None


_BY_ITSELF: Final = N_("Nothing to do: it is retried automatically, next at %(moment)s.")
_START_THE_WORKER: Final = N_("Start the worker: nothing is tried again while it does not run.")

_ENDPOINT_AGAIN: Final = N_(
    "Nothing to do: each is retried automatically, next at %(moment)s. After three days one is turned off, and its owners are told."
)
_ENDPOINT_WITH_NEXT: Final = N_(
    "Nothing to do: each is tried with its next event. After three days one is turned off, and its owners are told."
)

_NAMES: Final = {
    outages.DATABASE: N_("Database"),
    outages.STRIPE: N_("Stripe’s API"),
    outages.MAIL: N_("Mail server"),
}
_MEANINGS: Final = {
    outages.DATABASE: N_("Jobs could not write. Pages answer 503 while it is away, and Stripe sends its webhooks again."),
    outages.STRIPE: N_(
        "Customers are told to try again in a minute, and are charged once. Refunds and documents of payments come later."
    ),
    outages.MAIL: N_("Nobody gets e-mails now. Every e-mail is sent once the server answers."),
}  # fmt: skip
# A failure that does not pass by itself, by what was raised: what a person must do.
_NOT_BY_ITSELF: Final = {
    "Misconfigured": N_("Correct STRIPE_SECRET_KEY, or the rights of the restricted key, and start web and worker again."),
    "SMTPAuthenticationError": N_("Correct PORTAL_MAIL_USERNAME and PORTAL_MAIL_PASSWORD, and start web and worker again."),
    "SMTPSenderRefused": N_("Let the mail server accept e-mails from PORTAL_MAIL_SENDER, or change that setting."),
}  # fmt: skip


def all_of_them(session: Session, *, worker_is_behind: bool) -> list[Dependency]:
    """In the order in which a page needs them."""
    now = database_now(session)
    away = {one.service: one for one in workers.outages_now(session)}
    last_run = reconciliation.latest_finished(session)
    answered_at = {
        outages.DATABASE: now,  # this was read from it
        outages.STRIPE: last_run.finished_at if last_run else None,
        outages.MAIL: session.scalar(select(func.max(SentMail.sent_at))),
    }
    database, stripe, mail = [
        _asked_by_jobs(
            session, service, answered_at[service], away.get(service), now, worker_is_behind=worker_is_behind
        )
        for service in (outages.DATABASE, outages.STRIPE, outages.MAIL)
    ]
    others = (_identity_provider(session), _vies(session), _endpoints(session))
    return [database, stripe, _webhooks(session), mail, *others]


def _asked_by_jobs(
    session: Session,
    service: str,
    answered_at: datetime | None,
    outage: workers.Outage | None,
    now: datetime,
    *,
    worker_is_behind: bool,
) -> Dependency:
    name = _NAMES[service]
    if outage is None:
        return Dependency(name, Standing.FINE if answered_at else Standing.UNKNOWN, answered_at)
    soonest = select(JobRow.run_at, JobRow.last_error).where(WAITING, JobRow.waits_for == service)
    run_at, error = session.execute(soonest.order_by(JobRow.run_at).limit(1)).one()
    failure = messages.name_of(error or "")
    # Whatever is set down for long, a worker tries one of them each time that it looks after its house.
    next_at = min(run_at, now + timedelta(seconds=workers.HOUSEKEEPING_SECONDS))
    return Dependency(
        name,
        Standing.SILENT,
        answered_at if service != outages.DATABASE else None,
        since=outage.since,
        number=outage.jobs,
        meaning=_MEANINGS[service],
        advice=_START_THE_WORKER if worker_is_behind else _NOT_BY_ITSELF.get(failure, _BY_ITSELF),
        failure=messages.of_failure(error or ""),
        next_at=max(next_at, now),
    )


def _webhooks(session: Session) -> Dependency:
    last, missing = stripe_events.last_delivered(session), stripe_events.missing_since(session)
    answered_at, name = last.received_at if last else None, N_("Stripe’s webhooks")
    if missing is None:
        return Dependency(name, Standing.FINE if last else Standing.UNKNOWN, answered_at)
    return Dependency(
        name,
        Standing.SILENT,
        answered_at,
        since=missing,
        meaning=N_("Stripe has events that did not arrive here. Payments are found all the same, some minutes later."),
        advice=N_("Look at the deliveries of our endpoint in Stripe’s dashboard: they say what this server answered."),
    )


def _identity_provider(session: Session) -> Dependency:
    return _asked(
        session,
        N_("Identity provider"),
        answers.IDENTITY_PROVIDER if config.current().staff_oidc_issuer else None,
        meaning=N_("Staff cannot sign in, but for those in PORTAL_STAFF_BREAK_GLASS. Customers notice nothing."),
        advice=N_("Nothing to do here: it is asked again when somebody signs in. Ask whoever runs it."),
    )


def _vies(session: Session) -> Dependency:
    return _asked(
        session,
        N_("VIES (VAT IDs)"),
        answers.VIES if config.current().vies_url else None,
        meaning=N_("VAT IDs are shown as not checked. Invoices are issued all the same, with a warning to staff."),
        advice=N_("Nothing to do: each VAT ID is asked about again, for about a week."),
    )


def _asked(session: Session, name: str, service: str | None, *, meaning: str, advice: str) -> Dependency:
    """Something that is asked now and then, by what it answered last; `service` is its name in portal.core.answers, None for one that
    the settings do not use.
    """
    if service is None:
        return Dependency(name, Standing.UNUSED)
    known = answers.of(session, service)
    if known is None or known.failing_since is None:
        return Dependency(name, Standing.FINE if known else Standing.UNKNOWN, known.answered_at if known else None)
    return Dependency(
        name, Standing.SILENT, known.answered_at, since=known.failing_since, meaning=meaning, advice=advice
    )


def _endpoints(session: Session) -> Dependency:
    name = N_("Customers’ webhook endpoints")
    live = select(WebhookEndpoint.failing_since).where(FAILING, WebhookEndpoint.disabled_at.is_(None))
    rows = live.order_by(WebhookEndpoint.failing_since).limit(MOST_READ).subquery()
    number, since = session.execute(select(func.count(), func.min(rows.c.failing_since))).one()
    last = _of_status(DeliveryStatus.DELIVERED, Delivery.delivered_at).order_by(Delivery.created_at.desc())
    answered_at = session.scalar(last.order_by(Delivery.id.desc()).limit(1))
    if not number:
        return Dependency(name, Standing.FINE if answered_at else Standing.UNKNOWN, answered_at)
    pending = _of_status(DeliveryStatus.PENDING, Delivery.next_attempt_at).order_by(Delivery.created_at, Delivery.id)
    waiting = pending.limit(MOST_READ).subquery()
    next_at = session.scalar(select(func.min(waiting.c.next_attempt_at)))
    return Dependency(
        name,
        Standing.SILENT,
        answered_at,
        since=since,
        number=number,
        meaning=N_("These customers’ own systems do not hear of their payments now. Nothing here waits for that."),
        advice=_ENDPOINT_AGAIN if next_at else _ENDPOINT_WITH_NEXT,
        next_at=next_at,
    )


def _of_status(status: DeliveryStatus, column: InstrumentedAttribute[datetime | None]) -> Select[datetime | None]:
    """Written out, as the index has it."""
    return select(column).where(Delivery.status == literal_column(f"'{status}'"))
