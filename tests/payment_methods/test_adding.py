"""Adding a card at the service, against Stripe's sandbox, on both databases: the way, the accidents, and card testing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
import stripe

from portal import gateway
from portal.core import clock, db
from portal.core.errors import Conflict, Invalid, NotFound, PortalError, Unavailable
from portal.jobs import outbox
from portal.payment_methods import keeping, queries, setups, stripe_customers
from portal.payment_methods.models import PaymentMethodSetup
from portal.payment_methods.statuses import SetupOutcome, SetupStatus
from tests import factories
from tests.crashing import dies
from tests.payment_methods.conftest import Wallet
from tests.payments.conftest import audited, everything, jobs

CREATE = "/v1/setup_intents"


def let_the_worker_finish(wallet: Wallet) -> None:
    with suppress(outbox.Reschedule):
        setups.follow_up(wallet.only_setup.id)


def assert_added_once(wallet: Wallet) -> None:
    setup, (card,) = wallet.only_setup, wallet.cards
    assert (setup.status, setup.outcome, setup.payment_method_id) == (
        SetupStatus.SUCCEEDED,
        SetupOutcome.ADDED,
        card.id,
    )
    assert wallet.attached == {card.stripe_payment_method_id}
    assert audited("payment_method.saved") == 1


def finish(wallet: Wallet) -> None:
    (intent,) = wallet.intents
    wallet.confirm(intent.id, wallet.method())
    let_the_worker_finish(wallet)
    assert_added_once(wallet)


def test_a_card_is_added_and_the_first_is_the_default(wallet: Wallet) -> None:
    setup = wallet.add()
    (card,) = wallet.cards
    assert (setup.outcome, setup.payment_method_id) == (SetupOutcome.ADDED, card.id)
    assert (card.brand, card.last4, card.exp_month, card.exp_year) == ("visa", "4242", 12, 2040)
    assert card.is_default
    assert card.fingerprint
    assert (
        audited("payment_method_setup.started")
        == audited("payment_method_setup.intent_stored")
        == audited("payment_method.saved")
        == 1
    )


def test_the_same_news_twice_changes_nothing(wallet: Wallet) -> None:
    setup = wallet.add()
    (card,) = wallet.cards
    before = everything()
    setups.refresh_setup(setup.id)
    setups.follow_up(setup.id)
    keeping.upsert(card.stripe_payment_method_id)
    assert setups.sync_setup(str(setup.stripe_setup_intent_id))
    assert everything() == before


@pytest.mark.parametrize("card_first", [True, False])
def test_the_order_of_webhooks_does_not_matter(wallet: Wallet, card_first: bool) -> None:
    started = wallet.start()
    method = wallet.method()
    wallet.confirm(started.intent_id, method)
    if card_first:
        keeping.upsert(method)
    setups.sync_setup(started.intent_id)
    keeping.upsert(method)
    assert_added_once(wallet)


def test_a_refused_card_leaves_the_setup_open_for_the_next_one(wallet: Wallet) -> None:
    started = wallet.start()
    with pytest.raises(stripe.CardError):
        wallet.confirm(started.intent_id, wallet.method("4000000000000002"))
    setups.sync_setup(started.intent_id)
    setup = wallet.only_setup
    assert (setup.status, setup.failure_code, setup.failed_attempts) == ("requires_payment_method", "card_declined", 1)
    assert wallet.start().intent_id == started.intent_id
    finish(wallet)


def test_a_double_click_and_a_second_call_reach_the_same_setup(wallet: Wallet) -> None:
    assert wallet.start() == wallet.start()
    assert len(wallet.intents) == 1
    finish(wallet)
    with pytest.raises(setups.AlreadyAdded):
        wallet.start()


@pytest.mark.parametrize("key", ["", "short", "é" * 20, "x" * 81])
def test_a_form_without_a_proper_key_is_refused(wallet: Wallet, key: str) -> None:
    with pytest.raises(Invalid):
        wallet.start(key)
    assert wallet.intents == []


def test_another_customers_setup_is_not_found(wallet: Wallet) -> None:
    started = wallet.start()
    with db.transaction() as session:
        stranger = factories.customer(session).id
    with db.reading() as session, pytest.raises(NotFound):
        queries.setup_for_customer(session, started.setup_id, stranger)


# Accidents


def test_dead_before_the_row_commits_nothing_is_left(wallet: Wallet) -> None:
    dies("setup recorded", wallet.start)
    assert wallet.intents == []
    wallet.start()
    finish(wallet)


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "error_before", "conflict"])
def test_the_answer_to_the_creation_is_lost_and_the_worker_finishes(wallet: Wallet, fault: str) -> None:
    wallet.fail(fault, CREATE, times=2)
    with pytest.raises(PortalError):
        wallet.start()
    assert wallet.only_setup.stripe_setup_intent_id is None
    let_the_worker_finish(wallet)
    assert len(wallet.intents) == 1
    finish(wallet)


def test_the_answer_is_lost_and_the_key_has_expired_so_the_list_is_searched(wallet: Wallet) -> None:
    wallet.fail("reset_after", CREATE, times=2)
    with pytest.raises(Unavailable):
        wallet.start()
    wallet.change(PaymentMethodSetup, wallet.only_setup.id, key_used_at=clock.now() - timedelta(hours=24))
    wallet.sandbox.control("clock", seconds=25 * 3600)
    let_the_worker_finish(wallet)
    assert (len(wallet.intents), wallet.only_setup.attempt) == (1, 1)


def test_nothing_arrived_and_the_key_has_expired_so_a_new_attempt_is_made(wallet: Wallet) -> None:
    wallet.fail("reset_before", CREATE, times=2)
    with pytest.raises(Unavailable):
        wallet.start()
    wallet.change(PaymentMethodSetup, wallet.only_setup.id, key_used_at=clock.now() - timedelta(hours=24))
    let_the_worker_finish(wallet)
    assert wallet.only_setup.attempt == 2
    finish(wallet)


def test_intent_made_but_dead_before_its_id_is_stored(wallet: Wallet) -> None:
    stripe_customers.ensure_stripe_customer(wallet.customer_id)
    dies("object created", wallet.start)
    assert wallet.only_setup.stripe_setup_intent_id is None
    let_the_worker_finish(wallet)
    finish(wallet)


def test_a_lost_setup_intent_is_found_by_its_metadata(wallet: Wallet) -> None:
    stripe_customers.ensure_stripe_customer(wallet.customer_id)
    dies("object created", wallet.start)
    (intent,) = wallet.intents
    wallet.confirm(intent.id, wallet.method())
    assert setups.sync_setup(intent.id)
    assert_added_once(wallet)


@pytest.mark.parametrize(
    "point", ["object fetched", "payment method fetched", "card saved", "details fetched", "change applied"]
)
def test_confirmed_and_dead_before_it_is_recorded(wallet: Wallet, point: str) -> None:
    started = wallet.start()
    wallet.confirm(started.intent_id, wallet.method())
    dies(point, lambda: setups.refresh_setup(started.setup_id))
    let_the_worker_finish(wallet)
    assert_added_once(wallet)


def test_a_setup_intent_of_another_customer_holds_the_row_for_review(wallet: Wallet) -> None:
    started = wallet.start()
    other = wallet.sandbox.client.v1.customers.create({"name": "Someone"}).id
    foreign = wallet.sandbox.client.v1.setup_intents.create({"customer": other})
    wallet.change(PaymentMethodSetup, started.setup_id, stripe_setup_intent_id=foreign.id)
    setups.refresh_setup(started.setup_id)
    assert "another customer" in wallet.only_setup.review_reason
    with pytest.raises(setups.UnderReview):
        wallet.start()


def test_what_nobody_finishes_is_canceled_after_a_day(wallet: Wallet) -> None:
    started = wallet.start()
    with pytest.raises(outbox.Reschedule):
        setups.follow_up(started.setup_id)
    wallet.change(PaymentMethodSetup, started.setup_id, created_at=clock.now() - timedelta(hours=25))
    setups.follow_up(started.setup_id)
    assert wallet.only_setup.status == wallet.intents[0].status == SetupStatus.CANCELED
    with pytest.raises(Conflict):
        wallet.start()


def test_every_setup_is_followed_up(wallet: Wallet) -> None:
    started = wallet.start()
    wallet.start()
    assert jobs("payment_methods.follow_up") == [{"setup_id": started.setup_id}]


def test_a_setup_intent_of_nobody_is_none_of_ours(wallet: Wallet) -> None:
    foreign = wallet.sandbox.client.v1.setup_intents.create()
    before = everything()
    assert not setups.sync_setup(foreign.id)
    assert everything() == before
    with pytest.raises(gateway.MissingAtStripe):
        setups.sync_setup("seti_none")


def test_many_callers_at_once_reach_one_customer_at_stripe(wallet: Wallet) -> None:
    with ThreadPoolExecutor(8) as pool:
        reached = set(pool.map(lambda _: stripe_customers.ensure_stripe_customer(wallet.customer_id), range(24)))
    assert reached == {customer.id for customer in wallet.sandbox.client.v1.customers.list().data}
    assert len(reached) == 1
