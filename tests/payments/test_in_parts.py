"""An invoice that is paid in more than one payment: the rest stays due, and never more than all of it is charged."""

from __future__ import annotations

import pytest
from flask import Flask

from portal.accounts.models import Customer
from portal.core import db
from portal.core.errors import Conflict, Invalid
from portal.core.money import Money
from portal.payments import following, service
from portal.payments.service import Share
from tests import factories
from tests.payments.conftest import Checkout

PARTS = pytest.mark.settings(PORTAL_PART_PAYMENTS="eur:20")


def eur(minor: int) -> Money:
    return Money(minor, "eur")


def start(checkout: Checkout, amount: Money | None, key: str = "first-press") -> service.Started:
    shares = (Share(checkout.invoice_id, amount),)
    service.end_others(checkout.customer_id, shares)
    return service.start(checkout.customer_id, shares, client_key=key, save_card=False)


def pay(checkout: Checkout, amount: Money | None, key: str = "first-press") -> None:
    started = start(checkout, amount, key)
    checkout.confirm(started.intent_id)
    following.sync(started.payment_id)


@PARTS
def test_it_is_paid_part_by_part_until_nothing_is_due(checkout: Checkout) -> None:
    pay(checkout, eur(50_00), "the-first-part")
    invoice = checkout.invoice
    assert (invoice.status, invoice.is_partly_paid, invoice.amount_due) == ("open", True, eur(69_00))
    pay(checkout, eur(20_00), "the-second-part")
    pay(checkout, None, "all-of-the-rest")
    invoice = checkout.invoice
    assert (invoice.status, invoice.amount_paid) == ("paid", eur(119_00))
    assert sorted(intent.amount for intent in checkout.intents if intent.status == "succeeded") == [20_00, 49_00, 50_00]
    with pytest.raises(Conflict):
        start(checkout, eur(20_00), "one-too-many")


@PARTS
def test_a_part_and_all_of_it_in_two_tabs_meet_in_one_live_payment(checkout: Checkout) -> None:
    part = start(checkout, eur(50_00), "the-part-tab")
    whole = start(checkout, None, "all-of-it-tab")
    with pytest.raises(Exception, match="canceled"):
        checkout.confirm(part.intent_id)
    checkout.confirm(whole.intent_id)
    following.sync(whole.payment_id)
    following.sync(part.payment_id)
    assert checkout.invoice.status == "paid"
    assert [intent.amount for intent in checkout.intents if intent.status == "succeeded"] == [119_00]


@PARTS
@pytest.mark.database("sqlite")
@pytest.mark.parametrize("amount", [eur(19_99), eur(119_01), eur(118_80), eur(0), Money(50_00, "usd")])
def test_what_is_too_little_too_much_or_leaves_too_little_is_told_at_the_field(
    checkout: Checkout, amount: Money
) -> None:
    with pytest.raises(Invalid) as told:
        start(checkout, amount)
    assert told.value.field == "amount" and checkout.intents == [] and checkout.payments == []


@pytest.mark.database("sqlite")
def test_where_the_company_does_not_allow_parts_all_is_paid_at_once(checkout: Checkout) -> None:
    with pytest.raises(Invalid, match="paid at once"):
        start(checkout, eur(50_00))
    pay(checkout, eur(119_00))
    assert checkout.invoice.status == "paid"


@PARTS
@pytest.mark.database("sqlite")
def test_the_page_takes_a_part_and_says_why_not(app: Flask, checkout: Checkout) -> None:
    with db.transaction() as session:
        person = factories.user(session, session.get_one(Customer, checkout.customer_id))
    browser = app.test_client()
    factories.sign_in(browser, person)
    address = f"/payments/invoices/{checkout.invoice_id}"
    assert "Pay a part" in browser.get(address).get_data(as_text=True)
    refused = browser.get(f"{address}/part?amount=5")
    assert refused.status_code == 422 and "at least €20.00 at a time" in refused.get_data(as_text=True)
    taken = browser.get(f"{address}/part?amount=50")
    assert taken.location.endswith(f"{address}?part=5000&now=yes")
    shown = browser.get(taken.location).get_data(as_text=True)
    assert "Pay €50.00" in shown and f"{address}/start?part=5000" in shown
