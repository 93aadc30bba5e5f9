"""When a reminder is due: a plan of days around the due date, and the hours in which mails about money are welcome."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

# A step that could not be sent for so long (the worker was down, the invoice was under way) is not sent any more; the next one is.
LATE_DAYS: Final = 7
# By the customer's clocks, on working days. Public holidays are not known here.
FIRST_HOUR: Final = 9
LAST_HOUR: Final = 17
_SATURDAY: Final = 5


def step_due(plan: Sequence[int], due_on: date, today: date, *, known_on: date, held_until: date | None) -> int | None:
    """The step of the plan that is due today, in days after the due date, or none: the last one whose day has come.

    No step whose day was over when the invoice came here (`known_on`) or on that day: the invoice itself has just been sent. None either
    that is LATE_DAYS late, counted from the end of a hold where there was one.
    """
    come = [step for step in plan if due_on + timedelta(days=step) <= today]
    if not come:
        return None
    step = max(come)
    day = due_on + timedelta(days=step)
    since = max(day, held_until + timedelta(days=1)) if held_until is not None else day
    is_late = (today - since).days > LATE_DAYS
    return None if day <= known_on or is_late else step


def is_welcome(moment: datetime, zone: ZoneInfo) -> bool:
    """Whether it is working hours of a working day by these clocks."""
    here = moment.astimezone(zone)
    return here.weekday() < _SATURDAY and FIRST_HOUR <= here.hour < LAST_HOUR
