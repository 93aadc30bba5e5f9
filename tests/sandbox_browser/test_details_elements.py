"""The Address and the Link Authentication Element, alone and beside the Payment Element."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import FrameLocator, expect
from stripe import StripeClient

from tests.sandbox_browser.checkout import Checkout

BERLIN = {"line1": "Main Street 1", "city": "Berlin", "postal_code": "10115", "country": "DE"}


def address_form(checkout: Checkout) -> FrameLocator:
    return checkout.frame("Secure address input frame")


def fill(form: FrameLocator, **values: str) -> None:
    for name, value in values.items():
        form.locator(f"#Field-{name}Input").fill(value)


def test_an_address_is_told_field_by_field_until_it_is_complete(checkout: Checkout) -> None:
    """Source: Stripe, "Listen for address input"."""
    checkout.mount_element("address", {"mode": "shipping", "defaultValues": {"address": {"country": "US"}}})
    form = address_form(checkout)
    fill(form, name="Ada", line1="Main Street 1", city="Boston", state="MA")
    assert checkout.wait_for_event("address.change")["complete"] is False
    fill(form, addressPostalCode="02101")
    event = checkout.page.wait_for_function(
        "() => seen.events.findLast((each) => each.type === 'address.change' && each.event.complete)?.event"
    ).json_value()
    assert event["elementMode"] == "shipping"
    assert event["isNewAddress"] is True
    assert event["value"] == {
        "name": "Ada",
        "address": {
            "line1": "Main Street 1",
            "line2": None,
            "city": "Boston",
            "state": "MA",
            "postal_code": "02101",
            "country": "US",
        },
    }


def test_each_country_asks_for_what_its_addresses_have(checkout: Checkout) -> None:
    checkout.mount_element("address", {"mode": "billing", "allowedCountries": ["DE", "HK", "US"]})
    form = address_form(checkout)
    country = form.locator("#Field-countryInput")
    assert country.locator("option").count() == 3
    for code, state, postal_code in (("US", True, True), ("DE", False, True), ("HK", True, False)):
        country.select_option(code)
        expect(form.locator("#Field-stateInput")).to_be_visible(visible=state)
        expect(form.locator("#Field-addressPostalCodeInput")).to_be_visible(visible=postal_code)


def test_asking_for_the_value_shows_what_is_missing(checkout: Checkout) -> None:
    checkout.mount_element("address", {"mode": "shipping", "fields": {"phone": "always"}, "blockPoBox": True})
    form = address_form(checkout)
    fill(form, name="Ada", line1="PO Box 12", phone="12")
    assert checkout.call("address.getValue()")["complete"] is False
    expect(form.locator("#Field-line1Error")).to_have_text("This business does not deliver to PO boxes.")
    expect(form.locator("#Field-phoneError")).to_have_text("Your phone number is invalid.")
    expect(form.locator("#Field-cityError")).to_have_text("This field is incomplete.")


def test_a_name_may_be_asked_in_two_parts(checkout: Checkout) -> None:
    defaults = {"firstName": "Ada", "lastName": "Lovelace", "address": BERLIN}
    checkout.mount_element("address", {"mode": "billing", "display": {"name": "split"}, "defaultValues": defaults})
    value = checkout.call("address.getValue()")
    assert value["complete"] is True
    assert {name: value["value"][name] for name in ("name", "firstName", "lastName")} == {
        "name": "Ada Lovelace",
        "firstName": "Ada",
        "lastName": "Lovelace",
    }


def test_a_known_address_is_chosen_in_place_of_a_new_one(checkout: Checkout) -> None:
    contact = {"name": "Ada", "address": {**BERLIN, "state": ""}}
    checkout.mount_element("address", {"mode": "shipping", "contacts": [contact]})
    assert checkout.call("address.getValue()") == {
        "complete": True,
        "isNewAddress": False,
        "value": {"name": "Ada", "address": {**BERLIN, "state": "", "line2": None}},
    }
    form = address_form(checkout)
    expect(form.locator("#Field-line1Input")).to_be_hidden()
    form.locator("#Field-contactInput").select_option(label="New address")
    expect(form.locator("#Field-line1Input")).to_be_visible()


def test_a_mode_cannot_change_and_must_be_given(checkout: Checkout) -> None:
    checkout.mount_element("address", {"mode": "shipping"})
    assert "mode cannot be changed" in checkout.call("address.update({mode: 'billing'})")["message"]
    assert checkout.call("elements.create('address', {})")["thrown"] == "IntegrationError"
    assert checkout.page.evaluate("elements.getElement('address', {mode: 'shipping'}) === address")
    assert checkout.page.evaluate("elements.getElement('address', {mode: 'billing'})") is None


@pytest.mark.parametrize("mode", ["shipping", "billing"])
def test_an_address_goes_to_the_payment_it_is_collected_for(
    checkout: Checkout, stripe: StripeClient, intent: Any, mode: str
) -> None:
    """Source: Stripe, "Address Element", use an address: shipping details of the intent, billing details of the method."""
    checkout.mount_element(
        "address",
        {"mode": mode, "defaultValues": {"name": "Ada", "address": BERLIN}},
        clientSecret=intent.client_secret,
    )
    checkout.mount_element("linkAuthentication", {"defaultValues": {"email": "ada@example.com"}})
    checkout.mount_element("payment")
    checkout.type_card()
    assert checkout.confirm()["paymentIntent"]["status"] == "succeeded"
    found: Any = stripe.v1.payment_intents.retrieve(intent.id, {"expand": ["payment_method"]})
    details = found.payment_method.billing_details
    assert details.email == "ada@example.com"
    if mode == "shipping":
        assert (found.shipping.name, found.shipping.address.city) == ("Ada", "Berlin")
    else:
        assert found.shipping is None
        assert (details.name, details.address.line1, details.address.country) == ("Ada", "Main Street 1", "DE")
        expect(checkout.field("country")).to_be_hidden()


def test_submitting_checks_the_address_as_well(checkout: Checkout) -> None:
    checkout.mount_element("address", {"mode": "shipping"}, mode="payment", amount=1000, currency="eur")
    checkout.mount_element("payment")
    checkout.type_card()
    assert checkout.call("elements.submit()")["error"]["code"] == "incomplete_field"


def test_an_email_address_is_told_as_it_is_typed(checkout: Checkout) -> None:
    """Source: Stripe.js reference, Link Authentication Element, "change"."""
    checkout.mount_element("linkAuthentication")
    field = checkout.frame("Secure email input frame").locator("#Field-emailInput")
    field.fill("ada")
    assert checkout.wait_for_event("linkAuthentication.change")["complete"] is False
    field.fill("ada@example.com")
    event = checkout.wait_for_event("linkAuthentication.change", 2)
    assert (event["complete"], event["empty"], event["value"]) == (True, False, {"email": "ada@example.com"})


def test_an_element_that_is_destroyed_leaves_its_place(checkout: Checkout) -> None:
    checkout.mount_element("address", {"mode": "shipping"})
    checkout.page.evaluate("address.destroy()")
    assert checkout.page.evaluate("elements.getElement('address', {mode: 'shipping'})") is None
    checkout.mount_element("address", {"mode": "shipping"})
    expect(address_form(checkout).locator("#Field-line1Input")).to_be_visible()
