"""The cards that are kept: duplicates, expiry, the default, removal, and what happens to them at Stripe."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from portal.accounts.models import Customer
from portal.core import clock, db
from portal.core.errors import NotFound, Unavailable
from portal.payment_methods import keeping, queries, setups, stripe_customers
from portal.payment_methods.models import PaymentMethod
from portal.payment_methods.statuses import SetupOutcome
from portal.payments import service as payments
from portal.payments.models import Payment
from portal.stripe_events import handlers
from portal.stripe_events.models import StripeEvent
from tests import factories
from tests.payment_methods.conftest import MASTERCARD, Wallet, stripe_is_not_asked
from tests.payments.conftest import audited, everything, jobs
from tests.stripe_events.test_webhooks import receive_all


def finish_jobs() -> None:
    for job in jobs("payment_methods.detach"):
        keeping.detach(job["stripe_payment_method_id"])


def heard(type_: str, object_id: str) -> str:
    """The note of an event about this object, after it was applied."""
    event = StripeEvent(id="evt_1", type=type_, object_id=object_id, body=b"", created_at=clock.now())
    return handlers.handle(event)


# Duplicates


def test_the_same_card_again_is_refused_and_detached(wallet: Wallet) -> None:
    wallet.add()
    (kept,) = wallet.cards
    again = wallet.add()
    assert (again.outcome, again.payment_method_id) == (SetupOutcome.DUPLICATE, kept.id)
    finish_jobs()
    finish_jobs()
    assert wallet.attached == {kept.stripe_payment_method_id}
    assert [card.id for card in wallet.cards] == [kept.id]
    assert audited("payment_method.duplicate") == 1


def test_a_later_expiry_renews_the_card_in_its_place(wallet: Wallet) -> None:
    wallet.add(year=2030)
    (before,) = wallet.cards
    again = wallet.add(year=2034)
    (after,) = wallet.cards
    assert (again.outcome, again.payment_method_id) == (SetupOutcome.RENEWED, before.id)
    assert (after.id, after.exp_year, after.is_default) == (before.id, 2034, True)
    assert after.stripe_payment_method_id != before.stripe_payment_method_id
    finish_jobs()
    assert wallet.attached == {after.stripe_payment_method_id}
    assert heard("payment_method.detached", before.stripe_payment_method_id) == ""
    assert [card.id for card in wallet.cards] == [before.id]


def test_an_earlier_expiry_changes_nothing(wallet: Wallet) -> None:
    wallet.add(year=2034)
    assert wallet.add(year=2033).outcome == SetupOutcome.DUPLICATE
    assert wallet.cards[0].exp_year == 2034


def test_a_duplicate_is_told_although_the_webhook_had_it_detached_before(wallet: Wallet) -> None:
    wallet.add()
    started = wallet.start("another-page")
    method = wallet.method()
    wallet.confirm(started.intent_id, method)
    keeping.upsert(method)
    finish_jobs()
    keeping.upsert(method)
    setups.refresh_setup(started.setup_id)
    assert wallet.setup(started.setup_id).outcome == SetupOutcome.DUPLICATE
    assert len(wallet.cards) == 1


def test_two_tabs_add_the_same_card_at_the_same_moment(wallet: Wallet) -> None:
    methods = [wallet.method(), wallet.method()]
    for number, method in enumerate(methods):
        wallet.confirm(wallet.start(f"page-number-{number}").intent_id, method)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(keeping.upsert, methods))
    finish_jobs()
    assert len(wallet.cards) == len(wallet.attached) == 1


def test_the_same_card_of_two_customers_is_two_cards(wallet: Wallet) -> None:
    wallet.add()
    with db.transaction() as session:
        other = Wallet(wallet.sandbox, factories.customer(session).id)
    assert other.add().outcome == SetupOutcome.ADDED


def test_a_removed_card_can_be_added_again(wallet: Wallet) -> None:
    wallet.add()
    keeping.remove(wallet.cards[0].id, wallet.customer_id)
    assert wallet.add().outcome == SetupOutcome.ADDED
    assert len(wallet.cards) == 1


# The default


def test_another_card_becomes_the_default_and_only_one_is(wallet: Wallet) -> None:
    wallet.add()
    wallet.add(MASTERCARD)
    assert [(card.brand, card.is_default) for card in wallet.cards] == [("visa", True), ("mastercard", False)]
    keeping.make_default(wallet.cards[1].id, wallet.customer_id)
    assert [(card.brand, card.is_default) for card in wallet.cards] == [("mastercard", True), ("visa", False)]
    before = everything()
    keeping.make_default(wallet.cards[0].id, wallet.customer_id)
    assert everything() == before


def test_an_expired_card_cannot_become_the_default(wallet: Wallet) -> None:
    wallet.add()
    wallet.add(MASTERCARD)
    expired = wallet.cards[1]
    wallet.change(PaymentMethod, expired.id, exp_year=2020)
    with pytest.raises(keeping.Expired):
        keeping.make_default(expired.id, wallet.customer_id)
    assert wallet.cards[0].is_default


def test_an_expired_default_gives_way_to_a_new_card(wallet: Wallet) -> None:
    wallet.add()
    wallet.change(PaymentMethod, wallet.cards[0].id, exp_year=2020)
    wallet.add(MASTERCARD)
    assert [(card.brand, card.is_default) for card in wallet.cards] == [("mastercard", True), ("visa", False)]


def test_when_the_default_is_removed_the_newest_good_card_takes_its_place(wallet: Wallet) -> None:
    wallet.add()
    wallet.add(MASTERCARD)
    wallet.add("378282246310005")
    default, newest, older = wallet.cards
    wallet.change(PaymentMethod, newest.id, exp_year=2020)
    next_default = keeping.remove(default.id, wallet.customer_id)
    assert next_default is not None
    assert next_default.id == older.id
    assert [card.id for card in wallet.cards] == [older.id, newest.id]
    assert keeping.remove(older.id, wallet.customer_id) is None


# Removal


def test_a_card_is_removed_at_stripe_and_here(wallet: Wallet) -> None:
    wallet.add()
    (card,) = wallet.cards
    keeping.remove(card.id, wallet.customer_id)
    assert wallet.cards == []
    assert wallet.attached == set()
    assert audited("payment_method.removed") == 1
    keeping.upsert(card.stripe_payment_method_id)
    assert wallet.cards == []


def test_a_card_that_is_gone_at_stripe_is_removed_without_an_error(wallet: Wallet) -> None:
    wallet.add()
    (card,) = wallet.cards
    wallet.sandbox.client.v1.payment_methods.detach(card.stripe_payment_method_id)
    keeping.remove(card.id, wallet.customer_id)
    assert wallet.cards == []


def test_the_answer_to_the_removal_is_lost_and_the_second_press_works(wallet: Wallet) -> None:
    wallet.add()
    (card,) = wallet.cards
    wallet.fail("reset_after", f"/v1/payment_methods/{card.stripe_payment_method_id}/detach", times=2)
    with pytest.raises(Unavailable):
        keeping.remove(card.id, wallet.customer_id)
    keeping.remove(card.id, wallet.customer_id)
    assert wallet.cards == []


def test_another_customers_card_is_not_found_and_stripe_is_not_asked(wallet: Wallet) -> None:
    wallet.add()
    (card,) = wallet.cards
    with db.transaction() as session:
        stranger = factories.customer(session).id
    before = everything()
    with stripe_is_not_asked(wallet.sandbox):
        for act in (keeping.remove, keeping.make_default):
            with pytest.raises(NotFound):
                act(card.id, stranger)
    assert everything() == before
    assert wallet.attached == {card.stripe_payment_method_id}


def test_an_unfinished_payment_is_told_of_before_the_removal(wallet: Wallet) -> None:
    wallet.add()
    (card,) = wallet.cards
    with db.transaction() as session:
        customer = session.get_one(Customer, wallet.customer_id)
        method = card.stripe_payment_method_id
        factories.payment(session, customer, status="requires_action", stripe_payment_method_id=method)
        factories.payment(session, customer, status="succeeded", stripe_payment_method_id=method)
    with db.reading() as session:
        (use,) = queries.uses(session, [card])[card.id]
    assert use.method_id == method


# Changes at Stripe


def test_a_card_detached_at_stripe_disappears_and_one_attached_appears(wallet: Wallet) -> None:
    wallet.add()
    (card,) = wallet.cards
    wallet.sandbox.client.v1.payment_methods.detach(card.stripe_payment_method_id)
    assert heard("payment_method.detached", card.stripe_payment_method_id) == ""
    assert wallet.cards == []
    method = wallet.method(MASTERCARD)
    wallet.sandbox.client.v1.payment_methods.attach(
        method, {"customer": stripe_customers.ensure_stripe_customer(wallet.customer_id)}
    )
    assert heard("payment_method.attached", method) == ""
    assert [card.stripe_payment_method_id for card in wallet.cards] == [method]


def test_a_new_expiry_is_followed(wallet: Wallet) -> None:
    wallet.add()
    method = wallet.cards[0].stripe_payment_method_id
    wallet.sandbox.client.v1.payment_methods.update(method, {"card": {"exp_month": 3, "exp_year": 2041}})
    heard("payment_method.automatically_updated", method)
    assert (wallet.cards[0].exp_month, wallet.cards[0].exp_year) == (3, 2041)


def test_the_bank_renews_a_card_and_stripes_event_brings_the_new_expiry(wallet: Wallet) -> None:
    wallet.add(month=11, year=2031)
    (before,) = wallet.cards
    wallet.change(PaymentMethod, before.id, reminded_days=30)
    wallet.sandbox.control("cards/renew", payment_method=before.stripe_payment_method_id)
    (event, *_) = wallet.sandbox.client.v1.events.list({"type": "payment_method.automatically_updated"}).data
    receive_all([json.dumps(event.to_dict()).encode()] * 2)
    (after,) = wallet.cards
    assert (after.id, after.exp_month, after.exp_year) == (before.id, 11, 2034)
    assert after.reminded_days is None
    assert audited("payment_method.updated") == 1


def test_setup_events_reach_their_setup(wallet: Wallet) -> None:
    started = wallet.start()
    wallet.confirm(started.intent_id, wallet.method())
    assert heard("setup_intent.succeeded", started.intent_id) == ""
    assert len(wallet.cards) == 1
    assert heard("setup_intent.canceled", "seti_none") != ""
    assert heard("customer.updated", stripe_customers.ensure_stripe_customer(wallet.customer_id)) != ""


def test_a_customer_deleted_at_stripe_loses_the_cards_and_gets_a_new_one_at_the_next_payment(wallet: Wallet) -> None:
    wallet.add()
    with db.transaction() as session:
        customer = session.get_one(Customer, wallet.customer_id)
        invoice_id = factories.invoice(session, customer).id
    begun = payments.start_for_invoice(wallet.customer_id, invoice_id, client_key="first-click", save_card=False)
    lost = stripe_customers.ensure_stripe_customer(wallet.customer_id)
    assert heard("customer.deleted", lost) != "", "it is not deleted yet"
    assert len(wallet.cards) == 1

    wallet.sandbox.client.v1.customers.delete(lost)
    for _ in range(2):
        assert heard("customer.deleted", lost) == ""
    for job in jobs("payments.cancel_pending"):
        payments.cancel_pending(**job)
    assert wallet.cards == []
    assert audited("customer.unlinked") == 1
    with db.reading() as session:
        former = session.get_one(Payment, begun.payment_id)
    assert (former.status, former.review_reason) == ("canceled", "")

    again = payments.start_for_invoice(wallet.customer_id, invoice_id, client_key="second-click", save_card=False)
    assert again.intent_id != begun.intent_id
    assert stripe_customers.ensure_stripe_customer(wallet.customer_id) != lost
