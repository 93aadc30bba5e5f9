"""What can be paid with is what the settings name, whatever the account at Stripe has on; and what the portal cannot follow is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from portal import gateway
from portal.core import config, method_kinds
from portal.payment_methods import fence, service, setups
from portal.payments import service as payments
from portal.payments.order_rules import Order
from portal.sandbox.resources.payment_method_types import TYPES
from tests.certain import as_sent
from tests.live import SandboxServer
from tests.payments.conftest import Checkout, checkout, everything

__all__ = ["checkout"]

EVERYTHING = "card,link,sepa_debit,ideal,twint,paypal"


def offered(checkout: Checkout) -> list[str]:
    checkout.start()
    (intent,) = checkout.intents
    return list(intent.payment_method_types)


def test_an_intent_asks_for_what_the_settings_name_and_for_nothing_else(checkout: Checkout) -> None:
    checkout.sandbox.control("payment_methods", on=EVERYTHING)
    assert offered(checkout) == ["card", "link"]


@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,ideal,twint,paypal")
@pytest.mark.database("sqlite")
def test_stripe_leaves_out_what_does_not_fit_the_currency(checkout: Checkout) -> None:
    assert offered(checkout) == ["card", "ideal", "paypal"]


@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,ideal")
@pytest.mark.database("sqlite")
def test_a_saved_card_is_charged_where_others_leave_the_page(checkout: Checkout) -> None:
    kept = checkout.keep_card()
    payment = payments.pay_with_card(
        checkout.customer_id, payments.whole(checkout.invoice_id), kept.id, client_key="off-session", off_session=True
    )
    assert payment.has_succeeded


@pytest.mark.database("sqlite")
def test_a_setup_asks_for_what_can_be_kept(checkout: Checkout) -> None:
    started = setups.start_setup(checkout.customer_id, client_key="first-page", ip="203.0.113.7")
    (intent,) = checkout.sandbox.client.v1.setup_intents.list().data
    assert intent.id == started.intent_id and intent.payment_method_types == ["card", "link"]


@pytest.mark.database("sqlite")
def test_a_configuration_of_the_account_decides_where_it_is_named(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    on: Any = {"display_preference": {"preference": "on"}}
    made = checkout.sandbox.client.v1.payment_method_configurations.create(
        as_sent({"card": on, "sepa_debit": on, "paypal": on})
    )
    settings = config.current().model_copy(update={"payment_methods": (made.id,)})
    config.use(settings)
    assert offered(checkout) == ["card", "sepa_debit", "paypal"]
    assert fence.form_options()["paymentMethodConfiguration"] == made.id
    found = fence.compare()
    assert found is not None and (found.fits, found.more) == (True, [])


@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,paypal")
@pytest.mark.database("sqlite")
def test_what_needs_its_customer_waits_for_them_and_is_not_kept(checkout: Checkout) -> None:
    service.ensure_stripe_customer(checkout.customer_id)
    method = checkout.sandbox.client.v1.payment_methods.create(as_sent({"type": "paypal", "paypal": {}})).id
    order = Order(
        customer_id=checkout.customer_id,
        client_key="an-apps-order",
        invoices=payments.whole(checkout.invoice_id),
        method=method,
    )
    with pytest.raises(fence.NotAccepted):
        payments.process(replace(order, client_key="to-be-kept", save_card=True))
    done = payments.process(order)
    assert (done.payment.status, done.next_action) == ("requires_action", "authenticate") and done.client_secret
    assert payments.process(order).payment.id == done.payment.id and len(checkout.intents) == 1


IBAN = {"iban": "DE89370400440532013000"}


@pytest.mark.parametrize(("kind", "details"), [("sepa_debit", IBAN), ("ideal", {}), ("paypal", {})])
@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,klarna")
@pytest.mark.database("sqlite")
def test_what_an_app_brings_is_refused_before_anything_is_charged_or_kept(
    checkout: Checkout, kind: str, details: dict[str, str]
) -> None:
    holder = {"name": "Jenny Rosen", "email": "jenny@example.com"}
    given = {"type": kind, kind: details, "billing_details": holder}
    method = checkout.sandbox.client.v1.payment_methods.create(as_sent(given)).id
    service.ensure_stripe_customer(checkout.customer_id)
    before = everything()
    order = Order(
        customer_id=checkout.customer_id,
        client_key="an-apps-order",
        invoices=payments.whole(checkout.invoice_id),
        method=method,
    )
    with pytest.raises(fence.NotAccepted):
        payments.process(order)
    with pytest.raises(fence.NotAccepted):
        service.save_method(checkout.customer_id, method, client_key="from-an-app", ip="203.0.113.7")
    assert everything() == before and checkout.intents == []


@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,apple_pay")
@pytest.mark.database("sqlite")
def test_a_card_out_of_a_wallet_that_is_not_taken_is_refused(checkout: Checkout) -> None:
    by_wallet = {}
    for wallet in ("apple_pay", "google_pay"):
        method = checkout.sandbox.client.v1.payment_methods.create(
            as_sent({"type": "card", "card": {"token": "tok_visa"}})
        )
        checkout.sandbox.control("cards/wallet", payment_method=method.id, wallet=wallet)
        by_wallet[wallet] = gateway.current().retrieve_payment_method(method.id)
    fence.check(by_wallet["apple_pay"])
    with pytest.raises(fence.NotAccepted):
        fence.check(by_wallet["google_pay"])


@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,ideal")
@pytest.mark.database("sqlite")
def test_what_the_account_has_on_is_held_against_the_settings(app: Flask, sandbox: SandboxServer) -> None:
    gateway.forget()
    sandbox.control("payment_methods", on="card,klarna")
    told = app.test_cli_runner().invoke(args=["stripe", "check"])
    assert told.exit_code == 1
    assert "not on at Stripe: ideal" in told.output and "not offered here: klarna" in told.output
    sandbox.control("payment_methods", on="card,ideal")
    told = app.test_cli_runner().invoke(args=["stripe", "check"])
    assert told.exit_code == 0 and "Nothing differs." in told.output


@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,apple_pay", PORTAL_BASE_URL="https://pay.nordlicht.com")
@pytest.mark.database("sqlite")
def test_the_domain_is_registered_for_wallets(app: Flask, sandbox: SandboxServer) -> None:
    gateway.forget()
    sandbox.control("payment_methods", on="card,apple_pay")
    told = app.test_cli_runner().invoke(args=["stripe", "check"])
    assert told.exit_code == 0 and "pay.nordlicht.com is not registered for wallets" in told.output
    for _ in range(2):
        told = app.test_cli_runner().invoke(args=["stripe", "check", "--register-domain"])
        assert told.exit_code == 0 and "pay.nordlicht.com is registered for wallets." in told.output
    (domain,) = sandbox.client.v1.payment_method_domains.list().data
    sandbox.client.v1.payment_method_domains.update(domain.id, {"enabled": False})
    assert "switched off" in app.test_cli_runner().invoke(args=["stripe", "check"]).output
    assert gateway.current().register_domain("pay.nordlicht.com").is_enabled
    assert gateway.current().register_domain("pay.nordlicht.test").problems.keys() == {"apple_pay"}


@pytest.mark.database("sqlite")
def test_wallets_have_buttons_above_the_form_and_none_in_it(settings: config.Settings) -> None:
    config.use(settings.model_copy(update={"payment_methods": ("card", "apple_pay")}))
    assert fence.express_wallets() == {
        "applePay": "auto",
        "googlePay": "never",
        "link": "never",
        "amazonPay": "never",
        "klarna": "never",
        "paypal": "never",
    }
    assert fence.form_wallets() == {"applePay": "never", "googlePay": "never", "link": "never"}
    assert fence.form_wallets(saving=True) == {"applePay": "auto", "googlePay": "never", "link": "never"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("card,alipay", "alipay cannot be followed"),
        ("paypal,apple_pay", "apple_pay comes with card"),
        ("paypal", "card is missing"),
        ("", "at least one"),
    ],
)
def test_a_setting_that_cannot_be_followed_stops_the_start(given: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        method_kinds.check(tuple(part for part in given.split(",") if part))


def test_the_table_says_of_each_kind_what_stripe_says() -> None:
    for name, facts in TYPES.items():
        kind = method_kinds.KINDS[name]
        assert kind.redirects == facts.redirects, name
        assert (name in method_kinds.DEBITS) == bool(facts.processing_days), name
        assert all(
            kind.takes(currency) == (currency in facts.currencies) for currency in ("eur", "usd", "gbp", "pln", "chf")
        )
        assert (kind.disputes is not None) == (facts.dispute is not None), name
        if kind.disputes and facts.dispute:
            assert kind.disputes.final != facts.dispute.contestable, name
