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
from portal.payments.order_rules import Order
from portal.payments.service import process
from portal.payments.statuses import PaymentStatus
from tests import factories
from tests.payments.conftest import Till, everything, keep_card
from tests.payments.test_crash_points import assert_paid_once
from tests.payments.test_placing_orders import KEY, charges, deposit, new_card, order, rows


def of_another_customer(till: Till) -> str:
    return keep_card(till.sandbox, stranger(till).customer_id).stripe_payment_method_id


def of_a_stranger_at_stripe(till: Till) -> str:
    method = new_card(till)
    someone = till.sandbox.client.v1.customers.create({"name": "Someone"}).id
    till.sandbox.client.v1.payment_methods.attach(method, {"customer": someone})
    return method


def removed_here(till: Till) -> str:
    card = till.keep_card()
    cards.remove(card.id, till.customer_id)
    return card.stripe_payment_method_id


UNKNOWN: dict[str, Callable[[Till], str]] = {
    "no such": lambda _: "pm_1SQ0aBcDeFgHiJkLmNoPqRsT",
    "empty": lambda _: "",
    "no text": lambda _: "pm_\0",
    "an address": lambda _: "pm_1/../../customers",
    "of another customer": of_another_customer,
    "of a stranger at Stripe": of_a_stranger_at_stripe,
    "removed here": removed_here,
}


@pytest.mark.parametrize("which", UNKNOWN)
def test_a_card_that_is_not_there_or_anothers_is_told_in_the_same_words(till: Till, which: str) -> None:
    method = UNKNOWN[which](till)
    with pytest.raises(cards.UnknownCard) as refused:
        process(order(till, method))
    assert (refused.value.status, refused.value.field) == (422, "payment_method_id")
    assert (rows(Payment), rows(PlacedOrder), charges(till)) == ([], [], [])
    assert process(order(till, new_card(till))).payment.status == PaymentStatus.SUCCEEDED  # the key was not used


def test_a_card_whose_webhook_was_lost_is_a_saved_one(till: Till) -> None:
    method = new_card(till)
    till.sandbox.client.v1.payment_methods.attach(method, {"customer": cards.ensure_stripe_customer(till.customer_id)})
    process(order(till, method))
    (card,) = rows(PaymentMethod)
    assert [row.payment_method_id for row in rows(Confirmation)] == [card.id]
    assert_paid_once(till)


@pytest.mark.parametrize("by", ["id", "stripe_payment_method_id"])
def test_an_expired_card_is_not_charged(till: Till, by: str) -> None:
    card = till.keep_card()
    with db.transaction() as session:
        session.get_one(PaymentMethod, card.id).exp_year = 2020
    with pytest.raises(cards.Expired):
        process(order(till, getattr(card, by)))
    assert rows(Payment) == charges(till) == []


def stranger(till: Till) -> Till:
    with db.transaction() as session:
        customer = factories.customer(session)
        return Till(till.sandbox, customer.id, factories.invoice(session, customer).id)


def test_someone_elses_things_are_not_found_and_stripe_hears_nothing(till: Till) -> None:
    card, theirs = till.keep_card(), stranger(till)
    mine = process(order(till))
    before, heard = everything(), len(till.sandbox.client.v1.events.list({"limit": 100}).data)
    with pytest.raises(NotFound):
        process(order(theirs, card.id))
    with pytest.raises(NotFound):
        process(Order(theirs.customer_id, KEY, till.invoice_id, method=new_card(till)))
    with pytest.raises(NotFound):
        service.current(mine.payment.id, theirs.customer_id)
    assert everything() == before
    assert len(till.sandbox.client.v1.events.list({"limit": 100}).data) == heard


@pytest.mark.parametrize("odd", ["\0", "\ud800", "/../x", "x" * 80])
def test_what_is_no_id_names_nothing(till: Till, odd: str) -> None:
    for wanted in (order(till, f"method_{odd}"), Order(till.customer_id, KEY, f"inv_{odd}")):
        with pytest.raises(NotFound):
            process(wanted)


@pytest.mark.parametrize("key", ["short", "a-key-with-\0", "a-key-with-\n", "schlüssel", "x" * 81])
@pytest.mark.database("sqlite")
def test_a_key_is_of_printable_letters(till: Till, key: str) -> None:
    with pytest.raises(Invalid) as refused:
        process(order(till, key=key))
    assert refused.value.code == "bad_client_key"


def test_two_customers_may_use_one_key(till: Till) -> None:
    theirs = stranger(till)
    assert process(order(till)).payment.id != process(order(theirs)).payment.id


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"amount": Money(118_00, "eur")}, "amount"),
        ({"amount": Money(119_00, "usd")}, "currency"),
        ({"description": "Something else"}, "description"),
    ],
)
@pytest.mark.database("sqlite")
def test_an_invoice_says_itself_what_is_paid(till: Till, values: dict[str, Any], field: str) -> None:
    before = everything()
    with pytest.raises(Invalid) as refused:
        process(order(till, **values))
    assert refused.value.field == field
    assert everything() == before
    assert process(order(till, amount=Money(119_00, "eur"))).payment.amount == Money(119_00, "eur")


@pytest.mark.parametrize("amount", [None, Money(4_99, "eur"), Money(5000_01, "eur"), Money(10_00, "chf")])
@pytest.mark.database("sqlite")
def test_amounts_outside_the_limits_are_refused(till: Till, amount: Money | None) -> None:
    before = everything()
    with pytest.raises(Invalid):
        process(deposit(till, amount=amount))
    assert everything() == before


@pytest.mark.settings(PORTAL_PAY_ANY_AMOUNT="false")
@pytest.mark.database("sqlite")
def test_other_amounts_can_be_switched_off(till: Till) -> None:
    assert not config.current().pay_any_amount
    with pytest.raises(NotFound):
        process(deposit(till))
    assert process(order(till, new_card(till))).payment.has_succeeded
