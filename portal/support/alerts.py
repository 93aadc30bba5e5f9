"""The mail to staff about jobs that have died: one for all that died within a few minutes of each other."""

from __future__ import annotations

from typing import Final

from portal import config, db, language, mail, outbox
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
