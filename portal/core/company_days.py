"""The company's days: which day it is where the company keeps its books, and when a day begins and ends there.

Due dates, windows, series, months of the books and every filter by a day mean these days, in the zone of PORTAL_TIMEZONE, whoever
reads or asks. `clock` tells moments; this alone turns a moment into a day, and a day into moments.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from portal.core import clock, config

A_DAY: Final = timedelta(days=1)
_SATURDAY: Final = 5
# A day away from the ends of the calendar, so that who reckons with a bound, or shows it in another zone, does not fall off.
_FIRST_MOMENT: Final = datetime.min.replace(tzinfo=UTC) + A_DAY
_LAST_MOMENT: Final = datetime.max.replace(tzinfo=UTC) - A_DAY


def zone() -> ZoneInfo:
    """The company's time zone."""
    return ZoneInfo(config.current().timezone)


def today() -> date:
    """The day that it is for the company now."""
    return day_of(clock.now())


def day_of(moment: datetime) -> date:
    """The company's day in which an aware moment lies."""
    return here(moment).date()


def here(moment: datetime) -> datetime:
    """The moment by the company's clocks."""
    return moment.astimezone(zone())


def begins(day: date) -> datetime:
    """The first moment of the company's day, in UTC: its midnight, or where the clocks skip midnight the moment after.

    At the two ends of the calendar it is a day after its first, or before its last moment: nothing lies beyond.
    """
    if date.min + A_DAY < day < date.max - A_DAY:
        return datetime.combine(day, time.min, zone()).astimezone(UTC)
    return _FIRST_MOMENT if day.year == date.min.year else _LAST_MOMENT


def ends(day: date) -> datetime:
    """The first moment after the company's day, in UTC: 23 to 25 hours after it began. The last day of the calendar ends with it."""
    return begins(day + A_DAY) if day < date.max else _LAST_MOMENT


def days_later(moment: datetime, days: int) -> datetime:
    """The same time by the company's clocks so many days later, in UTC: also when a day between them is longer or shorter."""
    return (here(moment) + timedelta(days=days)).astimezone(UTC)


def moment(wall: datetime, *, last: bool = False) -> datetime:
    """What the company's clocks show, as a moment in UTC. Where they show it twice the first one, or the `last`; where they skip it, the
    moment that far after the gap began. At the ends of the calendar as `begins`.
    """
    if date.min + A_DAY < wall.date() < date.max - A_DAY:
        return wall.replace(tzinfo=zone(), fold=int(last)).astimezone(UTC)
    return _FIRST_MOMENT if wall.year == date.min.year else _LAST_MOMENT


def noon(day: date) -> datetime:
    """The middle of the company's day, in UTC: for what is known by its day alone."""
    return begins(day) + A_DAY / 2


def working_days_after(day: date, count: int) -> date:
    """The day that many working days after this one; before it where `count` is negative. Public holidays are not known here."""
    step = A_DAY if count > 0 else -A_DAY
    left = abs(count)
    while left:
        day += step
        left -= day.weekday() < _SATURDAY
    return day


@dataclass(frozen=True, slots=True)
class Stretch:
    """Days that follow each other, each 24 hours long; or a single day of any length. From `begins` until before `ends`, in UTC."""

    first: date
    last: date
    begins: datetime
    ends: datetime

    @property
    def ahead(self) -> timedelta:
        """What its midnights are ahead of those in UTC: negative west of Greenwich."""
        return datetime.combine(self.first, time.min, UTC) - self.begins


def stretches(first: date, last: date) -> Iterator[Stretch]:
    """The company's days from the first to the last in as few stretches as the clocks allow, so that a database can count in them."""
    start: date | None = None
    day = first
    while day <= last:
        is_even = ends(day) - begins(day) == A_DAY
        if is_even and start is None:
            start = day
        if start is not None and (not is_even or day == last):
            end = day if is_even else day - A_DAY
            yield Stretch(start, end, begins(start), ends(end))
            start = None
        if not is_even:
            yield Stretch(day, day, begins(day), ends(day))
        day += A_DAY
