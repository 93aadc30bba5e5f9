"""Mails that remind of a card's expiry: when, once each, what they say, and when they are not sent after all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import event

from portal.accounts import service as accounts
from portal.accounts.models import Customer, OptionalMail
from portal.core import db
from portal.core.db import database_now
from portal.jobs import outbox
from portal.jobs.models import JobRow
from portal.payment_methods import keeping, queries, reminders
from portal.payment_methods.models import PaymentMethod
from tests import factories
from tests.crashing import dies
from tests.payment_methods.conftest import Wallet, card
from tests.payments.conftest import audited, everything, jobs
from tests.smtp import Mailbox, text_of

LAST_DAY = date(2031, 12, 31)
Travel = Callable[[int], None]


@pytest.fixture
def before() -> Iterator[Travel]:
    """Goes to noon so many days before LAST_DAY; a negative number is after it."""
    with time_machine.travel(0, tick=False) as time:

        def go(days: int) -> None:
            time.move_to(datetime.combine(LAST_DAY, datetime.min.time(), UTC) + timedelta(days=-days, hours=12))

        go(100)
        yield go


def expiring(wallet: Wallet, **values: Any) -> str:
    return card(wallet, **{"exp_month": LAST_DAY.month, "exp_year": LAST_DAY.year} | values)


def an_hour(app: Flask) -> None:
    """What the worker does in it."""
    reminders.remind()
    with app.app_context():
        while outbox.run_due():
            pass


def test_a_mail_comes_a_month_and_a_week_before_the_last_day_and_no_other(
    app: Flask, smtp: Mailbox, wallet: Wallet, before: Travel
) -> None:
    expiring(wallet)
    came = []
    for days in (31, 30, 29, 8, 7, 6, 0, -1, -40):
        before(days)
        smtp.clear()
        an_hour(app)
        an_hour(app)
        came += [days] * len(smtp.messages)
    assert came == [30, 7]
    assert audited("payment_method.expiry_reminder") == 2


@pytest.mark.parametrize(("down_until", "sent"), [(12, [30]), (5, [7]), (0, [7]), (-1, [])])
def test_a_worker_that_was_down_sends_only_what_is_due_now(
    app: Flask, smtp: Mailbox, wallet: Wallet, before: Travel, down_until: int, sent: list[int]
) -> None:
    expiring(wallet)
    before(down_until)
    an_hour(app)
    assert [job["days"] for job in jobs("payment_methods.mail_expiry")] == sent
    assert len(smtp.messages) == len(sent)


def test_of_two_reminders_that_waited_for_the_worker_only_the_later_is_mailed(
    app: Flask, smtp: Mailbox, wallet: Wallet, before: Travel
) -> None:
    expiring(wallet)
    before(30)
    reminders.remind()
    before(6)
    an_hour(app)
    assert len(jobs("payment_methods.mail_expiry")) == 2
    assert len(smtp.messages) == 1


@pytest.mark.parametrize("change", ["removed", "renewed", "expired"])
def test_nothing_is_mailed_when_the_card_has_changed_since(
    app: Flask, smtp: Mailbox, wallet: Wallet, before: Travel, change: str
) -> None:
    saved = expiring(wallet)
    before(7)
    reminders.remind()
    if change == "expired":
        before(-1)
    else:
        removed = {"removed_at": datetime(2031, 12, 24, tzinfo=UTC)}
        wallet.change(PaymentMethod, saved, **removed if change == "removed" else {"exp_year": 2035})
    an_hour(app)
    assert smtp.messages == []


def test_removed_cards_are_not_reminded_of(app: Flask, smtp: Mailbox, wallet: Wallet, before: Travel) -> None:
    expiring(wallet, removed_at=datetime(2031, 1, 1, tzinfo=UTC))
    before(7)
    an_hour(app)
    assert jobs("payment_methods.mail_expiry") == []


@pytest.mark.parametrize("way", ["the bank's update", "added again"])
def test_a_renewed_card_is_reminded_of_again_at_its_own_time(
    app: Flask, smtp: Mailbox, wallet: Wallet, way: str
) -> None:
    wallet.add(month=LAST_DAY.month, year=LAST_DAY.year)
    (saved,) = wallet.cards
    with time_machine.travel(datetime(2031, 12, 26, tzinfo=UTC), tick=False):
        an_hour(app)
    assert [card.reminded_days for card in wallet.cards] == [7]
    if way == "added again":
        wallet.add(month=1, year=2034)
    else:
        expiry: Any = {"card": {"exp_month": 1, "exp_year": 2034}}
        wallet.sandbox.client.v1.payment_methods.update(saved.stripe_payment_method_id, expiry)
        keeping.upsert(saved.stripe_payment_method_id)
    assert (wallet.cards[0].id, wallet.cards[0].reminded_days) == (saved.id, None)
    smtp.clear()
    for day, mails in ((datetime(2031, 12, 27, tzinfo=UTC), 0), (datetime(2034, 1, 1, tzinfo=UTC), 1)):
        with time_machine.travel(day, tick=False):
            an_hour(app)
        assert len(smtp.messages) == mails


def test_the_last_day_of_february_is_near_in_january(wallet: Wallet) -> None:
    saved = card(wallet, exp_month=2, exp_year=2031)
    with time_machine.travel(datetime(2031, 1, 30, 12, tzinfo=UTC), tick=False), db.reading() as session:
        assert queries.due_reminders(session, 10) == [saved]


def test_the_mail_says_which_card_until_when_what_depends_on_it_and_what_to_do(
    app: Flask, smtp: Mailbox, wallet: Wallet, before: Travel
) -> None:
    saved = expiring(wallet, is_default=True)
    with db.transaction() as session:
        customer = session.get_one(Customer, wallet.customer_id)
        method = session.get_one(PaymentMethod, saved).stripe_payment_method_id
        factories.payment(
            session, customer, status="requires_action", stripe_payment_method_id=method, description="Winter deposit"
        )
    before(30)
    an_hour(app)
    (message,) = smtp.messages
    assert message["To"] == "ada@spree-bikes.test"
    assert message["Subject"] == "Your card ending in 4242 expires on Dec 31, 2031"
    for kind in ("plain", "html"):
        said = " ".join(text_of(message, kind).split())
        for words in (
            "Visa •••• 4242",
            "Dec 31, 2031",
            "Default payment method",
            "Winter deposit, €50.00",
            "/payment-methods/new",
        ):
            assert words in said


def test_the_mail_speaks_the_customers_language_and_tells_of_nothing_that_is_not_so(
    app: Flask, smtp: Mailbox, wallet: Wallet, before: Travel
) -> None:
    expiring(wallet)
    wallet.change(Customer, wallet.customer_id, language="de", name="<b>Bäckerei Süß</b>")
    before(7)
    an_hour(app)
    (message,) = smtp.messages
    assert "31.12.2031" in message["Subject"]
    assert '<html lang="de">' in text_of(message, "html")
    assert "<b>" not in text_of(message, "html")
    assert "Default payment method" not in text_of(message, "plain")
    assert "incomplete" not in text_of(message, "plain")


def test_a_mail_that_is_sent_twice_keeps_its_id_and_the_next_one_has_its_own(
    app: Flask, smtp: Mailbox, wallet: Wallet, before: Travel
) -> None:
    saved = expiring(wallet)
    before(30)
    an_hour(app)
    with app.app_context():
        reminders.send(saved, LAST_DAY, 30)
    before(7)
    an_hour(app)
    first, again, last = (message["Message-ID"] for message in smtp.messages)
    assert first == again != last


def test_a_mail_server_that_refuses_is_asked_again(app: Flask, smtp: Mailbox, wallet: Wallet, before: Travel) -> None:
    expiring(wallet)
    before(7)
    smtp.refuse_next("451 4.3.0 come again")
    an_hour(app)
    assert smtp.messages == []
    with db.transaction() as session:
        session.query(JobRow).update({"run_at": database_now(session)})
    an_hour(app)
    assert len(smtp.messages) == 1


def test_dead_in_the_middle_nothing_of_the_reminder_is_left(wallet: Wallet, before: Travel) -> None:
    expiring(wallet)
    before(7)
    unchanged = everything()
    dies("job to enqueue", reminders.remind)
    assert everything() == unchanged


def test_more_cards_than_one_run_takes_are_taken_by_the_next(
    wallet: Wallet, before: Travel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminders, "MOST_A_RUN", 2)
    for number in range(3):
        expiring(wallet, last4=f"000{number}")
    before(30)
    with pytest.raises(outbox.Reschedule):
        reminders.remind()
    reminders.remind()
    assert len({job["payment_method_id"] for job in jobs("payment_methods.mail_expiry")}) == 3


@pytest.mark.database("sqlite")
def test_the_sweep_reads_an_index_of_what_is_due_and_not_the_cards(wallet: Wallet, before: Travel) -> None:
    plans = []

    def explain(_connection: Any, cursor: Any, statement: str, parameters: Any, *_rest: object) -> None:
        if "FROM payment_methods" in statement:
            plans.append(cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()[0][-1])

    before(7)
    with db.reading() as session:
        event.listen(db.engine(), "before_cursor_execute", explain)
        queries.due_reminders(session, 10)
        event.remove(db.engine(), "before_cursor_execute", explain)
    due = "INDEX ix_payment_methods_expiry (exp_year=? AND exp_month=? AND reminded_days=?)"
    assert [due in plan for plan in plans] == [True, True]


@pytest.mark.database("sqlite")
def test_the_worker_sweeps_by_itself(app: Flask) -> None:
    with db.transaction() as session:
        outbox.enqueue_periodic(session)
    assert jobs("payment_methods.remind") == [{}]


def test_nothing_is_mailed_to_a_customer_who_does_not_want_it(
    app: Flask, smtp: Mailbox, wallet: Wallet, before: Travel
) -> None:
    expiring(wallet)
    accounts.choose_mails(wallet.customer_id, [OptionalMail.REFUND_PROGRESS])
    before(30)
    an_hour(app)
    assert smtp.messages == []
    accounts.choose_mails(wallet.customer_id, list(OptionalMail))
    before(7)
    an_hour(app)
    assert len(smtp.messages) == 1
