"""What an app cannot pay, or cannot pay with: told before anything is written, and nothing of another customer's is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portal.core import config, db
from portal.core.errors import Invalid, NotFound
from portal.core.money import Money
from portal.payment_methods import service as cards
from portal.payment_methods.models import PaymentMethod
from portal.payments import service
from portal.payments.models import Confirmation, Payment, PlacedOrder
from portal.payments.order_rules import Order, whole
from portal.payments.service import process
from portal.payments.statuses import PaymentStatus
from tests import factories
from tests.payments.conftest import Checkout, everything, keep_card
from tests.payments.test_crash_points import assert_paid_once
from tests.payments.test_placing_orders import KEY, charges, deposit, new_card, order, rows


def of_another_customer(checkout: Checkout) -> str:
    return keep_card(checkout.sandbox, stranger(checkout).customer_id).stripe_payment_method_id


def of_a_stranger_at_stripe(checkout: Checkout) -> str:
    method = new_card(checkout)
    someone = checkout.sandbox.client.v1.customers.create({"name": "Someone"}).id
    checkout.sandbox.client.v1.payment_methods.attach(method, {"customer": someone})
    return method


def removed_here(checkout: Checkout) -> str:
    card = checkout.keep_card()
    cards.remove(card.id, checkout.customer_id)
    return card.stripe_payment_method_id


UNKNOWN: dict[str, Callable[[Checkout], str]] = {
    "no such": lambda _: "pm_1SQ0aBcDeFgHiJkLmNoPqRsT",
    "empty": lambda _: "",
    "no text": lambda _: "pm_\0",
    "an address": lambda _: "pm_1/../../customers",
    "of another customer": of_another_customer,
    "of a stranger at Stripe": of_a_stranger_at_stripe,
    "removed here": removed_here,
}


@pytest.mark.parametrize("which", UNKNOWN)
def test_a_card_that_is_not_there_or_anothers_is_told_in_the_same_words(checkout: Checkout, which: str) -> None:
    method = UNKNOWN[which](checkout)
    with pytest.raises(cards.UnknownMethod) as refused:
        process(order(checkout, method))
    assert (refused.value.status, refused.value.field) == (422, "payment_method_id")
    assert (rows(Payment), rows(PlacedOrder), charges(checkout)) == ([], [], [])
    assert (
        process(order(checkout, new_card(checkout))).payment.status == PaymentStatus.SUCCEEDED
    )  # the key was not used


def test_a_card_whose_webhook_was_lost_is_a_saved_one(checkout: Checkout) -> None:
    method = new_card(checkout)
    checkout.sandbox.client.v1.payment_methods.attach(
        method, {"customer": cards.ensure_stripe_customer(checkout.customer_id)}
    )
    process(order(checkout, method))
    (card,) = rows(PaymentMethod)
    assert [row.payment_method_id for row in rows(Confirmation)] == [card.id]
    assert_paid_once(checkout)


@pytest.mark.parametrize("by", ["id", "stripe_payment_method_id"])
def test_an_expired_card_is_not_charged(checkout: Checkout, by: str) -> None:
    card = checkout.keep_card()
    with db.transaction() as session:
        session.get_one(PaymentMethod, card.id).exp_year = 2020
    with pytest.raises(cards.Expired):
        process(order(checkout, getattr(card, by)))
    assert rows(Payment) == charges(checkout) == []


def stranger(checkout: Checkout) -> Checkout:
    with db.transaction() as session:
        customer = factories.customer(session)
        return Checkout(checkout.sandbox, customer.id, factories.invoice(session, customer).id)


def test_someone_elses_things_are_not_found_and_stripe_hears_nothing(checkout: Checkout) -> None:
    card, theirs = checkout.keep_card(), stranger(checkout)
    mine = process(order(checkout))
    before, heard = everything(), len(checkout.sandbox.client.v1.events.list({"limit": 100}).data)
    with pytest.raises(NotFound):
        process(order(theirs, card.id))
    with pytest.raises(NotFound):
        process(Order(theirs.customer_id, KEY, whole(checkout.invoice_id), method=new_card(checkout)))
    with pytest.raises(NotFound):
        service.current(mine.payment.id, theirs.customer_id)
    assert everything() == before
    assert len(checkout.sandbox.client.v1.events.list({"limit": 100}).data) == heard


@pytest.mark.parametrize("odd", ["\0", "\ud800", "/../x", "x" * 80])
def test_what_is_no_id_names_nothing(checkout: Checkout, odd: str) -> None:
    for wanted in (order(checkout, f"method_{odd}"), Order(checkout.customer_id, KEY, whole(f"inv_{odd}"))):
        with pytest.raises(NotFound):
            process(wanted)


@pytest.mark.parametrize("key", ["short", "a-key-with-\0", "a-key-with-\n", "schlüssel", "x" * 81])
@pytest.mark.database("sqlite")
def test_a_key_is_of_printable_letters(checkout: Checkout, key: str) -> None:
    with pytest.raises(Invalid) as refused:
        process(order(checkout, key=key))
    assert refused.value.code == "bad_client_key"


def test_two_customers_may_use_one_key(checkout: Checkout) -> None:
    theirs = stranger(checkout)
    assert process(order(checkout)).payment.id != process(order(theirs)).payment.id


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"amount": Money(118_00, "eur")}, "amount"),
        ({"amount": Money(119_00, "usd")}, "currency"),
        ({"description": "Something else"}, "description"),
    ],
)
@pytest.mark.database("sqlite")
def test_an_invoice_says_itself_what_is_paid(checkout: Checkout, values: dict[str, Any], field: str) -> None:
    before = everything()
    with pytest.raises(Invalid) as refused:
        process(order(checkout, **values))
    assert refused.value.field == field
    assert everything() == before
    assert process(order(checkout, amount=Money(119_00, "eur"))).payment.amount == Money(119_00, "eur")


@pytest.mark.parametrize("amount", [None, Money(4_99, "eur"), Money(5000_01, "eur"), Money(10_00, "chf")])
@pytest.mark.database("sqlite")
def test_amounts_outside_the_limits_are_refused(checkout: Checkout, amount: Money | None) -> None:
    before = everything()
    with pytest.raises(Invalid):
        process(deposit(checkout, amount=amount))
    assert everything() == before


@pytest.mark.settings(PORTAL_PAY_ANY_AMOUNT="false")
@pytest.mark.database("sqlite")
def test_other_amounts_can_be_switched_off(checkout: Checkout) -> None:
    assert not config.current().pay_any_amount
    with pytest.raises(NotFound):
        process(deposit(checkout))
    assert process(order(checkout, new_card(checkout))).payment.has_succeeded
