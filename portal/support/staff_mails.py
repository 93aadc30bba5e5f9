"""The mails that staff have chosen: of what waits for them, as soon as something new does, or once a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.content.language import supported
from portal.core import audit, clock, company_days, config, db
from portal.core.errors import N_
from portal.core.permissions import STAFF_ROLES
from portal.identity import queries as users
from portal.identity import user_mail
from portal.identity.models import User
from portal.support.models import HowOften, StaffMailChoice
from portal.web import features
from portal.web.waiting import Backlog, MailKind, Staff

# The daily mail goes out from this hour of the company's day on.
DAILY_AT: Final = timedelta(hours=7)


def choices_of(session: Session, user_id: str) -> dict[MailKind, HowOften]:
    """What someone has chosen; of what is missing they get no mails."""
    mine = select(StaffMailChoice).where(StaffMailChoice.user_id == user_id)
    return {one.kind: one.how_often for one in session.scalars(mine)}


def choose(user_id: str, wanted: Mapping[MailKind, HowOften | None]) -> None:
    """Change this for oneself. What waits already is not told any more by a mail at once. A second call changes nothing."""
    with db.transaction() as session:
        users.user(session, user_id, lock=True)
        if choices_of(session, user_id) == {kind: how for kind, how in wanted.items() if how}:
            return
        session.execute(delete(StaffMailChoice).where(StaffMailChoice.user_id == user_id))
        for kind, how_often in wanted.items():
            if how_often is not None:
                now = clock.now()
                session.add(StaffMailChoice(user_id=user_id, kind=kind, how_often=how_often, told_at=now))
        facts = {str(kind): str(how or "none") for kind, how in wanted.items()}
        audit.record(session, "staff.mails_chosen", user_id, facts)


def send_due() -> None:
    """Tell each of those who want it what is new for them, and once a day what waits. What a dead process has sent is sent again at most
    once, under the same Message-ID. Raises as mail.send does.
    """
    with db.reading() as session:
        wanting = select(StaffMailChoice.user_id).distinct()
        people = select(User).where(User.id.in_(wanting), User.active, User.role.in_(STAFF_ROLES)).order_by(User.id)
        found = list(session.scalars(people))
    for user in found:
        _send_to(user)


def _send_to(user: User) -> None:
    with db.reading() as session:
        choices = list(session.scalars(select(StaffMailChoice).where(StaffMailChoice.user_id == user.id)))
        backlogs = features.backlogs(session, Staff(user.id, user.role))
    for how_often in HowOften:
        mine = [one for one in choices if one.how_often == how_often]
        due = [one for one in mine if how_often == HowOften.AT_ONCE or _is_due(one.told_at)]
        told = [backlog for backlog in backlogs if _is_to_be_told(backlog, due)]
        if told:
            _send(user, how_often, told, max(one.told_at for one in due))
        if due and (told or how_often == HowOften.DAILY):
            _mark_told(user.id, [one.kind for one in due])


def _is_due(told_at: datetime) -> bool:
    """Whether the daily mail has not gone out since this morning."""
    morning = company_days.begins(company_days.today()) + DAILY_AT
    return clock.now() >= morning > told_at


def _is_to_be_told(backlog: Backlog, due: Sequence[StaffMailChoice]) -> bool:
    """Once a day all that waits is told; at once, what is new."""
    for one in due:
        if one.kind == backlog.mail:
            is_new = backlog.newest is not None and backlog.newest > one.told_at
            return one.how_often == HowOften.DAILY or is_new
    return False


def _send(user: User, how_often: HowOften, told: Sequence[Backlog], since: datetime) -> None:
    subject = N_("What waits for you at %(company)s") if how_often == HowOften.DAILY else N_("New work at %(company)s")
    user_mail.send(
        user,
        key=f"staff_mail:{user.id}:{how_often}:{since.isoformat()}",
        subject=subject,
        template="support/mails/waiting",
        backlogs=told,
        locale_of_reader=supported(user.language),
        link=f"{config.current().base_url}/support",
        choose_link=f"{config.current().base_url}/support/mails",
    )


def _mark_told(user_id: str, kinds: Sequence[MailKind]) -> None:
    with db.transaction() as session:
        mine = select(StaffMailChoice).where(StaffMailChoice.user_id == user_id, StaffMailChoice.kind.in_(kinds))
        for one in session.scalars(mine):
            one.told_at = clock.now()
