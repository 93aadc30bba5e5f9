"""Automatic payment at the service, on both databases and on a moved clock: notice, charge, declines, and the end of patience."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
import time_machine

from portal import gateway
from portal.core import clock, company_days, config, db
from portal.core.errors import Unavailable
from portal.invoices import queries as invoice_queries
from portal.invoices import service as invoices
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStanding, InvoiceStatus
from portal.jobs import outbox
from portal.mandates import collecting, email, policy, queries, service
from portal.mandates.models import Collection
from portal.mandates.statuses import CollectionStatus
from portal.payment_methods import service as cards
from portal.payment_methods.models import PaymentMethod
from portal.payments import service as payments
from portal.payments.models import Payment
from tests.crashing import dies
from tests.mandates.conftest import ASKS, GOOD, POOR, STOLEN, WRONG_CODE, Subscriber
from tests.payments.conftest import audited, everything
from tests.smtp import text_of


def test_an_invoice_is_announced_three_days_before_and_charged_on_its_day(subscriber: Subscriber) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=10)
    subscriber.work()
    assert subscriber.mails("We will charge") == []
    with subscriber.later(7):
        (notice,) = subscriber.mails("We will charge")
        assert notice["To"] == "ada@spree-bikes.test"
        assert "Visa •••• 4242" in text_of(notice)
        assert subscriber.charged == []
        with subscriber.later(2.6):
            assert subscriber.charged == []
        with subscriber.later(3):
            assert subscriber.charged == [119_00]
            assert subscriber.status(invoice_id) == "paid"
            assert subscriber.collection(invoice_id).status == CollectionStatus.PAID
            before = everything()
            service.sweep()
            collecting.collect(subscriber.collection(invoice_id).id)
            assert everything() == before
    assert len(subscriber.mails("We will charge")) == 1
    assert len(subscriber.mails("Your payment confirmation")) == 1


def test_two_declines_and_a_success(subscriber: Subscriber) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    subscriber.work()
    subscriber.bank(POOR)
    with subscriber.later(3):
        assert subscriber.collection(invoice_id).status == CollectionStatus.RETRYING
        (mail,) = subscriber.mails("could not charge")
        assert "not enough money on this card" in text_of(mail)
        assert "We will try again on" in text_of(mail)
        with subscriber.later(0.9):
            assert subscriber.asked == 1
        with subscriber.later(1):
            assert (subscriber.asked, len(subscriber.mails("could not charge"))) == (2, 2)
            subscriber.bank(GOOD)
            with subscriber.later(1):
                assert subscriber.asked == 2
            with subscriber.later(2):
                assert subscriber.charged == [119_00]
                assert subscriber.collection(invoice_id).status == CollectionStatus.PAID
    assert len(subscriber.sandbox.client.v1.payment_intents.list().data) == 1


def test_after_the_last_try_customer_and_staff_are_told_and_nothing_more_is_charged(subscriber: Subscriber) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    subscriber.work()
    subscriber.bank(POOR)
    with subscriber.later(3), subscriber.later(1), subscriber.later(2), subscriber.later(4):
        assert subscriber.asked == 4
        assert subscriber.collection(invoice_id).status == CollectionStatus.GIVEN_UP
        assert "our last attempt" in text_of(subscriber.mails("could not charge")[-1])
        (note,) = subscriber.mails("was not paid automatically")
        assert note["To"] == config.current().company.support_email
        subscriber.bank(GOOD)
        with subscriber.later(30):
            assert subscriber.asked == 4
            assert subscriber.status(invoice_id) == "open"
    assert len(subscriber.mails("could not charge")) == 4
    assert audited("collection.given_up") == 1


def test_a_bank_that_wants_to_ask_sends_the_customer_a_link_to_this_same_payment(subscriber: Subscriber) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    subscriber.work()
    subscriber.bank(ASKS)
    with subscriber.later(3):
        (mail,) = subscriber.mails("Please confirm the payment")
        (intent,) = subscriber.sandbox.client.v1.payment_intents.list().data
        assert f"/payments/{intent.metadata['payment_id']}/pay" in text_of(mail)
        with subscriber.later(0.1):
            started = payments.start_for_invoice(
                subscriber.customer_id, invoice_id, client_key="the-mailed-link", save_card=False
            )
            assert started.intent_id == intent.id
            subscriber.bank(GOOD)
            method = subscriber.collection(invoice_id).tried_method
            subscriber.sandbox.client.v1.payment_intents.confirm(intent.id, {"payment_method": method})
            assert payments.sync_intent(intent.id)
            subscriber.work()
            assert subscriber.collection(invoice_id).status == CollectionStatus.PAID
        with subscriber.later(8):
            assert subscriber.charged == [119_00]


def test_while_the_customer_answers_the_bank_nothing_is_sent(subscriber: Subscriber) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    subscriber.work()
    subscriber.bank(ASKS)
    with db.reading() as session:
        (planned,) = queries.planned(session, subscriber.customer_id, queries.in_force(session, subscriber.customer_id))
    assert planned.collection is not None
    with time_machine.travel(clock.now() + timedelta(days=3)):
        with db.reading() as session:
            card = session.query(PaymentMethod).one()
        press = payments.pay_with_card(
            subscriber.customer_id, payments.whole(invoice_id), card.id, client_key="press-in-the-page"
        )
        assert press.requires_action
        subscriber.work()
        collection = subscriber.collection(invoice_id)
        assert (collection.status, collection.attempts, subscriber.asked) == (CollectionStatus.ANNOUNCED, 0, 0)
        assert collection.next_attempt_at > clock.now()


def test_an_invoice_that_is_due_already_is_charged_three_days_after_its_notice(subscriber: Subscriber) -> None:
    overdue = subscriber.owe(days=-5)
    subscriber.switch_on()
    subscriber.work()
    assert len(subscriber.mails("We will charge")) == 1
    with subscriber.later(2):
        assert subscriber.charged == []
    with subscriber.later(3):
        assert subscriber.status(overdue) == "paid"


def test_without_a_notice_nothing_is_charged_and_the_days_count_from_the_mail(subscriber: Subscriber) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    subscriber.smtp.refuse_next("451 later", "451 later")  # the confirmation of the mandate, and the notice
    subscriber.work()
    assert subscriber.collection(invoice_id).noticed_at is None
    with time_machine.travel(clock.now() + timedelta(days=3, minutes=1)):
        service.sweep()
        assert subscriber.charged == []
        with subscriber.app.app_context():
            email.send_notice(subscriber.collection(invoice_id).id)
        assert subscriber.collection(invoice_id).charge_on == company_days.today() + policy.NOTICE
        with subscriber.later(3):
            assert subscriber.status(invoice_id) == "paid"


def test_switched_off_it_ends_at_once(subscriber: Subscriber) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    subscriber.work()
    service.switch_off(subscriber.customer_id, subscriber.user_id)
    before = everything()
    service.switch_off(subscriber.customer_id, subscriber.user_id)
    assert everything() == before
    assert subscriber.collection(invoice_id).status == CollectionStatus.CANCELED
    with subscriber.later(10):
        assert subscriber.asked == 0
    assert len(subscriber.mails("is off")) == 1


def test_switched_on_again_the_invoice_is_announced_anew(subscriber: Subscriber) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    subscriber.work()
    service.switch_off(subscriber.customer_id, subscriber.user_id)
    subscriber.switch_on()
    with subscriber.later(0.01), subscriber.later(3):
        assert subscriber.status(invoice_id) == "paid"
    assert len(subscriber.mails("We will charge")) == 2
    assert subscriber.charged == [119_00]


def test_the_default_card_of_the_day_is_charged(subscriber: Subscriber) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    subscriber.work()
    mastercard = subscriber.keep_card("pm_card_mastercard")
    cards.make_default(mastercard.id, subscriber.customer_id)
    with subscriber.later(3):
        assert subscriber.collection(invoice_id).payment_method_id == mastercard.id
        assert subscriber.charged == [119_00]


@pytest.mark.parametrize("what", ["removed", "expired", "another has expired"])
def test_without_a_good_card_no_bank_is_asked_and_the_next_card_is_tried(subscriber: Subscriber, what: str) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    subscriber.work()
    with db.reading() as session:
        card = session.query(PaymentMethod).one()
    if what == "removed":
        cards.remove(card.id, subscriber.customer_id)
    else:
        with db.transaction() as session:
            row = session.get_one(PaymentMethod, card.id)
            row.exp_year, row.is_default = 2020, what == "expired"
    with subscriber.later(3):
        assert subscriber.asked == 0
        (mail,) = subscriber.mails("could not charge")
        assert ("has expired" if what == "expired" else "no payment method") in text_of(mail)
        subscriber.keep_card("pm_card_mastercard")
        with subscriber.later(1):
            assert subscriber.status(invoice_id) == "paid"


def test_a_card_that_is_refused_for_good_is_not_tried_again_but_another_is(subscriber: Subscriber) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    subscriber.work()
    subscriber.bank(STOLEN)
    with subscriber.later(3), subscriber.later(1):
        assert subscriber.asked == 1
        assert subscriber.collection(invoice_id).attempts == 2
        assert "stolen" not in text_of(subscriber.mails("could not charge")[0])
        mastercard = subscriber.keep_card("pm_card_mastercard")
        cards.make_default(mastercard.id, subscriber.customer_id)
        with subscriber.later(2):
            assert subscriber.status(invoice_id) == "paid"


def test_a_card_whose_data_is_wrong_is_asked_to_be_confirmed_and_not_tried_again(subscriber: Subscriber) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    subscriber.work()
    subscriber.bank(WRONG_CODE)
    with subscriber.later(3):
        assert subscriber.collection(invoice_id).advice_code == gateway.CONFIRM_CARD_DATA
        (mail,) = subscriber.mails("could not charge")
        assert "check its number, expiry date and security code and add the card again" in text_of(mail)
        with subscriber.later(1):
            assert (subscriber.asked, subscriber.collection(invoice_id).attempts) == (1, 2)
            mastercard = subscriber.keep_card("pm_card_mastercard")
            cards.make_default(mastercard.id, subscriber.customer_id)
            with subscriber.later(2):
                assert subscriber.status(invoice_id) == "paid"
                assert subscriber.payment.advice_code == ""


def test_what_may_be_tried_later_is_tried_again(subscriber: Subscriber) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    subscriber.work()
    subscriber.bank(POOR)
    with subscriber.later(3), subscriber.later(1):
        assert subscriber.collection(invoice_id).advice_code == "try_again_later"
        assert subscriber.asked == 2


def test_a_bank_that_advises_against_it_is_not_asked_again_whatever_its_reason(subscriber: Subscriber) -> None:
    """The reason alone would not stop it: of insufficient funds a card is tried again."""
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    subscriber.work()
    subscriber.bank(POOR)
    with subscriber.later(3):
        with db.transaction() as session:
            session.query(Collection).one().advice_code = gateway.DO_NOT_TRY_AGAIN
        with subscriber.later(1):
            assert (subscriber.asked, subscriber.collection(invoice_id).attempts) == (1, 2)
            # What is known stays known, so that the third time nobody is asked either.
            with subscriber.later(2):
                assert (subscriber.asked, subscriber.collection(invoice_id).attempts) == (1, 3)


def test_the_advice_of_a_bank_stays_on_the_payment(subscriber: Subscriber) -> None:
    subscriber.switch_on()
    subscriber.owe(days=3)
    subscriber.work()
    subscriber.bank(STOLEN)
    with subscriber.later(3):
        assert subscriber.payment.advice_code == gateway.DO_NOT_TRY_AGAIN


@pytest.mark.parametrize("point", ["attempt begun", "confirmation answered", "attempt charged", "collection ended"])
def test_dead_at_any_point_it_is_charged_once(subscriber: Subscriber, point: str) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    subscriber.work()
    with time_machine.travel(clock.now() + timedelta(days=3)):
        dies(point, lambda: collecting.collect(subscriber.collection(invoice_id).id))
        with db.reading() as session:
            (standing,) = invoice_queries.standings(session, [session.get_one(Invoice, invoice_id)]).values()
        assert standing.is_under_way or standing.status == InvoiceStanding.PAID, (
            "its card is charged: nobody is asked to pay"
        )
        collecting.collect(subscriber.collection(invoice_id).id)
        assert subscriber.charged == [119_00]
        assert subscriber.collection(invoice_id).status == CollectionStatus.PAID
        assert subscriber.collection(invoice_id).attempts == 1


def test_a_lost_answer_is_found_out_and_not_charged_twice(subscriber: Subscriber) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    subscriber.work()
    with time_machine.travel(clock.now() + timedelta(days=3)):
        subscriber.sandbox.control(
            "faults", fault="reset_after", path="/v1/payment_intents/*/confirm", times=2, method="*"
        )
        collecting.collect(subscriber.collection(invoice_id).id)
        collection = subscriber.collection(invoice_id)
        assert (collection.status, collection.is_trying) == (CollectionStatus.ANNOUNCED, True)
        with subscriber.later(0.1):
            assert subscriber.collection(invoice_id).status == CollectionStatus.PAID
    assert subscriber.charged == [119_00]


def _tried_and_not_answered(subscriber: Subscriber, invoice_id: str) -> None:
    subscriber.sandbox.control(
        "faults", fault="reset_before", path="/v1/payment_intents/*/confirm", times=2, method="*"
    )
    collecting.collect(subscriber.collection(invoice_id).id)
    assert subscriber.collection(invoice_id).is_trying


def test_voided_during_a_try_nothing_is_charged_and_no_failure_is_told(subscriber: Subscriber) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    subscriber.work()
    with time_machine.travel(clock.now() + timedelta(days=3)):
        _tried_and_not_answered(subscriber, invoice_id)
        invoices.void(invoice_id, "billed twice")
        collecting.collect(subscriber.collection(invoice_id).id)
        assert subscriber.collection(invoice_id).status == CollectionStatus.CANCELED
        with subscriber.later(1):
            assert (subscriber.charged, subscriber.mails("could not charge")) == ([], [])


def test_a_payment_that_is_canceled_during_a_try_is_no_decline_and_the_next_try_is_a_new_one(
    subscriber: Subscriber,
) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    subscriber.work()
    with time_machine.travel(clock.now() + timedelta(days=3)):
        _tried_and_not_answered(subscriber, invoice_id)
        with db.reading() as session:
            (waiting,) = session.query(Payment).all()
        payments.cancel_waiting(waiting.id)
        collecting.collect(subscriber.collection(invoice_id).id)
        row = subscriber.collection(invoice_id)
        assert (row.status, row.is_trying, subscriber.charged) == (CollectionStatus.ANNOUNCED, False, [])
        assert row.next_attempt_at > clock.now(), "in a moment"
        with subscriber.later(0.1):
            assert (subscriber.status(invoice_id), subscriber.charged) == ("paid", [119_00])
    assert subscriber.mails("could not charge") == []


def test_stripe_is_down_and_the_same_try_goes_on(subscriber: Subscriber) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    subscriber.work()
    with time_machine.travel(clock.now() + timedelta(days=3)):
        subscriber.sandbox.control("faults", fault="error_before", path="/v1/payment_intents", times=2, method="POST")
        with pytest.raises(Unavailable):
            collecting.collect(subscriber.collection(invoice_id).id)
        collecting.collect(subscriber.collection(invoice_id).id)
        assert (subscriber.collection(invoice_id).attempts, subscriber.charged) == (1, [119_00])


def test_paid_by_hand_before_the_day(subscriber: Subscriber) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    subscriber.work()
    with db.reading() as session:
        card = session.query(PaymentMethod).one()
    payments.pay_with_card(subscriber.customer_id, payments.whole(invoice_id), card.id, client_key="press-in-the-page")
    with subscriber.later(3):
        assert subscriber.charged == [119_00]
        assert subscriber.collection(invoice_id).status == CollectionStatus.PAID


def test_switched_off_during_a_try_the_try_is_finished_and_no_other_made(subscriber: Subscriber) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    subscriber.work()
    subscriber.bank(POOR)
    with time_machine.travel(clock.now() + timedelta(days=3)):
        dies("attempt charged", lambda: collecting.collect(subscriber.collection(invoice_id).id))
        service.switch_off(subscriber.customer_id, subscriber.user_id)
        collecting.collect(subscriber.collection(invoice_id).id)
        assert subscriber.collection(invoice_id).status == CollectionStatus.CANCELED
        with suppress(outbox.Reschedule), subscriber.later(10):
            assert subscriber.asked == 1


def test_many_are_swept_in_bounded_batches(subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "BATCH", 2)
    subscriber.switch_on()
    invoices = [subscriber.owe(days=3) for _ in range(5)]
    service.sweep()
    with db.transaction() as session:
        rows = session.query(Collection).all()
        assert {row.invoice_id for row in rows} == set(invoices)
        for row in rows:
            row.noticed_at = clock.now()
    with subscriber.later(3):
        assert subscriber.charged == [119_00] * 5


def test_many_whose_invoices_were_settled_elsewhere_are_ended_in_bounded_batches(
    subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "BATCH", 2)
    subscriber.switch_on()
    invoices_owed = [subscriber.owe(days=3) for _ in range(5)]
    service.sweep()
    assert {subscriber.collection(one).status for one in invoices_owed} == {CollectionStatus.ANNOUNCED}
    with db.transaction() as session:
        for invoice in session.query(Invoice):
            invoice.status = InvoiceStatus.VOID
    service.sweep()
    assert {subscriber.collection(one).status for one in invoices_owed} == {CollectionStatus.CANCELED}
