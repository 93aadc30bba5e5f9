"""One press on an invoice pays it with a saved card: the way, the accidents, and what is refused before anything is sent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from portal import gateway, stripe_sync
from portal.accounts.models import Customer
from portal.core import clock, db
from portal.core.db import new_id
from portal.core.errors import Conflict, NotFound, PortalError
from portal.core.money import Money
from portal.payment_methods import queries as payment_methods
from portal.payment_methods import service as cards
from portal.payment_methods.models import PaymentMethod
from portal.payments import confirming, intents, queries, service
from portal.payments.models import Confirmation, Payment
from portal.payments.statuses import PaymentStatus
from tests import factories
from tests.crashing import dies
from tests.payments.conftest import Checkout, audited, everything, jobs
from tests.payments.test_crash_points import assert_paid_once

CONFIRM = "/v1/payment_intents/*/confirm"
ASKS_FOR_3DS = "pm_card_authenticationRequired"


def press(checkout: Checkout, card: PaymentMethod, key: str = "first-press", **options: Any) -> Payment:
    return service.pay_with_card(
        checkout.customer_id, service.whole(checkout.invoice_id), card.id, client_key=key, **options
    )


def only_confirmation() -> Confirmation:
    with db.reading() as session:
        (row,) = session.query(Confirmation).all()
        return row


def calls(checkout: Checkout) -> int:
    """How many events Stripe has made so far: one at least for everything that changes."""
    return len(checkout.sandbox.client.v1.events.list({"limit": 100}).data)


def test_one_press_pays_and_the_second_changes_nothing(checkout: Checkout) -> None:
    card = checkout.keep_card()
    assert press(checkout, card).status == PaymentStatus.SUCCEEDED
    assert_paid_once(checkout)
    assert checkout.payment.card_last4 == "4242"
    assert audited("payment.confirmation_begun") == 1
    checkout.sandbox.control("finish")  # the fee, which comes a moment later
    service.sync(checkout.payment.id)
    before = everything()
    assert press(checkout, card).status == PaymentStatus.SUCCEEDED
    service.sync(checkout.payment.id)
    confirming.finish(only_confirmation().id)
    assert everything() == before


def test_a_payment_without_an_invoice_is_paid_by_one_press_and_no_other_by_the_same_key(checkout: Checkout) -> None:
    card, amount = checkout.keep_card(), Money(50_00, "eur")
    first, second = (
        service.record_custom_payment(checkout.customer_id, amount, about, client_key=f"{about}-form")
        for about in ("Deposit", "Poster")
    )
    for _ in range(2):
        paid = service.pay_other_with_card(checkout.customer_id, first, card.id, client_key="one-press")
        assert (paid.id, paid.status) == (first, PaymentStatus.SUCCEEDED)
    with pytest.raises(Conflict):
        service.pay_other_with_card(checkout.customer_id, second, card.id, client_key="one-press")
    assert [intent.amount_received for intent in checkout.intents] == [50_00]


def test_fifty_presses_at_once_charge_once(checkout: Checkout) -> None:
    card = checkout.keep_card()

    def one(number: int) -> None:
        with suppress(PortalError):
            press(checkout, card, f"press-number-{number % 5}")

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(one, range(50)))
    with db.reading() as session:
        open_ones = [row.id for row in session.query(Confirmation).all() if row.answered_at is None]
    for confirmation_id in open_ones:
        confirming.finish(confirmation_id)
    assert_paid_once(checkout)


def test_a_decline_is_an_answer_and_the_next_card_pays(checkout: Checkout) -> None:
    visa, mastercard = checkout.keep_card(), checkout.keep_card("pm_card_mastercard")
    checkout.bank(visa, "4000000000009995")
    declined = press(checkout, visa)
    assert (declined.status, declined.decline_code) == (PaymentStatus.REQUIRES_PAYMENT_METHOD, "insufficient_funds")
    assert press(checkout, visa).status == PaymentStatus.REQUIRES_PAYMENT_METHOD  # the same press asks no bank again
    assert len(checkout.sandbox.client.v1.charges.list().data) == 1
    assert press(checkout, mastercard, "second-press").status == PaymentStatus.SUCCEEDED
    assert_paid_once(checkout)
    assert len(checkout.intents) == 1


def test_a_bank_that_wants_to_ask_leaves_it_to_the_page(checkout: Checkout) -> None:
    card = checkout.keep_card(ASKS_FOR_3DS)
    payment = press(checkout, card)
    assert payment.requires_action
    assert press(checkout, card, "another-press").requires_action  # nothing new is begun meanwhile
    assert only_confirmation().client_key == "first-press"
    assert checkout.payment.stripe_intent_id == checkout.intents[0].id


def test_off_session_a_bank_that_wants_to_ask_declines(checkout: Checkout) -> None:
    payment = press(checkout, checkout.keep_card(ASKS_FOR_3DS), off_session=True)
    assert (payment.status, payment.failure_code) == (PaymentStatus.REQUIRES_PAYMENT_METHOD, "authentication_required")
    tried = only_confirmation().stripe_payment_method_id
    with db.reading() as session:
        assert queries.last_card_tried(session, payment.id) == tried


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "truncate", "error_before", "conflict", "rate_limit"])
def test_a_lost_answer_is_found_out_under_the_same_key(checkout: Checkout, fault: str) -> None:
    card = checkout.keep_card()
    checkout.fail(fault, CONFIRM, times=1 if fault in {"truncate", "rate_limit"} else 2)
    payment = press(checkout, card)
    assert payment.status != PaymentStatus.SUCCEEDED
    with db.reading() as session:
        assert queries.unanswered(session, payment.id) is not None
    (job,) = jobs("payments.finish_confirmation")
    confirming.finish(job["confirmation_id"])
    assert_paid_once(checkout)
    assert only_confirmation().answered_at is not None


def test_stripe_replays_its_500_and_the_look_at_the_intent_tells(checkout: Checkout) -> None:
    card = checkout.keep_card()
    checkout.fail("error_after", CONFIRM)
    press(checkout, card)
    intents.refresh(checkout.payment.id)
    assert_paid_once(checkout)


@pytest.mark.parametrize(
    "point", ["confirmation prepared", "confirmation answered", "confirmation settled", "confirmation marked"]
)
def test_dead_around_the_charge_and_the_worker_finishes(checkout: Checkout, point: str) -> None:
    card = checkout.keep_card()
    dies(point, lambda: press(checkout, card))
    assert checkout.payment.public_status == (
        PaymentStatus.SUCCEEDED if checkout.invoice.status == "paid" else PaymentStatus.PROCESSING
    ), "the card may be charged: nobody is told to take another one"
    confirming.finish(only_confirmation().id)
    assert_paid_once(checkout)


def test_after_the_keys_life_it_is_looked_up_and_never_sent_again(checkout: Checkout) -> None:
    card = checkout.keep_card()
    checkout.fail("reset_before", CONFIRM, times=2)
    press(checkout, card, off_session=True)
    begun = only_confirmation()
    with db.transaction() as session:
        session.get_one(Confirmation, begun.id).key_used_at = begun.key_used_at - timedelta(hours=24)
    confirming.finish(only_confirmation().id)
    assert checkout.payment.status == PaymentStatus.REQUIRES_PAYMENT_METHOD
    assert checkout.sandbox.client.v1.charges.list().data == []
    assert press(checkout, card, "another-press").status == PaymentStatus.SUCCEEDED


def test_a_press_that_did_not_arrive_is_not_sent_when_its_customer_has_long_left(checkout: Checkout) -> None:
    card = checkout.keep_card()
    checkout.fail("reset_before", CONFIRM, times=2)
    press(checkout, card)
    with time_machine.travel(clock.now() + timedelta(hours=1)):
        confirming.finish(only_confirmation().id)
    assert checkout.sandbox.client.v1.charges.list().data == []


def test_while_one_has_no_answer_the_next_press_finishes_that_one(checkout: Checkout) -> None:
    visa, mastercard = checkout.keep_card(), checkout.keep_card("pm_card_mastercard")
    checkout.fail("reset_before", CONFIRM, times=2)
    press(checkout, visa)
    assert press(checkout, mastercard, "second-press").card_last4 == "4242"
    assert_paid_once(checkout)


def test_paid_in_the_page_at_the_same_moment(checkout: Checkout) -> None:
    card = checkout.keep_card()
    started = checkout.start()
    checkout.confirm(started.intent_id)
    with pytest.raises(service.AlreadyPaid):
        press(checkout, card)
    assert_paid_once(checkout)


def test_someone_elses_card_and_invoice_are_not_found_and_stripe_hears_nothing(checkout: Checkout) -> None:
    card = checkout.keep_card()
    with db.transaction() as session:
        stranger = factories.customer(session)
        theirs = factories.invoice(session, stranger)
    before, heard = everything(), calls(checkout)
    with pytest.raises(NotFound):
        service.pay_with_card(stranger.id, service.whole(theirs.id), card.id, client_key="a-strangers-press")
    with pytest.raises(NotFound):
        service.pay_with_card(checkout.customer_id, service.whole(theirs.id), card.id, client_key="a-strangers-press")
    assert (everything(), calls(checkout)) == (before, heard)


def test_an_expired_card_is_not_charged(checkout: Checkout) -> None:
    card = checkout.keep_card()
    with db.transaction() as session:
        session.get_one(PaymentMethod, card.id).exp_year = 2020
    heard = calls(checkout)
    with pytest.raises(cards.Expired):
        press(checkout, card)
    assert (checkout.payments, calls(checkout)) == ([], heard)


def test_a_card_that_is_gone_at_stripe_is_said_to_be_gone(checkout: Checkout) -> None:
    card = checkout.keep_card()
    checkout.sandbox.client.v1.payment_methods.detach(card.stripe_payment_method_id)
    with pytest.raises(confirming.CardGone):
        press(checkout, card)
    with db.reading() as session:
        assert payment_methods.of_customer(session, checkout.customer_id) == []
    assert press(checkout, checkout.keep_card("pm_card_mastercard"), "second-press").status == PaymentStatus.SUCCEEDED


def test_a_key_serves_one_invoice(checkout: Checkout) -> None:
    card = checkout.keep_card()
    press(checkout, card)
    with db.transaction() as session:
        other = factories.invoice(session, session.get_one(Customer, checkout.customer_id)).id
    with pytest.raises(Conflict):
        service.pay_with_card(checkout.customer_id, service.whole(other), card.id, client_key="first-press")


def test_a_payment_that_staff_look_at_is_not_charged(checkout: Checkout) -> None:
    card = checkout.keep_card()
    checkout.fail("reset_before", CONFIRM, times=2)
    press(checkout, card)
    stripe_sync.hold_by_id(intents.KIND, checkout.payment.id, "a reason")
    confirming.finish(only_confirmation().id)
    assert checkout.sandbox.client.v1.charges.list().data == []
    with pytest.raises(service.UnderReview):
        press(checkout, card, new_id("press"))


def test_the_bank_takes_its_time(checkout: Checkout) -> None:
    card = checkout.keep_card()
    checkout.sandbox.control("payments/slow", times=1, seconds=60)
    assert press(checkout, card).is_processing
    checkout.sandbox.control("finish")
    intents.refresh(checkout.payment.id)
    assert_paid_once(checkout)


def test_no_transaction_is_open_while_the_card_is_charged(checkout: Checkout) -> None:
    with db.transaction(), pytest.raises(db.NestedTransaction):
        gateway.current().confirm_intent("pi_any", "a-key", payment_method_id="pm_any", off_session=True)


def test_paid_in_the_page_before_the_worker_came(checkout: Checkout) -> None:
    card = checkout.keep_card()
    checkout.fail("reset_before", CONFIRM, times=2)
    press(checkout, card)
    (intent,) = checkout.intents
    checkout.confirm(intent.id)
    confirming.finish(only_confirmation().id)
    assert_paid_once(checkout)
