"""Visa's Compelling Evidence 3.0: two earlier payments, in Stripe's form, and what Stripe says of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from portal.accounts import service as accounts
from portal.accounts.models import Customer
from portal.core import audit, clock, db
from portal.evidence import compelling, sending, service
from portal.evidence.statuses import EvidenceStatus
from portal.payments.models import Payment
from tests import factories
from tests.disputes.conftest import Case
from tests.evidence.conftest import evidence_of
from tests.evidence.test_pages import shown
from tests.payments.conftest import jobs

IP = "203.0.113.7"


def earlier(case: Case, days: int, *, ip: str = IP, **values: object) -> Payment:
    """A payment by the same card and person, so many days before, at Stripe as well."""
    paid, client = case.payment, case.checkout.sandbox.client
    charge = client.v1.payment_intents.create(
        {
            "amount": 50_00,
            "currency": "eur",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "return_url": "https://x.test",
        }
    ).latest_charge
    at = clock.now() - timedelta(days=days)
    facts: dict[str, Any] = {
        "card_brand": paid.card_brand, "card_last4": paid.card_last4, "created_at": at, "succeeded_at": at,
        "stripe_charge_id": str(charge), "paid_by": paid.paid_by, "description": f"Deposit {days}", **values,
    }  # fmt: skip
    with db.transaction() as session:
        payment = factories.payment(session, session.get_one(Customer, paid.customer_id), **facts)
    started(payment, ip)
    return payment


def started(payment: Payment, ip: str) -> None:
    """That the customer began to pay it from this network address stands in the audit trail."""
    with db.transaction() as session, audit.acting(audit.Actor("customer", payment.paid_by or "usr_1", ip=ip)):
        audit.record(session, "payment.started", payment.id, {}, customer_id=payment.customer_id)


@pytest.fixture
def fraud(case: Case) -> Case:
    """A payment from a known address by someone who was signed in, disputed as fraud with Visa’s code 10.4."""
    case.pay()
    paid = case.payment
    with db.transaction() as session:
        customer = session.get_one(Customer, paid.customer_id)
        person = factories.user(session, customer, email="ada@spree-bikes.test")
        session.get_one(Payment, paid.id).paid_by = person.id
    started(case.payment, IP)
    return case


def gathered(case: Case, **asked: object) -> dict[str, Any] | None:
    """What the first draft gives, once the bank has disputed the payment as is `asked`."""
    dispute = {"charge": case.payment.stripe_charge_id, "reason": "fraudulent", **asked}
    case.checkout.sandbox.control("disputes", **dispute)
    case.heard()
    service.gather(case.ours.id)
    return evidence_of(case.ours.id).visa_ce3


def test_two_earlier_payments_go_to_visa_in_its_own_form_and_qualify(fraud: Case) -> None:
    first, second = earlier(fraud, 130), earlier(fraud, 360)
    given = gathered(fraud)
    assert given is not None
    signs = {"customer_account_id": "ada@spree-bikes.test", "customer_email_address": "ada@spree-bikes.test"}
    signs |= {"customer_purchase_ip": IP}
    assert given["prior_undisputed_transactions"] == [
        {"charge": one.stripe_charge_id, **signs, "product_description": one.description} for one in (first, second)
    ]
    disputed = given["disputed_transaction"]
    assert disputed.items() >= (signs | {"merchandise_or_services": "services"}).items()
    assert disputed["product_description"].startswith("Invoice ")
    (job,) = jobs("evidence.stage")
    assert job == {"dispute_id": fraud.ours.id, "version": 1}, "so that Stripe says whether it qualifies"
    sending.stage(fraud.ours.id, 1)
    ours = fraud.ours
    assert (ours.network_reason_code, ours.visa_ce3_status, ours.visa_ce3_actions) == ("10.4", "qualified", "")
    assert fraud.at_stripe.evidence.uncategorized_text, "the texts stay, for the case that it is disapproved"
    send(fraud)
    at_stripe = fraud.at_stripe
    assert at_stripe.evidence.enhanced_evidence.visa_compelling_evidence_3 is not None
    assert (fraud.ours.visa_ce3_status, at_stripe.evidence_details.submission_count) == ("qualified", 1)


def send(case: Case) -> None:
    with db.transaction() as session:
        first, second = factories.staff(session).id, factories.staff(session, "approver").id
    row = evidence_of(case.ours.id)
    service.propose(case.ours.id, first, row.version)
    service.approve(case.ours.id, second, row.version)
    sending.send(case.ours.id, row.version)
    assert evidence_of(case.ours.id).status == EvidenceStatus.SENT


def test_what_stripe_finds_missing_is_told_and_the_texts_go_all_the_same(fraud: Case, app: Flask) -> None:
    earlier(fraud, 130), earlier(fraud, 140, ip="198.51.100.1")
    gathered(fraud)
    sending.stage(fraud.ours.id, 1)
    assert (fraud.ours.visa_ce3_status, fraud.ours.visa_ce3_actions) == (
        "requires_action",
        "missing_customer_identifiers",
    )
    with db.transaction() as session:
        person = factories.staff(session)
    browser = app.test_client()
    factories.sign_in(browser, person)
    page = shown(browser, f"/support/disputes/{fraud.ours.id}/evidence")
    assert "Something is missing" in page and compelling.ACTIONS["missing_customer_identifiers"] in page
    assert "10.4" in shown(browser, f"/support/disputes/{fraud.ours.id}")
    send(fraud)
    assert (fraud.ours.visa_ce3_status, fraud.at_stripe.evidence_details.submission_count) == ("not_qualified", 1)


@pytest.mark.parametrize(
    ("days", "asked"),
    [
        ((130,), {}),
        ((130, 119), {}),
        ((130, 365), {}),
        ((130, 140), {"code": "83"}),
        ((130, 140), {"reason": "product_not_received"}),
        ((130, 140), {"inquiry": "yes"}),
    ],
    ids=["one", "too new", "too old", "another code", "another reason", "an inquiry"],
)
def test_what_visa_does_not_take_is_told_in_the_texts_alone(
    fraud: Case, days: tuple[int, ...], asked: dict[str, object]
) -> None:
    for one in days:
        earlier(fraud, one)
    assert gathered(fraud, **asked) is None
    assert jobs("evidence.stage") == []
    send(fraud)
    assert fraud.at_stripe.evidence.uncategorized_text
    assert fraud.ours.visa_ce3_status == ""


def test_an_address_that_was_changed_meanwhile_is_not_claimed_for_all_three(fraud: Case) -> None:
    earlier(fraud, 130), earlier(fraud, 140)
    customer_id = fraud.payment.customer_id
    with db.reading() as session:
        customer = session.get_one(Customer, customer_id)
    details = accounts.Details(
        name=customer.name, email="new@spree-bikes.test", address=customer.address,
        country=customer.country, tax_id=customer.tax_id, language=customer.language,
    )  # fmt: skip
    accounts.change_details(customer.id, customer.version, details)
    given = gathered(fraud)
    assert given is not None
    assert "customer_email_address" not in given["disputed_transaction"]
    assert given["disputed_transaction"]["customer_account_id"] == "ada@spree-bikes.test"


def test_a_change_gives_visa_what_the_texts_say_and_what_is_left_of_the_earlier_payments(fraud: Case) -> None:
    first, _second = earlier(fraud, 130), earlier(fraud, 140)
    gathered(fraud)
    sending.stage(fraud.ours.id, 1)
    with db.transaction() as session:
        person = factories.staff(session).id
    texts = evidence_of(fraud.ours.id).texts
    row = service.save(fraud.ours.id, person, 1, {**texts, "product_description": "Electricity."}, None)
    assert row.visa_ce3 is not None
    assert row.visa_ce3["disputed_transaction"]["product_description"] == "Electricity."
    with db.transaction() as session:
        factories.refund(session, session.get_one(Payment, first.id))
    row = service.save(fraud.ours.id, person, 2, texts, None)
    assert row.visa_ce3 == {}
    sending.stage(fraud.ours.id, 3)
    assert fraud.ours.visa_ce3_status == "", "what lay at Stripe is taken away"
    assert getattr(fraud.at_stripe.evidence.enhanced_evidence, "visa_compelling_evidence_3", None) is None


def test_where_stripe_does_not_take_the_form_the_texts_go_alone(fraud: Case) -> None:
    earlier(fraud, 130), earlier(fraud, 140, stripe_charge_id="ch_nobody_knows")
    assert gathered(fraud) is not None
    send(fraud)
    assert fraud.at_stripe.evidence.uncategorized_text
    assert fraud.at_stripe.evidence_details.submission_count == 1
