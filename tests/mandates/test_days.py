"""The day of an automatic charge: the company's, never begun before it begins there, and 72 hours after the mail."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from portal.content.language import date_text
from portal.core import company_days, config, db
from portal.mandates import collecting, policy
from portal.payment_methods.models import PaymentMethod
from tests.mandates.conftest import Subscriber

# Where the company is, and when the notice goes out there: around midnight, and before the clocks change.
NOTICES = {
    "the last minute of a day in Los Angeles": ("America/Los_Angeles", datetime(2027, 1, 29, 7, 59, tzinfo=UTC)),
    "the afternoon in Los Angeles": ("America/Los_Angeles", datetime(2027, 1, 29, 0, 1, tzinfo=UTC)),
    "the first minute of a day in Sydney": ("Australia/Sydney", datetime(2027, 1, 28, 13, 1, tzinfo=UTC)),
    "before a day of 23 hours": ("Europe/Berlin", datetime(2027, 3, 25, 23, 1, tzinfo=UTC)),
    "before a day of 25 hours": ("Europe/Berlin", datetime(2027, 10, 29, 21, 58, tzinfo=UTC)),
    "before 29 February, far in the east": ("Pacific/Kiritimati", datetime(2028, 2, 25, 10, 1, tzinfo=UTC)),
    "before 29 February, far in the west": ("Etc/GMT+12", datetime(2028, 2, 27, 11, 59, tzinfo=UTC)),
}  # fmt: skip


@pytest.mark.parametrize(
    "noticed",
    [
        pytest.param(moment, marks=pytest.mark.settings(PORTAL_TIMEZONE=zone), id=name)
        for name, (zone, moment) in NOTICES.items()
    ],
)
def test_the_card_is_charged_on_the_day_of_the_notice_and_not_before_72_hours(
    subscriber: Subscriber, noticed: datetime
) -> None:
    with db.transaction() as session:
        session.execute(update(PaymentMethod).values(exp_year=2040))
    with time_machine.travel(noticed, tick=False) as time:
        subscriber.switch_on()
        invoice_id = subscriber.owe(days=3)
        subscriber.work()
        planned = subscriber.collection(invoice_id)
        (notice,) = subscriber.mails("We will charge")
        assert date_text(planned.charge_on, "en") in notice["Subject"]
        due = company_days.today() + timedelta(days=3)
        assert planned.charge_on in {due, due + timedelta(days=1)}
        soonest = max(company_days.begins(planned.charge_on), noticed + timedelta(hours=72))
        time.move_to(soonest - timedelta(seconds=1))
        subscriber.work()
        assert subscriber.asked == 0
        time.move_to(soonest)
        subscriber.work()
        assert subscriber.charged == [119_00]
        assert company_days.today() == planned.charge_on


@pytest.mark.settings(PORTAL_TIMEZONE="America/Los_Angeles")
def test_a_collection_that_was_planned_by_other_days_waits_for_its_own(subscriber: Subscriber) -> None:
    """As those of a company that set its zone after the notice."""
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    subscriber.work()
    planned = subscriber.collection(invoice_id)
    midnight = datetime(planned.charge_on.year, planned.charge_on.month, planned.charge_on.day, tzinfo=UTC)
    with db.transaction() as session:
        session.merge(planned).next_attempt_at = midnight
    with time_machine.travel(midnight + timedelta(minutes=1)):
        subscriber.work()
        collecting.collect(planned.id)
        assert subscriber.asked == 0
    with time_machine.travel(company_days.begins(planned.charge_on) + timedelta(hours=16)):
        subscriber.work()
        assert subscriber.charged == [119_00]


@given(
    now=st.datetimes(datetime(2026, 1, 1), datetime(2036, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    due_in=st.integers(-30, 30),
    mail_takes=st.timedeltas(timedelta(0), policy.MAIL_TAKES),
)
@pytest.mark.parametrize(
    "zone", ["America/Los_Angeles", "Europe/Berlin", "Pacific/Kiritimati", "Etc/GMT+12", "Africa/Cairo"]
)
def test_between_mail_and_charge_lie_72_hours_and_the_charge_falls_on_the_day_it_names(
    zone: str, now: datetime, due_in: int, mail_takes: timedelta
) -> None:
    before = config.current()
    config.use(before.model_copy(update={"timezone": zone}))
    try:
        due_on = company_days.day_of(now) + timedelta(days=due_in)
        day, noticed_at = policy.charge_day(due_on, now), now + mail_takes
        charged_at = policy.charged_from(day, noticed_at)
        assert charged_at - noticed_at >= timedelta(hours=72)
        assert company_days.day_of(charged_at) == day >= due_on
    finally:
        config.use(before)


@pytest.mark.parametrize(
    ("first", "day_after"),
    [
        (datetime(2027, 10, 30, 22, 5, tzinfo=UTC), date(2027, 11, 1)),  # 00:05 on the day of 25 hours
        (datetime(2027, 3, 27, 22, 30, tzinfo=UTC), date(2027, 3, 28)),  # 23:30 before the day of 23 hours
        (datetime(2028, 2, 28, 23, 5, tzinfo=UTC), date(2028, 3, 1)),  # on 29 February
    ],
)
@pytest.mark.database("sqlite")
@pytest.mark.settings(PORTAL_TIMEZONE="Europe/Berlin")
def test_a_try_again_one_day_later_falls_on_the_next_day(settings: object, first: datetime, day_after: date) -> None:
    again = policy.next_attempt(first, 1)
    assert again is not None
    assert company_days.day_of(again) == day_after
