"""Which step of the plan is due, and in which hours: without a database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from portal.core import config
from portal.reminders import policy

PLAN = (-3, 1, 14, 30)
DUE = date(2026, 12, 15)
LONG_AGO = date(2026, 1, 1)


@pytest.mark.parametrize(
    ("days", "step"),
    [
        *[(-4, None), (-3, -3), (0, -3), (1, 1), (2, 1), (8, 1)],
        *[(9, None), (14, 14), (21, 14), (22, None), (30, 30), (37, 30), (38, None), (400, None)],
    ],
)
def test_the_last_step_whose_day_has_come_is_due_for_a_week(days: int, step: int | None) -> None:
    today = DUE + timedelta(days=days)
    assert policy.step_due(PLAN, DUE, today, known_on=LONG_AGO, held_until=None) == step


def test_an_invoice_that_came_after_a_step_or_on_its_day_is_not_reminded_by_it() -> None:
    for known_on in (DUE - timedelta(days=3), DUE):
        assert policy.step_due(PLAN, DUE, DUE, known_on=known_on, held_until=None) is None
    assert policy.step_due(PLAN, DUE, DUE + timedelta(days=1), known_on=DUE, held_until=None) == 1


def test_after_a_hold_the_step_that_came_meanwhile_is_due_for_a_week() -> None:
    until = DUE + timedelta(days=25)
    due = {
        day: policy.step_due(PLAN, DUE, until + timedelta(days=day), known_on=LONG_AGO, held_until=until)
        for day in (1, 4)
    }
    assert due == {1: 14, 4: 14}
    assert policy.step_due((1,), DUE, until + timedelta(days=9), known_on=LONG_AGO, held_until=until) is None


def test_without_a_plan_nothing_is_due() -> None:
    assert policy.step_due((), DUE, DUE, known_on=LONG_AGO, held_until=None) is None


@pytest.mark.parametrize(
    ("moment", "zone", "welcome"),
    [
        ("2026-12-02T07:59", "Europe/Berlin", False),
        ("2026-12-02T08:00", "Europe/Berlin", True),
        ("2026-12-02T15:59", "Europe/Berlin", True),
        ("2026-12-02T16:00", "Europe/Berlin", False),
        ("2026-12-02T08:00", "America/New_York", False),
        ("2026-12-02T14:00", "America/New_York", True),
        ("2026-12-05T10:00", "Europe/Berlin", False),
        ("2026-12-06T10:00", "Europe/Berlin", False),
        ("2026-12-06T23:30", "Asia/Tokyo", False),
        ("2026-12-07T00:30", "Asia/Tokyo", True),
    ],
)
def test_mails_come_in_working_hours_by_the_customers_clocks(moment: str, zone: str, welcome: bool) -> None:
    assert policy.is_welcome(datetime.fromisoformat(moment).replace(tzinfo=UTC), ZoneInfo(zone)) is welcome


@pytest.mark.settings(PORTAL_REMINDERS="14, -3,1,1")
def test_the_plan_is_in_order_whatever_was_typed(settings: config.Settings) -> None:
    assert settings.reminders == (-3, 1, 14)


@pytest.mark.parametrize("wrong", ["soon", "1;2", "400", "1,2,3,4,5,6,7,8,9,10,11"])
def test_a_plan_that_makes_no_sense_stops_the_start(
    wrong: str, monkeypatch: pytest.MonkeyPatch, settings: object
) -> None:
    monkeypatch.setenv("PORTAL_REMINDERS", wrong)
    with pytest.raises(config.WrongSettings, match="PORTAL_REMINDERS"):
        config.load()
