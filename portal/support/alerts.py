"""Mails to staff about the machine: of jobs that have died, one for all within a few minutes; of a service that is away."""

from __future__ import annotations

from typing import Final

from portal import clock, config, db, language, mail, outages, outbox, workers
from portal.errors import N_

# The others are on the page that the mail leads to.
MOST_NAMED: Final = 20


@outbox.handles(outbox.MAIL_DEAD)
def mail_dead(span: int) -> None:
    """Tell staff which jobs died in this span; nothing when all of them have been revived meanwhile. Raises as mail.send does."""
    with db.reading() as session:
        died = outbox.died_in(session, span)
    if not died:
        return
    settings = config.current()
    tongue = settings.languages[0]
    mail.send(
        key=f"dead_jobs:{span}",
        to=settings.company.support_email,
        subject=language.translate(N_("Jobs that have failed for good: %(count)s"), tongue, count=len(died)),
        template="support/operations/mails/dead_jobs",
        tongue=tongue,
        jobs=died[:MOST_NAMED],
        more=len(died) - MOST_NAMED,
        link=f"{settings.base_url}/support/operations/jobs?state=dead",
    )


SERVICES: Final = {
    outages.STRIPE: N_("Stripe"),
    outages.MAIL: N_("the mail server"),
    outages.DATABASE: N_("the database"),
}


@outbox.handles(workers.MAIL_OUTAGE)
def mail_outage(service: str, since: int) -> None:
    """Tell staff that jobs have been waiting for a service for long; nothing when it is back already. Raises as mail.send does.

    `since` is in seconds since 1970.
    """
    with db.reading() as session:
        away = [one for one in workers.outages_now(session) if one.service == service]
    if not away:
        return
    settings = config.current()
    tongue = settings.languages[0]
    name = language.translate(SERVICES[service], tongue)
    mail.send(
        key=f"outage:{service}:{since}",
        to=settings.company.support_email,
        subject=language.translate(N_("No answer from %(service)s"), tongue, service=name),
        template="support/operations/mails/outage",
        tongue=tongue,
        service=name,
        since=clock.from_epoch(since),
        jobs=away[0].jobs,
        link=f"{settings.base_url}/support/operations",
    )
