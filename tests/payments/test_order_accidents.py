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
from tests.payments.conftest import Till, everything
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


def assert_told_as_on_its_way(till: Till) -> None:
    """The card may be charged, or has been: who was told anything else would choose another card, and pay twice."""
    (payment,) = rows(Payment)
    assert payment.public_status == (
        PaymentStatus.SUCCEEDED if till.invoice.status == "paid" else PaymentStatus.PROCESSING
    )


def change(row: Any, **values: Any) -> None:
    with db.transaction() as session:
        for name, value in values.items():
            setattr(session.get_one(type(row), row.id), name, value)


@pytest.mark.parametrize("point", [*BEFORE_THE_ORDER_IS_WRITTEN, "payment recorded"])
def test_dead_before_the_order_is_written_nothing_is_left_of_it(till: Till, point: str) -> None:
    wanted = order(till, new_card(till))
    cards.ensure_stripe_customer(till.customer_id)
    before = everything()
    dies(point, lambda: process(wanted))
    assert everything() == before
    assert told(process(wanted)) == (PaymentStatus.SUCCEEDED, None, False)
    assert_paid_once(till)


@pytest.mark.parametrize("comes_back", [True, False])
@pytest.mark.parametrize("point", AFTER_IT_IS_WRITTEN)
def test_dead_after_the_order_is_written_it_is_finished(till: Till, point: str, comes_back: bool) -> None:
    wanted = order(till, new_card(till), save_card=True)
    cards.ensure_stripe_customer(till.customer_id)  # made by the same mechanism, which is to die at the payment
    dies(point, lambda: process(wanted))
    assert_told_as_on_its_way(till)
    process(wanted) if comes_back else let_the_worker_finish()
    assert_paid_once(till)
    assert len(till.intents) == len(rows(PlacedOrder)) == len(rows(Confirmation)) == len(charges(till)) == 1
    assert told(process(wanted)) == (PaymentStatus.SUCCEEDED, None, False)


@pytest.mark.parametrize("point", ["object fetched", *BEFORE_THE_ORDER_IS_WRITTEN])
def test_dead_before_it_joins_a_payment_the_same_call_joins_it(till: Till, point: str) -> None:
    started = till.start()
    wanted = order(till, new_card(till))
    dies(point, lambda: process(wanted))
    assert rows(PlacedOrder) == rows(Confirmation) == []
    assert process(wanted).payment.id == started.payment_id
    assert_paid_once(till)


def test_declined_and_dead_before_it_is_recorded_the_bank_is_not_asked_again(till: Till) -> None:
    card = till.keep_card()  # a new one could not be tried twice: Stripe takes it once
    till.bank(card, DECLINED)
    wanted = order(till, card.id)
    dies("confirmation refused", lambda: process(wanted))
    assert_told_as_on_its_way(till)
    let_the_worker_finish()
    assert told(process(wanted)) == (PaymentStatus.REQUIRES_PAYMENT_METHOD, None, False)
    assert len(charges(till)) == 1


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("path", [CREATE, CONFIRM])
def test_a_lost_answer_leaves_a_payment_without_one_and_the_worker_finds_out(till: Till, fault: str, path: str) -> None:
    wanted = order(till, new_card(till))
    till.fail(fault, path, times=1 if fault in {"truncate", "rate_limit"} else 2, method="POST")
    found = process(wanted)
    assert (found.next_action, found.client_secret) == (None, None)
    assert found.payment.public_status == PaymentStatus.PROCESSING
    assert_told_as_on_its_way(till)
    let_the_worker_finish()
    assert_paid_once(till)
    assert told(process(wanted)) == (PaymentStatus.SUCCEEDED, None, False)


@pytest.mark.parametrize("path", [CREATE, CONFIRM])
def test_stripe_keeps_its_500_under_the_key_and_what_came_of_the_call_is_looked_up(till: Till, path: str) -> None:
    till.fail("error_after", path, method="POST")
    assert told(process(order(till, new_card(till)))) == (PaymentStatus.SUCCEEDED, None, False)
    assert len(till.intents) == 1
    assert_paid_once(till)


@pytest.mark.parametrize("fault", LOST)
def test_a_lost_answer_without_a_card_is_told_and_the_same_call_goes_on(till: Till, fault: str) -> None:
    wanted = order(till)
    till.fail(fault, CREATE, times=1 if fault in {"truncate", "rate_limit"} else 2, method="POST")
    with pytest.raises(PortalError):
        process(wanted)
    assert told(process(wanted)) == (PaymentStatus.REQUIRES_PAYMENT_METHOD, "confirm", True)
    assert len(till.intents) == 1


def test_the_creation_is_lost_and_its_key_has_expired_so_the_list_is_searched(till: Till) -> None:
    wanted = order(till, new_card(till))
    till.fail("reset_after", CREATE, times=2)
    process(wanted)
    (payment,) = rows(Payment)
    change(payment, key_used_at=clock.now() - timedelta(hours=24))
    till.sandbox.control("clock", seconds=25 * 3600)  # Stripe has forgotten the key
    assert told(process(wanted)) == (PaymentStatus.SUCCEEDED, None, False)
    assert len(till.intents) == 1
    assert_paid_once(till)


@pytest.mark.parametrize("fault", ["reset_before", "reset_after"])
def test_after_the_life_of_its_key_a_confirmation_is_looked_up_and_never_sent_again(till: Till, fault: str) -> None:
    wanted = order(till, new_card(till))
    till.fail(fault, CONFIRM, times=2)
    process(wanted)
    (confirmation,) = rows(Confirmation)
    change(confirmation, key_used_at=confirmation.key_used_at - timedelta(hours=24))
    till.sandbox.control("clock", seconds=25 * 3600)
    found = process(wanted)
    if fault == "reset_after":
        assert_paid_once(till)
    else:  # nothing was charged, and nothing is: the client may still confirm by itself
        assert told(found) == (PaymentStatus.REQUIRES_PAYMENT_METHOD, "confirm", True)
        assert charges(till) == []


def test_an_order_that_never_reached_stripe_is_not_charged_when_its_customer_has_long_left(till: Till) -> None:
    wanted = order(till, new_card(till))
    till.fail("reset_before", CREATE, times=2)
    process(wanted)
    with time_machine.travel(clock.now() + timedelta(hours=1)):
        let_the_worker_finish()
    assert charges(till) == []
    assert len(till.intents) == 1  # the payment is there to go on with
    assert process(wanted).next_action == "confirm"


def test_a_card_that_stripe_does_not_take_is_told_and_the_payment_can_go_on(till: Till) -> None:
    """That it was used up by another payment is known to Stripe alone, when it is asked to charge it."""
    method = new_card(till)
    process(deposit(till, method, "spends-the-card"))
    with pytest.raises(cards.UnknownCard):
        process(order(till, method))
    let_the_worker_finish()
    assert len(charges(till)) == 1
    assert process(order(till, method)).next_action == "confirm"
    assert process(order(till, new_card(till), "another-key")).payment.status == PaymentStatus.SUCCEEDED


def test_a_saved_card_that_is_gone_at_stripe_is_said_to_be_gone(till: Till) -> None:
    card = till.keep_card()
    till.sandbox.client.v1.payment_methods.detach(card.stripe_payment_method_id)
    with pytest.raises(service.CardGone):
        process(order(till, card.id))
    assert charges(till) == []


def test_a_setting_that_is_wrong_is_told_and_a_second_call_goes_on(till: Till) -> None:
    wanted = order(till, new_card(till))
    cards.ensure_stripe_customer(till.customer_id)

    def is_refused() -> None:
        raise gateway.Misconfigured

    with overtaken("attempt claimed", by=is_refused), pytest.raises(gateway.Misconfigured):
        process(wanted)
    assert told(process(wanted)) == (PaymentStatus.SUCCEEDED, None, False)
    assert_paid_once(till)


def test_what_is_sent_under_the_key_comes_from_the_row(till: Till) -> None:
    till.fail("reset_after", CREATE, times=2)
    with pytest.raises(Unavailable):
        process(deposit(till, metadata={"shop": "one"}))
    (payment,) = rows(Payment)
    change(payment, extra={"shop": "two"})
    process(deposit(till, metadata={"shop": "one"}))
    (intent,) = till.intents
    assert intent.metadata is not None and intent.metadata["shop"] == "one"  # frozen with its key
