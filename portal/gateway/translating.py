"""Stripe's objects as the frozen values of `contract`, with only the fields that we use."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from portal.core import clock
from portal.core.money import Money
from portal.gateway.contract import (
    BalanceTransaction,
    BankAccount,
    Card,
    CardChecks,
    Charge,
    Dispute,
    EarlyFraudWarning,
    Failure,
    Intent,
    Mandate,
    MethodConfiguration,
    MethodDomain,
    PaymentMethod,
    Payout,
    Refund,
    SetupAttempt,
    SetupIntent,
    StripeCustomer,
    Verification,
    WebhookEndpoint,
)

if TYPE_CHECKING:
    from stripe import Charge as StripeCharge
    from stripe import Customer as StripeCustomerObject
    from stripe import Dispute as StripeDispute
    from stripe import Mandate as StripeMandate
    from stripe import PaymentIntent
    from stripe import PaymentMethod as StripePaymentMethod
    from stripe import PaymentMethodConfiguration as StripeMethodConfiguration
    from stripe import PaymentMethodDomain as StripeMethodDomain
    from stripe import Payout as StripePayout
    from stripe import Refund as StripeRefund
    from stripe import SetupAttempt as StripeSetupAttempt
    from stripe import SetupIntent as StripeSetupIntent
    from stripe import WebhookEndpoint as StripeWebhookEndpoint
    from stripe.radar import EarlyFraudWarning as StripeEarlyFraudWarning


def id_of(reference: Any) -> str | None:
    """The id of what may be expanded, an id, or nothing."""
    if reference is None or isinstance(reference, str):
        return reference
    return str(reference.id)


def to_intent(found: PaymentIntent) -> Intent:
    charge = found.latest_charge
    told = getattr(found.next_action, "verify_with_microdeposits", None)
    return Intent(
        id=found.id,
        status=found.status,
        amount=Money(found.amount, found.currency),
        amount_received=Money(found.amount_received or 0, found.currency),
        customer_id=id_of(found.customer),
        livemode=found.livemode,
        created=clock.from_epoch(found.created),
        client_secret=found.client_secret or "",
        payment_method_id=id_of(found.payment_method),
        charge=to_charge(charge) if charge is not None and not isinstance(charge, str) else None,
        failure=_failure(found.last_payment_error),
        setup_future_usage=found.setup_future_usage,
        types=tuple(found.payment_method_types),
        verification=Verification(told.hosted_verification_url, clock.from_epoch(told.arrival_date)) if told else None,
        description=found.description or "",
        metadata=plain(found.metadata),
    )


def to_setup(found: StripeSetupIntent) -> SetupIntent:
    told = getattr(found.next_action, "verify_with_microdeposits", None)
    return SetupIntent(
        id=found.id,
        status=found.status,
        customer_id=id_of(found.customer),
        livemode=found.livemode,
        created=clock.from_epoch(found.created),
        client_secret=found.client_secret or "",
        payment_method_id=id_of(found.payment_method),
        attempt_id=id_of(found.latest_attempt),
        mandate_id=id_of(found.mandate),
        verification=Verification(told.hosted_verification_url, clock.from_epoch(told.arrival_date)) if told else None,
        failure=_failure(found.last_setup_error),
        metadata=plain(found.metadata),
    )


def to_customer(found: StripeCustomerObject) -> StripeCustomer:
    """Of a deleted one Stripe answers with its id and a note of it."""
    return StripeCustomer(
        found.id, is_deleted=bool(getattr(found, "deleted", False)), metadata=plain(getattr(found, "metadata", None))
    )


def to_setup_attempt(found: StripeSetupAttempt) -> SetupAttempt:
    card = getattr(found.payment_method_details, "card", None)
    return SetupAttempt(found.id, found.status, getattr(card, "fingerprint", None) or "")


def to_payment_method(found: StripePaymentMethod) -> PaymentMethod:
    details: Any = getattr(found, found.type, None)
    last4 = getattr(details, "last4", None)
    account = None
    if found.type != "card" and last4:
        account = BankAccount(last4, getattr(details, "country", None) or "", getattr(details, "bank_name", None) or "")
    fingerprint = getattr(details, "fingerprint", None) or ""
    email = getattr(details, "email", None) if found.type == "link" else None
    if email:  # it names its owner there, and nothing else of it is kept
        fingerprint = hashlib.sha256(f"link:{email.lower()}".encode()).hexdigest()[:32]
    card = _card(getattr(found, "card", None))
    return PaymentMethod(found.id, id_of(found.customer), card, found.type, account=account, fingerprint=fingerprint)


def to_mandate(found: StripeMandate) -> Mandate:
    details: Any = getattr(found.payment_method_details, found.payment_method_details.type, None)
    return Mandate(
        found.id, id_of(found.payment_method) or "", found.status, reference=getattr(details, "reference", None) or ""
    )


def to_method_configuration(found: StripeMethodConfiguration) -> MethodConfiguration:
    """Each method is a field of the object, with `display_preference` in it."""
    fields = found.to_dict()
    on = {name for name, method in fields.items() if _is_on(method)}
    return MethodConfiguration(found.id, found.name, found.is_default, found.active, frozenset(on))


def _is_on(method: Any) -> bool:
    preference = method.get("display_preference") if isinstance(method, Mapping) else None
    return isinstance(preference, Mapping) and preference.get("value") == "on"


def to_method_domain(found: StripeMethodDomain) -> MethodDomain:
    """Each wallet is a field of the object, with its status in it."""
    problems = {
        name: (told.get("status_details") or {}).get("error_message") or told["status"]
        for name, told in found.to_dict().items()
        if isinstance(told, Mapping) and told.get("status", "active") != "active"
    }
    return MethodDomain(found.id, found.domain_name, found.enabled, problems)


def to_charge(found: StripeCharge) -> Charge:
    kind = getattr(found.payment_method_details, "type", None) or ""
    return Charge(
        id=found.id,
        card=_card(getattr(found.payment_method_details, "card", None)),
        balance_transaction=to_movement(found.balance_transaction),
        created=clock.from_epoch(found.created),
        amount=Money(found.amount, found.currency),
        refunded=Money(found.amount_refunded, found.currency),
        paid=found.paid,
        intent_id=id_of(found.payment_intent),
        disputed=found.disputed,
        checks=_checks(getattr(found.payment_method_details, "card", None)),
        method_type=kind,
        account_last4=getattr(getattr(found.payment_method_details, kind, None), "last4", None) or "",
        mandate_id=id_of(getattr(getattr(found.payment_method_details, kind, None), "mandate", None)) or "",
        failure_transaction=to_movement(getattr(found, "failure_balance_transaction", None)),
    )


def _checks(found: Any) -> CardChecks | None:
    if found is None:
        return None
    checks, asked = getattr(found, "checks", None), getattr(found, "three_d_secure", None)
    return CardChecks(
        security_code=getattr(checks, "cvc_check", None) or "",
        postal_code=getattr(checks, "address_postal_code_check", None) or "",
        street=getattr(checks, "address_line1_check", None) or "",
        three_d_secure=getattr(asked, "result", None) or "",
        flow=getattr(asked, "authentication_flow", None) or "",
        version=getattr(asked, "version", None) or "",
    )


def to_movement(found: Any) -> BalanceTransaction | None:
    """None while there is none; one that was not expanded is not looked at."""
    if found is None or isinstance(found, str):
        return None
    return BalanceTransaction(
        id=found.id,
        amount=Money(found.amount, found.currency),
        fee=Money(found.fee, found.currency),
        created=clock.from_epoch(found.created),
        type=found.type,
        category=found.reporting_category,
        source_id=id_of(found.source),
        available_on=clock.from_epoch(found.available_on),
        description=found.description or "",
    )


def to_payout(found: StripePayout) -> Payout:
    return Payout(
        id=found.id,
        amount=Money(found.amount, found.currency),
        status=found.status,
        automatic=found.automatic,
        is_complete=found.reconciliation_status == "completed",
        created=clock.from_epoch(found.created),
        arrives=clock.from_epoch(found.arrival_date),
        bank_reference=_trace(found),
        failure=found.failure_code or "",
    )


def _trace(found: StripePayout) -> str:
    trace = getattr(found, "trace_id", None)
    return (getattr(trace, "value", None) or "") if trace is not None else ""


def to_refund(found: StripeRefund) -> Refund:
    details = getattr(getattr(found, "destination_details", None), "card", None)
    return Refund(
        id=found.id,
        status=found.status or "",
        amount=Money(found.amount, found.currency),
        intent_id=id_of(found.payment_intent),
        created=clock.from_epoch(found.created),
        movement=to_movement(found.balance_transaction),
        return_movement=to_movement(getattr(found, "failure_balance_transaction", None)),
        failure_reason=getattr(found, "failure_reason", None) or "",
        acquirer_reference_number=getattr(details, "reference", None) or "",
        metadata=plain(found.metadata),
    )


def to_dispute(found: StripeDispute) -> Dispute:
    evidence = found.evidence_details
    card: Any = getattr(getattr(found, "payment_method_details", None), "card", None)
    visa_ce3: Any = getattr(getattr(evidence, "enhanced_eligibility", None), "visa_compelling_evidence_3", None)
    return Dispute(
        id=found.id,
        status=found.status,
        reason=found.reason,
        amount=Money(found.amount, found.currency),
        charge_id=id_of(found.charge) or "",
        intent_id=id_of(found.payment_intent),
        livemode=found.livemode,
        created=clock.from_epoch(found.created),
        evidence_due_by=clock.from_epoch(evidence.due_by) if evidence.due_by else None,
        has_evidence=evidence.has_evidence,
        is_charge_refundable=found.is_charge_refundable,
        submissions=evidence.submission_count,
        balance_transactions=tuple(filter(None, map(to_movement, found.balance_transactions))),
        card_brand=getattr(card, "brand", None) or "",
        network_reason_code=getattr(card, "network_reason_code", None) or "",
        visa_ce3_status=getattr(visa_ce3, "status", None) or "",
        visa_ce3_actions=tuple(getattr(visa_ce3, "required_actions", None) or ()),
    )


def _card(found: Any) -> Card | None:
    if found is None:
        return None
    wallet = getattr(found, "wallet", None)
    return Card(
        brand=found.brand or "",
        last4=found.last4 or "",
        exp_month=found.exp_month,
        exp_year=found.exp_year,
        country=found.country or "",
        funding=found.funding or "",
        fingerprint=getattr(found, "fingerprint", None) or "",
        wallet=getattr(wallet, "type", "") or "",
    )


def _failure(found: Any) -> Failure | None:
    if found is None:
        return None
    method = getattr(found, "payment_method", None)
    decline_code = getattr(found, "decline_code", None) or ""
    return Failure(
        getattr(found, "code", None) or decline_code,  # of a debit there may be no other
        decline_code,
        getattr(found, "advice_code", None) or "",
        method_id=id_of(method) or "",
        fingerprint=getattr(getattr(method, "card", None), "fingerprint", None) or "",
        charge_id=getattr(found, "charge", None) or "",
    )


def to_webhook_endpoint(found: StripeWebhookEndpoint) -> WebhookEndpoint:
    return WebhookEndpoint(
        id=found.id,
        url=found.url,
        types=frozenset(found.enabled_events),
        api_version=found.api_version or "",
        is_enabled=found.status == "enabled",
        secret=getattr(found, "secret", None) or "",
    )


def plain(metadata: Any) -> Mapping[str, str]:
    return {} if metadata is None else dict(metadata.to_dict())


def to_fraud_warning(found: StripeEarlyFraudWarning) -> EarlyFraudWarning:
    """A charge that was made without a PaymentIntent has a warning without one: Stripe leaves the field out."""
    return EarlyFraudWarning(
        id=found.id,
        charge_id=id_of(found.charge) or "",
        intent_id=id_of(getattr(found, "payment_intent", None)),
        fraud_type=found.fraud_type,
        actionable=found.actionable,
        livemode=found.livemode,
        created=clock.from_epoch(found.created),
    )
