"""What counts as trying out stolen cards, and what does not, on both databases."""

from __future__ import annotations

from datetime import timedelta
from urllib.request import Request, urlopen

import pytest
import stripe
import time_machine
from sqlalchemy import select

from portal.accounts.models import Customer
from portal.core import clock, db
from portal.core.errors import RateLimited
from portal.payment_methods import card_testing, setups
from portal.payment_methods.models import CardAttempt
from portal.payment_methods.statuses import SetupStatus
from portal.payments import service as payments
from portal.stripe_events import handlers
from portal.stripe_events.models import StripeEvent
from tests import factories
from tests.certain import as_sent
from tests.concurrency import run_concurrently
from tests.payment_methods.conftest import Wallet, declined
from tests.payments.conftest import everything

DECLINED, ASKS_FOR_3DS = "4000000000000002", "4000002760003184"
HOME, OFFICE = "203.0.113.7", "198.51.100.1"


def attempts() -> list[CardAttempt]:
    with db.reading() as session:
        return list(session.scalars(select(CardAttempt).order_by(CardAttempt.at)))


def failures() -> list[CardAttempt]:
    return [row for row in attempts() if row.attempt is not None]


def decline(wallet: Wallet, started: setups.SetupStarted, number: str = DECLINED) -> None:
    with pytest.raises(stripe.CardError):
        wallet.confirm(started.intent_id, wallet.method(number))


def fail_challenge(wallet: Wallet, started: setups.SetupStarted) -> None:
    """The card's holder is asked, and does not prove who they are."""
    wallet.confirm(started.intent_id, wallet.method(ASKS_FOR_3DS))
    intent = wallet.sandbox.client.v1.setup_intents.retrieve(started.intent_id)
    assert intent.next_action is not None
    with urlopen(Request(intent.next_action.use_stripe_sdk["stripe_js"], b"outcome=fail")):  # type: ignore[index]  # noqa: S310
        pass


def other_customers(number: int) -> list[str]:
    with db.transaction() as session:
        return [factories.customer(session).id for _ in range(number)]


# What counts


def test_cards_that_are_taken_count_for_nothing(wallet: Wallet) -> None:
    for number in range(12):
        wallet.add("4242424242424242", year=2040 + number)
    assert attempts() == []


def test_of_one_address_any_number_of_good_cards_is_taken(wallet: Wallet) -> None:
    """A company's own server calls for all of its customers."""
    for customer_id in other_customers(25):
        with db.transaction() as session:
            card_testing.begin(session, customer_id, HOME, f"good-{customer_id}")
        with db.transaction() as session:
            card_testing.close(session, customer_id, f"good-{customer_id}")
    wallet.start(ip=HOME)


def test_a_challenge_counts_once_it_has_failed_and_each_as_one(wallet: Wallet) -> None:
    started = wallet.start()
    wallet.confirm(started.intent_id, wallet.method(ASKS_FOR_3DS))
    setups.refresh_setup(started.setup_id)
    waiting = wallet.only_setup
    assert (waiting.status, waiting.failed_attempts, failures()) == (SetupStatus.REQUIRES_ACTION, 0, [])
    assert waiting.stripe_attempt_id is not None
    for _ in range(3):
        fail_challenge(wallet, started)
        setups.sync_setup(started.intent_id)
        setups.sync_setup(started.intent_id)
    assert wallet.only_setup.failed_attempts == len(failures()) == 3
    assert {row.network for row in failures()} == {HOME}


def test_tries_that_failed_between_two_looks_are_counted_all_the_same(wallet: Wallet) -> None:
    started = wallet.start()
    decline(wallet, started)
    fail_challenge(wallet, started)
    decline(wallet, started, "4000000000009995")
    setups.refresh_setup(started.setup_id)
    assert wallet.only_setup.failed_attempts == len(failures()) == 3
    assert len({row.fingerprint for row in failures()}) == 3


def test_a_card_that_is_kept_may_be_declined(wallet: Wallet) -> None:
    """Nobody tries out the customer's own."""
    wallet.add()
    (card,) = wallet.cards
    with db.transaction() as session:
        card_testing.fail(session, wallet.customer_id, "ch_declined", card.fingerprint, "pay_1")
    assert attempts() == []


def test_declined_payments_count_and_end_what_may_try_on(wallet: Wallet) -> None:
    with db.transaction() as session:
        customer = session.get_one(Customer, wallet.customer_id)
        invoice = factories.invoice(session, customer)
    declined(wallet.customer_id, 3)
    card_testing.begin_payment(wallet.customer_id, OFFICE, invoice.id)
    started = payments.start_for_invoice(wallet.customer_id, invoice.id, client_key="first-page", save_card=False)
    charges = []
    for number in (DECLINED, "4000000000009995"):
        method = as_sent({"payment_method": wallet.method(number)})
        with pytest.raises(stripe.CardError) as refused:
            wallet.sandbox.client.v1.payment_intents.confirm(started.intent_id, method)
        charges.append(str(refused.value.error.charge))  # type: ignore[union-attr]
    for charge in charges:
        assert handlers.handle(failed_charge(charge, started.intent_id)) == ""
    counted = {row.attempt: row.network for row in failures()}
    assert [counted.get(charge) for charge in charges] == [OFFICE, OFFICE]
    assert wallet.sandbox.client.v1.payment_intents.retrieve(started.intent_id).status == "canceled"
    with pytest.raises(card_testing.TooManyCards):
        card_testing.begin_payment(wallet.customer_id, OFFICE, invoice.id)


def failed_charge(charge_id: str, intent_id: str) -> StripeEvent:
    now = clock.now()
    return StripeEvent(
        id=f"evt_{charge_id}",
        type="charge.failed",
        object_id=charge_id,
        intent_id=intent_id,
        created_at=now,
        received_at=now,
        body=b"",
    )


# The limits


def test_too_many_declined_cards_in_an_hour_are_slowed_and_in_a_day_blocked(wallet: Wallet) -> None:
    with time_machine.travel(clock.now(), tick=False) as time:
        declined(wallet.customer_id, 5)
        with pytest.raises(card_testing.TooManyCards) as slowed:
            wallet.start()
        assert slowed.value.retry_after == 3600
        time.shift(3601)
        declined(wallet.customer_id, 5)
        with pytest.raises(card_testing.Blocked) as blocked:
            wallet.start()
        assert blocked.value.retry_after == 24 * 3600 - 3601
        time.shift(blocked.value.retry_after)
        wallet.start()


def test_one_card_may_be_mistyped_more_often_than_many_are_tried(wallet: Wallet) -> None:
    declined(wallet.customer_id, 9, same_card=True)
    started = wallet.start()
    with db.transaction() as session:
        card_testing.fail(session, wallet.customer_id, "setatt_tenth", "one-card", started.setup_id)
    with pytest.raises(card_testing.TooManyCards):
        wallet.start()


def test_customers_of_one_network_are_counted_together(wallet: Wallet) -> None:
    for customer_id in other_customers(15):
        declined(customer_id, 1, ip=HOME)
    with pytest.raises(card_testing.TooManyFromAddress):
        wallet.start(ip=HOME)
    wallet.start(ip=OFFICE)
    with db.transaction() as session:
        card_testing.begin(session, wallet.customer_id, "", "from-nowhere")


def test_a_network_of_ipv6_counts_as_one(wallet: Wallet) -> None:
    for number, customer_id in enumerate(other_customers(15)):
        declined(customer_id, 1, ip=f"2001:db8:1:2:{number:x}::{number:x}")
    with pytest.raises(card_testing.TooManyFromAddress):
        wallet.start(ip="2001:db8:1:2:ffff::1")
    wallet.start(ip="2001:db8:1:3::1")


@pytest.mark.settings(PORTAL_CARD_LIMITS="cards_of_customer:2/hour")
def test_the_limits_are_settings_and_what_is_left_is_told(wallet: Wallet) -> None:
    declined(wallet.customer_id, 1)
    told = {standing.name: standing for standing in card_testing.standings(wallet.customer_id, HOME)}
    assert (told["cards_of_customer"].most, told["cards_of_customer"].left) == (2, 1)
    assert (told["failures_from_address"].most, told["failures_from_address"].left) == (20, 19)
    declined(wallet.customer_id, 1)
    with pytest.raises(card_testing.TooManyCards):
        wallet.start()


def test_tries_sent_side_by_side_are_counted_before_a_bank_has_answered(wallet: Wallet) -> None:
    def begin(number: int) -> str:
        try:
            with db.transaction() as session:
                session.execute(select(Customer.id).where(Customer.id == wallet.customer_id).with_for_update())
                card_testing.begin(session, wallet.customer_id, HOME, f"pm_{number}")
        except RateLimited:
            return "refused"
        return "begun"

    outcomes = run_concurrently(*[lambda number=number: begin(number) for number in range(14)])
    assert sorted(map(str, outcomes)) == ["begun"] * 10 + ["refused"] * 4
    with time_machine.travel(clock.now() + card_testing.UNANSWERED_FOR + timedelta(seconds=1)):
        wallet.start()


def test_a_refused_try_is_not_counted_and_asks_stripe_nothing(wallet: Wallet) -> None:
    declined(wallet.customer_id, 5)
    before = everything()
    with pytest.raises(card_testing.TooManyCards):
        wallet.start()
    assert everything() == before
    assert wallet.intents == []


def test_a_setup_that_sees_many_refused_cards_ends(wallet: Wallet) -> None:
    started = wallet.start()
    for _ in range(5):
        decline(wallet, started)
    setups.sync_setup(started.intent_id)
    assert wallet.only_setup.status == wallet.intents[0].status == SetupStatus.CANCELED


def test_who_is_beyond_a_limit_tries_no_more_with_a_setup_of_before(wallet: Wallet) -> None:
    started = wallet.start()
    declined(wallet.customer_id, 4)
    decline(wallet, started)
    setups.sync_setup(started.intent_id)
    assert wallet.only_setup.status == wallet.intents[0].status == SetupStatus.CANCELED


def test_old_tries_are_forgotten(wallet: Wallet) -> None:
    declined(wallet.customer_id, 1)
    with db.transaction() as session:
        card_testing.forget_old(session)
    assert len(attempts()) == 1
    with time_machine.travel(clock.now() + timedelta(days=1, seconds=1)), db.transaction() as session:
        card_testing.forget_old(session)
    assert attempts() == []
