"""Payment method domains: docs.stripe.com/api/payment_method_domains."""

from __future__ import annotations

import uuid

import stripe

from tests.contract.support import refused


def test_a_domain_is_registered_once_and_switched_off(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_method_domains/create"""
    name = f"pay-{uuid.uuid4().hex[:12]}.example.com"
    domains = client.v1.payment_method_domains
    made = domains.create({"domain_name": name})
    assert (made.domain_name, made.enabled, made.livemode) == (name, True, False)
    assert made.google_pay.status == made.link.status == "active"
    assert [one.id for one in domains.list({"domain_name": name}).data] == [made.id]
    assert not domains.update(made.id, {"enabled": False}).enabled
    assert domains.validate(made.id).id == domains.retrieve(made.id).id == made.id


def test_an_address_is_no_domain(client: stripe.StripeClient) -> None:
    """docs.stripe.com/api/payment_method_domains/create: domain_name"""
    with refused(param="domain_name"):
        client.v1.payment_method_domains.create({"domain_name": "https://pay.example.com/"})
