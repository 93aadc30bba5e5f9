"""The company's days, in every zone that there is: no moment without its day, none in two, also when the clocks change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
import time_machine
from hypothesis import example, given
from hypothesis import strategies as st

from portal.core import company_days, config

ZONES = sorted(available_timezones() - {"localtime", "posixrules", "Factory"})
EXTREMES = (
    "Pacific/Kiritimati",
    "Etc/GMT-14",
    "Etc/GMT+12",
    "America/Los_Angeles",
    "Australia/Sydney",
    "Europe/Berlin",
)
zones = st.one_of(st.sampled_from(EXTREMES), st.sampled_from(ZONES))
moments = st.datetimes(datetime(2015, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 given their zone here
days = st.dates(date(2015, 1, 1), date(2037, 12, 31))


@pytest.fixture(autouse=True)
def _company() -> Iterator[None]:
    """The company moves within a test; after it, it is where it was."""
    before = config.current()
    yield
    config.use(before)


def live_in(zone: str) -> None:
    config.use(config.current().model_copy(update={"timezone": zone}))


@given(zone=zones, moment=moments)
@example("Africa/Cairo", datetime(2026, 4, 23, 22, tzinfo=UTC))  # there the clocks go from midnight to one
@example("America/Havana", datetime(2026, 11, 1, 4, 30, tzinfo=UTC))  # midnight comes twice
@example("Asia/Beirut", datetime(2026, 10, 24, 21, 30, tzinfo=UTC))  # the last hour of a day comes twice
def test_each_moment_lies_within_its_day_and_in_no_other(zone: str, moment: datetime) -> None:
    live_in(zone)
    day = company_days.day_of(moment)
    assert company_days.begins(day) <= moment < company_days.ends(day)
    assert company_days.ends(day - company_days.A_DAY) == company_days.begins(day)
    assert company_days.begins(day).tzinfo is UTC


@given(zone=zones, day=days)
@example("America/Los_Angeles", date(2028, 2, 29))
@example("Antarctica/Troll", date(2026, 3, 29))  # two hours at once
def test_a_day_begins_with_itself_and_its_noon_is_within_it(zone: str, day: date) -> None:
    live_in(zone)
    begins, ends = company_days.begins(day), company_days.ends(day)
    assert company_days.day_of(begins) == company_days.day_of(company_days.noon(day)) == day
    assert company_days.day_of(begins - timedelta(microseconds=1)) == day - company_days.A_DAY
    assert timedelta(hours=22) <= ends - begins <= timedelta(hours=26)


@given(zone=zones, first=days, length=st.integers(0, 400))
@example("Europe/Berlin", date(2026, 1, 1), 364)
@example("Europe/Berlin", date(2026, 10, 25), 0)
def test_stretches_hold_all_days_once_and_only_single_ones_are_longer_or_shorter(
    zone: str, first: date, length: int
) -> None:
    live_in(zone)
    last = first + timedelta(days=length)
    found = list(company_days.stretches(first, last))
    assert (found[0].first, found[-1].last) == (first, last)
    for one in found:
        assert one.first == one.last or one.ends - one.begins == (one.last - one.first + company_days.A_DAY)
    for before, after in pairwise(found):
        assert (before.last + company_days.A_DAY, before.ends) == (after.first, after.begins)


@pytest.mark.parametrize("zone", EXTREMES)
def test_the_ends_of_the_calendar_bound_everything(zone: str) -> None:
    live_in(zone)
    for day in (date.min, date.min + company_days.A_DAY, date.max - company_days.A_DAY, date.max):
        assert company_days.begins(day) <= company_days.ends(day)
    assert company_days.begins(date.min).year == 1
    assert company_days.ends(date.max).year == 9999


@pytest.mark.parametrize(
    ("zone", "here", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("Pacific/Kiritimati", date(2028, 2, 29), 24),
        ("Etc/GMT+12", date(2028, 2, 29), 24),
    ],
)
def test_days_are_as_long_as_the_clocks_make_them(zone: str, here: date, hours: float) -> None:
    live_in(zone)
    assert company_days.ends(here) - company_days.begins(here) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("zone", "day"),
    [("Pacific/Kiritimati", date(2028, 3, 1)), ("Etc/GMT+12", date(2028, 2, 28)), ("UTC", date(2028, 2, 29))],
)
def test_today_is_the_companys_day(zone: str, day: date) -> None:
    """At half past eleven in the morning of 29 February in London, the world has three days."""
    live_in(zone)
    with time_machine.travel(datetime(2028, 2, 29, 11, 30, tzinfo=UTC), tick=False):
        assert company_days.today() == day
    assert company_days.zone() == ZoneInfo(zone)
