"""What is left when a process dies, or an answer is lost, at each point of an app's order; and that it is finished, not repeated."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from portal import gateway
from portal.core import clock, db
from portal.core.errors import PortalError, Unavailable
from portal.jobs import outbox
from portal.payment_methods import service as cards
from portal.payments import job_handlers, service
from portal.payments import jobs as payment_jobs
from portal.payments.models import Confirmation, Payment, PlacedOrder
from portal.payments.service import process
from portal.payments.statuses import PaymentStatus
from tests.crashing import dies, overtaken
from tests.payments.conftest import Checkout, everything
from tests.payments.conftest import jobs as left
from tests.payments.test_crash_points import CREATE, assert_paid_once
from tests.payments.test_placing_orders import DECLINED, charges, deposit, new_card, order, rows, told

CONFIRM = "/v1/payment_intents/*/confirm"

BEFORE_THE_ORDER_IS_WRITTEN = ["order checked", "confirmation recorded", "order recorded"]
AFTER_IT_IS_WRITTEN = [
    "order placed",
    "attempt claimed",
    "object created",
    "object stored",
    "confirmation prepared",
    "confirmation answered",
    "change applied",
    "confirmation settled",
    "confirmation marked",
]
LOST = ["reset_before", "reset_after", "truncate", "error_before", "conflict", "rate_limit"]


def let_the_worker_finish() -> None:
    """Every job that an order has left, as a worker runs them, until they say that nothing is left to do now."""
    for args in left("payments.finish_confirmation"):
        job_handlers.finish_confirmation(**args)
    for args in left("payments.follow_up"):
        with suppress(outbox.Reschedule):
            payment_jobs.follow_up.run(**args)


def assert_told_as_on_its_way(checkout: Checkout) -> None:
    """The card may be charged, or has been: who was told anything else would choose another card, and pay twice."""
    (payment,) = rows(Payment)
    assert payment.public_status == (
        PaymentStatus.SUCCEEDED if checkout.invoice.status == "paid" else PaymentStatus.PROCESSING
    )


def change(row: Any, **values: Any) -> None:
    with db.transaction() as session:
        for name, value in values.items():
            setattr(session.get_one(type(row), row.id), name, value)


@pytest.mark.parametrize("point", [*BEFORE_THE_ORDER_IS_WRITTEN, "payment recorded"])
def test_dead_before_the_order_is_written_nothing_is_left_of_it(checkout: Checkout, point: str) -> None:
    wanted = order(checkout, new_card(checkout))
    cards.ensure_stripe_customer(checkout.customer_id)
    before = everything()
    dies(point, lambda: process(wanted))
    assert everything() == before
    assert told(process(wanted)) == (PaymentStatus.SUCCEEDED, None, False)
    assert_paid_once(checkout)


@pytest.mark.parametrize("comes_back", [True, False])
@pytest.mark.parametrize("point", AFTER_IT_IS_WRITTEN)
def test_dead_after_the_order_is_written_it_is_finished(checkout: Checkout, point: str, comes_back: bool) -> None:
    wanted = order(checkout, new_card(checkout), save_card=True)
    cards.ensure_stripe_customer(checkout.customer_id)  # made by the same mechanism, which is to die at the payment
    dies(point, lambda: process(wanted))
    assert_told_as_on_its_way(checkout)
    process(wanted) if comes_back else let_the_worker_finish()
    assert_paid_once(checkout)
    assert len(checkout.intents) == len(rows(PlacedOrder)) == len(rows(Confirmation)) == len(charges(checkout)) == 1
    assert told(process(wanted)) == (PaymentStatus.SUCCEEDED, None, False)


@pytest.mark.parametrize("point", ["object fetched", *BEFORE_THE_ORDER_IS_WRITTEN])
def test_dead_before_it_joins_a_payment_the_same_call_joins_it(checkout: Checkout, point: str) -> None:
    started = checkout.start()
    wanted = order(checkout, new_card(checkout))
    dies(point, lambda: process(wanted))
    assert rows(PlacedOrder) == rows(Confirmation) == []
    assert process(wanted).payment.id == started.payment_id
    assert_paid_once(checkout)


def test_declined_and_dead_before_it_is_recorded_the_bank_is_not_asked_again(checkout: Checkout) -> None:
    card = checkout.keep_card()  # a new one could not be tried twice: Stripe takes it once
    checkout.bank(card, DECLINED)
    wanted = order(checkout, card.id)
    dies("confirmation refused", lambda: process(wanted))
    assert_told_as_on_its_way(checkout)
    let_the_worker_finish()
    assert told(process(wanted)) == (PaymentStatus.REQUIRES_PAYMENT_METHOD, None, False)
    assert len(charges(checkout)) == 1


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("path", [CREATE, CONFIRM])
def test_a_lost_answer_leaves_a_payment_without_one_and_the_worker_finds_out(
    checkout: Checkout, fault: str, path: str
) -> None:
    wanted = order(checkout, new_card(checkout))
    checkout.fail(fault, path, times=1 if fault in {"truncate", "rate_limit"} else 2, method="POST")
    found = process(wanted)
    assert (found.next_action, found.client_secret) == (None, None)
    assert found.payment.public_status == PaymentStatus.PROCESSING
    assert_told_as_on_its_way(checkout)
    let_the_worker_finish()
    assert_paid_once(checkout)
    assert told(process(wanted)) == (PaymentStatus.SUCCEEDED, None, False)


@pytest.mark.parametrize("path", [CREATE, CONFIRM])
def test_stripe_keeps_its_500_under_the_key_and_what_came_of_the_call_is_looked_up(
    checkout: Checkout, path: str
) -> None:
    checkout.fail("error_after", path, method="POST")
    assert told(process(order(checkout, new_card(checkout)))) == (PaymentStatus.SUCCEEDED, None, False)
    assert len(checkout.intents) == 1
    assert_paid_once(checkout)


@pytest.mark.parametrize("fault", LOST)
def test_a_lost_answer_without_a_card_is_told_and_the_same_call_goes_on(checkout: Checkout, fault: str) -> None:
    wanted = order(checkout)
    checkout.fail(fault, CREATE, times=1 if fault in {"truncate", "rate_limit"} else 2, method="POST")
    with pytest.raises(PortalError):
        process(wanted)
    assert told(process(wanted)) == (PaymentStatus.REQUIRES_PAYMENT_METHOD, "confirm", True)
    assert len(checkout.intents) == 1


def test_the_creation_is_lost_and_its_key_has_expired_so_the_list_is_searched(checkout: Checkout) -> None:
    wanted = order(checkout, new_card(checkout))
    checkout.fail("reset_after", CREATE, times=2)
    process(wanted)
    (payment,) = rows(Payment)
    change(payment, key_used_at=clock.now() - timedelta(hours=24))
    checkout.sandbox.control("clock", seconds=25 * 3600)  # Stripe has forgotten the key
    assert told(process(wanted)) == (PaymentStatus.SUCCEEDED, None, False)
    assert len(checkout.intents) == 1
    assert_paid_once(checkout)


@pytest.mark.parametrize("fault", ["reset_before", "reset_after"])
def test_after_the_life_of_its_key_a_confirmation_is_looked_up_and_never_sent_again(
    checkout: Checkout, fault: str
) -> None:
    wanted = order(checkout, new_card(checkout))
    checkout.fail(fault, CONFIRM, times=2)
    process(wanted)
    (confirmation,) = rows(Confirmation)
    change(confirmation, key_used_at=confirmation.key_used_at - timedelta(hours=24))
    checkout.sandbox.control("clock", seconds=25 * 3600)
    found = process(wanted)
    if fault == "reset_after":
        assert_paid_once(checkout)
    else:  # nothing was charged, and nothing is: the client may still confirm by itself
        assert told(found) == (PaymentStatus.REQUIRES_PAYMENT_METHOD, "confirm", True)
        assert charges(checkout) == []


def test_an_order_that_never_reached_stripe_is_not_charged_when_its_customer_has_long_left(checkout: Checkout) -> None:
    wanted = order(checkout, new_card(checkout))
    checkout.fail("reset_before", CREATE, times=2)
    process(wanted)
    with time_machine.travel(clock.now() + timedelta(hours=1)):
        let_the_worker_finish()
    assert charges(checkout) == []
    assert len(checkout.intents) == 1  # the payment is there to go on with
    assert process(wanted).next_action == "confirm"


def test_a_card_that_stripe_does_not_take_is_told_and_the_payment_can_go_on(checkout: Checkout) -> None:
    """That it was used up by another payment is known to Stripe alone, when it is asked to charge it."""
    method = new_card(checkout)
    process(deposit(checkout, method, "spends-the-card"))
    with pytest.raises(cards.UnknownMethod):
        process(order(checkout, method))
    let_the_worker_finish()
    assert len(charges(checkout)) == 1
    assert process(order(checkout, method)).next_action == "confirm"
    assert process(order(checkout, new_card(checkout), "another-key")).payment.status == PaymentStatus.SUCCEEDED


def test_a_saved_card_that_is_gone_at_stripe_is_said_to_be_gone(checkout: Checkout) -> None:
    card = checkout.keep_card()
    checkout.sandbox.client.v1.payment_methods.detach(card.stripe_payment_method_id)
    with pytest.raises(service.CardGone):
        process(order(checkout, card.id))
    assert charges(checkout) == []


def test_a_setting_that_is_wrong_is_told_and_a_second_call_goes_on(checkout: Checkout) -> None:
    wanted = order(checkout, new_card(checkout))
    cards.ensure_stripe_customer(checkout.customer_id)

    def is_refused() -> None:
        raise gateway.Misconfigured

    with overtaken("attempt claimed", by=is_refused), pytest.raises(gateway.Misconfigured):
        process(wanted)
    assert told(process(wanted)) == (PaymentStatus.SUCCEEDED, None, False)
    assert_paid_once(checkout)


def test_what_is_sent_under_the_key_comes_from_the_row(checkout: Checkout) -> None:
    checkout.fail("reset_after", CREATE, times=2)
    with pytest.raises(Unavailable):
        process(deposit(checkout, metadata={"shop": "one"}))
    (payment,) = rows(Payment)
    change(payment, extra={"shop": "two"})
    process(deposit(checkout, metadata={"shop": "one"}))
    (intent,) = checkout.intents
    assert intent.metadata is not None and intent.metadata["shop"] == "one"  # frozen with its key
