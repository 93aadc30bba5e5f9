"""Reminders by plan and by hand: each step once, and never of what is paid, being paid, disputed, void or set aside."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from portal.accounts.models import Customer, RecipientMail
from portal.core import clock, company_days, db
from portal.core.audit import AuditEvent
from portal.core.errors import Conflict, Invalid
from portal.identity.models import User
from portal.invoices import service as invoices
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStatus
from portal.pay_links import service as pay_links
from portal.payments.models import Payment
from portal.reminders import jobs, queries, service
from tests import factories
from tests.certain import present
from tests.concurrency import run_concurrently
from tests.crashing import dies, overtaken
from tests.reminders.conftest import WEDNESDAY, Owe, change, run_jobs, steps_of, the_reminder
from tests.smtp import Mailbox, text_of

pytestmark = pytest.mark.settings(PORTAL_REMINDERS="-3,1,14,30")


@pytest.fixture
def clerk(customer: Customer) -> User:
    with db.transaction() as session:
        return factories.staff(session)


def pay(invoice_id: str) -> None:
    """It is paid at this moment, as a payment that is settled does it."""
    with db.transaction() as session:
        invoices.mark_paid(session, invoice_id, clock.now())


# What is sent


def test_a_reminder_says_what_is_due_and_brings_the_link(app: Flask, smtp: Mailbox, owe: Owe) -> None:
    invoice_id = owe(1, paid_minor=19_00)
    service.remind(WEDNESDAY)
    run_jobs(app)
    (message,) = smtp.messages
    with db.reading() as session:
        invoice = session.get_one(Invoice, invoice_id)
    assert message["To"] == "ada@spree-bikes.test"
    assert message["Subject"].startswith(
        f"Payment reminder: invoice {invoice.number} from Nordlicht Energie GmbH was due"
    )
    for kind in ("plain", "html"):
        said = text_of(message, kind)
        for words in (invoice.number, "€100.00", "€119.00", "€19.00", present(pay_links.for_invoice(invoice_id))):
            assert words in said
    assert the_reminder(invoice_id).mailed_at is not None


def test_before_the_due_date_it_says_that_it_comes(app: Flask, smtp: Mailbox, owe: Owe) -> None:
    owe(-3)
    service.remind(WEDNESDAY)
    run_jobs(app)
    (message,) = smtp.messages
    assert " is due on " in message["Subject"] and "Please pay €119.00 by then" in text_of(message)


def test_everybody_who_gets_reminders_is_sent_one_in_their_language(
    app: Flask, smtp: Mailbox, owe: Owe, customer: Customer
) -> None:
    with db.transaction() as session:
        factories.recipient(session, customer, mails=RecipientMail.REMINDERS)
        factories.recipient(session, customer, email="others@spree-bikes.test", mails=RecipientMail.INVOICES)
    owe(1)
    service.remind(WEDNESDAY)
    run_jobs(app)
    assert [message["To"] for message in smtp.messages] == ["ada@spree-bikes.test", "books@spree-bikes.test"]
    assert smtp.messages[1]["Subject"].startswith("Zahlungserinnerung")


def test_each_step_is_sent_once_however_often_the_job_runs(app: Flask, smtp: Mailbox, owe: Owe) -> None:
    invoice_id = owe(1)
    for _run in range(3):
        service.remind(WEDNESDAY)
        run_jobs(app)
    assert (len(smtp.messages), steps_of(invoice_id)) == (1, [1])
    change(invoice_id, due_on=company_days.today() - timedelta(days=14))
    service.remind(WEDNESDAY)
    run_jobs(app)
    assert (len(smtp.messages), steps_of(invoice_id)) == (2, [1, 14])


def test_invoices_whose_step_has_not_come_or_was_missed_for_long_are_left_alone(owe: Owe) -> None:
    for days_ago in (-10, 9, 100):
        invoice_id = owe(days_ago)
        service.remind(WEDNESDAY)
        assert steps_of(invoice_id) == []


def test_a_customer_is_reminded_in_working_hours_by_the_clocks_of_its_owner(owe: Owe, customer: Customer) -> None:
    with db.transaction() as session:
        factories.user(session, customer, time_zone="America/Los_Angeles")
        far = factories.customer(session)
    here, there = owe(1), owe(1, far)
    service.remind(WEDNESDAY)
    assert (steps_of(here), steps_of(there)) == ([], [1])
    service.remind(WEDNESDAY + timedelta(hours=9))
    assert steps_of(here) == [1]


def test_many_invoices_are_reminded_of_in_one_run(owe: Owe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PAGE", 2)
    ids = [owe(1) for _ in range(5)]
    service.remind(WEDNESDAY)
    assert [steps_of(one) for one in ids] == [[1]] * 5


# What nobody is reminded of


def _paid(invoice_id: str, _customer: Customer) -> None:
    pay(invoice_id)


def _void(invoice_id: str, _customer: Customer) -> None:
    invoices.void(invoice_id, "a mistake")


def _being_paid(invoice_id: str, customer: Customer) -> None:
    _live(invoice_id, customer, status="processing")


def _waits_for_the_bank(invoice_id: str, customer: Customer) -> None:
    _live(invoice_id, customer, status="requires_action")


def _under_review(invoice_id: str, customer: Customer) -> None:
    _live(invoice_id, customer, status="requires_payment_method", review_reason="the amount at Stripe differs")


def _live(invoice_id: str, customer: Customer, **values: object) -> None:
    with db.transaction() as session:
        invoice = session.get_one(Invoice, invoice_id)
        factories.payment(session, customer, invoice, succeeded_at=None, **values)


def _disputed(invoice_id: str, customer: Customer) -> None:
    with db.transaction() as session:
        invoice = session.get_one(Invoice, invoice_id)
        factories.dispute(session, factories.payment(session, customer, invoice, amount_minor=10_00))
        invoice.paid_minor, invoice.opening = 10_00, 2


def _off(_invoice_id: str, customer: Customer) -> None:
    with db.transaction() as session:
        session.get_one(Customer, customer.id).reminders_off = True


def _held(invoice_id: str, _customer: Customer) -> None:
    with db.transaction() as session:
        clerk = factories.staff(session).id
    service.hold(invoice_id, reason="They promised to pay", until=company_days.today(), by=clerk)


@pytest.mark.parametrize(
    "happens",
    [_paid, _void, _being_paid, _waits_for_the_bank, _under_review, _disputed, _off, _held],
    ids=lambda one: one.__name__,
)
def test_nobody_is_reminded_of_what_is_not_simply_owed(
    app: Flask, smtp: Mailbox, owe: Owe, customer: Customer, happens: object
) -> None:
    assert callable(happens)
    invoice_id = owe(1)
    happens(invoice_id, customer)
    service.remind(WEDNESDAY)
    run_jobs(app)
    assert (steps_of(invoice_id), smtp.messages) == ([], [])


@pytest.mark.parametrize("happens", [_paid, _void, _being_paid, _disputed, _held], ids=lambda one: one.__name__)
def test_what_happens_before_the_mail_goes_out_keeps_it_back(
    app: Flask, smtp: Mailbox, owe: Owe, customer: Customer, happens: object
) -> None:
    assert callable(happens)
    invoice_id = owe(1)
    service.remind(WEDNESDAY)
    happens(invoice_id, customer)
    run_jobs(app)
    assert [m for m in smtp.messages if "reminder" in str(m["Subject"]).lower()] == []
    row = the_reminder(invoice_id)
    assert row.mailed_at is None and row.dropped_at is not None


# At once, and dying


def test_of_two_workers_that_decide_a_step_at_once_one_writes_it_down(app: Flask, smtp: Mailbox, owe: Owe) -> None:
    invoice_id = owe(1)
    made = run_concurrently(*[lambda: service.decide(invoice_id)] * 4)
    assert len([one for one in made if isinstance(one, str)]) == 1, made
    run_jobs(app)
    assert (steps_of(invoice_id), len(smtp.messages)) == ([1], 1)


def test_a_payment_and_the_job_at_once_end_without_a_mail_or_with_one_from_before_the_payment(
    app: Flask, smtp: Mailbox, owe: Owe
) -> None:
    invoice_id = owe(1)
    outcomes = run_concurrently(lambda: service.decide(invoice_id), lambda: pay(invoice_id))
    assert not [one for one in outcomes if isinstance(one, Exception)]
    run_jobs(app)
    assert smtp.messages == []  # whichever came first: the job looks once more, and it is paid


def test_a_worker_that_dies_while_it_decides_leaves_nothing_and_the_next_one_reminds(
    app: Flask, smtp: Mailbox, owe: Owe
) -> None:
    invoice_id = owe(1)
    dies("reminder recorded", lambda: service.remind(WEDNESDAY))
    assert steps_of(invoice_id) == []
    service.remind(WEDNESDAY)
    run_jobs(app)
    assert (steps_of(invoice_id), len(smtp.messages)) == ([1], 1)


@pytest.mark.parametrize(("point", "mails"), [("reminder checked", 1), ("reminder mailed", 2), ("reminder marked", 2)])
def test_a_worker_that_dies_while_it_sends_is_followed_by_one_with_the_same_message_id(
    app: Flask, smtp: Mailbox, owe: Owe, point: str, mails: int
) -> None:
    reminder_id = present(service.decide(owe(1)))
    with app.app_context():
        dies(point, lambda: jobs.mail.run(reminder_id))
        jobs.mail.run(reminder_id)
        jobs.mail.run(reminder_id)
    assert len(smtp.messages) == mails
    assert len({message["Message-ID"] for message in smtp.messages}) == 1


def test_what_is_paid_while_the_worker_was_dead_is_not_reminded_of(app: Flask, smtp: Mailbox, owe: Owe) -> None:
    invoice_id = owe(1)
    reminder_id = present(service.decide(invoice_id))
    with app.app_context():
        dies("reminder checked", lambda: jobs.mail.run(reminder_id))
        pay(invoice_id)
        jobs.mail.run(reminder_id)
    assert smtp.messages == []


def test_a_reminder_whose_job_was_lost_gets_another(app: Flask, smtp: Mailbox, owe: Owe) -> None:
    reminder_id = present(service.decide(owe(1)))
    with db.transaction() as session:
        session.delete(present(jobs.mail.find(session, reminder_id=reminder_id)))
    assert service.requeue_lost_jobs() == 1
    assert service.requeue_lost_jobs() == 0
    run_jobs(app)
    assert len(smtp.messages) == 1


# By hand, and set aside


def test_staff_send_one_now_and_not_two_on_one_day(app: Flask, smtp: Mailbox, owe: Owe, clerk: User) -> None:
    invoice_id = owe(5)
    service.send_now(invoice_id, by=clerk.id)
    with pytest.raises(Conflict):
        service.send_now(invoice_id, by=clerk.id)
    run_jobs(app)
    assert (steps_of(invoice_id), len(smtp.messages)) == ([None], 1)
    with db.reading() as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.action == "invoice.reminder_mailed")).one()
    assert event.facts["to"] == "ada@spree-bikes.test"


@pytest.mark.parametrize("happens", [_paid, _void, _being_paid, _disputed, _held], ids=lambda one: one.__name__)
def test_by_hand_nobody_is_reminded_of_what_is_not_simply_owed_either(
    owe: Owe, customer: Customer, clerk: User, happens: object
) -> None:
    assert callable(happens)
    invoice_id = owe(1)
    happens(invoice_id, customer)
    with pytest.raises(Conflict):
        service.send_now(invoice_id, by=clerk.id)
    assert steps_of(invoice_id) == []


def test_a_hold_ends_by_itself_or_when_it_is_released_and_stands_in_the_audit_trail(owe: Owe, clerk: User) -> None:
    invoice_id, today = owe(1), company_days.today()
    service.hold(invoice_id, reason="They promised to pay", until=today + timedelta(days=3), by=clerk.id)
    service.hold(invoice_id, reason="On Friday", until=today + timedelta(days=2), by=clerk.id)
    assert service.decide(invoice_id) is None
    service.release(invoice_id)
    service.release(invoice_id)
    assert service.decide(invoice_id) is not None
    with db.reading() as session:
        query = (
            select(AuditEvent.action).where(AuditEvent.action.like("invoice.reminders_%")).order_by(AuditEvent.number)
        )
        assert [action.removeprefix("invoice.reminders_") for action in session.scalars(query)] == [
            "held",
            "held",
            "released",
        ]


@pytest.mark.parametrize(
    ("reason", "days", "field"), [("", 1, "reason"), ("Later", -1, "until"), ("Later", 400, "until")]
)
def test_a_hold_has_a_reason_and_a_day_within_a_year(owe: Owe, clerk: User, reason: str, days: int, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        service.hold(owe(1), reason=reason, until=company_days.today() + timedelta(days=days), by=clerk.id)
    assert refused.value.field == field


def test_after_the_last_step_staff_see_the_invoice_until_it_is_paid_or_set_aside(
    app: Flask, smtp: Mailbox, owe: Owe, clerk: User
) -> None:
    last, other, earlier = owe(30), owe(30), owe(14)
    service.remind(WEDNESDAY)
    run_jobs(app)

    def left() -> set[str]:
        with db.reading() as session:
            return {one.invoice_id for one in queries.ended_page(session, None).rows}

    assert left() == {last, other} and earlier not in left()
    browser = app.test_client()
    factories.sign_in(browser, clerk)
    assert "Invoices after the last reminder" in browser.get("/support").get_data(as_text=True)
    assert browser.get("/support/reminders/ended").status_code == 200
    service.hold(last, reason="Talked to them", until=company_days.today(), by=clerk.id)
    assert left() == {other}
    pay(other)
    assert left() == set()


@pytest.mark.database("sqlite")
def test_staff_see_hold_release_and_send_on_the_page_of_the_invoice(
    app: Flask, smtp: Mailbox, owe: Owe, clerk: User
) -> None:
    invoice_id = owe(1)
    browser = app.test_client()
    factories.sign_in(browser, clerk)
    page, token = f"/support/invoices/{invoice_id}", factories.csrf_token(browser)

    def post(path: str, **form: str) -> int:
        return browser.post(f"{page}/reminders{path}", data={"csrf_token": token, **form}).status_code

    def shown() -> str:
        return browser.get(page).get_data(as_text=True)

    assert "None was sent." in shown()
    assert post("/hold", reason="", until="") == 422
    until = company_days.today() + timedelta(days=2)
    assert post("/hold", reason="They promised to pay", until=until.isoformat()) == 303
    assert "They promised to pay" in shown()
    assert post("/release") == 303
    assert post("") == 303
    run_jobs(app)
    assert len(smtp.messages) == 1 and "By hand" in shown()


def test_what_is_paid_between_the_look_and_the_mail_is_the_only_mail_too_much(
    app: Flask, smtp: Mailbox, owe: Owe
) -> None:
    """No lock is held while the mail server takes its time: who pays within that second has the mail, and no second one."""
    invoice_id = owe(1)
    reminder_id = present(service.decide(invoice_id))
    with app.app_context(), overtaken("reminder checked", lambda: pay(invoice_id)):
        jobs.mail.run(reminder_id)
    run_jobs(app)
    assert len(smtp.messages) == 1
    with db.reading() as session:
        assert session.get_one(Invoice, invoice_id).status == InvoiceStatus.PAID
        assert session.scalars(select(Payment)).all() == []
