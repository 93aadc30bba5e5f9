"""Saving a card by its reference, as apps do: what comes of it, what is refused, and that nothing is done twice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.request import Request, urlopen

import pytest

from portal import gateway
from portal.core import db
from portal.core.errors import Declined, Invalid, Unavailable
from portal.jobs import outbox
from portal.payment_methods import by_reference, card_testing, keeping, queries, setups, stripe_customers
from portal.payment_methods.by_reference import KeyReused
from portal.payment_methods.models import CardAttempt, PaymentMethodSetup
from portal.payment_methods.sources import UnknownMethod
from portal.payment_methods.statuses import SetupOutcome, SetupStatus
from tests import factories
from tests.crashing import dies, overtaken
from tests.payment_methods.conftest import MASTERCARD, Wallet
from tests.payments.conftest import audited, everything, jobs

CONFIRM = "/v1/setup_intents/*/confirm"
DECLINED, ASKS_FOR_3DS = "4000000000000002", "4000002760003184"


def save(wallet: Wallet, method: str, key: str = "from-an-app") -> setups.SetupStarted:
    return by_reference.save_method(wallet.customer_id, method, client_key=key, ip="203.0.113.7")


def asked_bank(wallet: Wallet) -> int:
    """How often a card of the only setup was brought to its bank."""
    (intent,) = wallet.intents
    return len(wallet.sandbox.client.v1.setup_attempts.list({"setup_intent": intent.id}).data)


def attempts() -> int:
    with db.reading() as session:
        return session.query(CardAttempt).count()


def pass_3d_secure(intent: Any) -> None:
    """As the card's holder, on the bank's page."""
    with urlopen(Request(intent.next_action.use_stripe_sdk["stripe_js"], b"outcome=complete")):  # noqa: S310  # our own
        pass


def assert_saved_once(wallet: Wallet) -> None:
    setup, (card,) = wallet.only_setup, wallet.cards
    assert (setup.status, setup.outcome, setup.payment_method_id) == (
        SetupStatus.SUCCEEDED,
        SetupOutcome.ADDED,
        card.id,
    )
    assert wallet.attached == {card.stripe_payment_method_id}
    assert audited("payment_method.saved") == asked_bank(wallet) == 1
    assert attempts() == 0


def test_a_card_is_kept(wallet: Wallet) -> None:
    method = wallet.method()
    told = save(wallet, method)
    (card,) = wallet.cards
    assert (told.status, told.outcome, told.payment_method_id) == (SetupStatus.SUCCEEDED, SetupOutcome.ADDED, card.id)
    assert (card.stripe_payment_method_id, card.last4, card.is_default) == (method, "4242", True)
    assert jobs("payment_methods.follow_up") == [{"setup_id": told.setup_id}]
    assert_saved_once(wallet)


def test_a_second_call_with_the_key_tells_the_same_and_repeats_nothing(wallet: Wallet) -> None:
    method = wallet.method()
    told = save(wallet, method)
    before = everything()
    assert save(wallet, method) == told
    assert everything() == before
    assert_saved_once(wallet)


def test_a_key_is_for_one_card(wallet: Wallet) -> None:
    save(wallet, wallet.method())
    wallet.start("of-a-browser")
    before = everything()
    for key in ("from-an-app", "of-a-browser"):
        with pytest.raises(KeyReused):
            save(wallet, wallet.method(MASTERCARD), key)
    with pytest.raises(Invalid):
        save(wallet, wallet.method(MASTERCARD), "short")
    assert everything() == before


@pytest.mark.parametrize(("year", "outcome"), [(2034, SetupOutcome.DUPLICATE), (2036, SetupOutcome.RENEWED)])
def test_a_number_that_is_kept_already_is_judged_as_ever(wallet: Wallet, year: int, outcome: str) -> None:
    wallet.add(year=2034)
    (card,) = wallet.cards
    told = save(wallet, wallet.method(year=year))
    assert (told.status, told.outcome, told.payment_method_id) == (SetupStatus.SUCCEEDED, outcome, card.id)
    for job in jobs("payment_methods.detach"):
        keeping.detach(job["stripe_payment_method_id"])
    assert len(wallet.attached) == len(wallet.cards) == 1
    assert save(wallet, str(wallet.setup(told.setup_id).stripe_payment_method_id)) == told


def of_another_customer(wallet: Wallet) -> str:
    with db.transaction() as session:
        other = Wallet(wallet.sandbox, factories.customer(session).id)
    other.add()
    return other.cards[0].stripe_payment_method_id


def of_a_stranger_at_stripe(wallet: Wallet) -> str:
    method = wallet.method()
    stranger = wallet.sandbox.client.v1.customers.create({"name": "Someone"}).id
    wallet.sandbox.client.v1.payment_methods.attach(method, {"customer": stranger})
    return method


def let_go_before(wallet: Wallet) -> str:
    method = of_a_stranger_at_stripe(wallet)
    wallet.sandbox.client.v1.payment_methods.detach(method)
    return method


UNKNOWN: dict[str, Callable[[Wallet], str]] = {
    "no such": lambda _: "pm_1SQ0aBcDeFgHiJkLmNoPqRsT",
    "empty": lambda _: "",
    "an address": lambda _: "pm_1/../../customers",
    "no reference": lambda _: "pm_1\nx",
    "of another customer": of_another_customer,
    "of a stranger at Stripe": of_a_stranger_at_stripe,
    "let go before": let_go_before,
}


@pytest.mark.parametrize("which", UNKNOWN)
def test_what_is_not_there_and_what_is_anothers_is_told_in_the_same_words(wallet: Wallet, which: str) -> None:
    method = UNKNOWN[which](wallet)
    with pytest.raises(UnknownMethod) as refused:
        save(wallet, method)
    error = refused.value
    assert (error.status, error.code, error.field, error.facts) == (
        422,
        "unknown_payment_method",
        "payment_method_id",
        {},
    )
    assert error.message.startswith("We do not know this payment method")
    assert wallet.cards == []
    with db.reading() as session:  # that it was let go is known to Stripe alone, when it is asked to keep it
        begun = session.query(PaymentMethodSetup).where(PaymentMethodSetup.customer_id == wallet.customer_id).count()
    assert begun == (which == "let go before")


def test_a_card_that_is_there_already_is_told_and_kept_although_its_webhook_was_lost(wallet: Wallet) -> None:
    method = wallet.method()
    wallet.sandbox.client.v1.payment_methods.attach(
        method, {"customer": stripe_customers.ensure_stripe_customer(wallet.customer_id)}
    )
    for _ in range(2):
        with pytest.raises(setups.AlreadyAdded):
            save(wallet, method)
    assert [card.stripe_payment_method_id for card in wallet.cards] == [method]
    assert wallet.intents == []


def test_a_refused_card_is_told_with_advice_and_the_next_one_takes_another_key(wallet: Wallet) -> None:
    method = wallet.method(DECLINED)
    for _ in range(2):
        with pytest.raises(Declined) as refused:
            save(wallet, method)
        assert (refused.value.code, refused.value.decline_code) == ("card_declined", "generic_decline")
        assert "declined this card" in refused.value.message
        assert asked_bank(wallet) == 1
    assert (wallet.only_setup.failure_code, wallet.only_setup.failed_attempts) == ("card_declined", 1)
    assert save(wallet, wallet.method(), "next-card").outcome == SetupOutcome.ADDED
    assert attempts() == 1


def test_a_bank_that_asks_for_3d_secure_gets_its_answer_in_the_app(wallet: Wallet) -> None:
    method = wallet.method(ASKS_FOR_3DS)
    told = save(wallet, method)
    (intent,) = wallet.intents
    assert (told.status, told.client_secret) == (SetupStatus.REQUIRES_ACTION, intent.client_secret)
    assert save(wallet, method) == told
    pass_3d_secure(intent)
    assert save(wallet, method).outcome == SetupOutcome.ADDED
    assert_saved_once(wallet)


def test_another_customers_key_is_another_key(wallet: Wallet) -> None:
    told = save(wallet, wallet.method())
    with db.transaction() as session:
        other = Wallet(wallet.sandbox, factories.customer(session).id)
    assert save(other, other.method()).setup_id != told.setup_id
    with db.reading() as session:
        assert len(queries.of_customer(session, other.customer_id)) == 1


# Accidents


def again(wallet: Wallet, method: str) -> None:
    save(wallet, method)


def by_the_worker(wallet: Wallet, method: str) -> None:
    with suppress(outbox.Reschedule):
        setups.follow_up(wallet.only_setup.id)


def by_webhook(wallet: Wallet, method: str) -> None:
    setups.sync_setup(wallet.intents[0].id)


@pytest.mark.parametrize("found", [again, by_the_worker, by_webhook])
@pytest.mark.parametrize("fault", ["reset_after", "truncate"])
def test_the_answer_to_the_confirmation_is_lost_and_what_came_of_it_is_found(
    wallet: Wallet, fault: str, found: Callable[[Wallet, str], None]
) -> None:
    method = wallet.method()
    wallet.fail(fault, CONFIRM, times=2 if fault == "reset_after" else 1)
    with pytest.raises(Unavailable):
        save(wallet, method)
    assert wallet.cards == []
    found(wallet, method)
    assert_saved_once(wallet)


@pytest.mark.parametrize("fault", ["reset_before", "error_before", "conflict"])
@pytest.mark.parametrize("path", ["/v1/setup_intents", CONFIRM])
def test_what_did_not_arrive_is_sent_by_the_next_call(wallet: Wallet, fault: str, path: str) -> None:
    method = wallet.method()
    wallet.fail(fault, path, times=2)
    with pytest.raises(Unavailable):
        save(wallet, method)
    save(wallet, method)
    assert_saved_once(wallet)


@pytest.mark.parametrize("path", ["/v1/setup_intents", CONFIRM])
def test_stripe_keeps_its_500_under_the_key_and_what_came_of_the_call_is_looked_up(wallet: Wallet, path: str) -> None:
    method = wallet.method()
    wallet.fail("error_after", path)
    save(wallet, method)
    assert_saved_once(wallet)


def test_a_refusal_whose_answer_is_lost_is_told_by_the_next_call(wallet: Wallet) -> None:
    method = wallet.method(DECLINED)
    wallet.fail("reset_after", CONFIRM, times=2)
    with pytest.raises(Unavailable):
        save(wallet, method)
    with pytest.raises(Declined):
        save(wallet, method)
    assert asked_bank(wallet) == 1


@pytest.mark.parametrize(
    "point",
    ["object created", "object stored", "setup confirmed", "object fetched", "card saved", "details fetched",
     "change applied", "setup finished"],
)  # fmt: skip
def test_dead_at_any_point_the_next_call_finishes(wallet: Wallet, point: str) -> None:
    method = wallet.method()
    dies(point, lambda: save(wallet, method))
    save(wallet, method)
    assert_saved_once(wallet)


def test_dead_before_the_row_commits_nothing_is_left_but_a_try_without_outcome(wallet: Wallet) -> None:
    method = wallet.method()
    dies("setup recorded", lambda: save(wallet, method))
    assert wallet.intents == []
    assert attempts() == 1
    assert save(wallet, method).outcome == SetupOutcome.ADDED


def test_confirmed_and_dead_the_worker_keeps_the_card(wallet: Wallet) -> None:
    dies("setup confirmed", lambda: save(wallet, wallet.method()))
    by_the_worker(wallet, "")
    assert_saved_once(wallet)


def test_no_transaction_is_open_while_the_bank_is_asked(wallet: Wallet) -> None:
    with db.reading(), pytest.raises(db.NestedTransaction):
        gateway.current().confirm_setup("seti_1", "key", "pm_1")


def test_two_calls_at_once_bring_the_card_to_the_bank_once(wallet: Wallet) -> None:
    method = wallet.method()

    def call(_: int) -> None:
        with suppress(Unavailable):  # Stripe is busy with the same key
            save(wallet, method)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(call, range(2)))
    assert save(wallet, method).outcome == SetupOutcome.ADDED
    assert asked_bank(wallet) == len(wallet.attached) == len(wallet.cards) == 1


def test_news_from_before_a_card_was_attached_do_not_remove_it(wallet: Wallet) -> None:
    """Stripe's answer, that nobody has the card, arrives when another call has already kept it."""
    method = wallet.method()
    with overtaken("payment method fetched", by=lambda: save(wallet, method)):
        earlier = keeping.upsert(method)
    assert earlier is not None
    assert earlier.customer_id is None
    assert_saved_once(wallet)


# Card testing


def test_who_guesses_references_is_stopped(wallet: Wallet) -> None:
    for number in range(10):
        with pytest.raises(UnknownMethod):
            save(wallet, f"pm_{number}", f"try-number-{number}")
    method = wallet.method()
    before = everything()
    with pytest.raises(card_testing.TooManyCards):
        save(wallet, method)
    assert everything() == before


def test_asking_again_how_it_went_is_no_try(wallet: Wallet) -> None:
    method = wallet.method(DECLINED)
    for _ in range(12):
        with pytest.raises(Declined):
            save(wallet, method)
    assert attempts() == 1
    with db.reading() as session:
        assert session.query(PaymentMethodSetup).count() == 1
