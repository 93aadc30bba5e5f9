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
from tests.payments.conftest import Till, audited, everything, jobs
from tests.payments.test_crash_points import assert_paid_once

CONFIRM = "/v1/payment_intents/*/confirm"
ASKS_FOR_3DS = "pm_card_authenticationRequired"


def press(till: Till, card: PaymentMethod, key: str = "first-press", **options: Any) -> Payment:
    return service.pay_with_card(till.customer_id, till.invoice_id, card.id, client_key=key, **options)


def only_confirmation() -> Confirmation:
    with db.reading() as session:
        (row,) = session.query(Confirmation).all()
        return row


def calls(till: Till) -> int:
    """How many events Stripe has made so far: one at least for everything that changes."""
    return len(till.sandbox.client.v1.events.list({"limit": 100}).data)


def test_one_press_pays_and_the_second_changes_nothing(till: Till) -> None:
    card = till.keep_card()
    assert press(till, card).status == PaymentStatus.SUCCEEDED
    assert_paid_once(till)
    assert till.payment.card_last4 == "4242"
    assert audited("payment.confirmation_begun") == 1
    till.sandbox.control("finish")  # the fee, which comes a moment later
    service.sync(till.payment.id)
    before = everything()
    assert press(till, card).status == PaymentStatus.SUCCEEDED
    service.sync(till.payment.id)
    confirming.finish(only_confirmation().id)
    assert everything() == before


def test_a_payment_without_an_invoice_is_paid_by_one_press_and_no_other_by_the_same_key(till: Till) -> None:
    card, amount = till.keep_card(), Money(50_00, "eur")
    first, second = (
        service.record_custom_payment(till.customer_id, amount, about, client_key=f"{about}-form")
        for about in ("Deposit", "Poster")
    )
    for _ in range(2):
        paid = service.pay_other_with_card(till.customer_id, first, card.id, client_key="one-press")
        assert (paid.id, paid.status) == (first, PaymentStatus.SUCCEEDED)
    with pytest.raises(Conflict):
        service.pay_other_with_card(till.customer_id, second, card.id, client_key="one-press")
    assert [intent.amount_received for intent in till.intents] == [50_00]


def test_fifty_presses_at_once_charge_once(till: Till) -> None:
    card = till.keep_card()

    def one(number: int) -> None:
        with suppress(PortalError):
            press(till, card, f"press-number-{number % 5}")

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(one, range(50)))
    with db.reading() as session:
        open_ones = [row.id for row in session.query(Confirmation).all() if row.answered_at is None]
    for confirmation_id in open_ones:
        confirming.finish(confirmation_id)
    assert_paid_once(till)


def test_a_decline_is_an_answer_and_the_next_card_pays(till: Till) -> None:
    visa, mastercard = till.keep_card(), till.keep_card("pm_card_mastercard")
    till.bank(visa, "4000000000009995")
    declined = press(till, visa)
    assert (declined.status, declined.decline_code) == (PaymentStatus.REQUIRES_PAYMENT_METHOD, "insufficient_funds")
    assert press(till, visa).status == PaymentStatus.REQUIRES_PAYMENT_METHOD  # the same press asks no bank again
    assert len(till.sandbox.client.v1.charges.list().data) == 1
    assert press(till, mastercard, "second-press").status == PaymentStatus.SUCCEEDED
    assert_paid_once(till)
    assert len(till.intents) == 1


def test_a_bank_that_wants_to_ask_leaves_it_to_the_page(till: Till) -> None:
    card = till.keep_card(ASKS_FOR_3DS)
    payment = press(till, card)
    assert payment.requires_action
    assert press(till, card, "another-press").requires_action  # nothing new is begun meanwhile
    assert only_confirmation().client_key == "first-press"
    assert till.payment.stripe_intent_id == till.intents[0].id


def test_off_session_a_bank_that_wants_to_ask_declines(till: Till) -> None:
    payment = press(till, till.keep_card(ASKS_FOR_3DS), off_session=True)
    assert (payment.status, payment.failure_code) == (PaymentStatus.REQUIRES_PAYMENT_METHOD, "authentication_required")
    tried = only_confirmation().stripe_payment_method_id
    with db.reading() as session:
        assert queries.last_card_tried(session, payment.id) == tried


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "truncate", "error_before", "conflict", "rate_limit"])
def test_a_lost_answer_is_found_out_under_the_same_key(till: Till, fault: str) -> None:
    card = till.keep_card()
    till.fail(fault, CONFIRM, times=1 if fault in {"truncate", "rate_limit"} else 2)
    payment = press(till, card)
    assert payment.status != PaymentStatus.SUCCEEDED
    with db.reading() as session:
        assert queries.unanswered(session, payment.id) is not None
    (job,) = jobs("payments.finish_confirmation")
    confirming.finish(job["confirmation_id"])
    assert_paid_once(till)
    assert only_confirmation().answered_at is not None


def test_stripe_replays_its_500_and_the_look_at_the_intent_tells(till: Till) -> None:
    card = till.keep_card()
    till.fail("error_after", CONFIRM)
    press(till, card)
    intents.refresh(till.payment.id)
    assert_paid_once(till)


@pytest.mark.parametrize(
    "point", ["confirmation prepared", "confirmation answered", "confirmation settled", "confirmation marked"]
)
def test_dead_around_the_charge_and_the_worker_finishes(till: Till, point: str) -> None:
    card = till.keep_card()
    dies(point, lambda: press(till, card))
    confirming.finish(only_confirmation().id)
    assert_paid_once(till)


def test_after_the_keys_life_it_is_looked_up_and_never_sent_again(till: Till) -> None:
    card = till.keep_card()
    till.fail("reset_before", CONFIRM, times=2)
    press(till, card, off_session=True)
    begun = only_confirmation()
    with db.transaction() as session:
        session.get_one(Confirmation, begun.id).key_used_at = begun.key_used_at - timedelta(hours=24)
    confirming.finish(only_confirmation().id)
    assert till.payment.status == PaymentStatus.REQUIRES_PAYMENT_METHOD
    assert till.sandbox.client.v1.charges.list().data == []
    assert press(till, card, "another-press").status == PaymentStatus.SUCCEEDED


def test_a_press_that_did_not_arrive_is_not_sent_when_its_customer_has_long_left(till: Till) -> None:
    card = till.keep_card()
    till.fail("reset_before", CONFIRM, times=2)
    press(till, card)
    with time_machine.travel(clock.now() + timedelta(hours=1)):
        confirming.finish(only_confirmation().id)
    assert till.sandbox.client.v1.charges.list().data == []


def test_while_one_has_no_answer_the_next_press_finishes_that_one(till: Till) -> None:
    visa, mastercard = till.keep_card(), till.keep_card("pm_card_mastercard")
    till.fail("reset_before", CONFIRM, times=2)
    press(till, visa)
    assert press(till, mastercard, "second-press").card_last4 == "4242"
    assert_paid_once(till)


def test_paid_in_the_page_at_the_same_moment(till: Till) -> None:
    card = till.keep_card()
    started = till.start()
    till.confirm(started.intent_id)
    with pytest.raises(service.AlreadyPaid):
        press(till, card)
    assert_paid_once(till)


def test_someone_elses_card_and_invoice_are_not_found_and_stripe_hears_nothing(till: Till) -> None:
    card = till.keep_card()
    with db.transaction() as session:
        stranger = factories.customer(session)
        theirs = factories.invoice(session, stranger)
    before, heard = everything(), calls(till)
    with pytest.raises(NotFound):
        service.pay_with_card(stranger.id, theirs.id, card.id, client_key="a-strangers-press")
    with pytest.raises(NotFound):
        service.pay_with_card(till.customer_id, theirs.id, card.id, client_key="a-strangers-press")
    assert (everything(), calls(till)) == (before, heard)


def test_an_expired_card_is_not_charged(till: Till) -> None:
    card = till.keep_card()
    with db.transaction() as session:
        session.get_one(PaymentMethod, card.id).exp_year = 2020
    heard = calls(till)
    with pytest.raises(cards.Expired):
        press(till, card)
    assert (till.payments, calls(till)) == ([], heard)


def test_a_card_that_is_gone_at_stripe_is_said_to_be_gone(till: Till) -> None:
    card = till.keep_card()
    till.sandbox.client.v1.payment_methods.detach(card.stripe_payment_method_id)
    with pytest.raises(confirming.CardGone):
        press(till, card)
    with db.reading() as session:
        assert payment_methods.of_customer(session, till.customer_id) == []
    assert press(till, till.keep_card("pm_card_mastercard"), "second-press").status == PaymentStatus.SUCCEEDED


def test_a_key_serves_one_invoice(till: Till) -> None:
    card = till.keep_card()
    press(till, card)
    with db.transaction() as session:
        other = factories.invoice(session, session.get_one(Customer, till.customer_id)).id
    with pytest.raises(Conflict):
        service.pay_with_card(till.customer_id, other, card.id, client_key="first-press")


def test_a_payment_that_staff_look_at_is_not_charged(till: Till) -> None:
    card = till.keep_card()
    till.fail("reset_before", CONFIRM, times=2)
    press(till, card)
    stripe_sync.hold_by_id(intents.KIND, till.payment.id, "a reason")
    confirming.finish(only_confirmation().id)
    assert till.sandbox.client.v1.charges.list().data == []
    with pytest.raises(service.UnderReview):
        press(till, card, new_id("press"))


def test_the_bank_takes_its_time(till: Till) -> None:
    card = till.keep_card()
    till.sandbox.control("payments/slow", times=1, seconds=60)
    assert press(till, card).is_processing
    till.sandbox.control("finish")
    intents.refresh(till.payment.id)
    assert_paid_once(till)


def test_no_transaction_is_open_while_the_card_is_charged(till: Till) -> None:
    with db.transaction(), pytest.raises(db.NestedTransaction):
        gateway.current().confirm_intent("pi_any", "a-key", payment_method_id="pm_any", off_session=True)


def test_paid_in_the_page_before_the_worker_came(till: Till) -> None:
    card = till.keep_card()
    till.fail("reset_before", CONFIRM, times=2)
    press(till, card)
    (intent,) = till.intents
    till.confirm(intent.id)
    confirming.finish(only_confirmation().id)
    assert_paid_once(till)
