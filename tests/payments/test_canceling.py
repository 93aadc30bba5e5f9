"""A payment that its customer has not finished is called off at Stripe first; what is paid meanwhile stays paid, and is told."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from flask import Flask

from portal.core import clock, db
from portal.core.errors import Conflict, NotFound, PortalError, Unavailable
from portal.invoices import service as invoices
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStatus
from portal.jobs import outbox
from portal.payments import following, service
from portal.payments.models import Payment
from portal.payments.service import AlreadyPaid, InProgress, UnderReview, process
from portal.payments.statuses import PaymentStatus
from portal.webhook_endpoints import service as webhook_endpoints
from tests import factories
from tests.crashing import dies, overtaken
from tests.payments.conftest import Checkout, audited, books
from tests.payments.test_crash_points import CREATE, assert_paid_once
from tests.payments.test_order_accidents import CONFIRM, let_the_worker_finish
from tests.payments.test_placing_orders import ASKS_FOR_3DS, DECLINED, charges, new_card, order
from tests.webhook_endpoints.test_telling import URL, told

CANCEL = "/v1/payment_intents/*/cancel"


def void(checkout: Checkout) -> None:
    invoices.void(checkout.invoice_id, "billed twice")


def record_as_paid(checkout: Checkout) -> None:
    factories.record_outside(checkout.invoice_id)


CLOSING = {"void": void, "paid": record_as_paid}


# What its customer may have left


def not_begun(checkout: Checkout) -> None:
    checkout.start()


def declined(checkout: Checkout) -> None:
    process(order(checkout, new_card(checkout, DECLINED)))


def asked_by_the_bank(checkout: Checkout) -> None:
    process(order(checkout, new_card(checkout, ASKS_FOR_3DS)))


def never_made(checkout: Checkout) -> None:
    checkout.fail("reset_before", CREATE, times=2)
    with suppress(Unavailable):
        checkout.start()


def made_and_not_known(checkout: Checkout) -> None:
    checkout.fail("reset_after", CREATE, times=2)
    with suppress(Unavailable):
        checkout.start()


def ordered_and_never_arrived(checkout: Checkout) -> None:
    checkout.fail("reset_before", CONFIRM, times=2)
    process(order(checkout, new_card(checkout)))


LEFT = [not_begun, declined, asked_by_the_bank, never_made, made_and_not_known, ordered_and_never_arrived]


@pytest.mark.parametrize("leave", LEFT)
@pytest.mark.parametrize("closing", CLOSING)
@pytest.mark.database("sqlite")
def test_what_waits_is_called_off_before_the_invoice_is_closed(
    checkout: Checkout, closing: str, leave: Callable[[Checkout], None]
) -> None:
    leave(checkout)
    CLOSING[closing](checkout)
    assert (checkout.invoice.status, checkout.payment.status) == (closing, PaymentStatus.CANCELED)
    assert [intent.status for intent in checkout.intents] == ["canceled"]
    let_the_worker_finish()
    assert [charge for charge in charges(checkout) if charge.paid] == []
    assert audited("payment.cancel_asked") == 1


@pytest.mark.parametrize("closing", CLOSING)
def test_a_success_that_arrives_meanwhile_wins_and_is_told(checkout: Checkout, closing: str) -> None:
    started = checkout.start()
    checkout.confirm(started.intent_id)  # and no webhook has told of it
    with pytest.raises(AlreadyPaid, match=f"{checkout.invoice.number} was paid by card in the meantime"):
        CLOSING[closing](checkout)
    assert_paid_once(checkout)
    assert [kind for kind, _, _ in books()].count("outside") == 0


def test_a_charge_whose_answer_is_lost_wins_too(checkout: Checkout) -> None:
    checkout.fail("reset_after", CONFIRM, times=2)
    process(order(checkout, new_card(checkout)))
    with pytest.raises(AlreadyPaid):
        void(checkout)
    let_the_worker_finish()
    assert_paid_once(checkout)


def test_while_the_bank_has_the_word_the_invoice_stays_as_it_is(checkout: Checkout) -> None:
    checkout.sandbox.control("payments/slow", times=1, seconds=3600)
    process(order(checkout, new_card(checkout)))
    for close in CLOSING.values():
        with pytest.raises(InProgress, match=checkout.invoice.number):
            close(checkout)
    assert (checkout.invoice.status, checkout.payment.status) == ("open", PaymentStatus.PROCESSING)


def test_what_is_under_review_is_not_called_off(checkout: Checkout) -> None:
    checkout.start()
    checkout.change(review_reason="a second intent")
    with pytest.raises(UnderReview, match=checkout.invoice.number):
        void(checkout)
    assert (checkout.invoice.status, checkout.intents[0].status) == ("open", "requires_payment_method")


# Accidents


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "error_before"])
def test_when_stripe_does_not_answer_nothing_is_closed_and_the_same_call_goes_on(
    checkout: Checkout, fault: str
) -> None:
    checkout.start()
    checkout.fail(fault, CANCEL, times=2)
    with pytest.raises(PortalError):
        void(checkout)
    assert checkout.invoice.status == "open"
    void(checkout)
    assert (checkout.invoice.status, checkout.payment.status) == ("void", PaymentStatus.CANCELED)


def test_staff_who_cancel_are_told_what_is_theirs_to_know(checkout: Checkout) -> None:
    checkout.fail("error_before", "/v1/payment_intents", times=2)
    with suppress(PortalError):
        checkout.start()
    checkout.fail("error_before", "/v1/payment_intents", times=4)
    payment_id = checkout.payment.id
    with pytest.raises(Unavailable) as told:
        service.cancel_waiting(payment_id)
    assert told.value.text() == Unavailable.message  # and not that they were not charged
    with db.transaction() as session:
        session.get_one(Payment, payment_id).status = PaymentStatus.CANCELED
        session.get_one(Invoice, checkout.invoice_id).status = InvoiceStatus.PAID
    with pytest.raises(Conflict, match=r"already paid, so nothing was recorded"):
        record_as_paid(checkout)


@pytest.mark.parametrize("fault", ["error_kept", "error_after"])
def test_a_500_that_stripe_keeps_stands_in_nobodys_way(checkout: Checkout, fault: str) -> None:
    started = checkout.start()
    checkout.fail(fault, CANCEL)
    service.cancel_waiting(started.payment_id)
    assert checkout.payment.status == PaymentStatus.CANCELED


@pytest.mark.parametrize(
    "point",
    ["cancel asked", "attempt claimed", "object created", "object stored", "object canceled", "object fetched",
     "way cleared"],
)  # fmt: skip
def test_whoever_dies_the_same_call_goes_on(checkout: Checkout, point: str) -> None:
    made_and_not_known(checkout)
    dies(point, lambda: void(checkout))
    assert checkout.invoice.status == "open"
    void(checkout)
    assert (checkout.invoice.status, checkout.payment.status) == ("void", PaymentStatus.CANCELED)
    assert [intent.status for intent in checkout.intents] == ["canceled"]


def test_canceled_at_stripe_and_dead_before_it_is_known_the_worker_learns_of_it(checkout: Checkout) -> None:
    checkout.start()
    dies("object canceled", lambda: void(checkout))
    with suppress(outbox.Reschedule):
        service.follow_up(checkout.payment.id)
    assert (checkout.invoice.status, checkout.payment.status) == ("open", PaymentStatus.CANCELED)
    checkout.start("its-customer-may-pay-again")


def test_who_begins_to_pay_between_the_cancel_and_the_void_is_not_disturbed(checkout: Checkout) -> None:
    checkout.start()
    with (
        overtaken("way cleared", by=lambda: checkout.start("a-click-at-once")),
        pytest.raises(Conflict, match="just started"),
    ):
        void(checkout)
    assert checkout.invoice.status == "open"


# A payment alone


def test_a_second_cancel_changes_nothing(checkout: Checkout) -> None:
    started = checkout.start()
    for _ in range(2):
        service.cancel_waiting(started.payment_id)
    assert checkout.payment.status == PaymentStatus.CANCELED
    assert audited("payment.cancel_asked") == 1
    checkout.start("pays-all-the-same")


def test_whose_card_was_tried_hears_that_it_is_over_and_once(checkout: Checkout) -> None:
    webhook_endpoints.add_endpoint(checkout.customer_id, URL, ["payment.failed"], "", "usr_1")
    service.cancel_waiting(checkout.start().payment_id)
    assert told("payment.failed") == [], "nobody has tried to pay, and nobody waits for an end"
    ordered_and_never_arrived(checkout)
    void(checkout)
    let_the_worker_finish()
    (over,) = told("payment.failed")
    assert (over["status"], over["failure_code"], over["invoice_id"]) == ("canceled", None, checkout.invoice_id)


def test_what_is_paid_or_not_there_is_not_canceled(checkout: Checkout) -> None:
    started = checkout.start()
    checkout.confirm(started.intent_id)
    for _ in range(2):
        with pytest.raises(AlreadyPaid):
            service.cancel_waiting(started.payment_id)
    with pytest.raises(NotFound):
        service.cancel_waiting("pay_none")
    assert_paid_once(checkout)


def test_an_abandoned_payment_whose_cancel_is_refused_is_looked_at_again(checkout: Checkout) -> None:
    checkout.start()
    checkout.change(created_at=clock.now() - timedelta(days=following.ABANDONED_AFTER_DAYS + 1))
    checkout.fail("error_kept", CANCEL, times=9)
    with pytest.raises(outbox.Reschedule):
        service.follow_up(checkout.payment.id)
    checkout.sandbox.control("faults/clear")
    service.follow_up(checkout.payment.id)
    assert checkout.payment.status == PaymentStatus.CANCELED


# At the desk


@pytest.mark.database("sqlite")
def test_staff_cancel_on_the_payments_page_and_read_what_came_of_it(checkout: Checkout, app: Flask) -> None:
    with db.transaction() as session:
        reviewer = factories.staff(session, "support")
    browser = app.test_client()
    factories.sign_in(browser, reviewer)
    said = []
    for pays_meanwhile in (False, True):
        started = checkout.start(f"click-{pays_meanwhile}")
        page = f"/support/payments/{started.payment_id}"
        assert f'action="{page}/cancellation"' in browser.get(page).text
        if pays_meanwhile:
            checkout.confirm(started.intent_id)
        form = {"csrf_token": factories.csrf_token(browser)}
        assert browser.post(f"{page}/cancellation", data=form).status_code == 303
        after = browser.get(page).text
        assert "/cancellation" not in after
        said.append(("customer was not charged" in after, "has succeeded and can no longer be canceled" in after))
    assert said == [(True, False), (False, True)]
    assert checkout.invoice.status == "paid"
