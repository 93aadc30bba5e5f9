"""Mails to staff about operations: jobs that failed for good, one mail for all within a few minutes; a service that does not answer;
webhooks that do not arrive; a database that was restored from a backup.
"""

from __future__ import annotations

from typing import Any, Final

from portal.content import language, mail
from portal.core import clock, config, db
from portal.core.errors import N_
from portal.core.recovery import Recovery
from portal.jobs import outages, outbox, own_jobs, workers
from portal.payment_methods import jobs as page_jobs
from portal.reconciliation import jobs as recovery_jobs
from portal.reconciliation.models import Reconciliation
from portal.stripe_events import jobs as event_jobs
from portal.stripe_events import queries as stripe_events

# The others are on the page that the mail leads to.
MOST_NAMED: Final = 20


@own_jobs.mail_dead.handler
def mail_dead(span: int) -> None:
    """Tell staff which jobs died in this span; nothing when all of them have been revived meanwhile. Raises as mail.send does."""
    with db.reading() as session:
        died = outbox.died_in(session, span)
    if not died:
        return
    settings = config.current()
    locale = settings.staff_language
    mail.send(
        key=f"dead_jobs:{span}",
        to=settings.company.support_email,
        subject=language.translate(N_("Jobs that failed permanently: %(count)s"), locale, count=len(died)),
        template="support/operations/mails/dead_jobs",
        locale=locale,
        jobs=died[:MOST_NAMED],
        more=len(died) - MOST_NAMED,
        hours_of_attempts=outbox.HOURS_OF_ATTEMPTS,
        link=f"{settings.base_url}/support/operations/jobs?status=dead",
    )


SERVICES: Final = {
    outages.STRIPE: N_("Stripe"),
    outages.MAIL: N_("the mail server"),
    outages.DATABASE: N_("the database"),
}


@own_jobs.mail_outage.handler
def mail_outage(service: str, since: int) -> None:
    """Tell staff that jobs have been waiting for a service for long; nothing when it is back already. Raises as mail.send does.

    `since` is in seconds since 1970.
    """
    with db.reading() as session:
        away = [one for one in workers.outages_now(session) if one.service == service]
    if not away:
        return
    settings = config.current()
    locale = settings.staff_language
    name = language.translate(SERVICES[service], locale)
    mail.send(
        key=f"outage:{service}:{since}",
        to=settings.company.support_email,
        subject=language.translate(N_("No answer from %(service)s"), locale, service=name),
        template="support/operations/mails/outage",
        locale=locale,
        service=name,
        since=clock.from_epoch(since),
        jobs=away[0].jobs,
        link=f"{settings.base_url}/support/operations",
    )


@event_jobs.mail_missing_webhooks.handler
def mail_missing_webhooks(since: int) -> None:
    """Tell staff that Stripe has events that no webhook brought; nothing when they arrive again meanwhile. Raises as mail.send does.

    `since` is in seconds since 1970.
    """
    with db.reading() as session:
        missing, last = stripe_events.missing_since(session), stripe_events.last_delivered(session)
    if missing is None:
        return
    settings = config.current()
    locale = settings.staff_language
    mail.send(
        key=f"webhooks_missing:{since}",
        to=settings.company.support_email,
        subject=language.translate(N_("Stripe’s webhooks do not arrive"), locale),
        template="support/operations/mails/webhooks_missing",
        locale=locale,
        since=clock.from_epoch(since),
        last=last.received_at if last else None,
        endpoint=f"{settings.base_url}/api/webhooks/stripe",
        link=f"{settings.base_url}/support/operations",
    )


@page_jobs.mail_changed_page.handler
def mail_changed_page(day: str, differs: str) -> None:
    """Tell staff what of the page that takes a card is not as this release sends it. Raises as mail.send does."""
    settings = config.current()
    locale = settings.staff_language
    mail.send(
        key=f"payment_page:{day}",
        to=settings.company.support_email,
        subject=language.translate(N_("The page that takes cards has changed"), locale),
        template="support/operations/mails/changed_page",
        locale=locale,
        differs=differs.splitlines(),
        link=f"{settings.base_url}/support/operations/audit?action=payment_page.looked_at",
    )


@recovery_jobs.mail_recovery_begun.handler
def mail_recovery_begun(recovery_id: str) -> None:
    """Tell staff that nothing moves any more, and why. Raises as mail.send does."""
    with db.reading() as session:
        found = session.get_one(Recovery, recovery_id)
    _mail_recovery(found, "recovery_begun", N_("The portal is in recovery mode"), since=found.begun_at)


@recovery_jobs.mail_recovery_finished.handler
def mail_recovery_finished(recovery_id: str) -> None:
    """Tell staff that it goes on, and what was brought back. Raises as mail.send does."""
    with db.reading() as session:
        found = session.get_one(Recovery, recovery_id)
        run = session.get(Reconciliation, found.reconciliation_id) if found.reconciliation_id else None
    counts = run.counts if run else {}
    _mail_recovery(
        found,
        "recovery_finished",
        N_("The portal has left recovery mode"),
        finished=found.finished_at,
        overruled=found.overruled,
        payments=counts.get("brought back", 0),
        documents=counts.get("documents brought back", 0),
    )


def _mail_recovery(found: Recovery, template: str, subject: str, **facts: Any) -> None:
    settings = config.current()
    locale = settings.staff_language
    mail.send(
        key=f"{template}:{found.id}",
        to=settings.company.support_email,
        subject=language.translate(subject, locale),
        template=f"support/operations/mails/{template}",
        locale=locale,
        link=f"{settings.base_url}/support/operations",
        **facts,
    )
