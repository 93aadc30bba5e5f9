"""Customer sessions: docs.stripe.com/api/customer_sessions."""

from __future__ import annotations

from typing import Any

import stripe

from tests.contract.support import Browser, intend, refused, save_card

SHOWN: Any = {"payment_method_redisplay": "enabled"}


def open_session(client: stripe.StripeClient, customer: str, **features: Any) -> stripe.CustomerSession:
    element: Any = {"enabled": True, "features": {**SHOWN, **features}}
    return client.v1.customer_sessions.create({"customer": customer, "components": {"payment_element": element}})


def test_a_customer_session_lives_for_half_an_hour(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/customer_sessions/object#customer_session_object-expires_at"""
    session = open_session(client, customer.id)
    assert session.object == "customer_session"
    assert session.client_secret.startswith("cuss_secret_")
    assert session.expires_at - session.created == 30 * 60
    assert (session.customer, session.livemode) == (customer.id, False)


def test_what_is_not_asked_for_has_stripes_defaults(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/customer_sessions/create#create_customer_session-components-payment_element-features"""
    components = open_session(client, customer.id).components
    assert components is not None
    assert components.payment_element.features is not None
    assert components.payment_element.features.to_dict(recursive=True) == {
        "payment_method_allow_redisplay_filters": ["always"],
        "payment_method_redisplay": "enabled",
        "payment_method_redisplay_limit": 3,
        "payment_method_remove": "disabled",
        "payment_method_save": "disabled",
        "payment_method_save_usage": None,
    }


def test_at_least_one_component_is_enabled(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/customer_sessions/create#create_customer_session-components"""
    with refused():
        client.v1.customer_sessions.create(
            {"customer": customer.id, "components": {"payment_element": {"enabled": False}}}
        )


def test_at_most_ten_payment_methods_are_shown(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    """docs.stripe.com/api/customer_sessions/create (payment_method_redisplay_limit)"""
    with refused():
        open_session(client, customer.id, payment_method_redisplay_limit=11)


def test_a_browser_cannot_open_a_customer_session(browser: Browser, customer: stripe.Customer) -> None:
    """docs.stripe.com/keys"""
    given = {"customer": customer.id, "components[payment_element][enabled]": "true"}
    assert browser.ask("POST", "/v1/customer_sessions", given).status_code in (401, 403)


def shown_cards(client: stripe.StripeClient, browser: Browser, customer: str, **features: Any) -> list[str]:
    session = open_session(client, customer, **features)
    answer = browser.get(
        "/v1/elements/sessions",
        {
            "type": "payment_intent",
            "client_secret": intend(client, customer=customer).client_secret,
            "customer_session_client_secret": session.client_secret,
        },
    )
    return [method["id"] for method in answer["customer"]["payment_methods"]]


def test_only_cards_that_may_always_be_shown_are_shown(
    client: stripe.StripeClient, browser: Browser, customer: stripe.Customer
) -> None:
    """docs.stripe.com/payments/save-customer-payment-methods (allow_redisplay)"""
    silent, allowed = save_card(client, customer.id), save_card(client, customer.id, "pm_card_mastercard")
    client.v1.payment_methods.update(allowed.id, {"allow_redisplay": "always"})
    assert shown_cards(client, browser, customer.id) == [allowed.id]
    both = shown_cards(client, browser, customer.id, payment_method_allow_redisplay_filters=["always", "unspecified"])
    assert set(both) == {silent.id, allowed.id}


def test_without_redisplay_nothing_is_shown(
    client: stripe.StripeClient, browser: Browser, customer: stripe.Customer
) -> None:
    """docs.stripe.com/api/customer_sessions/create (payment_method_redisplay)"""
    client.v1.payment_methods.update(save_card(client, customer.id).id, {"allow_redisplay": "always"})
    assert shown_cards(client, browser, customer.id, payment_method_redisplay="disabled") == []
