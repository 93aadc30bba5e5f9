"""Accounts of staff that nobody uses: warned, then ended, and never the last admin's."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine

from portal.accounts import access, inactivity
from portal.core import clock, config, db
from portal.identity import signing_in
from portal.identity.models import User
from tests import factories
from tests.accounts.test_access_of_staff import recorded, staff

HOME = {"ip": "192.0.2.1", "user_agent": ""}


def days(number: int) -> time_machine.travel:
    return time_machine.travel(clock.now() + timedelta(days=number))


def statuses() -> dict[str, str]:
    return {one.name: one.status for one in access.of_staff()}


@pytest.fixture
def tom(database: str, settings: config.Settings) -> User:
    staff("admin", name="Ida")
    return staff("approver", name="Tom")


def test_an_unused_account_is_warned_of_and_ends_two_weeks_later(tom: User) -> None:
    with days(75):
        inactivity.sweep()
        assert recorded(tom) == []
    with days(76):
        inactivity.sweep()
        inactivity.sweep()
        assert [action for action, _facts in recorded(tom)] == ["user.inactivity_warned"]
    with days(89):
        inactivity.sweep()
        assert statuses()["Tom"] == "active"
    with days(90):
        inactivity.sweep()
        inactivity.sweep()
        assert statuses() == {"Ida": "active", "Tom": "ended"}
        assert recorded(tom)[-1] == ("user.access_ended", {"sessions_ended": 0, "why": "inactive"})


def test_who_signs_in_after_the_mail_keeps_the_account(tom: User) -> None:
    with days(76):
        inactivity.sweep()
    with days(80):
        signing_in.sign_in(tom.email, factories.PASSWORD, **HOME)
    with days(100):
        inactivity.sweep()
        assert statuses()["Tom"] == "active"
    with days(80 + 76):
        inactivity.sweep()
        assert len([action for action, _facts in recorded(tom) if action == "user.inactivity_warned"]) == 2


def test_no_account_ends_without_two_weeks_of_warning(tom: User) -> None:
    """Also where the worker was away, or the setting is new."""
    with days(200):
        inactivity.sweep()
        assert statuses()["Tom"] == "active"
    with days(213):
        inactivity.sweep()
        assert statuses()["Tom"] == "active"
    with days(214):
        inactivity.sweep()
        assert statuses()["Tom"] == "ended"


def test_who_was_let_in_again_has_all_their_days(tom: User) -> None:
    with days(200):
        inactivity.sweep()
    with days(214):
        inactivity.sweep()
        access.restore(tom.id)
    with days(214 + 75):
        inactivity.sweep()
        assert statuses()["Tom"] == "active"


def test_the_last_admin_is_neither_warned_nor_ended(tom: User) -> None:
    (ida,) = [one for one in access.of_staff() if one.name == "Ida"]
    for day in (200, 300):
        with days(day):
            inactivity.sweep()
    assert statuses()["Ida"] == "active"
    with db.reading() as session:
        row = session.get_one(User, ida.id)
    assert recorded(row) == []


def test_nothing_ends_where_the_setting_says_never(tom: User) -> None:
    config.use(config.current().model_copy(update={"staff_inactive_days": 0}))
    with days(1_000):
        inactivity.sweep()
    assert recorded(tom) == []
