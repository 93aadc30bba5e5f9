"""Disputes: docs.stripe.com/disputes and docs.stripe.com/testing#disputes."""

from __future__ import annotations

import io

import pytest
import stripe

from tests.contract.support import Account, Stripe, event_types, pay, refused


def disputed(client: stripe.StripeClient, contract: Stripe, method: str = "pm_card_createDispute") -> stripe.Dispute:
    """A dispute of a payment that was just made."""
    intent = pay(client, method)
    found = contract.later(lambda: client.v1.disputes.list({"payment_intent": intent.id}).data)
    return found[0]


def test_a_disputing_card_disputes_its_charge(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/testing#disputes"""
    dispute = disputed(client, contract)
    assert (dispute.status, dispute.reason, dispute.amount) == ("needs_response", "fraudulent", 2000)
    assert client.v1.charges.retrieve(str(dispute.charge)).disputed is True


def test_another_card_disputes_for_another_reason(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/testing#disputes"""
    assert disputed(client, contract, "pm_card_createDisputeProductNotReceived").reason == "product_not_received"


def test_a_dispute_withdraws_the_amount_and_a_fee(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/disputes/how-disputes-work"""
    transaction = contract.later(
        lambda: client.v1.disputes.retrieve(disputed(client, contract).id).balance_transactions
    )[0]
    assert (transaction.amount, transaction.type, transaction.reporting_category) == (-2000, "adjustment", "dispute")
    assert transaction.fee > 0


def test_an_inquiry_takes_no_money(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/disputes/how-disputes-work#inquiries"""
    dispute = disputed(client, contract, "pm_card_createDisputeInquiry")
    assert (dispute.status, dispute.balance_transactions) == ("warning_needs_response", [])
    assert dispute.is_charge_refundable is True
    assert dispute.payment_method_details is not None
    assert dispute.payment_method_details.card is not None
    assert dispute.payment_method_details.card.network_reason_code == "10"


def test_a_disputed_charge_cannot_be_refunded(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/error-codes#charge-disputed"""
    dispute = disputed(client, contract)
    with refused(code="charge_disputed"):
        client.v1.refunds.create({"charge": str(dispute.charge)})


def test_winning_evidence_wins_and_returns_the_money(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/testing#evidence"""
    dispute = disputed(client, contract)
    client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}})
    contract.later(lambda: client.v1.disputes.retrieve(dispute.id).status == "won")
    net = contract.later(
        lambda: [one.amount for one in client.v1.disputes.retrieve(dispute.id).balance_transactions][1:]
    )
    assert sum(net) == 2000


def test_losing_evidence_loses_the_dispute(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/testing#evidence"""
    dispute = disputed(client, contract)
    client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "losing_evidence"}})
    contract.later(lambda: client.v1.disputes.retrieve(dispute.id).status == "lost")


def test_evidence_can_be_staged_before_it_is_submitted(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/disputes/update#update_dispute-submit"""
    dispute = disputed(client, contract)
    staged = client.v1.disputes.update(dispute.id, {"evidence": {"product_description": "A lamp"}, "submit": False})
    assert (staged.status, staged.evidence.product_description) == ("needs_response", "A lamp")
    assert staged.evidence_details.submission_count == 0
    submitted = client.v1.disputes.update(dispute.id, {"submit": True})
    assert (submitted.status, submitted.evidence_details.submission_count) == ("under_review", 1)


def test_a_closed_dispute_is_lost(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/disputes/close"""
    dispute = disputed(client, contract)
    assert client.v1.disputes.close(dispute.id).status == "lost"
    with refused():
        client.v1.disputes.close(dispute.id)


def test_a_dispute_is_told_by_events(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/events/types"""
    dispute = disputed(client, contract)
    client.v1.disputes.close(dispute.id)
    expected = {"charge.dispute.created", "charge.dispute.funds_withdrawn", "charge.dispute.closed"}
    contract.later(lambda: expected <= set(event_types(client, dispute.id)))


def test_returned_money_is_told_by_an_event(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/events/types"""
    dispute = disputed(client, contract)
    client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}})
    contract.later(lambda: "charge.dispute.funds_reinstated" in event_types(client, dispute.id))


def test_a_fraud_warning_comes_before_a_dispute(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/radar/early_fraud_warnings and docs.stripe.com/testing#fraud-prevention"""
    intent = pay(client, "pm_card_createIssuerFraudRecord")
    warning = contract.later(lambda: client.v1.radar.early_fraud_warnings.list({"payment_intent": intent.id}).data)[0]
    assert (warning.actionable, warning.charge) == (True, intent.latest_charge)
    contract.later(lambda: event_types(client, warning.id) == ["radar.early_fraud_warning.created"])


def test_a_refund_settles_a_fraud_warning(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/radar/early_fraud_warnings/object#early_fraud_warning_object-actionable"""
    intent = pay(client, "pm_card_createIssuerFraudRecord")
    warning = contract.later(lambda: client.v1.radar.early_fraud_warnings.list({"payment_intent": intent.id}).data)[0]
    client.v1.refunds.create({"payment_intent": intent.id})
    contract.later(lambda: client.v1.radar.early_fraud_warnings.retrieve(warning.id).actionable is False)


def won(client: stripe.StripeClient, contract: Stripe) -> stripe.Dispute:
    dispute = disputed(client, contract)
    client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}})
    contract.later(lambda: client.v1.disputes.retrieve(dispute.id).status == "won")
    contract.later(lambda: client.v1.disputes.retrieve(dispute.id).balance_transactions[1:])
    return client.v1.disputes.retrieve(dispute.id)


def test_a_won_dispute_makes_its_charge_refundable_again(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/api/disputes/object#dispute_object-is_charge_refundable; as Stripe answers at 2023-10-16"""
    dispute = won(client, contract)
    assert dispute.is_charge_refundable is True
    refund = client.v1.refunds.create({"charge": str(dispute.charge)})
    assert (refund.status, refund.amount) == ("succeeded", 2000)


def test_a_lost_dispute_keeps_its_charge(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/error-codes#charge-disputed"""
    dispute = disputed(client, contract)
    client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "losing_evidence"}})
    contract.later(lambda: client.v1.disputes.retrieve(dispute.id).status == "lost")
    lost = client.v1.disputes.retrieve(dispute.id)
    assert (lost.is_charge_refundable, len(lost.balance_transactions)) == (False, 1)
    with refused(code="charge_disputed"):
        client.v1.refunds.create({"charge": str(dispute.charge)})


def test_the_fee_of_a_won_dispute_is_kept_or_given_back(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/disputes/how-disputes-work: which of both, the account's terms say"""
    taken, returned = won(client, contract).balance_transactions
    assert returned.fee in (0, -taken.fee)
    assert returned.net == returned.amount - returned.fee


@pytest.mark.parametrize(("setting", "share"), [("no", 0), ("yes", -1)])
def test_the_accounts_terms_decide_on_the_fee(
    client: stripe.StripeClient, contract: Stripe, account: Account, setting: str, share: int
) -> None:
    """docs.stripe.com/disputes/how-disputes-work; recordings of 2024 have both"""
    with account.set(returns_dispute_fee=setting):
        taken, returned = won(client, contract).balance_transactions
    assert returned.fee == share * taken.fee


@pytest.mark.parametrize(("amount", "currency"), [(2500, "eur"), (2200, "usd")])
def test_a_dispute_may_be_over_more_than_the_charge_or_in_another_currency(
    client: stripe.StripeClient, account: Account, amount: int, currency: str
) -> None:
    """docs.stripe.com/api/disputes/object#dispute_object-amount: "usually the amount of the charge, but it can differ" """
    charge = str(pay(client).latest_charge)
    account.control("disputes", charge=charge, reason="general", amount=amount, currency=currency)
    (dispute,) = client.v1.disputes.list({"charge": charge}).data
    assert (dispute.amount, dispute.currency) == (amount, currency)


def evidence_file(client: stripe.StripeClient) -> stripe.File:
    content = io.BytesIO(b"%PDF-1.4\n%%EOF\n")
    content.name = "receipt.pdf"
    return client.v1.files.create({"file": content, "purpose": "dispute_evidence"})


def test_a_file_can_be_evidence(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/file-upload and docs.stripe.com/api/disputes/update#update_dispute-evidence-receipt"""
    dispute, file = disputed(client, contract), evidence_file(client)
    assert (file.object, file.purpose, file.type, file.filename) == ("file", "dispute_evidence", "pdf", "receipt.pdf")
    assert client.v1.files.retrieve(file.id).size == file.size
    changed = client.v1.disputes.update(dispute.id, {"evidence": {"receipt": file.id}, "submit": False})
    assert changed.evidence.receipt == file.id
    assert changed.evidence_details.has_evidence is True


def test_a_file_that_is_not_there_is_no_evidence(client: stripe.StripeClient, contract: Stripe) -> None:
    """docs.stripe.com/error-codes#resource-missing"""
    dispute = disputed(client, contract)
    with refused(code="resource_missing"):
        client.v1.disputes.update(dispute.id, {"evidence": {"receipt": "file_none"}, "submit": False})


def test_two_earlier_charges_qualify_for_visas_compelling_evidence(
    client: stripe.StripeClient, contract: Stripe
) -> None:
    """docs.stripe.com/disputes/api/visa-ce3"""
    prior = [str(pay(client, "pm_card_visa").latest_charge) for _ in range(2)]
    dispute = disputed(client, contract, "pm_card_createCe3EligibleDispute")
    assert dispute.enhanced_eligibility_types == ["visa_compelling_evidence_3"]
    assert dispute.payment_method_details is not None and dispute.payment_method_details.card is not None
    assert dispute.payment_method_details.card.network_reason_code == "10.4"

    def give(**disputed_transaction: str) -> stripe.Dispute:
        signs = {"customer_email_address": "ada@example.com", "customer_purchase_ip": "203.0.113.7"}
        found = {
            "disputed_transaction": {**signs, **disputed_transaction},
            "prior_undisputed_transactions": [
                {"charge": one, **signs, "product_description": "Electricity, May"} for one in prior
            ],
        }
        evidence = {"enhanced_evidence": {"visa_compelling_evidence_3": found}}
        return client.v1.disputes.update(dispute.id, {"evidence": evidence, "submit": False})  # type: ignore[arg-type]

    eligibility = give().evidence_details.enhanced_eligibility.visa_compelling_evidence_3
    assert eligibility is not None and eligibility.status == "requires_action"
    assert set(eligibility.required_actions) == {
        "missing_disputed_transaction_description",
        "missing_merchandise_or_services",
    }
    whole = give(product_description="Electricity, November", merchandise_or_services="services")
    eligibility = whole.evidence_details.enhanced_eligibility.visa_compelling_evidence_3
    assert eligibility is not None and (eligibility.status, eligibility.required_actions) == ("qualified", [])
