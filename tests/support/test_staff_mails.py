"""Staff choose which mails tell them of what waits: within minutes, once a day, or none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask

from portal.core import db
from portal.identity.models import User
from portal.refunds.statuses import RefundStatus
from portal.support import staff_mails
from portal.support.models import HowOften
from portal.web.waiting import MailKind
from tests import factories
from tests.payments.conftest import audited
from tests.smtp import Mailbox

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
MORNING = datetime(2026, 11, 3, 7, 30, tzinfo=UTC)


@pytest.fixture
def tom(app: Flask, smtp: Mailbox) -> Iterator[User]:
    with db.transaction() as session:
        user = factories.staff(session, "support", name="Tom Staff")
    with app.app_context():
        yield user


def ask() -> None:
    undecided = {"status": RefundStatus.REQUESTED, "succeeded_at": None, "stripe_refund_id": None}
    with db.transaction() as session:
        factories.refund(session, factories.payment(session, factories.customer(session)), **undecided)


def told(smtp: Mailbox) -> int:
    """How many mails went out after one run."""
    staff_mails.send_due()
    return len(smtp.messages)


def test_what_is_new_is_told_once_and_what_waits_already_is_not(tom: User, smtp: Mailbox) -> None:
    with time_machine.travel(NOON, tick=False) as time:
        ask()
        time.shift(timedelta(minutes=1))
        staff_mails.choose(tom.id, {MailKind.REFUND_REQUESTS: HowOften.AT_ONCE, MailKind.DISPUTES: None})
        assert told(smtp) == 0
        time.shift(timedelta(minutes=1))
        ask()
        assert [told(smtp), told(smtp)] == [1, 1]
        time.shift(timedelta(minutes=1))
        ask()
        assert told(smtp) == 2
    mail = smtp.messages[0]
    assert mail["To"] == tom.email
    assert "Refunds for me to decide: 2" in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]


def test_once_a_day_all_that_waits_is_told_in_the_morning(tom: User, smtp: Mailbox) -> None:
    with time_machine.travel(NOON, tick=False) as time:
        staff_mails.choose(tom.id, {MailKind.REFUND_REQUESTS: HowOften.DAILY})
        ask()
        assert told(smtp) == 0
        time.move_to(MORNING)
        assert [told(smtp), told(smtp)] == [1, 1]
        time.move_to(MORNING + timedelta(days=1))
        assert told(smtp) == 2


def test_who_chose_nothing_or_left_is_told_nothing(tom: User, smtp: Mailbox) -> None:
    with time_machine.travel(NOON, tick=False) as time:
        staff_mails.choose(tom.id, {MailKind.REFUND_REQUESTS: HowOften.AT_ONCE})
        staff_mails.choose(tom.id, {MailKind.REFUND_REQUESTS: HowOften.AT_ONCE})
        time.shift(timedelta(minutes=1))
        ask()
        with db.transaction() as session:
            session.get_one(User, tom.id).active = False
        assert told(smtp) == 0
    assert audited("staff.mails_chosen") == 1


@pytest.mark.database("sqlite")
def test_the_choice_is_made_on_a_page(app: Flask) -> None:
    with db.transaction() as session:
        tom = factories.staff(session, "support")
    browser = app.test_client()
    factories.sign_in(browser, tom)
    assert browser.get("/support/mails").get_data(as_text=True).count(" checked") == len(MailKind)
    chosen = {kind.value: "" for kind in MailKind} | {"disputes": "daily"}
    sent = browser.post("/support/mails", data=chosen | {"csrf_token": factories.csrf_token(browser)})
    assert sent.status_code == 303
    with db.reading() as session:
        assert staff_mails.choices_of(session, tom.id) == {MailKind.DISPUTES: HowOften.DAILY}
    wrong = browser.post(
        "/support/mails", data=chosen | {"disputes": "hourly", "csrf_token": factories.csrf_token(browser)}
    )
    assert wrong.status_code == 422
