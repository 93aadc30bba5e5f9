"""The time zones of those who read: which names there are, and whose clocks a reader's times are shown by."""

from __future__ import annotations

from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from portal.core import company_days

# The cookie in which static/js/app.js tells what the browser's clock goes by.
COOKIE: Final = "time_zone"
LONGEST_NAME: Final = 64
# The database of zones has other names for the same besides: "Etc/GMT-1", "US/Pacific".
_AREAS: Final = frozenset(
    {"Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"}
)


@cache
def _known() -> frozenset[str]:
    return frozenset(name for name in available_timezones() if len(name) <= LONGEST_NAME)


def is_known(name: str) -> bool:
    """Whether this names a zone, also one that is not offered: browsers have names of their own age."""
    return name in _known()


@cache
def offered() -> tuple[str, ...]:
    """What people choose from, in order: "Africa/Abidjan" to "Pacific/Wallis", and UTC."""
    return (*sorted(name for name in _known() if name.partition("/")[0] in _AREAS), "UTC")


def first_known(*names: str) -> ZoneInfo:
    """The first of these that is a zone, else the company's."""
    return next((ZoneInfo(name) for name in names if is_known(name)), company_days.zone())
